#!/usr/bin/python3
"""The second client makes and opens every byte of tests/vectors/channel.json
and e2ee.json, which come from channel/ and e2ee/, and of group.json: all of it
was written twice from docs/protocol.md, and agrees."""

import json
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support"))
import peyk_client as pc  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
from peyk_client import e2ee, messenger, payload  # noqa: E402


def load(name):
    return json.loads((ROOT / "tests/vectors" / name).read_text())


def unhex(vector, *names):
    return [bytes.fromhex(vector[name]) for name in names]


def signing_key(seed):
    return pc.Ed25519PrivateKey.from_private_bytes(seed)


def encryption_key(secret):
    return pc.X25519PrivateKey.from_private_bytes(secret)


class Channel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vectors = load("channel.json")
        keys = cls.vectors["keys"]
        (cls.server_seed, cls.server_key, cls.key_id, cls.sealing_secret,
         cls.sealing_key, cls.account_seed, cls.account_key,
         cls.encryption_secret) = unhex(
            keys, "server_identity_seed", "server_identity_key",
            "sealing_key_id", "sealing_secret_key", "sealing_key",
            "account_signing_seed", "account_signing_key",
            "account_encryption_secret_key")

    def test_server_info(self):
        vector = self.vectors["server_info"]
        outer = messenger.GetServerInfoResponse.FromString(
            bytes.fromhex(vector["response"]))
        pc.verify(self.server_key, pc.LABEL_SERVER_INFO, outer.info,
                  outer.signature)
        info = messenger.ServerInfo.FromString(outer.info)
        self.assertEqual(info.identity_key, self.server_key)
        self.assertEqual(pc.sha256(info.identity_key).hex(),
                         vector["fingerprint"])
        entry, = info.sealing_keys
        pc.verify(self.server_key, pc.LABEL_SEALING_KEY, entry.sealing_key,
                  entry.signature)
        key = messenger.SealingKey.FromString(entry.sealing_key)
        self.assertEqual(
            (key.id, key.key, key.not_before_ms, key.not_after_ms),
            (self.key_id, self.sealing_key,
             vector["sealing_key_not_before_ms"],
             vector["sealing_key_not_after_ms"]))

    def test_identities(self):
        for vector in self.vectors["identities"]:
            signed = payload.SignedIdentity.FromString(
                bytes.fromhex(vector["signed_identity"]))
            person = pc.check_identity(signed, self.server_key,
                                       vector["username"])
            self.assertEqual([person.signing_key, person.encryption_key],
                             unhex(vector, "signing_key", "encryption_key"))

    def test_password_proofs(self):
        for vector in self.vectors["password_proofs"]:
            self.assertEqual(
                pc.password_proof(vector["password"], self.server_key,
                                  vector["name"]).hex(), vector["proof"])

    def test_requests(self):
        account = signing_key(self.account_seed)
        for vector in self.vectors["requests"]:
            body, plaintext, request_hash, ephemeral, sealed, secret = unhex(
                vector, "body", "signed_message", "request_hash",
                "ephemeral_secret_key", "sealed_request", "reply_secret")
            content = pc.request_content(
                self.account_key, vector["sequence"], vector["method"],
                self.server_key, body)
            self.assertEqual(pc.sha256(content), request_hash)
            self.assertEqual(
                pc.signed_message(account, pc.LABEL_REQUEST, content),
                plaintext)
            method = vector["method"].encode()
            enc, sender = pc.hpke_sender(
                self.sealing_key, pc.INFO_REQUEST + b"\0" + self.key_id,
                encryption_key(ephemeral))
            envelope = messenger.SealedRequest(
                key_id=self.key_id, encapsulated_key=enc,
                ciphertext=sender.seal(method, plaintext))
            self.assertEqual(envelope.SerializeToString(), sealed)
            self.assertEqual(sender.export(pc.REPLY_EXPORT, 32), secret)
            self.check_replies(vector, content, sealed, secret)

    def check_replies(self, vector, content, sealed, secret):
        exchange = pc.Exchange(sealed, content, vector["method"], secret,
                               self.sealing_key)
        for reply in vector["replies"]:
            response = messenger.SealedResponse.FromString(
                bytes.fromhex(reply["sealed_response"]))
            self.assertEqual(response.nonce.hex(), reply["nonce"])
            opened = pc.open_reply(response, exchange,
                                   encryption_key(self.encryption_secret),
                                   self.server_key)
            self.assertEqual(
                {name: reply[name] for name in (
                    "disposition", "code", "message", "expected_sequence",
                    "retry_after_ms")},
                {name: getattr(opened, name) for name in (
                    "disposition", "code", "message", "expected_sequence",
                    "retry_after_ms")})
            self.assertEqual(opened.body.hex(), reply["body"])


class EndToEnd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vectors = load("e2ee.json")
        cls.server_key = bytes.fromhex(cls.vectors["server_identity_key"])

    def person(self, number):
        vector = self.vectors["people"][number]
        seed, secret, statement = unhex(
            vector, "signing_seed", "encryption_secret_key",
            "signed_identity")
        return (vector["username"], signing_key(seed),
                encryption_key(secret),
                payload.SignedIdentity.FromString(statement))

    def test_messages(self):
        _, signing, _, statement = self.person(0)
        _, own_signing, own_encryption, _ = self.person(1)
        own_key = pc.raw_public(own_signing)
        for vector in self.vectors["messages"]:
            (message_id, previous, ephemeral, content_hash,
             ciphertext) = unhex(vector, "message_id", "previous_hash",
                                 "ephemeral_secret_key", "content_hash",
                                 "ciphertext")
            content = pc.message_content(
                statement, own_key, vector["text"], vector["counter"],
                previous, message_id, vector["sent_at_ms"])
            self.assertEqual(pc.sha256(content), content_hash)
            enc, sender = pc.hpke_sender(
                pc.raw_public(own_encryption), pc.INFO_DIRECT,
                encryption_key(ephemeral))
            plaintext = pc.signed_message(signing, pc.LABEL_MESSAGE, content)
            self.assertEqual(enc + sender.seal(own_key, plaintext),
                             ciphertext)
            signed = pc.open_direct(ciphertext, own_encryption, own_key)
            self.assertEqual(
                e2ee.MessageContent.FromString(signed.content).text,
                vector["text"])

    def test_safety_numbers(self):
        people = {}
        for vector in self.vectors["people"]:
            people[vector["username"]] = pc.check_identity(
                payload.SignedIdentity.FromString(
                    bytes.fromhex(vector["signed_identity"])),
                self.server_key, vector["username"])
        for vector in self.vectors["safety_numbers"]:
            self.assertEqual(
                pc.safety_number(people[vector["one"]],
                                 people[vector["other"]], self.server_key),
                vector["number"])


class Groups(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vectors = load("group.json")
        cls.server_key = bytes.fromhex(cls.vectors["server_identity_key"])
        cls.group_id = cls.vectors["group_id"]
        cls.people = {}
        for vector in cls.vectors["people"]:
            seed, secret, statement = unhex(
                vector, "signing_seed", "encryption_secret_key",
                "signed_identity")
            cls.people[vector["username"]] = (
                signing_key(seed), encryption_key(secret),
                payload.SignedIdentity.FromString(statement))
        cls.signing = {pc.raw_public(signing): signing
                       for signing, _, _ in cls.people.values()}
        cls.epochs = {v["epoch"]: v for v in cls.vectors["epochs"]}

    def test_epochs(self):
        previous = b""
        for vector in self.vectors["epochs"]:
            share, secret, signer, signed, group_secret = unhex(
                vector, "server_share", "admin_secret", "signer", "roster",
                "group_secret")
            self.assertEqual(keys.group_secret(share, secret), group_secret)
            roster, roster_hash = keys.open_roster(signed, self.server_key,
                                                   signer)
            self.assertEqual((roster.group_id, roster.epoch,
                              roster.previous_hash),
                             (self.group_id, vector["epoch"], previous))
            previous = roster_hash
            self.assertEqual(roster_hash.hex(), vector["roster_hash"])
            self.assertEqual(roster.key_commitment.hex(),
                             vector["commitment"])
            self.assertEqual(keys.commitment(
                group_secret, self.group_id, roster.epoch).hex(),
                vector["commitment"])
            self.assertEqual(keys.safety_number(
                self.group_id, roster.epoch, roster_hash),
                vector["safety_number"])
            self.assertEqual(pc.signed_message(
                self.signing[signer], keys.LABEL_ROSTER,
                roster.SerializeToString(deterministic=True)), signed)
            for chain in vector["chains"]:
                made = keys.Chain.of(group_secret, self.group_id,
                                     roster.epoch,
                                     bytes.fromhex(chain["sender_key"]))
                self.assertEqual([made.step().hex()
                                  for _ in chain["message_keys"]],
                                 chain["message_keys"])

    def check_letter(self, vector, body):
        sender, _, statement = self.people[vector["from"]]
        signing, encryption, _ = self.people[vector["to"]]
        recipient = pc.raw_public(signing)
        message_id, ephemeral, content_hash, ciphertext = unhex(
            vector, "message_id", "ephemeral_secret_key", "content_hash",
            "ciphertext")
        content = pc.message_content(statement, recipient, body, 0, b"",
                                     message_id, vector["sent_at_ms"])
        self.assertEqual(pc.sha256(content), content_hash)
        enc, context = pc.hpke_sender(
            pc.raw_public(encryption), pc.INFO_DIRECT,
            encryption_key(ephemeral))
        plaintext = pc.signed_message(sender, pc.LABEL_MESSAGE, content)
        self.assertEqual(enc + context.seal(recipient, plaintext),
                         ciphertext)
        self.assertEqual(pc.open_direct(ciphertext, encryption,
                                        recipient).content, content)

    def test_letters(self):
        for vector in self.vectors["key_letters"]:
            epoch = self.epochs[vector["epoch"]]
            share, secret, roster_hash = unhex(
                epoch, "server_share", "admin_secret", "roster_hash")
            self.check_letter(vector, e2ee.GroupKey(
                group_id=self.group_id, epoch=vector["epoch"],
                roster_hash=roster_hash, admin_secret=secret,
                server_share=share))
        for vector in self.vectors["farewells"]:
            self.check_letter(vector, e2ee.GroupFarewell(
                group_id=self.group_id, epoch=vector["epoch"],
                is_deleted=vector["is_deleted"]))

    def test_leaves(self):
        for vector in self.vectors["leaves"]:
            member, signed = unhex(vector, "member_key", "leave")
            leave = keys.open_leave(signed)
            self.assertEqual((leave.group_id, leave.epoch, leave.member_key),
                             (self.group_id, vector["epoch"], member))
            self.assertEqual(leave.roster_hash.hex(),
                             self.epochs[leave.epoch]["roster_hash"])
            self.assertEqual(keys.make_leave(
                self.signing[member], self.group_id, leave.epoch,
                leave.roster_hash).SerializeToString(), signed)

    def test_messages(self):
        for vector in self.vectors["messages"]:
            epoch = self.epochs[vector["epoch"]]
            signing, _, _ = self.people[vector["from"]]
            sender = pc.raw_public(signing)
            (message_id, previous, r, content_hash, ciphertext, secret,
             roster_hash) = unhex(
                {**epoch, **vector}, "message_id", "previous_hash", "random",
                "content_hash", "ciphertext", "group_secret", "roster_hash")
            index = vector["index"]
            chain = keys.Chain.of(secret, self.group_id, vector["epoch"],
                                  sender)
            message_key = chain.take(index)
            content = pc.pad(e2ee.GroupMessageContent(
                group_id=self.group_id, epoch=vector["epoch"],
                roster_hash=roster_hash, sender_key=sender, index=index,
                message_id=message_id, sent_at_ms=vector["sent_at_ms"],
                counter=vector["counter"], previous_hash=previous,
                text=vector["text"]))
            self.assertEqual(pc.sha256(content), content_hash)
            self.assertEqual(keys.seal_group_message(
                pc.signed_message(signing, keys.LABEL_GROUP_MESSAGE, content),
                message_key, keys.message_place(
                    self.group_id, vector["epoch"], sender, index), r),
                ciphertext)
            self.assertEqual(keys.peek_group_message(ciphertext),
                             (sender, index))
            opened, data = keys.open_group_message(
                ciphertext, message_key, self.group_id, vector["epoch"])
            self.assertEqual((opened.text, data), (vector["text"], content))


if __name__ == "__main__":
    unittest.main()
