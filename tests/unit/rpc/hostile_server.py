#!/usr/bin/python3
"""Servers that break HTTP/2, gRPC or a promise, for test_hostile.c.

    hostile_server.py TEST_PROGRAM

starts one for each way to break a whole connection, and one that breaks each
stream as the last parts of its path say; then runs the program with their
ports, "name=port" each, and ends as it does.
"""
import gzip
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

HI = b"\x0a\x02hi"  # an EchoReply
CLIENT_PREFACE = 24  # bytes


def frame(message, flag=0, length=None):
    """A gRPC message with its prefix, which may lie."""
    size = len(message) if length is None else length
    return struct.pack(">BI", flag, size) + message


def http2(kind, flags, stream, payload):
    """A raw HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + \
        struct.pack(">BBI", kind, flags, stream) + payload


def bomb(megabytes):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    million = bytes(1 << 20)
    return b"".join(squeeze.compress(million) for _ in range(megabytes)) + \
        squeeze.flush()


BOMB = bomb(256)


class Stream:
    """One request and its wrong answer."""

    def __init__(self, server, number, headers):
        self.server, self.h2, self.number = server, server.h2, number
        self.headers = dict(headers)
        self.data = b""
        self.pump = None

    def head(self, *more, status="200", content_type="application/grpc",
             end=False):
        self.h2.send_headers(
            self.number, [(":status", status), ("content-type", content_type),
                          *more], end_stream=end)

    def trail(self, *more, status="0"):
        own = [("grpc-status", status)] if status is not None else []
        self.h2.send_headers(self.number, own + list(more), end_stream=True)

    def say(self, data, end=False):
        """As far as the window goes now, the rest later. A client may make it
        smaller than what was sent already (RFC 9113, 6.9.2)."""
        window = self.h2.local_flow_control_window(self.number)
        window = max(0, min(window, 16384))
        part, rest = data[:window], data[window:]
        if part or not rest:
            self.h2.send_data(self.number, part, end_stream=end and not rest)
        if rest:
            self.server.flush()
            self.server.wait_for_window(self.number)
            self.say(rest, end)

    # ---- One for each name ----

    def ok(self, _):
        self.head()
        self.say(frame(HI))
        # How the request came.
        self.trail(("x-encoding", self.headers.get("grpc-encoding", "none")),
                   ("x-flag", str(self.data[0])),
                   ("x-twice", "one"), ("x-twice", "two"))

    def flags(self, _):
        """Of a stream of requests: the flag of each."""
        found, rest = "", self.data
        while rest:
            flag, size = struct.unpack(">BI", rest[:5])
            found, rest = found + str(flag), rest[5 + size:]
        self.head()
        self.say(frame(HI))
        self.trail(("x-flags", found))

    def rst(self, code):
        self.h2.reset_stream(self.number, int(code))

    def rst_late(self, code):
        self.head()
        self.say(frame(HI))
        self.h2.reset_stream(self.number, int(code))

    def http(self, status):
        self.head(status=status, content_type="text/html")
        self.say(b"<html>no</html>", end=True)

    def content_type(self, _):
        self.head(content_type="text/html")
        self.say(b"<html>yes</html>", end=True)

    def status(self, value):
        self.head()
        self.say(frame(HI))
        self.trail(status=value)

    def no_status(self, _):
        self.head()
        self.say(frame(HI), end=True)

    def no_status_in_trailers(self, _):
        self.head()
        self.say(frame(HI))
        self.trail(("x-else", "1"), status=None)

    def no_message(self, _):
        self.head()
        self.trail()

    def two_messages(self, _):
        self.head()
        self.say(frame(HI) + frame(HI))
        self.trail()

    def forever(self, _):
        self.head()
        self.pump = lambda: self.say(frame(bytes(10000)))

    def never(self, _):
        pass

    def never_after_headers(self, _):
        self.head()
        self.say(frame(HI)[:6])

    def huge_headers(self, size):
        self.head(*[("x-%d" % i, "a" * 1000)
                    for i in range(int(size) // 1000)])
        self.say(frame(HI))
        self.trail()

    def huge_trailers(self, size):
        self.head()
        self.say(frame(HI))
        self.trail(*[("x-%d" % i, "a" * 1000)
                     for i in range(int(size) // 1000)])

    def too_long(self, _):
        self.head()
        self.say(frame(b"", length=4 << 20 | 1) + bytes(1000))
        self.trail()

    def pours(self, length):
        """So much that the message never ends."""
        self.head()
        self.say(frame(b"", length=int(length)))
        self.pump = lambda: self.say(bytes(16384))

    def lies(self, length):
        self.head()
        self.say(frame(HI, length=int(length)))
        self.trail()

    def lies_and_ends(self, length):
        self.head()
        self.say(frame(HI, length=int(length)), end=True)

    def half_prefix(self, _):
        self.head()
        self.say(b"\0\0")
        self.trail()

    def flag(self, value):
        self.head()
        self.say(frame(HI, flag=int(value)))
        self.trail()

    def encoding(self, name):
        self.head(("grpc-encoding", name))
        self.say(frame(HI, flag=1))
        self.trail()

    def unused_encoding(self, name):
        self.head(("grpc-encoding", name))
        self.say(frame(HI))
        self.trail()

    def gzip(self, how):
        packed = gzip.compress(HI)
        self.head(("grpc-encoding", "gzip"))
        self.say(frame({
            "good": packed,
            "garbage": b"\x1f\x8b" + os.urandom(100),
            "cut": packed[:-4],
            "more": packed + b"more",
            "empty": b"",
            "bomb": BOMB,
        }[how], flag=1))
        self.trail()

    def deflate(self, _):
        self.head(("grpc-encoding", "deflate"))
        self.say(frame(zlib.compress(HI), flag=1))
        self.trail()

    def no_protobuf(self, _):
        self.head()
        self.say(frame(b"\x0a\xff\xff\xff\xff"))
        self.trail()

    def details(self, value):
        self.head()
        self.trail(("grpc-message", "no"),
                   ("grpc-status-details-bin", value), status="9")

    def pushback(self, value):
        self.head()
        self.trail(("grpc-retry-pushback-ms", value), status="14")

    def percent(self, _):
        self.head()
        self.trail(("grpc-message", "%zz%4%00%ff%"), status="9")

    def after_the_end(self, _):
        self.head()
        self.say(frame(HI))
        self.trail()
        self.server.flush()
        self.server.raw(http2(0, 0, self.number, frame(HI)))

    def data_first(self, _):
        self.server.raw(http2(0, 0, self.number, frame(HI)))

    def continuation(self, megabytes):
        """Headers that never end."""
        entry = b"\0\x03x-a\x7f\x87\x01" + b"a" * 262  # a literal
        block = entry * 60
        self.server.raw(http2(1, 0, self.number, block))
        for _ in range(int(megabytes) << 6):
            self.server.raw(http2(9, 0, self.number, block))

    def pings(self, thousands):
        for _ in range(int(thousands)):
            self.server.raw(http2(6, 0, 0, bytes(8)) * 1000)
        self.ok(None)

    def settings(self, thousands):
        for _ in range(int(thousands)):
            self.server.raw(http2(4, 0, 0, b"") * 1000)
        self.ok(None)

    def goaway(self, _):
        self.server.raw(http2(7, 0, 0, struct.pack(">II", 0, 0)))
        self.server.close()


class Server:
    """One connection of a server whose streams go wrong."""

    def __init__(self, connection):
        self.socket = connection
        self.streams = {}
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False))

    def raw(self, data):
        self.socket.sendall(data)

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.raw(data)

    def close(self):
        self.flush()
        self.socket.close()

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError
        for event in self.h2.receive_data(data):
            self.on(event)

    def on(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = Stream(
                self, event.stream_id, event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id].data += event.data
            self.h2.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self.streams[event.stream_id]
            how = stream.headers[":path"].split("/")
            getattr(stream, how[2])(how[3] if len(how) > 3 else None)
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)

    def wait_for_window(self, number):
        while self.h2.local_flow_control_window(number) <= 0:
            self.receive()
            self.flush()

    def run(self):
        self.h2.initiate_connection()
        self.flush()
        while True:
            pumps = [s.pump for s in self.streams.values() if s.pump]
            for pump in pumps:
                pump()
            self.flush()
            if not pumps:
                self.receive()


# ---- Whole connections ----

def garbage(connection):
    connection.sendall(os.urandom(4096))


def http1(connection):
    connection.recv(CLIENT_PREFACE)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n"
                       b"Content-Length: 0\r\n\r\n")


def hang_up(connection):
    connection.recv(CLIENT_PREFACE)


def goaway(connection):
    connection.sendall(http2(4, 0, 0, b"") +
                       http2(7, 0, 0, struct.pack(">II", 0, 0)))
    drain(connection)


def silent(connection):
    drain(connection)


def long_frame(connection):
    connection.sendall(http2(4, 0, 0, b"") + http2(0, 0, 1, b"")[:0] +
                       b"\xff\xff\xff\0\0\0\0\0\1" + bytes(100000))
    drain(connection)


def never_reads(connection):
    """Says that it takes much, and takes nothing."""
    connection.sendall(
        http2(4, 0, 0, struct.pack(">HI", 4, 0x7fffffff)) +
        http2(8, 0, 0, struct.pack(">I", 0x7fffffff - 65535)))
    threading.Event().wait()


def drain(connection):
    while connection.recv(65536):
        pass


def streams(connection):
    Server(connection).run()


def serve(function):
    """Gives the port of a server that does this with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection):
        try:
            with connection:
                function(connection)
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the client is allowed to have had enough

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection,),
                             daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def main():
    servers = [streams, garbage, http1, hang_up, goaway, silent, long_frame,
               never_reads]
    ports = ["%s=%d" % (f.__name__, serve(f)) for f in servers]
    # The program measures its memory: what is freed is to be gone.
    environment = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1")
    sys.exit(subprocess.run(sys.argv[1:] + ports, env=environment,
                            timeout=100).returncode)


main()
