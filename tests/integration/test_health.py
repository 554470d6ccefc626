#!/usr/bin/python3
"""gRPC's health service: what it says from the start to the end."""

import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "support"))
import harness
from harness import Peykd, poll_until

os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc
import grpc_services
from grpc_services import Watch, check, list_health

STOP_GRACE = 10  # seconds, of server/cmd_serve.c
MESSENGER = "peyk.v1.Messenger"


def connect(test, server):
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
    test.addCleanup(channel.close)
    return channel


class Serving(harness.PeykTest):
    """While the database is there."""

    tls = False

    def test_check(self):
        channel = connect(self, self.server)
        for service in ("", MESSENGER, "grpc.health.v1.Health",
                        "grpc.reflection.v1.ServerReflection",
                        "grpc.reflection.v1alpha.ServerReflection"):
            poll_until(lambda: check(channel, service) == "SERVING",
                       f"{service!r} serves")

    def test_check_of_what_is_not_there(self):
        channel = connect(self, self.server)
        for service in ("peyk.v1", "peyk.v1.messenger", MESSENGER + "/Send",
                        "x" * 100_000):
            with self.assertRaises(grpc.RpcError) as caught:
                check(channel, service)
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.NOT_FOUND)

    def test_list(self):
        channel = connect(self, self.server)
        poll_until(lambda: check(channel) == "SERVING", "it serves")
        self.assertEqual(list_health(channel), dict.fromkeys(
            ("", MESSENGER, "grpc.health.v1.Health",
             "grpc.reflection.v1.ServerReflection",
             "grpc.reflection.v1alpha.ServerReflection"), "SERVING"))

    def test_watch_of_what_is_not_there_stays_open(self):
        channel = connect(self, self.server)
        watches = [Watch(channel, service)
                   for service in ("nobody.v1.Nothing", "x" * 100_000)]
        for watch in watches:
            self.assertEqual(watch.next(), "SERVICE_UNKNOWN")
        poll_until(lambda: check(channel) == "SERVING", "others are served")
        for watch in watches:
            self.assertTrue(watch.call.is_active())
            watch.cancel()

    def test_malformed_request(self):
        channel = connect(self, self.server)
        for method in ("Check", "Watch"):
            call = channel.unary_stream(grpc_services.HEALTH + method)(
                b"\x0a\xff", timeout=60)
            with self.assertRaises(grpc.RpcError) as caught:
                next(call)
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.INTERNAL)

    def test_many_who_watch_and_go(self):
        """Every one is told, and leaves nothing behind."""
        channel = connect(self, self.server)
        for _ in range(3):
            watches = [Watch(channel, service)
                       for service in ("", MESSENGER, "nobody") * 100]
            for watch in watches:
                self.assertIn(watch.next(), ("SERVING", "SERVICE_UNKNOWN"))
            for watch in watches:
                watch.cancel()


class Changing(harness.PeykTest):
    """The database goes and comes back; the server stops."""

    serve = False

    def setUp(self):
        self.cluster = harness.Cluster().start()
        self.addCleanup(self.cluster.kill)
        self.server = Peykd(pg=self.cluster, tls=False).prepare().start()
        self.addCleanup(self.server.kill)
        self.channel = connect(self, self.server)

    def test_from_start_to_stop(self):
        watches = {service: Watch(self.channel, service)
                   for service in ("", MESSENGER)}
        unknown = Watch(self.channel, "nobody")
        self.assertEqual(unknown.next(), "SERVICE_UNKNOWN")

        def expect(state):
            for service, watch in watches.items():
                said = watch.next()
                # The start may be seen from before the database was there.
                if state == "SERVING" and said == "NOT_SERVING":
                    said = watch.next()
                self.assertEqual(said, state, service)
                self.assertEqual(check(self.channel, service), state)

        expect("SERVING")
        for _ in range(2):
            # Nothing is asked of the server meanwhile: it finds out itself.
            self.cluster.stop()
            expect("NOT_SERVING")
            self.cluster.start()
            expect("SERVING")

        self.server.process.send_signal(signal.SIGTERM)
        for watch in watches.values():
            self.assertEqual(watch.next(), "NOT_SERVING")
        for watch in (unknown, *watches.values()):
            with self.assertRaises(grpc.RpcError) as caught:
                watch.next()
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.server.wait_end(), 0)

    def test_whoever_watches_does_not_hold_up_the_stop(self):
        watches = [Watch(self.channel) for _ in range(20)]
        for watch in watches:
            watch.next()
        began = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - began, STOP_GRACE / 2)


if __name__ == "__main__":
    harness.main()
