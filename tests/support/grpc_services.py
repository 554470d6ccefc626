"""gRPC's own services, health and reflection, as Python sees them.

The messages are compiled from proto/grpc under names of their own: a folder
grpc/ beside the package grpc would hide it.
"""

import atexit
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _compile():
    out = pathlib.Path(tempfile.mkdtemp(prefix="peyk-proto-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    for name in ("health", "reflection"):
        shutil.copy(ROOT / f"proto/grpc/{name}/v1/{name}.proto",
                    out / f"own_{name}.proto")
    subprocess.run(["protoc", "-I", out, "--python_out", out,
                    "own_health.proto", "own_reflection.proto"], check=True)
    sys.path.insert(0, str(out))


_compile()
import own_health_pb2 as health  # noqa: E402
import own_reflection_pb2 as reflection  # noqa: E402

Status = health.HealthCheckResponse.ServingStatus
HEALTH = "/grpc.health.v1.Health/"


def check(channel, service="", timeout=60):
    """The state's name; grpc.RpcError for an unknown service."""
    answer = channel.unary_unary(
        HEALTH + "Check",
        request_serializer=health.HealthCheckRequest.SerializeToString,
        response_deserializer=health.HealthCheckResponse.FromString)(
            health.HealthCheckRequest(service=service), timeout=timeout)
    return Status.Name(answer.status)


def list_health(channel, timeout=60):
    """{service: state's name}."""
    answer = channel.unary_unary(
        HEALTH + "List",
        request_serializer=health.HealthListRequest.SerializeToString,
        response_deserializer=health.HealthListResponse.FromString)(
            health.HealthListRequest(), timeout=timeout)
    return {name: Status.Name(one.status)
            for name, one in answer.statuses.items()}


class Watch:
    """A stream of states. next() waits for one; it raises at the end."""

    def __init__(self, channel, service=""):
        self.call = channel.unary_stream(
            HEALTH + "Watch",
            request_serializer=health.HealthCheckRequest.SerializeToString,
            response_deserializer=health.HealthCheckResponse.FromString)(
                health.HealthCheckRequest(service=service), timeout=300)

    def next(self):
        return Status.Name(next(self.call).status)

    def cancel(self):
        self.call.cancel()


class Reflection:
    """A stream of requests and answers; raw() takes bytes as they are."""

    def __init__(self, channel, version="v1"):
        self.requests = queue.Queue()
        self.call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/"
            "ServerReflectionInfo",
            request_serializer=lambda data: data,
            response_deserializer=reflection.ServerReflectionResponse
            .FromString)(iter(self.requests.get, None), timeout=300)

    def raw(self, data):
        self.requests.put(data)
        return next(self.call)

    def ask(self, **fields):
        """The answer; what every answer has was checked."""
        request = reflection.ServerReflectionRequest(**fields)
        answer = self.raw(request.SerializeToString())
        assert answer.original_request == request, answer
        assert answer.valid_host == request.host, answer
        return answer

    def close(self):
        """Half-closes, and waits for the end: its status code."""
        self.requests.put(None)
        try:
            extra = next(self.call)
        except StopIteration:
            return self.call.code()
        except grpc.RpcError as error:
            return error.code()
        raise AssertionError(f"expected the end, got {extra}")
