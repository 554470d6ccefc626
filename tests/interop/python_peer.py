#!/usr/bin/python3
"""The interoperability peer on Python's gRPC.

    python_peer.py server|client --name=value ...

The options are those of gRPC's own programs. The server prints its port and
serves until its standard input ends; the client runs one case, as gRPC's
doc/interop-test-descriptions.md describes it.
"""

import concurrent.futures
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ECHO_HEADER = "x-grpc-test-echo-initial"
ECHO_TRAILER = "x-grpc-test-echo-trailing-bin"
REQUEST_SIZES = [27182, 8, 1828, 45904]
RESPONSE_SIZES = [31415, 9, 2653, 58979]
CALL_SECONDS = 60
SPECIAL = ("\t\ntest with whitespace\r\nand Unicode BMP "
           "\N{WHITE SMILING FACE} and non-BMP "
           "\N{SMILING FACE WITH HORNS}\t\n")


def messages():
    """The message classes by name, made by protoc from the .proto itself."""
    proto = pathlib.Path(__file__).resolve().parent / "proto"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "set"
        subprocess.run(
            ["protoc", f"-I{proto}", "--include_imports",
             f"--descriptor_set_out={path}", "grpc/testing/test.proto"],
            check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {
        message.name: factory.GetPrototype(
            pool.FindMessageTypeByName("grpc.testing." + message.name))
        for file in files.file for message in file.message_type}


TYPES = messages()
Empty = TYPES["Empty"]
SimpleRequest, SimpleResponse = TYPES["SimpleRequest"], TYPES["SimpleResponse"]
InputRequest = TYPES["StreamingInputCallRequest"]
InputResponse = TYPES["StreamingInputCallResponse"]
OutputRequest = TYPES["StreamingOutputCallRequest"]
OutputResponse = TYPES["StreamingOutputCallResponse"]


# --- server ----------------------------------------------------------------

def echo_metadata(context):
    metadata = dict(context.invocation_metadata())
    if ECHO_HEADER in metadata:
        context.send_initial_metadata(((ECHO_HEADER, metadata[ECHO_HEADER]),))
    if ECHO_TRAILER in metadata:
        context.set_trailing_metadata(
            ((ECHO_TRAILER, metadata[ECHO_TRAILER]),))


def end_as_asked(request, context):
    if request.response_status.code:
        code = next(code for code in grpc.StatusCode
                    if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def on_empty(request, context):
    return Empty()


def on_unary(request, context):
    context.set_compression(
        grpc.Compression.Gzip if request.response_compressed.value
        else grpc.Compression.NoCompression)
    echo_metadata(context)
    end_as_asked(request, context)
    response = SimpleResponse()
    response.payload.body = bytes(request.response_size)
    return response


def outputs(request, context):
    for parameters in request.response_parameters:
        if parameters.interval_us:
            time.sleep(parameters.interval_us / 1e6)
        if not parameters.compressed.value:
            context.disable_next_message_compression()
        response = OutputResponse()
        response.payload.body = bytes(parameters.size)
        yield response


def on_output(request, context):
    context.set_compression(grpc.Compression.Gzip)
    end_as_asked(request, context)
    yield from outputs(request, context)


def on_input(requests, context):
    return InputResponse(aggregated_payload_size=sum(
        len(request.payload.body) for request in requests))


def on_duplex(requests, context):
    context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    for request in requests:
        end_as_asked(request, context)
        yield from outputs(request, context)


def handler(make, function, request):
    return make(function, request.FromString,
                lambda message: message.SerializeToString())


HANDLERS = {
    "EmptyCall": handler(
        grpc.unary_unary_rpc_method_handler, on_empty, Empty),
    "UnaryCall": handler(
        grpc.unary_unary_rpc_method_handler, on_unary, SimpleRequest),
    "StreamingOutputCall": handler(
        grpc.unary_stream_rpc_method_handler, on_output, OutputRequest),
    "StreamingInputCall": handler(
        grpc.stream_unary_rpc_method_handler, on_input, InputRequest),
    "FullDuplexCall": handler(
        grpc.stream_stream_rpc_method_handler, on_duplex, OutputRequest),
}


def run_server(options):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "grpc.testing.TestService", HANDLERS),))
    if options.get("use_tls") == "true":
        port = server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials(
                [(file_bytes(options["tls_key_file"]),
                  file_bytes(options["tls_cert_file"]))]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0).wait()


# --- client ----------------------------------------------------------------

class Stub:
    def __init__(self, channel):
        def method(kind, name, response, service="TestService"):
            return getattr(channel, kind)(
                f"/grpc.testing.{service}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString)

        self.empty = method("unary_unary", "EmptyCall", Empty)
        self.unary = method("unary_unary", "UnaryCall", SimpleResponse)
        self.output = method(
            "unary_stream", "StreamingOutputCall", OutputResponse)
        self.input = method("stream_unary", "StreamingInputCall",
                            InputResponse)
        self.duplex = method("stream_stream", "FullDuplexCall",
                             OutputResponse)
        self.unimplemented = method(
            "unary_unary", "UnimplementedCall", Empty)
        self.nowhere = method(
            "unary_unary", "UnimplementedCall", Empty, "UnimplementedService")


def expect(is_so, what):
    if not is_so:
        raise AssertionError("expected " + what)


def expect_failure(code, call):
    """The error that a call ends with."""
    try:
        result = call()
    except grpc.RpcError as error:
        expect(error.code() == code,
               f"{code}, got {error.code()}: {error.details()!r}")
        return error
    raise AssertionError(f"expected {code}, got {result}")


def expect_body(response, size):
    expect(response.payload.body == bytes(size), f"{size} zeros")


def asking(cls, body, *sizes):
    request = cls()
    request.payload.body = bytes(body)
    for size in sizes:
        request.response_parameters.add().size = size
    return request


def large(**fields):
    request = SimpleRequest(response_size=314159, **fields)
    request.payload.body = bytes(271828)
    return request


def empty_unary(stub):
    expect(stub.empty(Empty(), timeout=CALL_SECONDS) == Empty(), "a response")


def large_unary(stub):
    expect_body(stub.unary(large(), timeout=CALL_SECONDS), 314159)


def client_streaming(stub):
    requests = [asking(InputRequest, size) for size in REQUEST_SIZES]
    response = stub.input(iter(requests), timeout=CALL_SECONDS)
    expect(response.aggregated_payload_size == 74922, "74922 bytes")


def server_streaming(stub):
    request = asking(OutputRequest, 0, *RESPONSE_SIZES)
    responses = list(stub.output(request, timeout=CALL_SECONDS))
    expect(len(responses) == 4, f"four responses, got {len(responses)}")
    for response, size in zip(responses, RESPONSE_SIZES):
        expect_body(response, size)


class Requests:
    """An iterator that is fed while the call goes on."""

    def __init__(self):
        self.items = queue.Queue()

    def __iter__(self):
        return iter(self.items.get, None)


def ping_pong(stub):
    requests = Requests()
    call = stub.duplex(iter(requests), timeout=CALL_SECONDS)
    for body, size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.items.put(asking(OutputRequest, body, size))
        expect_body(next(call), size)
    requests.items.put(None)
    expect(list(call) == [], "no fifth response")
    expect(call.code() == grpc.StatusCode.OK, "OK")


def empty_stream(stub):
    call = stub.duplex(iter(()), timeout=CALL_SECONDS)
    expect(list(call) == [], "no response")
    expect(call.code() == grpc.StatusCode.OK, "OK")


def custom_metadata(stub):
    metadata = ((ECHO_HEADER, "test_initial_metadata_value"),
                (ECHO_TRAILER, b"\xab\xab\xab"))
    response, unary = stub.unary.with_call(
        large(), metadata=metadata, timeout=CALL_SECONDS)
    expect_body(response, 314159)
    duplex = stub.duplex(
        iter([asking(OutputRequest, 271828, 314159)]), metadata=metadata,
        timeout=CALL_SECONDS)
    responses = list(duplex)
    expect(len(responses) == 1, "one response")
    expect_body(responses[0], 314159)
    for call in unary, duplex:
        expect(metadata[0] in call.initial_metadata(), ECHO_HEADER)
        expect(metadata[1] in call.trailing_metadata(), ECHO_TRAILER)


def unary_status(stub, text):
    request = SimpleRequest()
    request.response_status.code = 2
    request.response_status.message = text
    error = expect_failure(grpc.StatusCode.UNKNOWN, lambda: stub.unary(
        request, timeout=CALL_SECONDS))
    expect(error.details() == text, f"{text!r}, got {error.details()!r}")


def status_code_and_message(stub):
    text = "test status message"
    unary_status(stub, text)
    request = OutputRequest()
    request.response_status.code = 2
    request.response_status.message = text
    error = expect_failure(grpc.StatusCode.UNKNOWN, lambda: list(stub.duplex(
        iter([request]), timeout=CALL_SECONDS)))
    expect(error.details() == text, f"{text!r}, got {error.details()!r}")


def special_status_message(stub):
    unary_status(stub, SPECIAL)


def unimplemented_method(stub):
    expect_failure(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.unimplemented(
        Empty(), timeout=CALL_SECONDS))


def unimplemented_service(stub):
    expect_failure(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.nowhere(
        Empty(), timeout=CALL_SECONDS))


# Those that are given up follow a call that is answered: without a connection
# they would end before the server hears of them.

def cancel_after_begin(stub):
    empty_unary(stub)
    requests = Requests()
    call = stub.input.future(iter(requests), timeout=CALL_SECONDS)
    call.cancel()
    requests.items.put(None)
    expect(call.cancelled() and call.code() == grpc.StatusCode.CANCELLED,
           f"CANCELLED, got {call.code()}")


def cancel_after_first_response(stub):
    requests = Requests()
    call = stub.duplex(iter(requests), timeout=CALL_SECONDS)
    requests.items.put(asking(OutputRequest, 27182, 31415))
    expect_body(next(call), 31415)
    call.cancel()
    expect_failure(grpc.StatusCode.CANCELLED, lambda: next(call))
    requests.items.put(None)


def timeout_on_sleeping_server(stub):
    empty_unary(stub)
    requests = Requests()
    requests.items.put(asking(OutputRequest, 27182))
    expect_failure(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: next(
        stub.duplex(iter(requests), timeout=0.001)))
    requests.items.put(None)


def client_compressed_unary(stub):
    request = large()
    request.expect_compressed.value = True
    expect_failure(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.unary(
        request, timeout=CALL_SECONDS))
    expect_body(stub.unary(request, timeout=CALL_SECONDS,
                           compression=grpc.Compression.Gzip), 314159)
    request.expect_compressed.value = False
    expect_body(stub.unary(request, timeout=CALL_SECONDS), 314159)


CASES = {function.__name__: function for function in (
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong,
    empty_stream, custom_metadata, status_code_and_message,
    special_status_message, unimplemented_method, unimplemented_service,
    cancel_after_begin, cancel_after_first_response,
    timeout_on_sleeping_server, client_compressed_unary)}


def run_client(options):
    target = f"{options['server_host']}:{options['server_port']}"
    if options.get("use_tls") == "true":
        channel = grpc.secure_channel(
            target,
            grpc.ssl_channel_credentials(file_bytes(options["ca_file"])),
            (("grpc.ssl_target_name_override",
              options["server_host_override"]),))
    else:
        channel = grpc.insecure_channel(target)
    with channel:
        CASES[options["test_case"]](Stub(channel))
    print(options["test_case"], "passed", flush=True)
    # When the interpreter ends, grpcio 1.51 now and then waits for a lock that
    # one of its threads held when it was stopped.
    os._exit(0)


def file_bytes(path):
    return pathlib.Path(path).read_bytes()


def main():
    side, *words = sys.argv[1:]
    options = dict(word.lstrip("-").split("=", 1) for word in words)
    {"server": run_server, "client": run_client}[side](options)


main()
