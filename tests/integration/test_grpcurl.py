#!/usr/bin/python3
"""The server as grpcurl sees it: list, describe, and calls by hand (C8)."""

import base64
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import explore  # noqa: E402
import harness  # noqa: E402
import tools  # noqa: E402
from explore import HEALTH, MESSENGER, METHODS, REFLECTION  # noqa: E402
from harness import Peykd, ROOT, new_dir  # noqa: E402

# grpcurl ends with the gRPC code plus this.
CODE = 64
INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED = CODE + 3, CODE + 5, CODE + 12


def symbols():
    """(kind, full name, first words of its comment) of all that we serve."""
    def comment(file, *path):
        for place in file.source_code_info.location:
            if tuple(place.path) == path:
                return place.leading_comments.strip().split("\n")[0].strip()
        return ""

    def messages(file, found, prefix, *path):
        for i, message in enumerate(found):
            name = f"{prefix}.{message.name}"
            yield ("the entry type for a map field"
                   if message.options.map_entry else "a message",
                   name, comment(file, *path, i))
            yield from messages(file, message.nested_type, name, *path, i, 3)
            for j, enum in enumerate(message.enum_type):
                yield ("an enum", f"{name}.{enum.name}",
                       comment(file, *path, i, 4, j))

    for file in explore.descriptors().file:
        if file.name.startswith("google/protobuf/compiler/"):
            continue  # the generator's, not the server's
        yield from messages(file, file.message_type, file.package, 4)
        for i, enum in enumerate(file.enum_type):
            yield ("an enum", f"{file.package}.{enum.name}",
                   comment(file, 5, i))
        for i, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            yield "a service", name, comment(file, 6, i)
            for j, method in enumerate(service.method):
                yield ("a method", f"{name}.{method.name}",
                       comment(file, 6, i, 2, j))


class Tls(explore.Conversation, explore.ToolTest):
    def test_list(self):
        said = self.grpcurl("list").expect(0)
        self.assertEqual(said.lines, sorted((MESSENGER, HEALTH, *REFLECTION)))
        said = self.grpcurl("list", MESSENGER).expect(0)
        self.assertEqual(said.lines,
                         [f"{MESSENGER}.{name}" for name in METHODS])

    def test_describe_services(self):
        said = self.grpcurl("describe").expect(0)
        for name in (MESSENGER, HEALTH, *REFLECTION):
            self.assertIn(f"{name} is a service:", said.out)
        self.assertIn("option (.peyk.v1.payload) = { "
                      "request: \"SendRequest\", response: \"SendResponse\" }",
                      re.sub(r"\s+", " ", said.out))

    def test_get_server_info(self):
        self.check_info(self.grpcurl(f"{MESSENGER}/GetServerInfo"))

    def test_health(self):
        for service in ("", MESSENGER, HEALTH):
            said = self.grpcurl(f'-d={{"service": "{service}"}}',
                                f"{HEALTH}/Check").expect(0)
            self.assertEqual(json.loads(said.out), {"status": "SERVING"})
        said = self.grpcurl('-d={"service": "peyk.v1.Nothing"}',
                            f"{HEALTH}/Check").expect(NOT_FOUND)
        self.assertIn("Code: NotFound", said.err)

    def numbers(self):
        """What changes when a request is accepted."""
        return self.server.sql("SELECT sum(last_seq) FROM accounts")

    def test_a_poll_waits_for_a_message(self):
        sara, hassan = self.person("sara2"), self.person("hassan2")
        sealed = self.seal(hassan, "Poll", {"waitMs": 60000})
        numbers = self.numbers()
        waiting = self.running(*self.grpcurl_args(
            "-d=@", f"{MESSENGER}/Poll"), input=sealed)
        harness.poll_until(lambda: self.numbers() != numbers,
                           "the poll is accepted, and finds nothing")
        self.by_hand(sara, "Send", {"messages": [
            {"to": "hassan2", "text": "wake up"}]})
        said = waiting.end().expect(0)
        opened = self.open(hassan, "Poll", said, "--read").expect(0)
        self.assertEqual(
            json.loads(opened.out)["messages"][0]["opened"]["text"],
            "wake up")

    def test_unknown_names(self):
        said = self.grpcurl("describe", "peyk.v1.Nothing").expect(1)
        self.assertIn("Symbol not found: peyk.v1.Nothing", said.err)
        said = self.grpcurl("-d={}", f"{MESSENGER}/Nothing").expect(1)
        self.assertIn('does not include a method named "Nothing"', said.err)


class Everything(explore.ToolTest):
    """Every name can be described, as it stands in the .proto files."""

    tls = False

    def test_describe_everything(self):
        found = list(symbols())
        self.assertGreater(len(found), 60)
        for kind, name, comment in found:
            said = self.grpcurl("describe", name)
            with self.subTest(name):
                said.expect(0)
                self.assertEqual(said.lines[0], f"{name} is {kind}:")
                self.assertIn(comment, said.out)
        said = self.grpcurl("describe", "peyk.v1.payload").expect(0)
        self.assertIn("peyk.v1.payload is an extension:", said.out)

    def test_a_template_of_a_request(self):
        said = self.grpcurl("-msg-template", "describe",
                            "peyk.v1.PollRequest").expect(0)
        template = said.out[said.out.index("\n{"):]
        self.assertEqual(json.loads(template),
                         {"acks": [""], "maxMessages": 0, "waitMs": 0})

    def test_what_is_served_is_whole(self):
        """Files come with all that they import, and describe every call."""
        out = new_dir("protoset") / "peyk.binpb"
        self.grpcurl(f"-protoset-out={out}", "describe",
                     MESSENGER).expect(0)
        said = self.grpcurl(f"-protoset={out}", f"{MESSENGER}/GetServerInfo")
        self.assertEqual(len(base64.b64decode(
            json.loads(said.expect(0).out)["signature"])), 64)


class Plaintext(explore.Short, explore.ToolTest):
    tls = False

    def test_list(self):
        said = self.grpcurl("list").expect(0)
        self.assertEqual(said.lines, sorted((MESSENGER, HEALTH, *REFLECTION)))

    def test_get_server_info(self):
        self.check_info(self.grpcurl(f"{MESSENGER}/GetServerInfo"))


class ReflectionOff(explore.ToolTest):
    serve = False

    def test_the_files_do_instead(self):
        self.server = Peykd().prepare().start("--reflection=off")
        self.addCleanup(self.server.kill)
        said = self.grpcurl("list").expect(1)
        self.assertIn("server does not support the reflection API", said.err)
        said = self.grpcurl(f"{MESSENGER}/GetServerInfo").expect(1)

        files = (f"-import-path={ROOT}/proto",
                 "-proto=peyk/v1/messenger.proto",
                 "-proto=grpc/health/v1/health.proto",
                 "-proto=grpc/reflection/v1/reflection.proto")
        said = self.grpcurl(*files, f"{MESSENGER}/GetServerInfo").expect(0)
        self.assertEqual(sorted(json.loads(said.out)), ["info", "signature"])
        said = self.grpcurl(*files, '-d={"listServices": ""}',
                            f"{REFLECTION[0]}/ServerReflectionInfo")
        said.expect(UNIMPLEMENTED)
        self.assertIn("Code: Unimplemented", said.err)

        # Health is served all the same, and tells of the server's end.
        watching = self.running(*self.grpcurl_args(*files, f"{HEALTH}/Watch"))
        watching.wait_for('"SERVING"')
        self.server.stop()
        watching.end()
        self.assertIn('"NOT_SERVING"', watching.out)


if __name__ == "__main__":
    tools.need("grpcurl")
    harness.main()
