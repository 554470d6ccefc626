#!/usr/bin/python3
"""A second Peyk client, written from docs/protocol.md and proto/ alone.

It shares no code with the programs under test: gRPC, the elliptic curves,
AES-GCM, Argon2id and protobuf are Debian's Python packages, and HPKE is
composed here from RFC 9180.

Every step of the protocol is a function of its own, so that a hostile test can
deviate at any of them: request_content, signed_message, seal_request,
Server.call_raw, open_reply. Account puts the steps together the way an honest
client must: numbering, retries, pins, counters.
"""

import atexit
import dataclasses
import hashlib
import hmac
import os
import pathlib
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

# Before gRPC: between calls that fail at once nobody but this slow poller
# moves a connection attempt on, and its 5 s are the time of one attempt.
os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50")
# Refused handshakes are what some tests want; their outcome is checked.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import argon2.low_level
import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey, Ed25519PublicKey)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICE = "/peyk.v1.Messenger/"
CLOCK_TOLERANCE_MS = 5 * 60 * 1000

LABEL_SERVER_INFO = b"peyk/v1 server info"
LABEL_SEALING_KEY = b"peyk/v1 sealing key"
LABEL_REQUEST = b"peyk/v1 request"
LABEL_REPLY = b"peyk/v1 reply"
LABEL_IDENTITY = b"peyk/v1 identity"
LABEL_MESSAGE = b"peyk/v1 message"
INFO_REQUEST = b"peyk/v1 request"
INFO_DIRECT = b"peyk/v1 direct"
REPLY_EXPORT = b"peyk/v1 reply"
REPLY_KEY = b"peyk/v1 reply key"
REPLY_IV = b"peyk/v1 reply iv"


# --- the messages, compiled from proto/ at start ---------------------------

# google.rpc.Status as published; in a package of its own, so that it cannot
# clash with another copy in this process.
_STATUS_PROTO = """
syntax = "proto3";
package peyk.test.rpc;
import "google/protobuf/any.proto";
message Status {
  int32 code = 1;
  string message = 2;
  repeated google.protobuf.Any details = 3;
}
"""


def _compile_protos():
    out = tempfile.mkdtemp(prefix="peyk-proto-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    files = sorted(str(p.relative_to(ROOT / "proto"))
                   for p in (ROOT / "proto/peyk/v1").glob("*.proto"))
    pathlib.Path(out, "rpc_status.proto").write_text(_STATUS_PROTO)
    subprocess.run(["protoc", "-I", str(ROOT / "proto"), "-I", out,
                    "--python_out", out, *files, "rpc_status.proto"],
                   check=True)
    sys.path.insert(0, out)


_compile_protos()
import rpc_status_pb2 as status_pb2  # noqa: E402
from peyk.v1 import e2ee_pb2 as e2ee  # noqa: E402
from peyk.v1 import messenger_pb2 as messenger  # noqa: E402
from peyk.v1 import payload_pb2 as payload  # noqa: E402


# --- errors ----------------------------------------------------------------

class ProtocolError(Exception):
    """The other side broke the protocol; never a mere refusal."""


class Bare(Exception):
    """A gRPC status without a sealed reply: no more than “try again”."""

    def __init__(self, code, details, retry_info=None):
        super().__init__(f"bare status {code.name}: {details}")
        self.code = code
        self.details = details
        self.retry_info = retry_info


class Refused(Exception):
    """A sealed reply that is not DONE. `reply` is the whole of it."""

    def __init__(self, reply):
        name = payload.Disposition.Name(reply.disposition)
        super().__init__(f"{name} code {reply.code}: {reply.message}")
        self.reply = reply


class KeyChanged(Exception):
    """The server tells other keys for a name than those that were pinned."""


# --- primitives ------------------------------------------------------------

def hkdf_extract(salt, ikm):
    return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def hkdf_expand(prk, info, length):
    out, block = b"", b""
    for i in range(1, 1 + -(-length // 32)):
        block = hmac.new(prk, block + info + bytes([i]),
                         hashlib.sha256).digest()
        out += block
    return out[:length]


def raw_public(key):
    if hasattr(key, "public_key"):
        key = key.public_key()
    return key.public_bytes(serialization.Encoding.Raw,
                            serialization.PublicFormat.Raw)


def raw_private(key):
    return key.private_bytes(serialization.Encoding.Raw,
                             serialization.PrivateFormat.Raw,
                             serialization.NoEncryption())


def x25519(private, public_bytes):
    """The shared secret; an all-zero one is refused (by the library)."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(
            public_bytes))
    except ValueError as error:
        raise ProtocolError("unusable X25519 key") from error


def sha256(data):
    return hashlib.sha256(data).digest()


def now_ms():
    return time.time_ns() // 1_000_000


# --- HPKE, RFC 9180, base mode ---------------------------------------------

_KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
_HPKE_SUITE = b"HPKE" + b"".join(i.to_bytes(2, "big") for i in (
    0x0020, 0x0001, 0x0002))


def _labeled_extract(suite, salt, label, ikm):
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + ikm)


def _labeled_expand(suite, prk, label, info, length):
    return hkdf_expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite
                       + label + info, length)


class HpkeContext:
    """A context of either side: seal, open and export (RFC 9180, 5.2, 5.3)."""

    def __init__(self, shared_secret, info):
        suite = _HPKE_SUITE
        psk_id_hash = _labeled_extract(suite, b"", b"psk_id_hash", b"")
        info_hash = _labeled_extract(suite, b"", b"info_hash", info)
        context = b"\x00" + psk_id_hash + info_hash
        secret = _labeled_extract(suite, shared_secret, b"secret", b"")
        self.key = _labeled_expand(suite, secret, b"key", context, 32)
        self.base_nonce = _labeled_expand(suite, secret, b"base_nonce",
                                          context, 12)
        self.exporter = _labeled_expand(suite, secret, b"exp", context, 32)
        self.sequence = 0

    def _nonce(self):
        number = int.from_bytes(self.base_nonce, "big") ^ self.sequence
        return number.to_bytes(12, "big")

    def seal(self, aad, plaintext):
        sealed = AESGCM(self.key).encrypt(self._nonce(), plaintext, aad)
        self.sequence += 1
        return sealed

    def open(self, aad, ciphertext):
        opened = AESGCM(self.key).decrypt(self._nonce(), ciphertext, aad)
        self.sequence += 1
        return opened

    def export(self, context, length):
        return _labeled_expand(_HPKE_SUITE, self.exporter, b"sec", context,
                               length)


def _kem_secret(dh, enc, recipient):
    eae_prk = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_SUITE, eae_prk, b"shared_secret",
                           enc + recipient, 32)


def hpke_sender(recipient_public, info, ephemeral=None):
    """SetupBaseS: (enc, context). `ephemeral` is for test vectors alone."""
    ephemeral = ephemeral or X25519PrivateKey.generate()
    enc = raw_public(ephemeral)
    dh = x25519(ephemeral, recipient_public)
    return enc, HpkeContext(_kem_secret(dh, enc, recipient_public), info)


def hpke_receiver(enc, recipient_private, info):
    """SetupBaseR: the context."""
    dh = x25519(recipient_private, enc)
    return HpkeContext(_kem_secret(dh, enc, raw_public(recipient_private)),
                       info)


# --- section 1: signing ----------------------------------------------------

def sign(private, label, content):
    return private.sign(label + b"\x00" + content)


def verify(public_bytes, label, content, signature):
    """Raises ProtocolError when the signature does not verify."""
    try:
        Ed25519PublicKey.from_public_bytes(public_bytes).verify(
            signature, label + b"\x00" + content)
    except (InvalidSignature, ValueError) as error:
        raise ProtocolError(f"bad signature under {label!r}") from error


def signed_message(private, label, content):
    return payload.SignedMessage(
        content=content,
        signature=sign(private, label, content)).SerializeToString()


# --- section 2: the server -------------------------------------------------

@dataclasses.dataclass
class SealingKey:
    id: bytes
    key: bytes


@dataclasses.dataclass
class Exchange:
    """One sealed request, and what opens its reply."""
    envelope: bytes
    content: bytes
    method: str
    reply_secret: bytes
    sealing_key: bytes


def parse_address(address):
    """(host, port, fingerprint or None) of the three forms of section 2."""
    fingerprint = None
    if address.startswith("peyk://"):
        address = address[len("peyk://"):]
        if "#" in address:
            address, fingerprint = address.split("#", 1)
    host, _, port = address.rpartition(":")
    if not host:
        host, port = address, "8022"
    return host, int(port), fingerprint


class Server:
    """A server as a client sees it: pinned identity, sealing keys, limits."""

    def __init__(self, address, tls=True, pinned=None, timeout=30.0):
        self.host, self.port, self.fingerprint = parse_address(address)
        self.tls = tls
        self.pinned = pinned
        self.timeout = timeout
        self.info = None
        self.limits = None
        self.sealing_keys = []
        self.certificate = b""
        self.channel = None
        self.lock = threading.Lock()

    # --- transport

    def _open_channel(self):
        options = [("grpc.max_receive_message_length", -1),
                   ("grpc.max_send_message_length", -1),
                   ("grpc.use_local_subchannel_pool", 1),
                   # The time for one attempt, TLS under sanitizers included.
                   ("grpc.min_reconnect_backoff_ms", 5000),
                   ("grpc.initial_reconnect_backoff_ms", 50),
                   ("grpc.max_reconnect_backoff_ms", 500)]
        target = f"{self.host}:{self.port}"
        if not self.tls:
            return grpc.insecure_channel(target, options)
        # gRPC cannot be told to accept any certificate, so the one that the
        # server presents becomes the only root; section 2 then compares its
        # hash with what the identity key signed.
        pem = ssl.get_server_certificate((self.host, self.port), timeout=10)
        self.certificate = ssl.PEM_cert_to_DER_cert(pem)
        name = _certificate_name(self.certificate)
        options.append(("grpc.ssl_target_name_override", name))
        return grpc.secure_channel(
            target, grpc.ssl_channel_credentials(pem.encode()), options)

    def start_raw(self, method, request, timeout=None):
        """Starts one call of bytes and returns grpc's call."""
        with self.lock:
            if self.channel is None:
                try:
                    self.channel = self._open_channel()
                except (OSError, ssl.SSLError) as error:
                    raise Bare(grpc.StatusCode.UNAVAILABLE,
                               f"cannot connect: {error}") from error
            channel = self.channel
        # As a stream of one, because Python's unary calls show the headers,
        # which a parked poll sends early, only together with the reply.
        stub = channel.unary_stream(method, request_serializer=bytes,
                                    response_deserializer=bytes)
        return stub(request, timeout=timeout or self.timeout)

    def call_raw(self, method, request, timeout=None):
        """One call of bytes: (status code, details, trailers, reply)."""
        return finish_raw(self.start_raw(method, request, timeout))

    def close(self):
        with self.lock:
            if self.channel is not None:
                self.channel.close()
                self.channel = None

    # --- GetServerInfo

    def connect(self):
        """Fetches and checks the server's info; returns self."""
        code, details, _, reply = self.call_raw(
            SERVICE + "GetServerInfo",
            messenger.GetServerInfoRequest().SerializeToString())
        if code is not grpc.StatusCode.OK:
            self.close()
            raise Bare(code, details)
        self._accept_info(reply)
        return self

    def _accept_info(self, reply):
        outer = messenger.GetServerInfoResponse.FromString(reply)
        info = messenger.ServerInfo.FromString(outer.info)
        verify(info.identity_key, LABEL_SERVER_INFO, outer.info,
               outer.signature)
        if self.fingerprint is not None and (
                sha256(info.identity_key).hex() != self.fingerprint):
            raise ProtocolError("not the server of this address")
        if self.pinned is not None and info.identity_key != self.pinned:
            raise ProtocolError("the server's identity key changed")
        if self.tls and sha256(self.certificate) != (
                info.tls_certificate_sha256):
            raise ProtocolError("someone stands between us and the server")
        usable = []
        for entry in info.sealing_keys:
            verify(info.identity_key, LABEL_SEALING_KEY, entry.sealing_key,
                   entry.signature)
            key = messenger.SealingKey.FromString(entry.sealing_key)
            now = now_ms()
            if (key.not_before_ms - CLOCK_TOLERANCE_MS <= now
                    < key.not_after_ms + CLOCK_TOLERANCE_MS):
                usable.append(SealingKey(key.id, key.key))
        if not usable:
            raise ProtocolError("no sealing key is in force")
        self.pinned = info.identity_key
        self.info = info
        self.limits = info.limits
        self.sealing_keys = usable

    @property
    def identity_key(self):
        return self.pinned

    @property
    def sealing_key(self):
        return self.sealing_keys[0]


def _certificate_name(der):
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value
        for name in names.get_values_for_type(x509.DNSName):
            return name
        for address in names.get_values_for_type(x509.IPAddress):
            return str(address)
    except x509.ExtensionNotFound:
        pass
    common = certificate.subject.get_attributes_for_oid(
        x509.oid.NameOID.COMMON_NAME)
    return common[0].value if common else "peyk"


def finish_raw(call):
    """Waits for a call: (status code, details, trailers, reply or None)."""
    try:
        replies = list(call)
    except grpc.RpcError:
        return call.code(), call.details(), _metadata(call), None
    if len(replies) != 1:
        raise ProtocolError(f"{len(replies)} replies to a unary call")
    return grpc.StatusCode.OK, "", _metadata(call), replies[0]


def _metadata(call):
    return {key: value for key, value in (call.trailing_metadata() or ())}


# --- sections 3 and 4: requests and replies --------------------------------

def request_content(sender_key, sequence, method, server_key, body):
    return payload.RequestContent(
        sender_key=sender_key, sequence=sequence, method=method,
        server_key=server_key, body=body).SerializeToString()


def seal_request(plaintext, content, sealing, method, info=None, aad=None,
                 key_id=None):
    """Seals a SignedMessage to a sealing key. The last three deviate."""
    if info is None:
        info = INFO_REQUEST + b"\x00" + sealing.id
    enc, context = hpke_sender(sealing.key, info)
    ciphertext = context.seal(method.encode() if aad is None else aad,
                              plaintext)
    envelope = messenger.SealedRequest(
        key_id=sealing.id if key_id is None else key_id,
        encapsulated_key=enc, ciphertext=ciphertext).SerializeToString()
    return Exchange(envelope, content, method,
                    context.export(REPLY_EXPORT, 32), sealing.key)


def sealed_in_status(trailers):
    """The SealedResponse of a failed call's status details, or None."""
    details = trailers.get("grpc-status-details-bin")
    if details is None:
        return None
    status = status_pb2.Status.FromString(details)
    if len(status.details) != 1 or status.details[0].type_url != (
            "type.googleapis.com/peyk.v1.SealedResponse"):
        return None
    return messenger.SealedResponse.FromString(status.details[0].value)


def open_reply(sealed, exchange, encryption_private, server_key):
    """Opens and checks a SealedResponse: its ResponseContent."""
    if len(sealed.nonce) != 32:
        raise ProtocolError("the reply's nonce has not 32 bytes")
    shared = x25519(encryption_private, exchange.sealing_key)
    prk = hkdf_extract(exchange.reply_secret + sealed.nonce, shared)
    key = hkdf_expand(prk, REPLY_KEY, 32)
    iv = hkdf_expand(prk, REPLY_IV, 12)
    try:
        plaintext = AESGCM(key).decrypt(iv, sealed.ciphertext,
                                        exchange.method.encode())
    except InvalidTag as error:
        raise ProtocolError("the reply does not decrypt") from error
    message = payload.SignedMessage.FromString(plaintext)
    verify(server_key, LABEL_REPLY, message.content, message.signature)
    reply = payload.ResponseContent.FromString(message.content)
    request = payload.RequestContent.FromString(exchange.content)
    for claim, expected, got in (
            ("sequence", request.sequence, reply.sequence),
            ("method", exchange.method, reply.method),
            ("request hash", sha256(exchange.content), reply.request_hash),
            ("index", 0, reply.index), ("final", True, reply.final)):
        if got != expected:
            raise ProtocolError(
                f"the reply's {claim} is {got!r}, expected {expected!r}")
    return reply


# --- sections 7 and 8: names, passwords, identities ------------------------

def canonical_name(name):
    folded = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", folded)


def password_proof(password, server_key, name):
    salt = sha256(b"peyk/v1 password" + server_key
                  + canonical_name(name).encode())[:16]
    return argon2.low_level.hash_secret_raw(
        unicodedata.normalize("NFC", password).encode(), salt, time_cost=3,
        memory_cost=64 * 1024, parallelism=1, hash_len=32,
        type=argon2.low_level.Type.ID, version=0x13)


@dataclasses.dataclass(frozen=True)
class Person:
    """The keys that a name is pinned to, and their owner's statement."""
    username: str
    signing_key: bytes
    encryption_key: bytes
    signed: bytes  # SignedIdentity as received


def make_identity(name, signing, encryption, server_key, created_at_ms=None):
    """A SignedIdentity message."""
    identity = payload.Identity(
        username=name, signing_key=raw_public(signing),
        encryption_key=raw_public(encryption), server_key=server_key,
        created_at_ms=now_ms() if created_at_ms is None else created_at_ms,
    ).SerializeToString()
    return payload.SignedIdentity(
        identity=identity, signature=sign(signing, LABEL_IDENTITY, identity))


def check_identity(signed, server_key, name=None):
    """Section 8's checks; `name` None leaves the name check out."""
    identity = payload.Identity.FromString(signed.identity)
    for key in (identity.signing_key, identity.encryption_key,
                identity.server_key):
        if len(key) != 32:
            raise ProtocolError("a key of the identity has not 32 bytes")
    verify(identity.signing_key, LABEL_IDENTITY, signed.identity,
           signed.signature)
    if identity.server_key != server_key:
        raise ProtocolError("the identity belongs to another server")
    if name is not None and (
            canonical_name(identity.username) != canonical_name(name)):
        raise ProtocolError("the identity is of another name")
    return Person(identity.username, identity.signing_key,
                  identity.encryption_key, signed.SerializeToString())


def safety_number(one, other, server_key):
    def half(person):
        h = (b"peyk/v1 safety number\x00"
             + canonical_name(person.username).encode() + b"\x00"
             + person.signing_key + person.encryption_key + server_key)
        for _ in range(5200):
            h = hashlib.sha512(h + person.signing_key).digest()
        return "".join(
            f"{int.from_bytes(h[i:i + 5], 'big') % 100000:05d}"
            for i in range(0, 30, 5))
    digits = "".join(sorted((half(one), half(other))))
    return " ".join(digits[i:i + 5] for i in range(0, 60, 5))


# --- section 9: direct messages --------------------------------------------

def pad(content):
    """Adds the padding that brings the content to a power of two."""
    size = content.ByteSize()
    target = 256
    while target < size:
        target *= 2
    best = 0
    for length in range(max(0, target - size - 4), target - size):
        prefix = 1 if length < 128 else 2 if length < 16384 else 3
        if length and size + 1 + prefix + length <= target:
            best = length
    content.padding = bytes(best)
    return content.SerializeToString()


def check_padding(content):
    """Honest contents have a padded size; recipients need not check it, so
    this is for tests."""
    size = len(content)
    padded = 1 << (size - 1).bit_length()
    if padded < 256 or padded - size > 2:
        raise ProtocolError(f"the content has {size} bytes, which is no "
                            "padded size")


def message_content(sender_signed, recipient_key, text, counter,
                    previous_hash, message_id=None, sent_at_ms=None):
    """A padded MessageContent; the body is a text, or a message such as
    GroupKey that is a body, too."""
    body = {"text": text} if isinstance(text, str) else {
        {"GroupKey": "group_key", "GroupFarewell": "group_farewell"}[
            type(text).__name__]: text}
    content = e2ee.MessageContent(
        recipient_key=recipient_key,
        message_id=message_id or secrets.token_bytes(16),
        sent_at_ms=now_ms() if sent_at_ms is None else sent_at_ms,
        counter=counter, previous_hash=previous_hash, **body)
    content.sender.CopyFrom(sender_signed)
    return pad(content)


def seal_direct(plaintext, encryption_key, signing_key):
    enc, context = hpke_sender(encryption_key, INFO_DIRECT)
    return enc + context.seal(signing_key, plaintext)


def open_direct(ciphertext, encryption_private, own_signing_key):
    """The SignedMessage inside a direct message."""
    if len(ciphertext) < 32 + 16:
        raise ProtocolError("the message is too short")
    try:
        context = hpke_receiver(ciphertext[:32], encryption_private,
                                INFO_DIRECT)
        plaintext = context.open(own_signing_key, ciphertext[32:])
    except InvalidTag as error:
        raise ProtocolError("the message does not decrypt") from error
    return payload.SignedMessage.FromString(plaintext)


@dataclasses.dataclass
class Received:
    """One message, as a user would see it."""
    inbox_id: str
    sender: Person
    text: str
    sent_at_ms: int
    counter: int
    message_id: bytes
    content: bytes
    missing: bool  # a message before this one did not arrive


# --- an honest account -----------------------------------------------------

RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED,
             grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
             grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNKNOWN,
             grpc.StatusCode.INTERNAL}


class Account:
    """One user of one server, with keys, number, pins and counters."""

    def __init__(self, server, name, password="correct horse battery",
                 signing=None, encryption=None, sequence=None):
        self.server = server
        self.name = name
        self.password = password
        self.signing = signing or Ed25519PrivateKey.generate()
        self.encryption = encryption or X25519PrivateKey.generate()
        self.sequence = (secrets.randbelow(1 << 48) if sequence is None
                         else sequence)  # of the next request
        self.signed_identity = None
        self.people = {}     # canonical name -> Person
        self.sent = {}       # recipient key -> (counter, content hash)
        self.seen = {}       # sender key -> (counter, content hash)
        self.known = set()   # (sender key, message id) that were shown
        self.to_ack = []
        self.unreadable = []
        self.retries = 0

    @property
    def key(self):
        return raw_public(self.signing)

    # --- one request

    def content(self, method, body, sequence=None, sender_key=None,
                server_key=None, inner_method=None):
        return request_content(
            self.key if sender_key is None else sender_key,
            self.sequence if sequence is None else sequence,
            method if inner_method is None else inner_method,
            self.server.identity_key if server_key is None else server_key,
            body)

    def seal(self, method, content, signing=None, **deviations):
        """Signs content with the own (or another) key and seals it."""
        plaintext = signed_message(signing or self.signing, LABEL_REQUEST,
                                   content)
        return seal_request(plaintext, content, self.server.sealing_key,
                            method, **deviations)

    def open_outcome(self, exchange, outcome):
        """ResponseContent of a finished call; raises Bare without one."""
        code, details, trailers, reply = outcome
        if code is grpc.StatusCode.OK:
            sealed = messenger.SealedResponse.FromString(reply)
        else:
            sealed = sealed_in_status(trailers)
            if sealed is None:
                raise Bare(code, details,
                           trailers.get("grpc-status-details-bin"))
        content = open_reply(sealed, exchange, self.encryption,
                             self.server.identity_key)
        if content.code != code.value[0]:
            raise ProtocolError(f"sealed code {content.code}, but the call "
                                f"ended with {code}")
        if (content.disposition == payload.DISPOSITION_DONE) != (
                content.code == 0):
            raise ProtocolError("code and disposition contradict")
        return content

    def try_once(self, method, content, timeout=None):
        """Sends given content once: ResponseContent, or raises Bare."""
        exchange = self.seal(method, content)
        return self.open_outcome(exchange, self.server.call_raw(
            method, exchange.envelope, timeout))

    def settle(self, method, content, deadline=60.0, timeout=None):
        """Sends the same content until a sealed DONE or REFUSED arrives.

        REPLAY and GAP come back too: an honest client stops on them.
        """
        end = time.monotonic() + deadline
        pause = 0.02
        while True:
            try:
                reply = self.try_once(method, content, timeout)
                if reply.disposition != payload.DISPOSITION_NOT_PROCESSED:
                    return reply
                failure = Refused(reply)
                pause = max(pause, reply.retry_after_ms / 1000)
            except Bare as bare:
                if bare.code not in RETRYABLE:
                    raise
                failure = bare
            self.retries += 1
            if time.monotonic() + pause > end:
                raise failure
            time.sleep(pause)  # the back-off of section 5, not a guess
            pause = min(pause * 2, 1.0)
            if (isinstance(failure, Bare) and failure.code
                    is grpc.StatusCode.FAILED_PRECONDITION):
                self.server.connect()

    def request(self, method, message, reply_type, **options):
        """An honest request: number, outcome, parsed reply."""
        full = SERVICE + method
        content = self.content(full, message.SerializeToString())
        reply = self.settle(full, content, **options)
        if reply.disposition in (payload.DISPOSITION_DONE,
                                 payload.DISPOSITION_REFUSED):
            self.sequence += 1
        if reply.disposition != payload.DISPOSITION_DONE:
            raise Refused(reply)
        return reply_type.FromString(reply.body)

    # --- SignUp

    def sign_up_request(self, name=None, nonce=None):
        name = self.name if name is None else name
        self.signed_identity = make_identity(
            name, self.signing, self.encryption, self.server.identity_key)
        return payload.SignUpRequest(
            nonce=secrets.token_bytes(32) if nonce is None else nonce,
            identity=self.signed_identity,
            password_proof=password_proof(
                self.password, self.server.identity_key, name))

    def sign_up(self, **options):
        return self.request("SignUp", self.sign_up_request(),
                            payload.SignUpResponse, **options)

    # --- GetPublicKey

    def get_keys(self, names, **options):
        """Person or None for each name; pins, and refuses other keys."""
        reply = self.request(
            "GetPublicKey", payload.GetPublicKeyRequest(names=names),
            payload.GetPublicKeyResponse, **options)
        if [entry.name for entry in reply.entries] != list(names):
            raise ProtocolError("the entries are not those asked for")
        people = []
        for entry in reply.entries:
            if not entry.HasField("identity"):
                people.append(None)
                continue
            person = check_identity(entry.identity, self.server.identity_key,
                                    entry.name)
            pinned = self.people.setdefault(canonical_name(entry.name),
                                            person)
            if (pinned.signing_key, pinned.encryption_key) != (
                    person.signing_key, person.encryption_key):
                raise KeyChanged(entry.name)
            people.append(pinned)
        return people

    def get_key(self, name, **options):
        return self.get_keys([name], **options)[0]

    # --- Send

    def outgoing(self, person, text, **deviations):
        """One OutgoingMessage, and the counter state once it is stored."""
        counter, previous = self.sent.get(person.signing_key, (0, b""))
        content = message_content(self.signed_identity, person.signing_key,
                                  text, counter + 1, previous, **deviations)
        plaintext = signed_message(self.signing, LABEL_MESSAGE, content)
        ciphertext = seal_direct(plaintext, person.encryption_key,
                                 person.signing_key)
        self.sent[person.signing_key] = (counter + 1, sha256(content))
        return payload.OutgoingMessage(recipient_key=person.signing_key,
                                       ciphertext=ciphertext)

    def send(self, letters, **options):
        """Sends [(name, text), …] in one request; the results."""
        before = dict(self.sent)
        messages = []
        for name, text in letters:
            person = self.people.get(canonical_name(name))
            person = person or self.get_key(name)
            if person is None:
                raise LookupError(name)
            messages.append(self.outgoing(person, text))
        try:
            reply = self.request(
                "Send", payload.SendRequest(messages=messages),
                payload.SendResponse, **options)
        except Refused:
            self.sent = before
            raise
        if len(reply.results) != len(messages):
            raise ProtocolError("not one result for each message")
        for message, result in zip(messages, reply.results):
            if result.outcome != payload.SEND_OUTCOME_STORED:
                key = message.recipient_key
                self.sent[key] = before.get(key, (0, b""))
        return list(reply.results)

    # --- Poll

    def poll_request(self, max_messages=0, wait_ms=0):
        return payload.PollRequest(acks=self.to_ack[:1024],
                                   max_messages=max_messages,
                                   wait_ms=wait_ms)

    def poll(self, max_messages=0, wait_ms=0, **options):
        """What is new, in order; acknowledges the poll before."""
        request = self.poll_request(max_messages, wait_ms)
        reply = self.request(
            "Poll", request, payload.PollResponse,
            timeout=self.server.timeout + wait_ms / 1000, **options)
        self.to_ack = self.to_ack[len(request.acks):]
        return self.take(reply)

    def take(self, reply):
        """Reads the messages of a PollResponse."""
        new = []
        for message in reply.messages:
            self.to_ack.append(message.id)
            try:
                received = self.read(message)
            except ProtocolError as error:
                self.unreadable.append((message, error))
                continue
            mark = (received.sender.signing_key, received.message_id)
            if mark in self.known:
                continue
            self.known.add(mark)
            last, last_hash = self.seen.get(mark[0], (0, b""))
            inner = e2ee.MessageContent.FromString(received.content)
            received.missing = (inner.counter != last + 1
                                or inner.previous_hash != last_hash)
            self.seen[mark[0]] = (inner.counter, sha256(received.content))
            new.append(received)
        return new

    def open_content(self, ciphertext):
        """Opens and verifies what section 9 sealed: its author, the
        MessageContent, and its bytes."""
        signed = open_direct(ciphertext, self.encryption, self.key)
        content = e2ee.MessageContent.FromString(signed.content)
        sender = check_identity(content.sender, self.server.identity_key)
        verify(sender.signing_key, LABEL_MESSAGE, signed.content,
               signed.signature)
        if content.recipient_key != self.key:
            raise ProtocolError("the message was written to another key")
        check_padding(signed.content)
        return sender, content, signed.content

    def read(self, message):
        """Opens and verifies one InboxMessage (section 9)."""
        sender, content, data = self.open_content(message.ciphertext)
        if content.WhichOneof("body") != "text":
            raise ProtocolError("the message has no text")
        return Received(message.id, sender, content.text, content.sent_at_ms,
                        content.counter, content.message_id, data, False)

    def drain(self, deadline=60.0):
        """Polls until nothing more is pending; acknowledges everything."""
        out = []
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            new = self.poll(max_messages=1024)
            out += new
            if not self.to_ack:
                return out
        raise TimeoutError("the inbox does not become empty")
