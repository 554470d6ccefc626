"""Rosters, keys and messages of groups (docs/protocol.md section 13), each
step a function of its own. peyk_groups.py puts them together.
"""

import hashlib
import secrets

import peyk_client as pc
from peyk_client import ProtocolError, e2ee, payload
from peyk.v1 import group_pb2 as group_messages
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL_ROSTER = b"peyk/v1 roster"
LABEL_LEAVE = b"peyk/v1 leave"
LABEL_GROUP_MESSAGE = b"peyk/v1 group message"

SKIP_MAX = 2048
MEMBERS_MAX = 1000


def u64(number):
    return number.to_bytes(8, "big")


# --- rosters and leaves ----------------------------------------------------

def name_is_valid(name):
    return (1 <= len(name) <= 64 and name[0] != "@"
            and name[0] != " " and name[-1] != " "
            and not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0
                        or c in "\u2028\u2029" for c in name))


def check_roster(roster, server_key):
    """The rules for what a roster says."""
    keys = [m.signing_key for m in roster.members]
    names = {pc.canonical_name(m.username) for m in roster.members}
    for claim, holds in (
            ("group id", 0 < roster.group_id < 1 << 63),
            ("epoch", roster.epoch >= 1),
            ("previous hash", len(roster.previous_hash) == (
                0 if roster.epoch == 1 else 32)),
            ("name", name_is_valid(roster.name)),
            ("count of members", 1 <= len(keys) <= MEMBERS_MAX),
            ("keys", all(len(m.signing_key) == 32
                         and len(m.encryption_key) == 32
                         for m in roster.members)),
            ("order", keys == sorted(set(keys))),
            ("names", len(names) == len(keys)),
            ("admin", roster.admin_key in keys),
            ("commitment", len(roster.key_commitment) == 32)):
        if not holds:
            raise ProtocolError(f"the roster breaks the rule of the {claim}")
    if roster.server_key != server_key:
        raise ProtocolError("the roster is of another server")


def open_roster(signed, server_key, signer=None):
    """Roster and its hash, of a SignedMessage. `signer`: the admin of the
    epoch before; None: the admin that it names."""
    message = payload.SignedMessage.FromString(signed)
    roster = group_messages.Roster.FromString(message.content)
    pc.verify(roster.admin_key if signer is None else signer, LABEL_ROSTER,
              message.content, message.signature)
    check_roster(roster, server_key)
    return roster, pc.sha256(message.content)


def make_leave(signing, group_id, epoch, roster_hash, member_key=None):
    """A SignedMessage that holds a Leave."""
    content = group_messages.Leave(
        group_id=group_id, epoch=epoch, roster_hash=roster_hash,
        member_key=member_key or pc.raw_public(signing)).SerializeToString()
    return payload.SignedMessage(
        content=content, signature=pc.sign(signing, LABEL_LEAVE, content))


def open_leave(signed):
    message = payload.SignedMessage.FromString(signed)
    leave = group_messages.Leave.FromString(message.content)
    pc.verify(leave.member_key, LABEL_LEAVE, message.content,
              message.signature)
    return leave


def safety_number(group_id, epoch, roster_hash):
    h = hashlib.sha512(b"peyk/v1 group safety number\x00" + u64(group_id)
                       + u64(epoch) + roster_hash).digest()
    return " ".join(f"{int.from_bytes(h[i:i + 5], 'big') % 100000:05d}"
                    for i in range(0, 60, 5))


# --- keys ------------------------------------------------------------------

def group_secret(server_share, admin_secret):
    return pc.hkdf_extract(server_share, admin_secret)


def commitment(secret, group_id, epoch):
    return pc.hkdf_expand(secret, b"peyk/v1 key commitment" + u64(group_id)
                          + u64(epoch), 32)


class Chain:
    """The keys of one sender in one epoch; also those passed over."""

    def __init__(self, key, index=0):
        self.key = key
        self.index = index
        self.skipped = {}  # index -> message key, oldest first

    @classmethod
    def of(cls, secret, group_id, epoch, sender_key):
        return cls(pc.hkdf_expand(
            secret, b"peyk/v1 sender chain" + u64(group_id) + u64(epoch)
            + sender_key, 32))

    def copy(self):
        other = Chain(self.key, self.index)
        other.skipped = dict(self.skipped)
        return other

    def step(self):
        """The message key of the index; moves on by one."""
        key = pc.hkdf_expand(self.key, b"peyk/v1 message key", 32)
        self.key = pc.hkdf_expand(self.key, b"peyk/v1 next chain", 32)
        self.index += 1
        return key

    def take(self, index):
        """The message key of any index, once. Work on a copy, and keep it
        only when the message verifies."""
        if index < self.index:
            if index not in self.skipped:
                raise ProtocolError(f"key {index} was used or given up")
            return self.skipped.pop(index)
        if index - self.index > SKIP_MAX:
            raise ProtocolError(f"key {index} is too far ahead of "
                                f"{self.index}")
        while self.index < index:
            place = self.index
            self.skipped[place] = self.step()
        while len(self.skipped) > SKIP_MAX:
            del self.skipped[next(iter(self.skipped))]
        return self.step()


def message_place(group_id, epoch, sender_key, index):
    return u64(group_id) + u64(epoch) + sender_key + u64(index)


def message_keys(r, message_key, place):
    out = pc.hkdf_expand(pc.hkdf_extract(r, message_key),
                         b"peyk/v1 group key" + place, 32 + 12)
    return out[:32], out[32:]


def seal_group_message(plaintext, message_key, place, r=None):
    r = secrets.token_bytes(32) if r is None else r
    key, iv = message_keys(r, message_key, place)
    return place[16:] + r + AESGCM(key).encrypt(iv, plaintext, place)


def peek_group_message(ciphertext):
    """Sender key and index, which nobody vouches for yet."""
    if len(ciphertext) < 32 + 8 + 32 + 16:
        raise ProtocolError("the group message is too short")
    return ciphertext[:32], int.from_bytes(ciphertext[32:40], "big")


def decrypt_group_message(ciphertext, message_key, group_id, epoch):
    """The SignedMessage, serialized; nothing of it is verified."""
    place = message_place(group_id, epoch, *peek_group_message(ciphertext))
    key, iv = message_keys(ciphertext[40:72], message_key, place)
    try:
        return AESGCM(key).decrypt(iv, ciphertext[72:], place)
    except InvalidTag as error:
        raise ProtocolError("the group message does not decrypt") from error


def open_group_message(ciphertext, message_key, group_id, epoch):
    """GroupMessageContent and its bytes, verified."""
    sender_key, index = peek_group_message(ciphertext)
    signed = payload.SignedMessage.FromString(decrypt_group_message(
        ciphertext, message_key, group_id, epoch))
    pc.verify(sender_key, LABEL_GROUP_MESSAGE, signed.content,
              signed.signature)
    content = e2ee.GroupMessageContent.FromString(signed.content)
    if (content.group_id, content.epoch, content.sender_key,
            content.index) != (group_id, epoch, sender_key, index):
        raise ProtocolError("the group message belongs elsewhere")
    return content, signed.content
