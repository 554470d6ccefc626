#!/usr/bin/python3
"""Server reflection, v1 and v1alpha, request by request.

What is expected is read from proto/ by protoc, not from what peykd holds.
"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "support"))
import harness
from harness import ROOT, Peykd

os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc
from google.protobuf import descriptor_pb2
from grpc_services import Reflection, reflection

VERSIONS = ("v1", "v1alpha")
STREAMS_MAX = 128  # RPC_REFLECTION_STREAMS_MAX
UNSENT_MAX = 16 << 20  # RPC_REFLECTION_UNSENT_MAX
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
PAYLOAD_OPTION = 50801
METHOD_OPTIONS = "google.protobuf.MethodOptions"


def described():
    """FileDescriptorProtos of all that is served, by name."""
    out = harness.new_dir("descriptors") / "set"
    files = [str(path.relative_to(ROOT / "proto"))
             for folder in ("peyk/v1", "grpc") for path in
             (ROOT / "proto" / folder).rglob("*.proto")]
    subprocess.run(
        ["protoc", "-I", ROOT / "proto", "--include_imports",
         "--include_source_info", "--descriptor_set_out", out, *files,
         "google/rpc/error_details.proto", "google/rpc/status.proto"],
        check=True)
    found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in found.file}


def symbols(file):
    """Every full name that the file defines."""
    def of_enum(scope, enum):
        yield scope + enum.name
        for value in enum.value:
            yield scope + value.name

    def of_message(scope, message):
        name = scope + message.name
        yield name
        for part in (*message.field, *message.oneof_decl,
                     *message.extension):
            yield f"{name}.{part.name}"
        for enum in message.enum_type:
            yield from of_enum(name + ".", enum)
        for nested in message.nested_type:
            yield from of_message(name + ".", nested)

    scope = file.package + "." if file.package else ""
    for message in file.message_type:
        yield from of_message(scope, message)
    for enum in file.enum_type:
        yield from of_enum(scope, enum)
    for extension in file.extension:
        yield scope + extension.name
    for service in file.service:
        yield scope + service.name
        for method in service.method:
            yield f"{scope}{service.name}.{method.name}"


def imports(files, name):
    """The file and all that it imports."""
    found, rest = set(), [name]
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest.extend(files[name].dependency)
    return found


class Served(harness.PeykTest):
    tls = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = described()

    def setUp(self):
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{self.server.port}",
            options=[("grpc.max_receive_message_length", -1)])
        self.addCleanup(self.channel.close)

    def stream(self, version="v1"):
        return Reflection(self.channel, version)

    def assert_file(self, answer, name):
        """The file first, then what it imports, as protoc made them."""
        got = [descriptor_pb2.FileDescriptorProto.FromString(data) for data
               in answer.file_descriptor_response.file_descriptor_proto]
        self.assertTrue(got, answer)
        self.assertEqual(got[0].name, name)
        self.assertEqual(sorted(file.name for file in got),
                         sorted(imports(self.files, name)))
        for file in got:
            self.assertEqual(file, self.files[file.name], file.name)

    def assert_error(self, answer, code):
        self.assertEqual(answer.WhichOneof("message_response"),
                         "error_response")
        self.assertEqual(answer.error_response.error_code, code)
        self.assertTrue(answer.error_response.error_message)

    def test_services(self):
        for version in VERSIONS:
            stream = self.stream(version)
            answer = stream.ask(list_services="", host="a.example")
            self.assertEqual(
                [one.name for one in answer.list_services_response.service],
                ["grpc.health.v1.Health",
                 "grpc.reflection.v1.ServerReflection",
                 "grpc.reflection.v1alpha.ServerReflection",
                 "peyk.v1.Messenger"])
            self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_every_file(self):
        for version in VERSIONS:
            stream = self.stream(version)
            for name in self.files:
                self.assert_file(stream.ask(file_by_filename=name), name)
            self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_every_symbol(self):
        stream = self.stream()
        count = 0
        for name, file in self.files.items():
            for symbol in symbols(file):
                answer = stream.ask(file_containing_symbol=symbol)
                got = answer.file_descriptor_response.file_descriptor_proto
                self.assertTrue(got, f"{symbol}: {answer}")
                first = descriptor_pb2.FileDescriptorProto.FromString(got[0])
                self.assertEqual(first.name, name, symbol)
                count += 1
        self.assertGreater(count, 400)
        self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_comments_and_options_survive(self):
        answer = self.stream().ask(
            file_containing_symbol="peyk.v1.Messenger.Send")
        file = descriptor_pb2.FileDescriptorProto.FromString(
            answer.file_descriptor_response.file_descriptor_proto[0])
        said = [location.leading_comments
                for location in file.source_code_info.location]
        self.assertTrue(any("encrypted messages" in text for text in said))
        send, = (method for method in file.service[0].method
                 if method.name == "Send")
        # The option's number, tagged as a message, and what it says.
        data = send.options.SerializeToString()
        self.assertIn(b"SendRequest", data)

    def test_extensions(self):
        for version in VERSIONS:
            stream = self.stream(version)
            answer = stream.ask(all_extension_numbers_of_type=METHOD_OPTIONS)
            numbers = answer.all_extension_numbers_response
            self.assertEqual(numbers.base_type_name, METHOD_OPTIONS)
            self.assertEqual(list(numbers.extension_number),
                             [PAYLOAD_OPTION])
            # Known, and not extended by anyone.
            answer = stream.ask(
                all_extension_numbers_of_type="peyk.v1.SendRequest")
            numbers = answer.all_extension_numbers_response
            self.assertEqual(numbers.base_type_name, "peyk.v1.SendRequest")
            self.assertEqual(list(numbers.extension_number), [])
            for unknown in ("peyk.v1.Nothing", "peyk.v1.Messenger", ""):
                self.assert_error(stream.ask(
                    all_extension_numbers_of_type=unknown), NOT_FOUND)
            self.assert_file(stream.ask(
                file_containing_extension=reflection.ExtensionRequest(
                    containing_type=METHOD_OPTIONS,
                    extension_number=PAYLOAD_OPTION)),
                "peyk/v1/options.proto")
            for container, number in (
                    (METHOD_OPTIONS, 1), (METHOD_OPTIONS, -1),
                    ("peyk.v1.Nothing", PAYLOAD_OPTION), ("", 0)):
                self.assert_error(stream.ask(
                    file_containing_extension=reflection.ExtensionRequest(
                        containing_type=container,
                        extension_number=number)), NOT_FOUND)
            self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_stream_survives_errors(self):
        for version in VERSIONS:
            stream = self.stream(version)
            for symbol in ("peyk.v1.Nothing", "", ".", "peyk.v1",
                           ".peyk.v1.Messenger", "peyk.v1.Messenger.",
                           "peyk.v1.Messenger/Send", "PEYK.v1.Messenger",
                           "پیک", "x" * 1_000_000):
                self.assert_error(
                    stream.ask(file_containing_symbol=symbol), NOT_FOUND)
                self.assert_error(
                    stream.ask(file_by_filename=symbol), NOT_FOUND)
            self.assert_error(stream.ask(), INVALID_ARGUMENT)
            self.assert_error(stream.ask(host="only a host"),
                              INVALID_ARGUMENT)
            # A question of a later version: field 77.
            self.assert_error(stream.raw(b"\xea\x04\x01x"),
                              INVALID_ARGUMENT)
            self.assert_file(stream.ask(
                file_containing_symbol="peyk.v1.Messenger"),
                "peyk/v1/messenger.proto")
            self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_answers_keep_the_order(self):
        """Many requests before the first answer is read."""
        stream = self.stream()
        names = list(self.files) * 5
        for name in names:
            stream.requests.put(reflection.ServerReflectionRequest(
                file_by_filename=name).SerializeToString())
        for name in names:
            answer = next(stream.call)
            self.assertEqual(answer.original_request.file_by_filename, name)
            self.assert_file(answer, name)
        self.assertEqual(stream.close(), grpc.StatusCode.OK)

    def test_end_without_a_request(self):
        for version in VERSIONS:
            self.assertEqual(self.stream(version).close(),
                             grpc.StatusCode.OK)

    def test_malformed_request_ends_the_stream(self):
        for data in (b"\x0a\xff", b"\x22\x05ab", b"\x0b"):
            with self.assertRaises(grpc.RpcError) as caught:
                self.stream().raw(data)
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.INTERNAL)

    def test_too_many_streams(self):
        streams = [self.stream() for _ in range(STREAMS_MAX)]
        for stream in streams:
            stream.ask(list_services="")
        with self.assertRaises(grpc.RpcError) as caught:
            self.stream().ask(list_services="")
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED)
        for stream in streams[:5]:
            self.assertEqual(stream.close(), grpc.StatusCode.OK)
        for stream in streams[5:]:
            stream.call.cancel()

        def has_room():
            try:
                self.stream().ask(list_services="")
                return True
            except grpc.RpcError:
                return False
        harness.poll_until(has_room, "streams that ended leave room")

    def test_answers_that_nobody_reads(self):
        """They are bounded; who reads is served."""
        host = "x" * 300_000  # comes back twice in each answer
        count = 2 * UNSENT_MAX // (2 * len(host))
        streams = [self.stream() for _ in range(count)]
        request = reflection.ServerReflectionRequest(
            host=host, file_by_filename="peyk/v1/messenger.proto")
        for stream in streams:
            stream.requests.put(request.SerializeToString())
        harness.poll_until(
            lambda: any(not stream.call.is_active() for stream in streams),
            "some streams end unanswered")
        answered = 0
        for stream in streams:
            try:
                answer = next(stream.call)
                self.assert_file(answer, "peyk/v1/messenger.proto")
                self.assertEqual(answer.valid_host, host)
                answered += 1
            except grpc.RpcError as error:
                self.assertEqual(error.code(),
                                 grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertGreater(answered, 5)
        self.assertLess(answered, count)
        self.stream().ask(list_services="")

    def test_idle_stream_does_not_hold_up_the_stop(self):
        server = Peykd(tls=False).prepare().start()
        self.addCleanup(server.kill)
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        self.addCleanup(channel.close)
        stream = Reflection(channel)
        stream.ask(list_services="")
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 5)
        with self.assertRaises(grpc.RpcError) as caught:
            next(stream.call)
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.UNAVAILABLE)


class Off(harness.PeykTest):
    tls = False
    serve = False

    def test_reflection_off(self):
        """By each of the three places, on the command line last."""
        server = Peykd(tls=False).prepare()
        config = harness.new_dir("config") / "peykd.conf"
        config.write_text("reflection = off\n")
        self.addCleanup(server.kill)
        off, on = grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.OK
        for options, environment, expected in (
                (["--reflection=off"], {}, off),
                ([], {"PEYKD_REFLECTION": "off"}, off),
                (["--config", str(config)], {}, off),
                (["--reflection", "on", "--config", str(config)], {}, on)):
            server.start(*options, **environment)
            channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
            for version in VERSIONS:
                self.assertEqual(Reflection(channel, version).close(),
                                 expected, (options, environment))
            channel.close()
            server.stop()

    def test_wrong_value(self):
        server = Peykd(tls=False).prepare()
        ran = harness.run(server.serve_args("--reflection=maybe")).expect(2)
        self.assert_clear(ran, "reflection", "on or off")


if __name__ == "__main__":
    harness.main()
