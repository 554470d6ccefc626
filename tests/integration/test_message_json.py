#!/usr/bin/python3
"""Our JSON of messages against that of Python's protobuf."""

import json
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from peyk_client import messenger, payload  # noqa: E402
from peyk.v1 import group_pb2 as group  # noqa: E402

DRIVER = "tests/unit/client_cli/message_json_driver"
MESSAGES = ("SealedRequest", "SealedResponse", "GetServerInfoRequest",
            "GetServerInfoResponse", "ServerInfo", "SealingKey",
            "SignedMessage", "RequestContent", "ResponseContent", "Identity",
            "SignedIdentity", "SignUpRequest", "SignUpResponse",
            "GetPublicKeyRequest", "GetPublicKeyResponse", "SendRequest",
            "SendResponse", "PollRequest", "PollResponse",
            "CreateGroupRequest", "CreateGroupResponse", "AddMemberRequest",
            "RemoveMemberRequest", "RotateGroupKeyRequest",
            "UpdateGroupRequest", "KeyUpdateResponse", "LeaveGroupRequest",
            "LeaveGroupResponse", "GetGroupRequest", "GetGroupResponse",
            "ListGroupsRequest", "ListGroupsResponse", "DeleteGroupRequest",
            "DeleteGroupResponse", "Roster", "Leave")
ROUNDS = 40
RANDOM = random.Random(20260101)
TEXTS = ("", "salam", "سلام", "a\"b\\c\n\t\x7f\u2028", "😀", "x" * 300)


def message_class(name):
    for module in (payload, messenger, group):
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(name)


def value_of(field):
    """A random value of a field that is no message."""
    chance = RANDOM.random()
    if field.type == field.TYPE_STRING:
        return RANDOM.choice(TEXTS)
    if field.type == field.TYPE_BYTES:
        return RANDOM.randbytes(RANDOM.choice((0, 1, 2, 3, 16, 32, 200)))
    if field.type == field.TYPE_BOOL:
        return chance < 0.5
    if field.type == field.TYPE_ENUM:
        if chance < 0.2:
            return RANDOM.randrange(100, 1 << 31)  # of a newer version
        return RANDOM.choice(list(field.enum_type.values_by_number))
    bits = 64 if field.type == field.TYPE_UINT64 else 32
    if chance < 0.2:
        return 0
    return (1 << bits) - 1 if chance < 0.4 else RANDOM.getrandbits(
        RANDOM.randint(1, bits))


def fill(message):
    for field in message.DESCRIPTOR.fields:
        if RANDOM.random() < 0.2:
            continue
        if field.label == field.LABEL_REPEATED:
            items = getattr(message, field.name)
            for _ in range(RANDOM.randint(0, 3)):
                if field.type == field.TYPE_MESSAGE:
                    fill(items.add())
                else:
                    items.append(value_of(field))
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name))
        else:
            setattr(message, field.name, value_of(field))
    return message


class MessageJson(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.driver = subprocess.Popen(
            [harness.program("peyk").parents[1] / DRIVER], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.driver.stdin.close()
        cls.driver.stdout.close()
        assert cls.driver.wait(60) == 0, "expected the driver to end well"

    def ask(self, verb, name, text):
        self.driver.stdin.write(f"{verb} {name} {text}\n")
        self.driver.stdin.flush()
        kind, _, answer = self.driver.stdout.readline()[:-1].partition(" ")
        return kind, answer

    def test_every_message_both_ways(self):
        for name in MESSAGES:
            for _ in range(ROUNDS):
                message = fill(message_class(name)())
                with self.subTest(name=name, message=message):
                    self.both_ways(name, message)

    def both_ways(self, name, message):
        raw = message.SerializeToString(deterministic=True)
        kind, answer = self.ask("decode", name, raw.hex())
        self.assertEqual(kind, "ok", answer)
        self.assertEqual(json.loads(answer),
                         json_format.MessageToDict(message))
        self.assertEqual(json_format.Parse(answer, message_class(name)()),
                         message)
        for options in ({}, {"preserving_proto_field_name": True},
                        {"use_integers_for_enums": True},
                        {"including_default_value_fields": True}):
            text = json_format.MessageToJson(
                message, indent=None, **options)
            self.assertEqual(self.ask("encode", name, text),
                             ("ok", raw.hex()))

    def test_odd_ways_to_write_it(self):
        """What Python takes we take, and to the same effect."""
        for name, text in (
                ("PollRequest", '{"waitMs": "7"}'),
                ("PollRequest", '{"waitMs": 7.0}'),
                ("PollRequest", '{"waitMs": 1e3, "acks": null}'),
                ("RequestContent", '{"sequence": 7}'),
                ("RequestContent", '{"body": "-_8"}'),
                ("RequestContent", '{"body": "-_8="}'),
                ("RequestContent", '{"body": "+/8="}'),
                ("ResponseContent", '{"disposition": 2}'),
                ("SignUpRequest", '{"identity": {}}'),
                ("SignUpRequest", '{"identity": null, "nonce": null}')):
            raw = json_format.Parse(
                text, message_class(name)()).SerializeToString()
            self.assertEqual(self.ask("encode", name, text),
                             ("ok", raw.hex()), text)

    def test_what_is_wrong(self):
        """What Python refuses we refuse."""
        for name, text in (
                ("PollRequest", '{"waitMs": -1}'),
                ("PollRequest", '{"waitMs": 4294967296}'),
                ("PollRequest", '{"waitMs": 1.5}'),
                ("PollRequest", '{"waitMs": "x"}'),
                ("PollRequest", '{"waitMs": true}'),
                ("PollRequest", '{"waitMs": []}'),
                ("PollRequest", '{"acks": "a"}'),
                ("PollRequest", '{"acks": [null]}'),
                ("PollRequest", '{"acks": [1]}'),
                ("PollRequest", '{"waitMs": 1, "waitMs": 1}'),
                ("PollRequest", '{"wait": 1}'),
                ("PollRequest", '{'),
                ("ResponseContent", '{"disposition": "NEVER"}'),
                ("ResponseContent", '{"final": "true"}'),
                ("SignUpRequest", '{"identity": "x"}'),
                ("SignUpRequest", '{"identity": {"name": "x"}}')):
            with self.assertRaises(json_format.ParseError, msg=text):
                json_format.Parse(text, message_class(name)())
            self.assertEqual(self.ask("encode", name, text)[0], "error", text)


if __name__ == "__main__":
    unittest.main()
