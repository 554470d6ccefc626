#!/usr/bin/python3
"""tests/vectors/group.json: what docs/protocol.md section 13 makes of fixed
keys, computed here from its text alone.

Nothing of Peyk is used, neither its C code nor its other Python: protobuf is
encoded by hand, HPKE composed from RFC 9180, and the rest are primitives of
Debian's python3-cryptography and hashlib. Without arguments the committed
file is compared with what comes out; --write writes it.
"""

import hashlib
import hmac
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import \
    Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey, X25519PublicKey)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

FILE = pathlib.Path(__file__).resolve().parents[2] / "vectors/group.json"
ABOUT = ("What docs/protocol.md section 13 makes of fixed keys; bytes in hex. "
         "Computed from that text by tests/unit/e2ee/make_group_vectors.py, "
         "without any code of Peyk; e2ee/ and wire/ are checked against it by "
         "tests/unit/e2ee/test_group_vectors.c.")
NOW_MS = 1767225600000
GROUP_ID = 7316214052834563920
GROUP_NAME = "team"


# --- numbers, protobuf, signatures -----------------------------------------

def u64(number):
    return number.to_bytes(8, "big")


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    """One field; proto3 leaves out what is empty, 0 or false."""
    if isinstance(value, str):
        value = value.encode()
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(fields):
    return b"".join(field(number, value) for number, value in fields)


def sha256(data):
    return hashlib.sha256(data).digest()


def raw(public_key):
    return public_key.public_bytes(serialization.Encoding.Raw,
                                   serialization.PublicFormat.Raw)


def signed(key, label, content):
    signature = key.sign(label.encode() + b"\0" + content)
    return message([(1, content), (2, signature)])


def padded(content):
    """Section 9: zeros in field 15, up to the smallest power of two."""
    size = 256
    while size < len(content):
        size *= 2
    room = size - len(content)
    fields = (field(15, bytes(length)) for length in range(room, -1, -1))
    return content + next(each for each in fields if len(each) <= room)


# --- HPKE (RFC 9180): X25519, HKDF-SHA256, AES-256-GCM, one message ---------

KEM = b"KEM" + (0x0020).to_bytes(2, "big")
SUITE = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x20, 1, 2))


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32),
                       b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(suite, prk, label, info, size):
    return expand(prk, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label +
                  info, size)


def hpke_seal(recipient, ephemeral, info, aad, plaintext):
    enc = raw(ephemeral.public_key())
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    secret = labeled_expand(KEM, labeled_extract(KEM, b"", b"eae_prk", shared),
                            b"shared_secret", enc + recipient, 32)
    context = b"\0" + labeled_extract(SUITE, b"", b"psk_id_hash", b"") + \
        labeled_extract(SUITE, b"", b"info_hash", info)
    prk = labeled_extract(SUITE, secret, b"secret", b"")
    key = labeled_expand(SUITE, prk, b"key", context, 32)
    nonce = labeled_expand(SUITE, prk, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)


# --- section 8: identities --------------------------------------------------

SERVER_KEY = raw(Ed25519PrivateKey.from_private_bytes(
    bytes([0x10]) * 32).public_key())


class Person:
    def __init__(self, name, byte):
        self.name = name
        self.seed = bytes([byte]) * 32
        self.secret = bytes([byte + 1]) * 32
        self.signing = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.key = raw(self.signing.public_key())
        self.encryption_key = raw(X25519PrivateKey.from_private_bytes(
            self.secret).public_key())
        self.identity = signed(self.signing, "peyk/v1 identity", message([
            (1, name), (2, self.key), (3, self.encryption_key),
            (4, SERVER_KEY), (5, NOW_MS)]))

    def vector(self):
        return {"username": self.name, "signing_seed": self.seed.hex(),
                "encryption_secret_key": self.secret.hex(),
                "signed_identity": self.identity.hex()}


# --- section 13 -------------------------------------------------------------

def expand(key, info, size=32):
    return HKDFExpand(hashes.SHA256(), size, info).derive(key)


def safety_number(epoch, roster_hash):
    digest = hashlib.sha512(b"peyk/v1 group safety number\0" + u64(GROUP_ID) +
                            u64(epoch) + roster_hash).digest()
    return " ".join(f"{int.from_bytes(digest[at:at + 5], 'big') % 100000:05}"
                    for at in range(0, 60, 5))


class Epoch:
    """One epoch: its roster by whoever was the admin before, and its key."""

    def __init__(self, number, previous, name, signer, admin, members):
        self.number = number
        self.members = sorted(members, key=lambda person: person.key)
        self.server_share = bytes([0x60 + number]) * 32
        self.admin_secret = bytes([0x70 + number]) * 32
        self.secret = hmac.digest(self.server_share, self.admin_secret,
                                  "sha256")
        self.info = u64(GROUP_ID) + u64(number)
        self.commitment = expand(self.secret,
                                 b"peyk/v1 key commitment" + self.info)
        self.signer = signer
        content = message([
            (1, GROUP_ID), (2, number), (3, previous), (4, SERVER_KEY),
            (5, name), (6, admin.key)] + [
            (7, message([(1, person.name), (2, person.key),
                         (3, person.encryption_key)]))
            for person in self.members] + [(8, self.commitment)])
        self.hash = sha256(content)
        self.roster = signed(signer.signing, "peyk/v1 roster", content)

    def message_key(self, sender, index):
        chain = expand(self.secret, b"peyk/v1 sender chain" + self.info +
                       sender.key)
        for _ in range(index):
            chain = expand(chain, b"peyk/v1 next chain")
        return expand(chain, b"peyk/v1 message key")

    def vector(self):
        return {
            "epoch": self.number,
            "server_share": self.server_share.hex(),
            "admin_secret": self.admin_secret.hex(),
            "group_secret": self.secret.hex(),
            "commitment": self.commitment.hex(),
            "signer": raw(self.signer.signing.public_key()).hex(),
            "roster": self.roster.hex(),
            "roster_hash": self.hash.hex(),
            "safety_number": safety_number(self.number, self.hash),
            "chains": [{
                "sender_key": person.key.hex(),
                "message_keys": [self.message_key(person, index).hex()
                                 for index in range(3)],
            } for person in self.members],
        }


def letter(number, sender, recipient, kind, body):
    """A direct message (section 9) with counter 0; kind is body's field."""
    message_id = bytes([0xd0 + number]) * 16
    ephemeral = bytes([0xa0 + number]) * 32
    content = padded(message([
        (1, sender.identity), (2, recipient.key), (3, message_id),
        (4, NOW_MS + number), (kind, body)]))
    ciphertext = hpke_seal(
        recipient.encryption_key, X25519PrivateKey.from_private_bytes(
            ephemeral), b"peyk/v1 direct", recipient.key,
        signed(sender.signing, "peyk/v1 message", content))
    return {"from": sender.name, "to": recipient.name,
            "message_id": message_id.hex(), "sent_at_ms": NOW_MS + number,
            "ephemeral_secret_key": ephemeral.hex(),
            "content_hash": sha256(content).hex(),
            "ciphertext": ciphertext.hex()}


def key_letter(number, sender, recipient, epoch):
    vector = letter(number, sender, recipient, 8, message([
        (1, GROUP_ID), (2, epoch.number), (3, epoch.hash),
        (4, epoch.admin_secret), (5, epoch.server_share)]))
    return {"epoch": epoch.number, **vector}


def farewell(number, sender, recipient, epoch, is_deleted):
    vector = letter(number, sender, recipient, 9, message([
        (1, GROUP_ID), (2, epoch), (3, int(is_deleted))]))
    return {"epoch": epoch, "is_deleted": is_deleted, **vector}


def leave(member, epoch):
    content = message([(1, GROUP_ID), (2, epoch.number), (3, epoch.hash),
                       (4, member.key)])
    return {"member_key": member.key.hex(), "epoch": epoch.number,
            "leave": signed(member.signing, "peyk/v1 leave", content).hex()}


class Sender:
    """Counts one member's messages to the group."""

    def __init__(self, person):
        self.person = person
        self.counter = 0
        self.previous = b""

    def send(self, epoch, index, text):
        self.counter += 1
        byte = (self.person.seed[0] + self.counter) % 256
        message_id, random = bytes([byte]) * 16, bytes([byte ^ 0x80]) * 32
        content = padded(message([
            (1, GROUP_ID), (2, epoch.number), (3, epoch.hash),
            (4, self.person.key), (5, index), (6, message_id),
            (7, NOW_MS + self.counter), (8, self.counter),
            (9, self.previous), (10, text)]))
        place = epoch.info + self.person.key + u64(index)
        both = HKDF(hashes.SHA256(), 44, random, b"peyk/v1 group key" +
                    place).derive(epoch.message_key(self.person, index))
        ciphertext = self.person.key + u64(index) + random + AESGCM(
            both[:32]).encrypt(both[32:], signed(
                self.person.signing, "peyk/v1 group message", content), place)
        vector = {"from": self.person.name, "epoch": epoch.number,
                  "index": index, "message_id": message_id.hex(),
                  "sent_at_ms": NOW_MS + self.counter,
                  "counter": self.counter,
                  "previous_hash": self.previous.hex(), "text": text,
                  "random": random.hex(),
                  "content_hash": sha256(content).hex(),
                  "ciphertext": ciphertext.hex()}
        self.previous = sha256(content)
        return vector


def vectors():
    admin = Person("client#2", 0x30)
    member = Person("client#3", 0x40)
    other = Person("سلام", 0x50)
    everyone = [admin, member, other]
    first = Epoch(1, b"", GROUP_NAME, admin, admin, [admin, member])
    second = Epoch(2, first.hash, GROUP_NAME, admin, admin, everyone)
    # renamed and handed over in one: by the old admin
    third = Epoch(3, second.hash, "تیم", admin, member, everyone)
    fourth = Epoch(4, third.hash, "تیم", member, member, [admin, member])
    one, two = Sender(admin), Sender(member)
    # around the sizes at which the padding's own length turns
    lengths = [1, 108, 109, 110, 111, 112, 113, 235, 236, 237, 238, 365, 366,
               367, 368, 1000]
    return {
        "about": ABOUT,
        "server_identity_key": SERVER_KEY.hex(),
        "group_id": GROUP_ID,
        "people": [person.vector() for person in everyone],
        "epochs": [epoch.vector() for epoch in (first, second, third, fourth)],
        "key_letters": [key_letter(1, admin, member, first),
                        key_letter(2, admin, other, second),
                        key_letter(3, member, admin, fourth)],
        "farewells": [farewell(4, member, other, 4, False),
                      farewell(5, member, admin, 4, True)],
        "leaves": [leave(member, first), leave(other, third)],
        "messages": [
            one.send(first, 0, "salam mashti"),
            one.send(first, 1, "سلام مشتی\n👋"),
            two.send(first, 0, "x"),
            two.send(second, 0, "y"),
            two.send(second, 2000, "z"),
        ] + [one.send(third, index, "a" * length)
             for index, length in enumerate(lengths)],
    }


def main():
    text = json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit(f"{FILE} is not what section 13 makes of its keys")


main()
