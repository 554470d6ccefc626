#!/usr/bin/python3
"""gRPC's interoperability cases between our library and another one.

    interop.py PEER ours_to_theirs|theirs_to_ours [CASE ...]

ours_to_theirs: our client calls the peer's server. Each case is one run of a
client, which itself checks what gRPC's doc/interop-test-descriptions.md asks
for. Ends with 77 (skipped) where the peer cannot be had; with
PEYK_REQUIRE_TOOLS=1 that is a failure for those that must be there.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import harness  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PEYK_BIN_DIR") or
                     harness.ROOT / "build-asan") / "tests/interop"
TOOLS = harness.ROOT / "build-tools"
CASE_SECONDS = 150
SKIPPED = 77

PLAIN = [
    "empty_unary", "large_unary", "client_streaming", "server_streaming",
    "ping_pong", "empty_stream", "custom_metadata", "status_code_and_message",
    "special_status_message", "unimplemented_method", "unimplemented_service",
    "cancel_after_begin", "cancel_after_first_response",
    "timeout_on_sleeping_server"]
COMPRESSED = [
    "client_compressed_unary", "server_compressed_unary",
    "client_compressed_streaming", "server_compressed_streaming"]


class Tls:
    """A certificate authority of this run, and a server's certificate."""

    name = "interop.test"

    def __init__(self):
        folder = harness.new_dir("tls")
        self.ca, self.certificate, self.key = (
            folder / name for name in ("ca.pem", "server.pem", "server.key"))
        ca_key, request = folder / "ca.key", folder / "server.csr"
        extensions = folder / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{self.name}\n")
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes"]
        for command in (
                [*new, "-x509", "-days", "2", "-subj", "/CN=interop CA",
                 "-keyout", ca_key, "-out", self.ca],
                [*new, "-subj", "/CN=" + self.name, "-keyout", self.key,
                 "-out", request],
                ["openssl", "x509", "-req", "-days", "2", "-in", request,
                 "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial",
                 "-extfile", extensions, "-out", self.certificate]):
            subprocess.run(command, check=True, capture_output=True)

    def for_server(self):
        return ["--use_tls=true", f"--tls_cert_file={self.certificate}",
                f"--tls_key_file={self.key}"]

    def for_client(self):
        return ["--use_tls=true", f"--ca_file={self.ca}",
                f"--server_host_override={self.name}"]


# --- peers -----------------------------------------------------------------

class Unavailable(Exception):
    """The peer is not on this machine."""


class Peer:
    """Another implementation's server and client, as command lines.

    `required`: continuous integration must have it. `secure`: its cases run a
    second time with TLS. A server whose command has {port} in it is given one;
    another chooses, prints it, and ends with its standard input. Those that
    Go and Java publish listen on every address of the machine.
    """

    required = False
    secure = False
    to_theirs = PLAIN  # what its server answers
    to_ours = PLAIN    # what its client calls

    def server(self):
        raise NotImplementedError

    def client(self):
        raise NotImplementedError

    def server_tls(self, tls):
        return tls.for_server() if tls else ["--use_tls=false"]

    def client_tls(self, tls):
        return tls.for_client() if tls else ["--use_tls=false"]


def found(path):
    if not os.access(path, os.R_OK):
        raise Unavailable(f"there is no {path}")
    return str(path)


def installed(program):
    if shutil.which(program) is None:
        raise Unavailable(f"{program} is not installed")
    return program


class Ours(Peer):
    to_theirs = to_ours = PLAIN + COMPRESSED

    def server(self):
        return [found(BUILD / "interop_server")]

    def client(self):
        return [found(BUILD / "interop_client")]


class Go(Peer):
    """The programs that grpc-go publishes; it has no compressed cases."""

    required = secure = True

    def server(self):
        return [found(TOOLS / "bin/grpc-go-interop-server"), "--port={port}"]

    def client(self):
        return [found(TOOLS / "bin/grpc-go-interop-client")]

    def client_tls(self, tls):
        return super().client_tls(tls) + (["--use_test_ca=true"] if tls else [])


class Java(Peer):
    """The programs that grpc-java publishes.

    Its server does not look whether requests are compressed, and does not
    compress streams.
    """

    to_ours = PLAIN + COMPRESSED
    to_theirs = PLAIN + [
        "client_compressed_unary_noprobe", "server_compressed_unary",
        "client_compressed_streaming_noprobe"]

    def program(self, name):
        return [installed("java"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                found(TOOLS / "bin/grpc-java-interop") + "/*",
                "io.grpc.testing.integration." + name]

    def server(self):
        return self.program("TestServiceServer") + ["--port={port}"]

    def client(self):
        return self.program("TestServiceClient")


class Cpp(Peer):
    """cpp/, on Debian's libgrpc++."""

    required = secure = True
    to_ours = to_theirs = PLAIN + COMPRESSED

    def server(self):
        return [found(BUILD / "cpp/interop_cpp"), "server"]

    def client(self):
        return [found(BUILD / "cpp/interop_cpp"), "client"]


class Python(Peer):
    """python_peer.py, on Debian's python3-grpcio.

    That can compress, but does not tell whether what it receives was, and a
    client compresses all messages of a stream or none.
    """

    required = secure = True
    to_ours = PLAIN + ["client_compressed_unary"]
    to_theirs = PLAIN + [
        "client_compressed_unary_noprobe", "server_compressed_unary",
        "client_compressed_streaming_noprobe", "server_compressed_streaming"]

    def program(self, side):
        try:
            import grpc  # noqa: F401
        except ImportError as why:
            raise Unavailable(str(why)) from None
        return [sys.executable, str(HERE / "python_peer.py"), side]

    def server(self):
        return self.program("server")

    def client(self):
        return self.program("client")


class Node(Peer):
    """node/peer.js, on @grpc/grpc-js, whose server does not compress."""

    secure = True
    to_ours = PLAIN + ["client_compressed_unary"]
    to_theirs = PLAIN + ["client_compressed_unary_noprobe",
                         "client_compressed_streaming_noprobe"]

    def program(self, side):
        packages = found(TOOLS / "bin/grpc-js")
        return ["env", f"NODE_PATH={packages}", installed("node"),
                str(HERE / "node/peer.js"), side]

    def server(self):
        return self.program("server")

    def client(self):
        return self.program("client")


PEERS = {"go": Go, "java": Java, "cpp": Cpp, "python": Python, "node": Node}


# --- running ---------------------------------------------------------------

def is_listening(process, port):
    if process.poll() is not None:
        raise SystemExit(f"the server ended with {process.returncode}")
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


@contextlib.contextmanager
def serving(peer, tls):
    """Runs a server, ours or the peer's, and gives its port."""
    command = peer.server() + peer.server_tls(tls)
    chooses = not any("{port}" in word for word in command)
    port = 0 if chooses else harness.free_port()
    command = [word.format(port=port) for word in command]
    log = harness.new_dir("server") / "stderr"
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            harness.tied() + command, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if chooses else errors, stderr=errors,
            env=harness.environment())
    try:
        if chooses:
            line = process.stdout.readline()
            if not re.fullmatch(rb"\d+\n", line):
                raise AssertionError("expected the server's port, got "
                                     f"{line!r}\n{log.read_text()}")
            port = int(line)
        else:
            harness.poll_until(lambda: is_listening(process, port),
                               "the server listens")
        yield port
        if chooses:  # ends with its standard input
            process.stdin.close()
            code = process.wait(harness.DEADLINE)
            if code != 0:
                raise AssertionError(
                    f"expected the server to end with 0, got {code}\n"
                    + log.read_text()[-8000:])
    finally:
        process.kill()
        process.wait()


def run_case(peer, case, port, tls):
    """None, or what the client said before it failed."""
    command = peer.client() + [
        "--server_host=127.0.0.1", f"--server_port={port}",
        f"--test_case={case}"] + peer.client_tls(tls)
    try:
        ran = subprocess.run(
            harness.tied() + command, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=CASE_SECONDS, env=harness.environment())
    except subprocess.TimeoutExpired as late:
        return f"no end within {CASE_SECONDS} s\n{late.stdout}"
    if ran.returncode == 0:
        return None
    return f"exit code {ran.returncode}\n" + ran.stdout.decode(
        errors="replace")[-4000:]


def run_cases(client, server, cases, tls):
    failed = 0
    with serving(server, tls) as port:
        for case in cases:
            start = time.monotonic()
            said = run_case(client, case, port, tls)
            print(f"{'ok    ' if said is None else 'FAILED'} {case}"
                  f"{' over TLS' if tls else ''}"
                  f" ({time.monotonic() - start:.2f} s)", flush=True)
            if said is not None:
                print(said, flush=True)
                failed += 1
    return failed


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in PEERS or \
            sys.argv[2] not in ("ours_to_theirs", "theirs_to_ours"):
        print(__doc__, file=sys.stderr)
        return 2
    peer, ours = PEERS[sys.argv[1]](), Ours()
    try:
        if sys.argv[2] == "ours_to_theirs":
            client, server, cases = ours, peer, peer.to_theirs
            peer.server()
        else:
            client, server, cases = peer, ours, peer.to_ours
            peer.client()
    except Unavailable as why:
        print(f"{sys.argv[1]} cannot be had: {why}")
        if peer.required and os.environ.get("PEYK_REQUIRE_TOOLS") == "1":
            return 1
        return SKIPPED
    cases = sys.argv[3:] or cases
    failed = run_cases(client, server, cases, None)
    ran = len(cases)
    if peer.secure:
        failed += run_cases(client, server, cases, Tls())
        ran += len(cases)
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
