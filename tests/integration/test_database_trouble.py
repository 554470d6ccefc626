#!/usr/bin/python3
"""PostgreSQL goes away and comes back under load (R15, C10).

The server answers UNAVAILABLE meanwhile, resumes by itself, and nothing is
lost or doubled.
"""

import pathlib
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from peyk_client import payload  # noqa: E402


class Load:
    """Pairs of accounts that write to each other until told to end."""

    def __init__(self, server, pairs=3):
        self.ended = threading.Event()
        self.errors = []
        self.clients = [pc.Server(server.address, tls=server.tls).connect()
                        for _ in range(pairs)]
        self.pairs = []
        for client in self.clients:
            pair = (pc.Account(client, harness.unique("load")),
                    pc.Account(client, harness.unique("load")))
            for account in pair:
                account.sign_up()
            pair[0].get_key(pair[1].name)
            self.pairs.append((*pair, [], []))
        self.threads = []
        for pair in self.pairs:
            for work in (self.send, self.receive):
                self.threads.append(threading.Thread(
                    target=self.guard, args=(work, pair)))
        for thread in self.threads:
            thread.start()

    def guard(self, work, pair):
        try:
            work(*pair)
        except Exception as error:  # told by the main thread
            self.errors.append(error)

    def send(self, sender, receiver, sent, _):
        while not self.ended.is_set():
            batch = [str(len(sent) + k) for k in range(1 + len(sent) % 5)]
            results = sender.send([(receiver.name, t) for t in batch],
                                  deadline=120)
            assert all(r.outcome == payload.SEND_OUTCOME_STORED
                       for r in results)
            sent += batch

    def receive(self, _, receiver, __, got):
        while not self.ended.is_set():
            got += receiver.poll(wait_ms=200, deadline=120)

    def count(self):
        return sum(len(sent) for _, _, sent, _ in self.pairs)

    def retries(self):
        return sum(a.retries + b.retries for a, b, _, _ in self.pairs)

    def progress(self, by=30):
        """Waits until this many more messages are confirmed."""
        wanted = self.count() + by
        harness.poll_until(
            lambda: self.count() >= wanted or self.errors,
            f"{by} more messages to be confirmed")
        if self.errors:
            raise self.errors[0]

    def finish(self, test):
        self.ended.set()
        for thread in self.threads:
            thread.join(150)
        test.assertEqual(self.errors, [])
        for sender, receiver, sent, got in self.pairs:
            got += receiver.drain()
            test.assertEqual([m.text for m in got], sent,
                             "expected each message once and in order")
            test.assertFalse(any(m.missing for m in got))
        for client in self.clients:
            client.close()
        return sum(len(sent) for _, _, sent, _ in self.pairs)


class DatabaseTrouble(harness.PeykTest):
    """The cluster is this process's own, so it may be stopped."""

    tls = False

    def setUp(self):
        super().setUp()
        self.pg = self.server.pg
        self.addCleanup(self.restore)

    def restore(self):
        if self.pg.process is None:
            self.pg.start()
        self.ensure_server()

    def outage(self, load, stop):
        """Stops PostgreSQL until clients feel it, and starts it again."""
        load.progress()
        before = load.retries()
        stop()
        harness.poll_until(lambda: load.retries() > before + 3,
                           "requests to be answered UNAVAILABLE")
        self.assertTrue(self.server.is_running())
        self.pg.start()
        load.progress()

    def test_stopped_and_started_under_load(self):
        load = Load(self.server)
        try:
            for _ in range(3):
                self.outage(load, self.pg.stop)
        finally:
            load.ended.set()
        self.assertGreater(load.finish(self), 100)

    def test_crashed_under_load(self):
        load = Load(self.server)
        try:
            for _ in range(3):
                self.outage(load, self.pg.kill)
        finally:
            load.ended.set()
        load.finish(self)

    def test_backends_terminated_under_load(self):
        load = Load(self.server)
        try:
            for _ in range(15):
                load.progress(20)
                self.pg.terminate_backends(self.server.database)
            load.progress()
        finally:
            load.ended.set()
        load.finish(self)

    def test_backends_killed_under_load(self):
        """SIGKILL of a backend makes PostgreSQL restart all of them."""
        load = Load(self.server)
        try:
            for _ in range(3):
                load.progress()
                pids = self.pg.connections(self.server.database)
                if pids:
                    import os
                    os.kill(pids[0], signal.SIGKILL)
                harness.poll_until(self.pg.is_ready, "PostgreSQL again")
                load.progress()
        finally:
            load.ended.set()
        load.finish(self)

    def test_database_and_server_at_once(self):
        load = Load(self.server, pairs=2)
        try:
            for _ in range(3):
                load.progress()
                self.pg.kill()
                self.server.kill()
                self.pg.start()
                self.server.start()
            load.progress()
        finally:
            load.ended.set()
        load.finish(self)

    def test_unavailable_meanwhile(self):
        """In bounded time, without harm: bare or sealed UNAVAILABLE; peyk
        ends with exit code 3 and says what to do."""
        account = self.account()
        device = self.device("trouble#1")
        self.pg.stop()
        method = pc.SERVICE + "GetPublicKey"
        content = account.content(method, payload.GetPublicKeyRequest(
            names=["x"]).SerializeToString())
        for _ in range(3):
            started = time.monotonic()
            try:
                reply = account.try_once(method, content, timeout=60)
                self.assertEqual(reply.disposition,
                                 payload.DISPOSITION_NOT_PROCESSED)
                self.assertEqual(reply.code,
                                 grpc.StatusCode.UNAVAILABLE.value[0])
                self.assertTrue(reply.message)
            except pc.Bare as bare:
                self.assertEqual(bare.code, grpc.StatusCode.UNAVAILABLE)
            self.assertLess(time.monotonic() - started, 30)
        ran = device.peyk("--timeout", "2", "send", "--as", "trouble#1",
                          "trouble#1", "patience")
        self.assertEqual(ran.code, 3, ran)
        self.assert_clear(ran, "again|later|try")
        self.pg.start()
        self.assertEqual(
            account.settle(method, content).disposition,
            payload.DISPOSITION_DONE)
        account.sequence += 1
        device.send("trouble#1", "trouble#1", "thanks")
        texts = [m["text"] for m in device.poll("trouble#1")]
        self.assertIn(texts, (["patience", "thanks"], ["thanks"]))

    def test_parked_polls_survive(self):
        """A poll that waits is not answered with an error, and is woken
        after the outage (or ends, and the client asks again)."""
        sara, hassan = self.account(), self.account()
        sara.get_key(hassan.name)
        got = []

        def wait():
            while not got:
                got.extend(hassan.poll(wait_ms=30000, deadline=120))
        thread = threading.Thread(target=wait)
        thread.start()
        self.pg.stop()
        self.pg.start()
        sara.send([(hassan.name, "after the outage")], deadline=120)
        thread.join(90)
        self.assertFalse(thread.is_alive(), "expected the poll to be woken")
        self.assertEqual([m.text for m in got], ["after the outage"])

    def test_server_started_without_its_database(self):
        """It says so; then it either ends, or waits and serves later."""
        self.server.stop()
        self.pg.stop()
        self.server.start(wait=False)
        harness.poll_until(
            lambda: "database" in self.server.read_log().lower()
            or not self.server.is_running(), "the server to mention the "
            "database")
        self.pg.start()
        if not self.server.is_running():
            self.assertNotEqual(self.server.wait_end(), 0)
            self.server.start()
        self.server.wait_ready()
        self.account().poll()

    def test_database_that_hangs(self):
        """Stopped processes (SIGSTOP) answer nothing: requests end in
        bounded time, and everything goes on afterwards."""
        import os
        load = Load(self.server, pairs=1)
        try:
            load.progress()
            pids = self.pg.connections(self.server.database)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            before = load.retries()
            try:
                harness.poll_until(lambda: load.retries() > before,
                                   "a request to be answered all the same")
            finally:
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGCONT)
                    except ProcessLookupError:
                        pass
            load.progress()
        finally:
            load.ended.set()
        load.finish(self)


if __name__ == "__main__":
    harness.main()
