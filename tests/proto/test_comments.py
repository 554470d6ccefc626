#!/usr/bin/python3
"""The comments of the protocol, as reflection shows them, are a manual.

Everything that has a name has a comment; that of a bytes field tells its size
and has an example of it, in base64, as JSON writes it; the limits in them are
those of the code.
"""

import base64
import pathlib
import re
import subprocess
import tempfile
import unittest

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = "peyk/v1/"

File, Message, Field, Enum, Service = (
    descriptor_pb2.FileDescriptorProto, descriptor_pb2.DescriptorProto,
    descriptor_pb2.FieldDescriptorProto, descriptor_pb2.EnumDescriptorProto,
    descriptor_pb2.ServiceDescriptorProto)

# Which limit of wire/limits.h the comment of what tells.
LIMITS = {
    "SealedRequest": "WIRE_ENVELOPE_MAX",
    "SealedRequest.key_id": "WIRE_KEY_ID_SIZE",
    "SealedRequest.ciphertext": "WIRE_ENVELOPE_MAX",
    "SealedResponse": "WIRE_ENVELOPE_MAX",
    "SealedResponse.ciphertext": "WIRE_ENVELOPE_MAX",
    "GetServerInfoResponse.info": "WIRE_SERVER_INFO_MAX",
    "ServerInfo.sealing_keys": "WIRE_SEALING_KEYS_MAX",
    "ServerInfo.version": "WIRE_VERSION_MAX",
    "SealingKey.id": "WIRE_KEY_ID_SIZE",
    "Limits.text_bytes": "WIRE_TEXT_MAX",
    "Limits.ciphertext_bytes": "WIRE_CIPHERTEXT_MAX",
    "Limits.messages_per_send": "WIRE_MESSAGES_PER_SEND",
    "Limits.body_bytes": "WIRE_BODY_MAX",
    "Limits.messages_per_poll": "WIRE_MESSAGES_PER_POLL",
    "Limits.poll_wait_ms": "WIRE_POLL_WAIT_MAX_MS",
    "Limits.names_per_lookup": "WIRE_NAMES_PER_LOOKUP",
    "Limits.members_per_group": "WIRE_GROUP_MEMBERS_MAX",
    "Messenger.GetPublicKey": "WIRE_NAMES_PER_LOOKUP",
    "Messenger.Send": "WIRE_CIPHERTEXT_MAX",
    "Messenger.Poll": "WIRE_POLL_WAIT_MAX_MS",
    "SignedMessage.content": "WIRE_ENVELOPE_MAX",
    "RequestContent.method": "WIRE_METHOD_MAX",
    "RequestContent.body": "WIRE_BODY_MAX",
    "ResponseContent.message": "WIRE_REASON_MAX",
    "ResponseContent.body": "WIRE_BODY_MAX",
    "ResponseContent.retry_after_ms": "WIRE_RETRY_AFTER_MAX_MS",
    "SignedIdentity.identity": "WIRE_IDENTITY_MAX",
    "SignUpRequest.nonce": "WIRE_NONCE_SIZE",
    "SignUpRequest.invite_token": "WIRE_INVITE_TOKEN_MAX",
    "GetPublicKeyRequest.names": "WIRE_NAMES_PER_LOOKUP",
    "SendRequest.messages": "WIRE_MESSAGES_PER_SEND",
    "OutgoingMessage.ciphertext": "WIRE_CIPHERTEXT_MAX",
    "PollRequest.acks": "WIRE_MESSAGES_PER_POLL",
    "PollRequest.max_messages": "WIRE_MESSAGES_PER_POLL_DEFAULT",
    "PollRequest.wait_ms": "WIRE_POLL_WAIT_MAX_MS",
    "InboxMessage.ciphertext": "WIRE_CIPHERTEXT_MAX",
    "InboxMessage.roster": "WIRE_SIGNED_ROSTER_MAX",
    "InboxMessage.leave": "WIRE_SIGNED_LEAVE_MAX",
    "Roster": "WIRE_ROSTER_MAX",
    "Roster.name": "WIRE_GROUP_NAME_LENGTH",
    "Roster.members": "WIRE_GROUP_MEMBERS_MAX",
    "GroupLetter.ciphertext": "WIRE_LETTER_MAX",
    "CreateGroupRequest.name": "WIRE_GROUP_NAME_LENGTH",
    "ListGroupsResponse.groups": "WIRE_GROUPS_PER_LIST",
    "MessageContent": "WIRE_CONTENT_MAX",
    "MessageContent.message_id": "WIRE_MESSAGE_ID_SIZE",
    "MessageContent.text": "WIRE_TEXT_MAX",
    "MessageContent.padding": "WIRE_CONTENT_MAX",
    "GroupMessageContent.message_id": "WIRE_MESSAGE_ID_SIZE",
    "GroupMessageContent.text": "WIRE_TEXT_MAX",
    "GroupMessageContent.padding": "WIRE_CONTENT_MAX",
}


def read_descriptors():
    files = sorted(str(path.relative_to(ROOT / "proto"))
                   for path in (ROOT / "proto" / OURS).glob("*.proto"))
    with tempfile.NamedTemporaryFile(prefix="peyk-proto-") as out:
        subprocess.run(["protoc", f"-I{ROOT}/proto", "--include_source_info",
                        f"--descriptor_set_out={out.name}", *files],
                       check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file


def named(message, path, prefix):
    """(path in the file, name, descriptor) of all that is in a message."""
    yield path, prefix, message
    for i, field in enumerate(message.field):
        yield (path + (Message.FIELD_FIELD_NUMBER, i),
               f"{prefix}.{field.name}", field)
    for i, oneof in enumerate(message.oneof_decl):
        yield (path + (Message.ONEOF_DECL_FIELD_NUMBER, i),
               f"{prefix}.{oneof.name}", oneof)
    for i, nested in enumerate(message.nested_type):
        yield from named(nested, path + (Message.NESTED_TYPE_FIELD_NUMBER, i),
                         f"{prefix}.{nested.name}")
    for i, enum in enumerate(message.enum_type):
        yield from values(enum, path + (Message.ENUM_TYPE_FIELD_NUMBER, i),
                          f"{prefix}.{enum.name}")


def values(enum, path, prefix):
    yield path, prefix, enum
    for i, value in enumerate(enum.value):
        yield (path + (Enum.VALUE_FIELD_NUMBER, i), f"{prefix}.{value.name}",
               value)


def all_named(file):
    for i, message in enumerate(file.message_type):
        yield from named(message, (File.MESSAGE_TYPE_FIELD_NUMBER, i),
                         message.name)
    for i, enum in enumerate(file.enum_type):
        yield from values(enum, (File.ENUM_TYPE_FIELD_NUMBER, i), enum.name)
    for i, field in enumerate(file.extension):
        yield (File.EXTENSION_FIELD_NUMBER, i), field.name, field
    for i, service in enumerate(file.service):
        path = (File.SERVICE_FIELD_NUMBER, i)
        yield path, service.name, service
        for j, method in enumerate(service.method):
            yield (path + (Service.METHOD_FIELD_NUMBER, j),
                   f"{service.name}.{method.name}", method)


def flow(comment):
    """A comment as one line, blocks of commands set apart by `|`."""
    lines = []
    for line in comment.splitlines():
        indented = line.startswith("     ")
        lines.append(f"| {line.strip()} |" if indented else line.strip())
    return " ".join(" ".join(lines).split())


def limits_of_the_code():
    """name: value of the defines in wire/limits.h."""
    text = (ROOT / "wire/limits.h").read_text().replace("\\\n", " ")
    found = {}
    for name, expression in re.findall(
            r"^#define (WIRE_\w+) (.+?)(?: /\*.*)?$", text, re.M):
        expression = re.sub(r"\((?:size_t|uint\d+_t)\)", "", expression)
        expression = expression.replace("INT64_MAX", str(2**63 - 1))
        found[name] = eval(expression, {}, dict(found))
    return found


class Comments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = read_descriptors()
        cls.things = []  # (name, descriptor, comment as one line)
        for file in cls.files:
            comments = {tuple(place.path): place.leading_comments
                        for place in file.source_code_info.location}
            for path, name, thing in all_named(file):
                cls.things.append(
                    (name, thing, flow(comments.get(path, ""))))

    def bytes_fields(self):
        return [(name, text) for name, thing, text in self.things
                if isinstance(thing, Field) and thing.type == Field.TYPE_BYTES]

    def test_they_were_found(self):
        self.assertGreater(len(self.things), 100)
        self.assertGreater(len(self.bytes_fields()), 25)

    def test_everything_has_a_comment(self):
        for name, _, text in self.things:
            with self.subTest(name):
                self.assertRegex(text, r'^[A-Za-z0-9].{4,}[.:|"]$',
                                 "expected a sentence")

    def test_bytes_fields_have_an_example_of_their_size(self):
        for name, text in self.bytes_fields():
            with self.subTest(name):
                size = re.search(r"(at most|At most)? ?(\d+) bytes", text)
                self.assertTrue(size, f"expected its size: {text}")
                example = re.search(
                    r'for example "([A-Za-z0-9+/]+=*)(\.\.\.)?"', text)
                self.assertTrue(example, f"expected an example: {text}")
                shown = base64.b64decode(example.group(1), validate=True)
                if size.group(1):
                    self.assertLessEqual(len(shown), int(size.group(2)))
                else:
                    self.assertFalse(example.group(2), "it is shown whole")
                    self.assertEqual(len(shown), int(size.group(2)))

    def test_numbers_tell_their_unit_or_meaning(self):
        for name, thing, text in self.things:
            if not isinstance(thing, Field) or not name.endswith("_ms"):
                continue
            with self.subTest(name):
                self.assertRegex(text, "milliseconds|: 60000")

    def test_rpcs_say_how_they_fail_and_how_to_call_them(self):
        texts = {name: text for name, _, text in self.things}
        for name, thing, text in self.things:
            if not isinstance(thing, descriptor_pb2.MethodDescriptorProto):
                continue
            with self.subTest(name):
                elsewhere = re.search(r"Refused as (\w+) tells", text)
                if elsewhere:
                    self.assertRegex(texts[elsewhere.group(1)],
                                     "refused with [A-Z_]{8,}")
                else:
                    self.assertRegex(text, "(Refused|Ends) with [A-Z_]{8,}")
        called = " ".join(text for name, _, text in self.things
                          if name.startswith("Messenger"))
        for method in ("GetServerInfo", "SignUp", "GetPublicKey", "Send",
                       "Poll", "CreateGroup", "GetGroup", "ListGroups"):
            self.assertRegex(called, rf"grpcurl [^|]*Messenger/{method}\b")

    def test_limits_are_those_of_the_code(self):
        limits = limits_of_the_code()
        texts = {name: text for name, _, text in self.things}
        for name, limit in LIMITS.items():
            with self.subTest(name):
                self.assertRegex(texts[name], rf"(?<!\d){limits[limit]}(?!\d)",
                                 limit)


if __name__ == "__main__":
    unittest.main(verbosity=2)
