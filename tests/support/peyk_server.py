"""A Peyk server in memory, written from docs/protocol.md, that can lie.

It is honest until a test sets one of its hooks; then `peyk` and the Python
client have to notice. Nothing of it is fit for use.
"""

import concurrent.futures
import dataclasses
import functools
import secrets
import subprocess
import threading
import uuid

import grpc

import harness
import peyk_client as pc
from peyk_client import messenger, payload, status_pb2

CODE = grpc.StatusCode
CODES = {code.value[0]: code for code in CODE}


@dataclasses.dataclass
class Record:
    """What the server keeps of one account."""
    name: str
    signing_key: bytes
    encryption_key: bytes
    identity: object  # SignedIdentity
    last: int
    last_hash: bytes
    result: object  # ResponseContent of the last request
    inbox: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Call:
    """One request, as the hooks see it."""
    method: str
    request: object  # RequestContent
    content: bytes
    reply_secret: bytes
    encryption_key: bytes  # whom the reply is encrypted to


class LyingServer:
    """Listens with TLS on a port of the loopback.

    Hooks, each None for honesty:
      on_info(ServerInfo) changes what is signed; on_info_signed(response)
        what was signed;
      on_result(call, ResponseContent) changes the reply before it is signed;
      on_signed(call, SignedMessage) after that; on_sealed(call,
        SealedResponse) after it is sealed;
      on_request(call) may raise Bare to answer with a bare status, before
        anything is done;
      after_done(call) likewise, when it was done;
      on_poll(call, messages) returns the InboxMessages to tell.
    """

    METHODS = ("GetServerInfo", "SignUp", "GetPublicKey", "Send", "Poll")
    HOOKS = ("on_info", "on_info_signed", "on_result", "on_signed",
             "on_sealed", "on_request", "after_done", "on_poll")

    class Bare(Exception):
        def __init__(self, code, details, metadata=()):
            super().__init__(details)
            self.code, self.details, self.metadata = code, details, metadata

    class Refusal(Exception):
        """REFUSED, with a code of section 13's table."""

        def __init__(self, code, message):
            super().__init__(message)
            self.code = code

    def __init__(self, port=None):
        self.port = port or harness.free_port()
        self.identity = pc.Ed25519PrivateKey.generate()
        self.sealing = pc.X25519PrivateKey.generate()
        self.key_id = secrets.token_bytes(8)
        self.accounts = {}  # signing key -> Record
        self.names = {}     # canonical name -> Record
        self.lock = threading.RLock()
        self.mail = threading.Condition(self.lock)
        self.calls = []     # every request that was opened
        self.tls = True
        self.honest()
        self._certificate()
        self.server = None

    def honest(self):
        for hook in self.HOOKS:
            setattr(self, hook, None)

    def _certificate(self):
        place = harness.new_dir("lying")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=peyk", "-addext", "subjectAltName=DNS:peyk",
             "-keyout", "key.pem", "-out", "cert.pem"], cwd=place,
            check=True, capture_output=True)
        self.key_pem = (place / "key.pem").read_bytes()
        self.certificate_pem = (place / "cert.pem").read_bytes()

    @property
    def identity_key(self):
        return pc.raw_public(self.identity)

    @property
    def fingerprint(self):
        return pc.sha256(self.identity_key).hex()

    @property
    def address(self):
        return f"peyk://127.0.0.1:{self.port}#{self.fingerprint}"

    def start(self):
        self.server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", -1),
                     ("grpc.so_reuseport", 0)])
        handlers = {name: grpc.unary_unary_rpc_method_handler(
            self._info if name == "GetServerInfo" else self._bound(name),
            request_deserializer=bytes, response_serializer=bytes)
            for name in self.METHODS}
        self.server.add_generic_rpc_handlers((
            grpc.method_handlers_generic_handler("peyk.v1.Messenger",
                                                 handlers),))
        bound = self.server.add_secure_port(
            f"127.0.0.1:{self.port}", grpc.ssl_server_credentials(
                [(self.key_pem, self.certificate_pem)]))
        assert bound == self.port, "expected the port to be free"
        self.server.start()
        return self

    def stop(self):
        if self.server is not None:
            with self.lock:
                self.mail.notify_all()
            self.server.stop(0).wait()
            self.server = None

    # --- GetServerInfo

    def sealing_key_message(self, **changes):
        values = dict(id=self.key_id, key=pc.raw_public(self.sealing),
                      not_before_ms=pc.now_ms() - 3600_000,
                      not_after_ms=pc.now_ms() + 3600_000)
        values.update(changes)
        return values

    def signed_sealing_key(self, signer=None, **changes):
        content = messenger.SealingKey(
            **self.sealing_key_message(**changes)).SerializeToString()
        return messenger.SignedSealingKey(
            sealing_key=content, signature=pc.sign(
                signer or self.identity, pc.LABEL_SEALING_KEY, content))

    def _info(self, _request, _context):
        der = pc.ssl.PEM_cert_to_DER_cert(self.certificate_pem.decode())
        info = messenger.ServerInfo(
            identity_key=self.identity_key,
            sealing_keys=[self.signed_sealing_key()],
            tls_certificate_sha256=pc.sha256(der),
            limits=messenger.Limits(
                text_bytes=65536, ciphertext_bytes=132096,
                messages_per_send=256, body_bytes=4194304,
                messages_per_poll=1024, poll_wait_ms=60000,
                names_per_lookup=256, members_per_group=1000),
            version="lying", registration=messenger.REGISTRATION_OPEN,
            time_ms=pc.now_ms())
        if self.on_info:
            self.on_info(info)
        content = info.SerializeToString()
        response = messenger.GetServerInfoResponse(
            info=content, signature=pc.sign(
                self.identity, pc.LABEL_SERVER_INFO, content))
        if self.on_info_signed:
            self.on_info_signed(response)
        return response.SerializeToString()

    # --- the sealed methods

    def _bound(self, name):
        return lambda request, context: self._sealed(name, request, context)

    def _sealed(self, name, request, context):
        try:
            call = self._open(pc.SERVICE + name, request)
            if self.on_request:
                self.on_request(call)
            result = self._decide(name, call, context)
            if self.after_done:
                self.after_done(call)
        except self.Bare as bare:
            context.set_trailing_metadata(tuple(bare.metadata))
            context.abort(bare.code, bare.details)
        return self._answer(call, result, context)

    def _open(self, method, request):
        try:
            envelope = messenger.SealedRequest.FromString(request)
            if envelope.key_id != self.key_id:
                raise self.Bare(CODE.FAILED_PRECONDITION,
                                "sealing key changed")
            opened = pc.hpke_receiver(
                envelope.encapsulated_key, self.sealing,
                pc.INFO_REQUEST + b"\x00" + envelope.key_id)
            message = payload.SignedMessage.FromString(
                opened.open(method.encode(), envelope.ciphertext))
            content = payload.RequestContent.FromString(message.content)
            pc.verify(content.sender_key, pc.LABEL_REQUEST, message.content,
                      message.signature)
            if (content.method, content.server_key) != (
                    method, self.identity_key):
                raise ValueError("not for us")
        except self.Bare:
            raise
        except Exception as error:
            raise self.Bare(CODE.UNAUTHENTICATED,
                            "not authenticated") from error
        if method.endswith("/SignUp"):
            identity = payload.SignUpRequest.FromString(
                content.body).identity
            key = payload.Identity.FromString(
                identity.identity).encryption_key
        elif content.sender_key in self.accounts:
            key = self.accounts[content.sender_key].encryption_key
        else:
            raise self.Bare(CODE.UNAUTHENTICATED, "not authenticated")
        call = Call(method, content, message.content,
                    opened.export(pc.REPLY_EXPORT, 32), key)
        with self.lock:
            self.calls.append(call)
        return call

    def _outcome(self, disposition, code=0, message="", body=b"", **more):
        return payload.ResponseContent(disposition=disposition, code=code,
                                       message=message, body=body, **more)

    def _decide(self, name, call, context):
        """Section 6's rule of numbers, and then the method."""
        request = call.request
        digest = pc.sha256(call.content)
        with self.lock:
            record = self.accounts.get(request.sender_key)
            if record is None:
                return self._sign_up(call, digest)
            if request.sequence == record.last and (
                    digest == record.last_hash):
                if name == "Poll":
                    return self._poll(record, request, context, False)
                return record.result
            if request.sequence <= record.last:
                return self._outcome(
                    payload.DISPOSITION_REPLAY, 10, "used before",
                    expected_sequence=record.last + 1)
            if request.sequence > record.last + 1:
                return self._outcome(
                    payload.DISPOSITION_GAP, 11, "too high",
                    expected_sequence=record.last + 1)
            record.last, record.last_hash = request.sequence, digest
            if name == "Poll":
                return self._poll(record, request, context, True)
            try:
                record.result = self._outcome(
                    payload.DISPOSITION_DONE,
                    body=self._work(name, record, request.body))
            except self.Refusal as refusal:
                record.result = self._outcome(
                    payload.DISPOSITION_REFUSED, refusal.code, str(refusal))
            return record.result

    def _work(self, name, record, body):
        """Does what a request asks for: the reply's body, or Refusal."""
        return {"GetPublicKey": self._look_up,
                "Send": functools.partial(self._send, record)}[name](body)

    def _sign_up(self, call, digest):
        request = payload.SignUpRequest.FromString(call.request.body)
        person = pc.check_identity(request.identity, self.identity_key)
        canonical = pc.canonical_name(person.username)
        if canonical in self.names:
            return self._outcome(payload.DISPOSITION_REFUSED, 6,
                                 "the name is taken")
        result = self._outcome(
            payload.DISPOSITION_DONE, body=payload.SignUpResponse(
                canonical_name=canonical).SerializeToString())
        record = Record(person.username, person.signing_key,
                        person.encryption_key, request.identity,
                        call.request.sequence, digest, result)
        self.accounts[person.signing_key] = record
        self.names[canonical] = record
        return result

    def _look_up(self, body):
        reply = payload.GetPublicKeyResponse()
        for name in payload.GetPublicKeyRequest.FromString(body).names:
            entry = reply.entries.add(name=name)
            record = self.names.get(pc.canonical_name(name))
            if record is not None:
                entry.identity.CopyFrom(record.identity)
        return reply.SerializeToString()

    def deliver(self, recipient_key, ciphertext, id=None, **fields):
        """Puts a message into an inbox; its id. fields: InboxMessage's."""
        with self.lock:
            text = id or self.new_id()
            self.accounts[recipient_key].inbox.append(
                payload.InboxMessage(id=text, ciphertext=ciphertext,
                                     stored_at_ms=pc.now_ms(), **fields))
            self.mail.notify_all()
            return text

    @staticmethod
    def new_id():
        id_ = bytearray(pc.now_ms().to_bytes(6, "big") +
                        secrets.token_bytes(10))
        id_[6] = 0x70 | id_[6] & 0x0f
        id_[8] = 0x80 | id_[8] & 0x3f
        return str(uuid.UUID(bytes=bytes(id_)))

    def _send(self, sender, body):
        reply = payload.SendResponse()
        for message in payload.SendRequest.FromString(body).messages:
            reply.results.append(self._send_one(sender, message))
        return reply.SerializeToString()

    def _send_one(self, _sender, message):
        if message.recipient_key not in self.accounts:
            return payload.SendResult(
                outcome=payload.SEND_OUTCOME_UNKNOWN_RECIPIENT)
        return payload.SendResult(
            outcome=payload.SEND_OUTCOME_STORED,
            id=self.deliver(message.recipient_key, message.ciphertext))

    def _poll(self, record, request, context, may_wait):
        poll = payload.PollRequest.FromString(request.body)
        record.inbox = [m for m in record.inbox if m.id not in poll.acks]
        if may_wait and poll.wait_ms and not record.inbox:
            context.send_initial_metadata(())
            self.mail.wait_for(
                lambda: record.inbox or record.last != request.sequence
                or self.server is None, poll.wait_ms / 1000)
        inbox = record.inbox[:poll.max_messages or 256]
        if self.on_poll:
            inbox = self.on_poll(request, inbox)
        return self._outcome(
            payload.DISPOSITION_DONE, body=payload.PollResponse(
                messages=inbox, more=len(record.inbox) > len(inbox)
            ).SerializeToString())

    # --- the reply

    def _answer(self, call, result, context):
        reply = payload.ResponseContent()
        reply.CopyFrom(result)
        reply.sequence = call.request.sequence
        reply.method = call.method
        reply.request_hash = pc.sha256(call.content)
        reply.index, reply.final = 0, True
        if self.on_result:
            self.on_result(call, reply)
        code = CODES.get(reply.code, CODE.UNKNOWN)
        content = reply.SerializeToString()
        signed = payload.SignedMessage(
            content=content, signature=pc.sign(
                self.identity, pc.LABEL_REPLY, content))
        if self.on_signed:
            self.on_signed(call, signed)
        sealed = self.seal(call, signed.SerializeToString())
        if self.on_sealed:
            self.on_sealed(call, sealed)
        if code is CODE.OK:
            return sealed.SerializeToString()
        details = status_pb2.Status(code=code.value[0],
                                    message=reply.message)
        entry = details.details.add(
            type_url="type.googleapis.com/peyk.v1.SealedResponse")
        entry.value = sealed.SerializeToString()
        context.set_trailing_metadata((
            ("grpc-status-details-bin", details.SerializeToString()),))
        context.abort(code, reply.message)

    def seal(self, call, plaintext):
        nonce = secrets.token_bytes(32)
        shared = pc.x25519(self.sealing, call.encryption_key)
        prk = pc.hkdf_extract(call.reply_secret + nonce, shared)
        key = pc.hkdf_expand(prk, pc.REPLY_KEY, 32)
        iv = pc.hkdf_expand(prk, pc.REPLY_IV, 12)
        return messenger.SealedResponse(
            nonce=nonce, ciphertext=pc.AESGCM(key).encrypt(
                iv, plaintext, call.method.encode()))
