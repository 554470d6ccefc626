#!/usr/bin/python3
"""gRPC for C against Python's gRPC, in both directions.

    interop.py TRIAL_PROGRAM

What gRPC's own interoperability cases (tests/interop) leave out: status
details, answers that come later, and limits.
The messages of golden.v1 are made from the .proto itself, by protoc.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "golden", "proto")


def load():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "set")
        subprocess.run(
            ["protoc", "-I" + PROTO, "-I/usr/include", "--include_imports",
             "--descriptor_set_out=" + path, "golden/trial.proto"],
            check=True)
        files = descriptor_pb2.FileDescriptorSet()
        with open(path, "rb") as source:
            files.ParseFromString(source.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {
        name: factory.GetPrototype(
            pool.FindMessageTypeByName("golden.v1." + name))
        for name in ("EchoRequest", "EchoReply")
    }


TYPES = load()
EchoRequest, EchoReply = TYPES["EchoRequest"], TYPES["EchoReply"]
THREAD, TIMER, PARK = 2, 3, 4


def fails(code, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), code)
        return error
    raise AssertionError("it did not fail")


def call_ours(port):
    with grpc.insecure_channel("127.0.0.1:%d" % port) as channel:
        echo = channel.unary_unary(
            "/golden.v1.Trial/Echo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=EchoReply.FromString)
        for how in THREAD, TIMER:
            asked = EchoRequest(text="later", how=how, delay_ms=20)
            assert echo(asked, timeout=20).text == "later"
        error = fails(grpc.StatusCode.DATA_LOSS, echo,
                      EchoRequest(text="سلام", code=15, details=b"\1\2"))
        assert error.details() == "سلام"
        assert ("grpc-status-details-bin", b"\1\2") in \
            error.trailing_metadata()
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, echo,
              EchoRequest(how=PARK), timeout=0.1)
        fails(grpc.StatusCode.RESOURCE_EXHAUSTED, echo,
              EchoRequest(text="a" * (5 << 20)))


def on_echo(request, context):
    context.set_trailing_metadata(
        (("grpc-status-details-bin", request.details),))
    context.set_code(grpc.StatusCode.ABORTED)
    context.set_details(request.text)
    return EchoReply()


def serve_theirs():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "golden.v1.Trial", {
            "Echo": grpc.unary_unary_rpc_method_handler(
                on_echo, EchoRequest.FromString,
                lambda message: message.SerializeToString()),
        }),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main():
    program = sys.argv[1]
    ours = subprocess.Popen([program, "serve"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    call_ours(int(ours.stdout.readline()))
    ours.stdin.close()
    assert ours.wait(20) == 0
    theirs, port = serve_theirs()
    subprocess.run([program, "call", "127.0.0.1:%d" % port], check=True,
                   timeout=60)
    theirs.stop(0)
    print("both directions agree")


main()
