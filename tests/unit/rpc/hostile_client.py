#!/usr/bin/python3
"""Clients that break HTTP/2, gRPC or a promise, against a server on rpc.

    hostile_client.py TARGET_PROGRAM [TEST ...]

Whatever one client does, the server stays up, others are served meanwhile,
memory stays bounded, and what ends a call is what gRPC's documents name
(statuscodes.md, compression.md, PROTOCOL-HTTP2.md). Where gRPC's core itself
answers otherwise, the test says so.
"""
import contextlib
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import zlib

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4  # of SETTINGS
CANCEL = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED = "0", "1", "2", "4"
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = "8", "12", "13"

ECHO, COUNT, SUM, TALK = (
    "/golden.v1.Trial/" + name for name in ("Echo", "Count", "Sum", "Talk"))
SALAM = b"\x0a\x05salam"  # an EchoRequest
FIVE = b"\x08\x05"  # a Number

LIMIT = 1 << 20  # the target's max_message_bytes
PATIENCE = 60.0  # seconds; the machine may be busy

PROGRAM = None


def frame(kind, flags, stream, payload=b"", length=None):
    """An HTTP/2 frame, whose length may lie."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(
        ">BBI", kind, flags, stream) + payload


def message(content, flag=0, length=None):
    """A gRPC message with its prefix, which may lie."""
    size = len(content) if length is None else length
    return struct.pack(">BI", flag, size) + content


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def count_request(to, padding):
    return message(b"\x10" + varint(to) + b"\x18" + varint(padding))


def gzip(chunks):
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(map(packer.compress, chunks)) + packer.flush()


def literal(*headers):
    """Headers that change no state of HPACK: the same block every time."""
    block = b""
    for name, value in headers:
        block += bytes([0, len(name)]) + name.encode()
        block += bytes([len(value)]) + value.encode()
    return block


BLOCK = literal((":method", "POST"), (":scheme", "http"), (":path", ECHO),
                (":authority", "trial"), ("te", "trailers"),
                ("content-type", "application/grpc"))


class Stream:
    def __init__(self):
        self.headers, self.data, self.is_over = {}, b"", False
        self.reset = None

    @property
    def code(self):
        return self.headers.get("grpc-status")


class Client:
    """One connection that keeps to the rules only where it is told to."""

    def __init__(self, target, window=65535, acknowledges=True):
        self.socket = socket.create_connection(
            ("127.0.0.1", target.port), timeout=PATIENCE)
        self.packer, self.unpacker = hpack.Encoder(), hpack.Decoder()
        self.input, self.is_over, self.goaway = b"", False, None
        self.acknowledges = acknowledges
        self.streams, self.next = {}, 1
        self.room, self.rooms, self.first_room = 65535, {}, 65535
        self.write(PREFACE + frame(SETTINGS, 0, 0, struct.pack(
            ">HI", INITIAL_WINDOW, window)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_over = True

    def new_stream(self):
        number, self.next = self.next, self.next + 2
        self.streams[number] = Stream()
        return number

    def open(self, path=ECHO, headers=(), without=()):
        usual = [(":method", "POST"), (":scheme", "http"), (":path", path),
                 (":authority", "trial"), ("te", "trailers"),
                 ("content-type", "application/grpc")]
        given = {name for name, _ in headers} | set(without)
        every = [*headers, *(h for h in usual if h[0] not in given)]
        every.sort(key=lambda header: header[0][0] != ":")
        number = self.new_stream()
        block = self.packer.encode(every, huffman=False)
        pieces = [block[i:i + 16384] for i in range(0, len(block), 16384)]
        for i, piece in enumerate(pieces):
            self.write(frame(CONTINUATION if i else HEADERS,
                             END_HEADERS if i == len(pieces) - 1 else 0,
                             number, piece))
        return number

    def send(self, number, data, end=True):
        """As much as the server's window lets through, until it is over."""
        stream = self.streams[number]
        while not self.is_over and not stream.is_over:
            room = min(self.room, self.first_room + self.rooms.get(number, 0),
                       16384)
            piece, data = data[:max(room, 0)], data[max(room, 0):]
            self.room -= len(piece)
            self.rooms[number] = self.rooms.get(number, 0) - len(piece)
            if piece or not data:
                self.write(frame(DATA, END_STREAM if end and not data else 0,
                                 number, piece))
            if not data or not piece and not self.read(PATIENCE):
                return

    def call(self, data=message(SALAM), wait=PATIENCE, **how):
        number = self.open(**how)
        self.send(number, data)
        return self.outcome(number, wait)

    def outcome(self, number, wait=PATIENCE):
        end = time.monotonic() + wait
        stream = self.streams[number]
        while not stream.is_over and not self.is_over:
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                break
        return stream

    def read(self, wait):
        """What comes next; False: nothing, or the end."""
        if not select.select([self.socket], [], [], wait)[0]:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            data = b""
        self.is_over = self.is_over or not data
        self.input += data
        while len(self.input) >= 9:
            size = int.from_bytes(self.input[:3], "big")
            if len(self.input) < 9 + size:
                break
            kind, flags, number = struct.unpack(">BBI", self.input[3:9])
            payload = self.input[9:9 + size]
            self.input = self.input[9 + size:]
            self.take(kind, flags, number, payload)
        return bool(data)

    def take(self, kind, flags, number, payload):
        stream = self.streams.setdefault(number, Stream())
        if kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[i:i + 6])
                if name == INITIAL_WINDOW:
                    self.first_room = value
            if self.acknowledges:
                self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = payload[8:].decode(errors="replace")
        elif kind == WINDOW_UPDATE:
            more = struct.unpack(">I", payload)[0]
            if number == 0:
                self.room += more
            else:
                self.rooms[number] = self.rooms.get(number, 0) + more
        elif kind == HEADERS:
            stream.headers.update(self.unpacker.decode(payload))
        elif kind == DATA:
            stream.data += payload
            if payload:
                self.write(frame(WINDOW_UPDATE, 0, 0,
                                 struct.pack(">I", len(payload))))
        elif kind == RST_STREAM:
            stream.reset = struct.unpack(">I", payload)[0]
            stream.is_over = True
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            stream.is_over = True

    def wait_for_end(self):
        while not self.is_over and self.read(PATIENCE):
            pass
        return self.is_over


class Target:
    """The server, with options."""

    def __init__(self, **options):
        self.process = subprocess.Popen(
            [PROGRAM, *(f"{name}={value}" for name, value in options.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def memory(self, line="VmRSS"):
        """MiB."""
        status = pathlib.Path(
            f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(line + r":\s+(\d+)", status)[1]) / 1024

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self):
        """How many calls ended with which code; all that arrived did."""
        said = self.process.communicate(timeout=PATIENCE)[0]
        assert self.process.returncode == 0, self.process.returncode
        counts = {name: int(count) for name, count in (
            line.split() for line in said.splitlines())}
        arrived = counts.pop("arrived")
        assert arrived == sum(counts.values()), (arrived, counts)
        return counts

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Others(threading.Thread):
    """Honest clients, one call and one connection after the other."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.calls, self.failed = target, 0, None
        self.is_enough = threading.Event()

    def run(self):
        while not self.is_enough.is_set() and self.failed is None:
            try:
                with Client(self.target) as client:
                    for _ in range(3):
                        stream = client.call()
                        if stream.data != message(SALAM):
                            self.failed = stream.headers or "no answer"
                        self.calls += 1
            except OSError as error:
                self.failed = error
            self.is_enough.wait(0.01)

    def end(self):
        self.is_enough.set()
        self.join()
        assert self.failed is None, f"an honest call failed: {self.failed}"
        assert self.calls >= 3


def is_sanitized():
    """Sanitizers keep freed memory, so its size tells nothing."""
    code = pathlib.Path(PROGRAM).read_bytes()
    return b"__asan_init" in code or b"__tsan_init" in code


class HostileTest(unittest.TestCase):

    def start(self, **options):
        target = Target(workers=2, max_message_bytes=LIMIT, **options)
        self.addCleanup(target.kill)
        return target

    @contextlib.contextmanager
    def others(self, target):
        """Honest calls work before, meanwhile and after."""
        others = Others(target)
        others.start()
        yield
        with Client(target) as client:
            self.assertEqual(client.call().code, OK)
        others.end()

    @contextlib.contextmanager
    def memory(self, target, most):
        """The peak grows by so many MiB at most."""
        before = target.memory()
        target.reset_peak()
        yield
        grown = target.memory("VmHWM") - before
        if not is_sanitized():
            self.assertLess(grown, most, "MiB")


class Shared(HostileTest):
    """What needs no options of its own: one server bears all of it."""

    @classmethod
    def setUpClass(cls):
        cls.target = Target(workers=2, max_message_bytes=LIMIT,
                            handshake_timeout_ms=1000)
        cls.addClassCleanup(cls.target.kill)

    @classmethod
    def tearDownClass(cls):
        cls.target.stop()

    def setUp(self):
        # Not a cleanup: those run although the test has failed already.
        self.others_of_test = Others(self.target)
        self.others_of_test.start()

    def tearDown(self):
        with Client(self.target) as client:
            self.assertEqual(client.call().code, OK)
        self.others_of_test.end()

    def ends(self, code, data=message(SALAM), **how):
        with Client(self.target) as client:
            stream = client.call(data, **how)
            self.assertEqual(stream.code, code, stream.headers)
            if code != OK:
                self.assertEqual(stream.data, b"")
                self.assertTrue(stream.headers["grpc-message"])
            # The connection goes on.
            self.assertEqual(client.call().code, OK)
            return stream

    # --- no HTTP/2

    def test_garbage_instead_of_http2(self):
        cases = (b"\0" * 100000, os.urandom(5000), b"GET / HTTP/1.1\r\n\r\n",
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
                 PREFACE[:10] + b"!" * 100, PREFACE + os.urandom(3000),
                 PREFACE + frame(HEADERS, 4, 1, os.urandom(300)),
                 PREFACE + frame(SETTINGS, 0, 0, b"x" * 7))
        for garbage in cases:
            with self.subTest(garbage=garbage[:20]), socket.create_connection(
                    ("127.0.0.1", self.target.port), PATIENCE) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(garbage)
                with contextlib.suppress(ConnectionResetError):
                    while raw.recv(65536):
                        pass

    def test_silence_instead_of_http2(self):
        for said in (b"", PREFACE[:5]):
            with socket.create_connection(
                    ("127.0.0.1", self.target.port), PATIENCE) as raw:
                raw.sendall(said)
                with contextlib.suppress(ConnectionResetError):
                    while raw.recv(65536):
                        pass

    def test_frames_that_break_the_rules(self):
        """The connection or the stream ends; which one is gRPC's affair."""
        cases = {
            "data on no stream": frame(DATA, 0, 0, message(SALAM)),
            "data on an idle stream": frame(DATA, 0, 77, message(SALAM)),
            "headers on no stream": frame(HEADERS, 4, 0, BLOCK),
            "headers on a server's stream": frame(HEADERS, 4, 2, BLOCK),
            "headers cut by another frame":
                frame(HEADERS, 0, 1, BLOCK[:20]) + frame(PING, 0, 0, b"8" * 8),
            "continuation of nothing": frame(CONTINUATION, 4, 1, BLOCK),
            "reset of an idle stream": frame(RST_STREAM, 0, 9, b"\0" * 4),
            "reset of a wrong size": frame(RST_STREAM, 0, 1, b"\0" * 3),
            "window of zero": frame(WINDOW_UPDATE, 0, 0, b"\0" * 4),
            "window that overflows":
                frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 3,
            "settings of a stream": frame(SETTINGS, 0, 1, b"\0" * 6),
            "settings out of range":
                frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 1)),
            "push": frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + BLOCK),
            "ping of a wrong size": frame(PING, 0, 0, b"1234567"),
            "too large a frame": frame(DATA, 0, 1, b"x" * 20000),
            "too large a length": frame(DATA, 0, 1, b"x", length=0xffffff),
            "unknown frame": frame(99, 255, 1, b"x" * 50),
            "padding longer than its frame": frame(DATA, 8, 1, b"\xff" + b"x"),
            "table size of 2^35": frame(
                HEADERS, 4, 1, b"\x3f\xff\xff\xff\xff\x7f" + BLOCK),
            "index out of the table": frame(HEADERS, 4, 1, b"\xff\xff\x03"),
        }
        for name, bytes_ in cases.items():
            with self.subTest(name), Client(self.target) as client:
                client.write(bytes_)
                stream = client.streams[client.new_stream()]
                client.write(frame(HEADERS, 4, 1, BLOCK)
                             + frame(DATA, END_STREAM, 1, message(SALAM)))
                client.write(frame(GOAWAY, 0, 0, b"\0" * 8))
                client.outcome(1, wait=0.3)
                self.assertIn(stream.code, (
                    None, OK, UNKNOWN, INTERNAL, UNIMPLEMENTED, "14"))

    # --- a message that is none

    def test_request_that_is_too_long(self):
        with self.memory(self.target, 40):
            self.ends(RESOURCE_EXHAUSTED, message(b"\x0a" + b"x" * LIMIT))

    def test_request_of_four_gigabytes(self):
        """By what its prefix says; a mebibyte comes."""
        with self.memory(self.target, 40), Client(self.target) as client:
            number = client.open()
            client.send(number, message(b"x" * LIMIT, length=0xffffffff),
                        end=False)
            # gRPC's core looks at the limit once a message is complete. Its
            # window lets no more in than the limit for partial requests.
            client.write(frame(RST_STREAM, 0, number, struct.pack(">I", 8)))

    def test_request_that_is_missing(self):
        self.ends(UNIMPLEMENTED, b"")

    def test_request_shorter_than_it_says(self):
        for data in (message(SALAM, length=10), message(SALAM)[:3], b"\0"):
            self.ends(UNIMPLEMENTED, data)

    def test_request_longer_than_it_says(self):
        # The rest is the beginning of a second one, which nobody reads.
        stream = self.ends(OK, message(SALAM + b"more", length=len(SALAM)))
        self.assertEqual(stream.data, message(SALAM))

    def test_request_that_does_not_parse(self):
        for content in (b"\xff", b"\x0a\x05sal", b"\x0a" * 99, b"\x0f" * 9,
                        b"\x0a\xff\xff\xff\xff\x0f"):
            self.ends(INTERNAL, message(content))

    def test_request_with_an_unknown_flag(self):
        """gRPC's core hands on an empty message, or none."""
        for flag in (2, 255):
            with Client(self.target) as client:
                stream = client.call(message(SALAM, flag))
                self.assertIn(stream.code, (OK, UNIMPLEMENTED, INTERNAL))
                self.assertNotIn(b"salam", stream.data)

    def test_connections_that_end_anywhere(self):
        whole = PREFACE + frame(SETTINGS, 0, 0) + frame(
            HEADERS, 4, 1, BLOCK) + frame(DATA, 1, 1, message(SALAM))
        for size in range(len(PREFACE), len(whole), 7):
            with socket.create_connection(
                    ("127.0.0.1", self.target.port), PATIENCE) as raw:
                raw.sendall(whole[:size])

    # --- compression

    def test_compression_that_is_unknown(self):
        for name in ("snappy", "zstd", "GZIP", "x" * 200):
            stream = self.ends(UNIMPLEMENTED, message(SALAM, 1),
                               headers=[("grpc-encoding", name)])
            self.assertEqual(
                stream.headers["grpc-accept-encoding"].replace(" ", ""),
                "identity,deflate,gzip")

    def test_compression_that_is_not_named(self):
        """compression.md wants INTERNAL; gRPC's core does not tell the two
        apart."""
        self.ends(UNIMPLEMENTED, message(SALAM, 1))
        self.ends(UNIMPLEMENTED, message(SALAM, 1),
                  headers=[("grpc-encoding", "identity")])

    def test_compression_that_is_broken(self):
        packed = gzip([SALAM])
        for name, data in (("gzip", b"garbage"), ("gzip", packed[:-1]),
                           ("gzip", packed + b"\0"), ("deflate", packed),
                           ("gzip", packed + packed)):
            self.ends(INTERNAL, message(data, 1),
                      headers=[("grpc-encoding", name)])
        self.ends(OK, message(packed, 1), headers=[("grpc-encoding", "gzip")])
        self.ends(OK, message(SALAM), headers=[("grpc-encoding", "gzip")])

    def test_compression_that_explodes(self):
        bomb = gzip([b"\0" * (1 << 20)] * 512)
        self.assertLess(len(bomb), LIMIT)
        with self.memory(self.target, 60):
            for _ in range(3):
                self.ends(RESOURCE_EXHAUSTED, message(bomb, 1),
                          headers=[("grpc-encoding", "gzip")])
            with Client(self.target) as client:
                numbers = [client.open(headers=[("grpc-encoding", "gzip")])
                           for _ in range(8)]
                for number in numbers:
                    client.send(number, message(bomb, 1))
                for number in numbers:
                    self.assertEqual(client.outcome(number).code,
                                     RESOURCE_EXHAUSTED)
        # In a stream as well, where the handler never hears of it.
        for path in (SUM, TALK):
            self.ends(RESOURCE_EXHAUSTED, message(bomb, 1), path=path,
                      headers=[("grpc-encoding", "gzip")])

    # --- headers

    def test_deadlines_that_are_past(self):
        for value in ("0n", "0m", "0H"):
            self.ends(DEADLINE_EXCEEDED, headers=[("grpc-timeout", value)])
        # It may be answered before the millisecond is over.
        with Client(self.target) as client:
            self.assertIn(
                client.call(headers=[("grpc-timeout", "1n")]).code,
                (OK, DEADLINE_EXCEEDED))

    def test_deadlines_that_are_malformed(self):
        """gRPC's core takes them for none."""
        for value in ("", "1", "abc", "-1S", "1x", "99999999999999999999S",
                      "1.5S", "S", "\xff"):
            with Client(self.target) as client:
                self.assertIn(client.call(
                    headers=[("grpc-timeout", value)]).code,
                    (OK, DEADLINE_EXCEEDED, INTERNAL, "14"))

    def test_paths_of_nobody(self):
        for path in ("", "/", "//", "*", "x", "/golden.v1.Trial",
                     "/golden.v1.Trial/", "/golden.v1.Trial/echo", ECHO + "/",
                     ECHO + "?x=1", "/" + "a" * 3000, "/\x01\x7f"):
            self.ends(UNIMPLEMENTED, path=path)

    def test_requests_that_are_no_grpc(self):
        for method in ("GET", "PUT", "post", ""):
            self.ends(UNKNOWN, headers=[(":method", method)])
        for name in (":method", ":scheme", ":path", ":authority", "te"):
            self.ends(UNKNOWN, without=[name])

    def test_content_types_of_others(self):
        """PROTOCOL-HTTP2.md would have them refused; gRPC's core does not
        look."""
        for value in ("text/plain", "", "application/json", "application/gr"):
            with Client(self.target) as client:
                self.assertEqual(
                    client.call(headers=[("content-type", value)]).code, OK)

    def test_metadata_that_is_too_large(self):
        many = [(f"x-{i}", "b" * 900) for i in range(20)]
        for headers in (many, [("x-a", "b" * 10000)]):
            with Client(self.target) as client:
                self.assertEqual(client.call(headers=headers).code,
                                 RESOURCE_EXHAUSTED)

    def test_metadata_that_is_huge(self):
        """Of clients that do not acknowledge the server's limit."""
        many = [(f"x-{i}", "b" * 15000) for i in range(60)]
        with self.memory(self.target, 200):
            for _ in range(3):
                with Client(self.target, acknowledges=False) as client:
                    numbers = [client.open(headers=many) for _ in range(20)]
                    for number in numbers:
                        client.send(number, message(SALAM))
                    self.assertIn(client.outcome(numbers[-1]).code,
                                  (RESOURCE_EXHAUSTED, None))

    # --- floods

    def flood(self, data, times, client, enough=PATIENCE):
        """Sends on while the server reads on; it may hang up."""
        end = time.monotonic() + enough
        for _ in range(times):
            client.write(data)
            while client.read(0):
                pass
            if client.is_over or time.monotonic() > end:
                return

    def test_flood_of_resets(self):
        """CVE-2023-44487: streams that begin and end at once."""
        with self.memory(self.target, 500), Client(self.target) as client:
            for first in range(1, 40000, 2000):
                self.flood(b"".join(
                    frame(HEADERS, 4, number, BLOCK)
                    + frame(DATA, 1, number, message(SALAM))
                    + frame(RST_STREAM, 0, number, struct.pack(">I", CANCEL))
                    for number in range(first, first + 2000, 2)), 1, client)

    def test_floods_of_small_frames(self):
        cases = {
            "settings": frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100) * 9),
            "pings": frame(PING, 0, 0, b"12345678"),
            "windows": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
            "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
            "unknown frames": frame(99, 0, 0),
            "empty data": frame(DATA, 0, 1),
        }
        for name, bytes_ in cases.items():
            with self.subTest(name), self.memory(self.target, 100), \
                    Client(self.target) as client:
                client.read(PATIENCE)
                client.open()
                self.flood(bytes_ * 1000, 50, client)

    def test_flood_of_empty_continuations(self):
        """CVE-2024-27316: headers that never end."""
        with self.memory(self.target, 100), Client(self.target) as client:
            client.write(frame(HEADERS, 0, 1, BLOCK))
            self.flood(frame(CONTINUATION, 0, 1) * 1000, 50, client)

    # --- streams that are left

    def test_streams_that_are_opened_and_left(self):
        with self.memory(self.target, 200):
            for path in (ECHO, COUNT, SUM, TALK):
                for beginning in (b"", message(SALAM)[:3],
                                  message(b"x" * 100, length=LIMIT)):
                    with Client(self.target) as client:
                        for _ in range(50):
                            client.send(client.open(path), beginning,
                                        end=False)


class Limited(HostileTest):
    """Servers with limits that are reached quickly."""

    def test_requests_that_do_not_end(self):
        target = self.start(request_timeout_ms=300)
        with self.others(target), self.memory(target, 60), \
                Client(target) as client:
            numbers = [client.open() for _ in range(40)]
            for number in numbers:
                client.send(number, message(b"x" * 1000, length=LIMIT),
                            end=False)
            for number in numbers:
                self.assertEqual(client.outcome(number).code,
                                 RESOURCE_EXHAUSTED)
        self.assertEqual(target.stop()["RESOURCE_EXHAUSTED"], 40)

    def test_streams_of_requests_that_do_not_go_on(self):
        target = self.start(stream_timeout_ms=300)
        with self.others(target), Client(target) as client:
            for path, beginning in (
                    (SUM, b""), (TALK, b""), (SUM, message(FIVE)),
                    (TALK, message(SALAM)), (SUM, message(FIVE)[:-1])):
                number = client.open(path)
                client.send(number, beginning, end=False)
                stream = client.outcome(number)
                self.assertEqual(stream.code, RESOURCE_EXHAUSTED)
                self.assertIn("in time", stream.headers["grpc-message"])
        self.assertEqual(target.stop()["RESOURCE_EXHAUSTED"], 5)

    def test_streams_of_requests_that_break_off(self):
        """What a client began is not taken for all it had to say."""
        target = self.start()
        for how in ("reset", "close", "long"):
            for _ in range(5):
                with Client(target) as client:
                    number = client.open(SUM)
                    client.send(number, message(FIVE) * 3, end=False)
                    if how == "reset":
                        client.write(frame(RST_STREAM, 0, number,
                                           struct.pack(">I", CANCEL)))
                        client.call()
                    if how == "long":
                        client.send(number, message(b"x" * (LIMIT + 1)))
                        self.assertEqual(client.outcome(number).code,
                                         RESOURCE_EXHAUSTED)
        counts = target.stop()
        self.assertEqual(counts.get("OK"), 5)  # those after a reset
        self.assertEqual(counts.get("CANCELLED"), 15)

    def test_answers_that_nobody_takes(self):
        target = self.start(answer_timeout_ms=500, max_unsent_bytes=1)
        with self.others(target), self.memory(target, 60), \
                Client(target, window=0) as client:
            # Eight mebibytes are the least that each of two workers has.
            numbers = [client.open(COUNT) for _ in range(60)]
            for number in numbers:
                client.send(number, count_request(3, LIMIT))
            streams = [client.outcome(number) for number in numbers]
            self.assertTrue(all(stream.is_over for stream in streams))
            # Refused at once; or cut off later.
            refused = [stream for stream in streams
                       if stream.code == RESOURCE_EXHAUSTED]
            self.assertGreaterEqual(len(refused), 60 - 2 * 8)
        counts = target.stop()
        self.assertEqual(counts["RESOURCE_EXHAUSTED"], len(refused))
        self.assertEqual(counts.get("CANCELLED", 0), 60 - len(refused))

    def test_compression_that_is_refused(self):
        target = self.start(refuse_compression=1)
        with Client(target) as client:
            for name in ("gzip", "deflate", "zstd"):
                stream = client.call(message(gzip([SALAM]), 1),
                                     headers=[("grpc-encoding", name)])
                self.assertEqual(stream.code, UNIMPLEMENTED)
                self.assertEqual(stream.headers["grpc-accept-encoding"],
                                 "identity")
            stream = client.call(headers=[("grpc-encoding", "gzip"),
                                          ("grpc-accept-encoding", "gzip")])
            self.assertEqual(stream.code, OK)
            self.assertEqual(stream.data, message(SALAM))

    def test_small_budget_of_memory(self):
        """Streams of requests, each of which begins a large message."""
        target = self.start(max_buffer_bytes=64 << 20)
        with self.memory(target, 300):
            clients = [Client(target) for _ in range(4)]
            for client in clients:
                for _ in range(60):
                    client.send(client.open(TALK), message(
                        b"x" * 60000, length=LIMIT), end=False)
                    while client.read(0):
                        pass
            with Client(target) as client:
                self.assertIn(client.call().code,
                              (OK, RESOURCE_EXHAUSTED, "14"))
            for client in clients:
                client.socket.close()
        with Client(target) as client:
            self.assertEqual(client.call().code, OK)
        target.stop()


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
