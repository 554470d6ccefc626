#!/usr/bin/python3
"""`peykd`: set-up, migrations, listening, stopping (R28, C10, C11)."""

import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from harness import Peykd  # noqa: E402
from peyk_client import payload  # noqa: E402

USAGE = 2


def clear(test, ran, *words):
    test.assert_clear(ran, *words)


class SetUp(harness.PeykTest):
    """R28: the set-up step."""

    serve = False

    def test_R28_help_tells_the_defaults(self):
        for args in (["--help"], ["help"]):
            ran = harness.run([harness.program("peykd"), *args]).expect(0)
            for command in ("init", "serve", "migrate"):
                self.assertIn(command, ran.out)
        ran = harness.run([harness.program("peykd"), "serve",
                           "--help"]).expect(0)
        self.assertIn("0.0.0.0:8022", ran.out)
        for option in ("--data", "--database", "--listen", "--plaintext",
                       "--migrate"):
            self.assertIn(option, ran.out)
        harness.run([harness.program("peykd"), "--version"]).expect(0)

    def test_R28_init_twice_keeps_the_identity(self):
        server = Peykd().prepare().start()
        first = server.fingerprint
        server.stop()
        ran = server.command("init")
        self.assertEqual(ran.code, 0, "expected a second init to be "
                         f"harmless: {ran}")
        server.start()
        self.assertEqual(server.fingerprint, first)
        server.stop()

    def test_init_leaves_private_files(self):
        server = Peykd()
        harness.run(["sh", "-c", 'umask 000; exec "$@"', "sh",
                     harness.program("peykd"), "init", "--data",
                     server.data, "--database", server.conninfo]).expect(0)
        found = list(server.data.rglob("*"))
        self.assertTrue(found)
        self.assertEqual(stat.S_IMODE(server.data.stat().st_mode), 0o700)
        for path in found:
            if b"PRIVATE" in path.read_bytes() or "identity" in path.name:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600,
                                 str(path))

    def test_usage(self):
        for args in ([], ["srve"], ["serve", "--nonsense"],
                     ["serve", "--listen", "nowhere:x"], ["migrate"],
                     ["migrate", "sideways"], ["serve", "--workers", "many"],
                     ["init", "extra"]):
            ran = harness.run([harness.program("peykd"), *args])
            self.assertEqual(ran.code, USAGE, ran)
            clear(self, ran)

    def test_serve_without_init(self):
        server = Peykd()
        server.command("migrate up").expect(0)
        ran = harness.run(server.serve_args())
        self.assertNotEqual(ran.code, 0)
        clear(self, ran, "peykd init")

    def test_database_that_is_not_there(self):
        server = Peykd()
        server.prepare()
        server.conninfo = "host=/nonexistent dbname=x"
        ran = server.command("migrate status", timeout=120)
        self.assertNotEqual(ran.code, 0)
        clear(self, ran, "database")

    def test_damaged_identity(self):
        server = Peykd().prepare()
        path = next(p for p in server.data.rglob("*")
                    if "identity" in p.name)
        good = path.read_bytes()
        for bad in (good[:-5], b"", os.urandom(len(good)),
                    bytes([good[0] ^ 1]) + good[1:]):
            path.write_bytes(bad)
            ran = harness.run(server.serve_args(), timeout=60)
            self.assertNotEqual(ran.code, 0, "expected a refusal")
            clear(self, ran, path.name)
            self.assertEqual(path.read_bytes(), bad)
        path.write_bytes(good)
        server.start()
        server.stop()

    def test_identity_that_others_can_read(self):
        server = Peykd().prepare()
        path = next(p for p in server.data.rglob("*")
                    if "identity" in p.name)
        path.chmod(0o644)
        ran = harness.run(server.serve_args())
        self.assertNotEqual(ran.code, 0)
        clear(self, ran, path.name)


class Listening(harness.PeykTest):
    serve = False

    def test_R28_default_address(self):
        """0.0.0.0:8022, where that port is free."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", 8022))
            except OSError:
                self.skipTest("port 8022 is in use on this machine")
        server = Peykd().prepare()
        args = [a for a in server.serve_args()
                if a not in ("--listen", f"127.0.0.1:{server.port}")]
        server.serve_args = lambda *extra: [*args, *extra]
        server.port = 8022
        server.start()
        self.addCleanup(server.kill)
        self.assertRegex(server.address, r":8022#[0-9a-f]{64}$")
        listening = subprocess.run(
            ["ss", "-Hltn", "sport = :8022"], capture_output=True,
            text=True).stdout
        # gRPC binds the wildcard of both families with one socket.
        self.assertRegex(listening, r"(0\.0\.0\.0|\*):8022 ")
        client = pc.Server("127.0.0.1:8022").connect()
        self.assertEqual(pc.sha256(client.identity_key).hex(),
                         server.fingerprint)
        client.close()
        server.stop()

    def test_second_server_on_the_same_port(self):
        """Refused clearly, and the first one goes on."""
        first = Peykd().prepare().start()
        self.addCleanup(first.kill)
        second = Peykd(port=first.port).prepare()
        ran = harness.run(second.serve_args(), timeout=60)
        self.assertNotIn(ran.code, (0, USAGE))
        clear(self, ran, str(first.port), "use|taken|another")
        self.assertNotIn("peyk://", ran.out)
        pc.Server(first.address).connect().close()
        first.stop()

    def test_plaintext_only_on_the_loopback(self):
        server = Peykd().prepare()
        args = [a.replace("127.0.0.1:", "0.0.0.0:")
                for a in server.serve_args("--plaintext")]
        ran = harness.run(args, timeout=60)
        self.assertEqual(ran.code, USAGE, ran)
        clear(self, ran, "plaintext", "loopback|127.0.0.1|anywhere")

    def test_address_is_one_line(self):
        """Standard output has the address alone: scripts read it."""
        server = Peykd().prepare()
        process = subprocess.Popen(
            harness.tied() + server.serve_args(), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
            env=harness.environment())
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertRegex(line,
                         rf"^peyk://\S+:{server.port}#[0-9a-f]{{64}}\n$")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=harness.DEADLINE)
        self.assertEqual((rest, process.returncode), ("", 0))

    def test_ipv6_loopback(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        server = Peykd().prepare()
        args = [a.replace("127.0.0.1:", "[::1]:")
                for a in server.serve_args()]
        server.serve_args = lambda *extra: [*args, *extra]
        server.start()
        self.assertRegex(server.address, r"^peyk://\[::1\]:\d+#")
        server.stop()


class Stopping(harness.PeykTest):
    """SIGTERM and SIGINT: parked polls answered, exit 0."""

    def parked(self, count):
        calls = []
        for _ in range(count):
            account = self.account()
            method = pc.SERVICE + "Poll"
            content = account.content(method, payload.PollRequest(
                wait_ms=60000).SerializeToString())
            exchange = account.seal(method, content)
            call = account.server.start_raw(method, exchange.envelope,
                                            timeout=120)
            call.initial_metadata()
            calls.append((account, exchange, call))
        return calls

    def test_graceful_stop_with_parked_polls(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.ensure_server()
            calls = self.parked(5)
            started = time.monotonic()
            self.server.process.send_signal(number)
            self.assertEqual(self.server.wait_end(30), 0)
            self.assertLess(time.monotonic() - started, 20)
            for account, exchange, call in calls:
                try:
                    reply = account.open_outcome(exchange,
                                                 pc.finish_raw(call))
                    self.assertIn(reply.disposition, (
                        payload.DISPOSITION_DONE,
                        payload.DISPOSITION_NOT_PROCESSED))
                except pc.Bare as bare:
                    self.assertEqual(bare.code, grpc.StatusCode.UNAVAILABLE)
        self.ensure_server()

    def test_second_signal_stops_at_once(self):
        self.ensure_server()
        self.parked(2)
        process = self.server.process
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        self.server.wait_end(20)
        self.ensure_server()

    def test_stop_under_load_loses_nothing(self):
        """What was confirmed is there after the stop, and only once."""
        self.ensure_server()
        sara, hassan = self.account(), self.account()
        confirmed, failed, ended = [], [], threading.Event()

        def load():
            try:
                while not ended.is_set():
                    text = str(len(confirmed))
                    sara.send([(hassan.name, text)], deadline=90)
                    confirmed.append(text)
            except Exception as error:  # told by the main thread
                failed.append(error)
        thread = threading.Thread(target=load)
        thread.start()
        try:
            for _ in range(3):
                count = len(confirmed)
                harness.poll_until(
                    lambda: len(confirmed) > count + 20 or failed,
                    "messages to be confirmed")
                self.assertEqual(failed, [])
                self.server.stop()
                self.server.start()
        finally:
            ended.set()
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual([m.text for m in hassan.drain()], confirmed)

    def test_stop_with_open_connections(self):
        """Clients that are connected and idle do not hold it up."""
        self.ensure_server()
        idle = [socket.create_connection(("127.0.0.1", self.server.port))
                for _ in range(5)]
        clients = [self.client() for _ in range(5)]
        self.server.stop()
        for one in idle:
            one.close()
        self.assertTrue(clients)
        self.ensure_server()


class Migrations(harness.PeykTest):
    """C11: forwards, backwards, status, and two at once."""

    serve = False

    def schema(self, server):
        dump = subprocess.run(
            ["pg_dump", "-h", str(server.pg.dir), "-U", "postgres", "-d",
             server.database, "--schema-only", "--no-comments"],
            capture_output=True, text=True, check=True).stdout
        # A word drawn anew for each dump stands in its psql commands.
        return "\n".join(line for line in dump.splitlines()
                         if not line.startswith("\\"))

    def test_C11_up_down_status(self):
        server = Peykd()
        count = len(list((harness.ROOT / "db/migrations").glob("*.sql")))
        empty = server.command("migrate status").expect(0)
        self.assertRegex(empty.out.lower(), "pending|not applied|missing|"
                         r"\[ \]")
        server.command("migrate up").expect(0)
        full = self.schema(server)
        versions = server.sql("SELECT version FROM schema_migrations "
                              "ORDER BY 1")
        self.assertEqual(len(versions), count)
        before = server.command("migrate status").expect(0).out
        server.command("migrate up").expect(0)
        self.assertEqual(self.schema(server), full, "expected a second up "
                         "to change nothing")
        for _ in range(count):
            server.command("migrate down").expect(0)
        self.assertEqual(server.sql(
            "SELECT count(*) FROM schema_migrations"), [["0"]])
        self.assertEqual(server.sql(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' "
            "AND tablename <> 'schema_migrations'"), [["0"]])
        server.command("migrate up").expect(0)
        self.assertEqual(self.schema(server), full,
                         "expected up, down, up to lead to the same schema")
        self.assertEqual(server.command("migrate status").expect(0).out,
                         before)

    def test_C11_several_at_once(self):
        server = Peykd()
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(
            server.command("migrate up").code)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(outcomes, [0] * 4)

    def test_C11_two_servers_start_at_once(self):
        """Both with --migrate on an empty database, sharing the identity."""
        first = Peykd()
        first.command("init").expect(0)
        second = Peykd(database=first.database, data=first.data)
        for server in (first, second):
            server.start("--migrate", wait=False)
            self.addCleanup(server.kill)
        for server in (first, second):
            server.wait_ready()
        self.assertEqual(first.fingerprint, second.fingerprint)
        one = pc.Server(first.address).connect()
        two = pc.Server(second.address).connect()
        sara, hassan = pc.Account(one, "sara"), pc.Account(two, "hassan")
        sara.sign_up()
        hassan.sign_up()
        sara.send([("hassan", "through two servers")])
        self.assertEqual([m.text for m in hassan.drain()],
                         ["through two servers"])
        # A poll that is parked at the one server is woken by the other.
        method = pc.SERVICE + "Poll"
        content = hassan.content(method, payload.PollRequest(
            wait_ms=60000).SerializeToString())
        exchange = hassan.seal(method, content)
        call = two.start_raw(method, exchange.envelope, timeout=90)
        call.initial_metadata()
        started = time.monotonic()
        sara.send([("hassan", "woken from afar")])
        reply = hassan.open_outcome(exchange, pc.finish_raw(call))
        hassan.sequence += 1
        self.assertLess(time.monotonic() - started, 30)
        got = hassan.take(payload.PollResponse.FromString(reply.body))
        self.assertEqual([m.text for m in got], ["woken from afar"])
        one.close()
        two.close()
        first.stop()
        second.stop()

    def test_C11_serve_refuses_an_older_schema(self):
        server = Peykd().prepare()
        server.command("migrate down").expect(0)
        ran = harness.run(server.serve_args(), timeout=60)
        self.assertNotIn(ran.code, (0, USAGE))
        clear(self, ran, "migrate")
        server.start("--migrate")
        server.stop()

    def test_C11_serve_refuses_a_newer_schema(self):
        server = Peykd().prepare()
        server.sql("INSERT INTO schema_migrations(version) VALUES "
                   "('99990101000000')")
        for extra in ([], ["--migrate"]):
            ran = harness.run(server.serve_args(*extra), timeout=60)
            self.assertNotIn(ran.code, (0, USAGE))
            clear(self, ran, "newer|unknown|does not know|update")

    def test_C11_an_empty_database(self):
        server = Peykd()
        server.command("init")
        ran = harness.run(server.serve_args(), timeout=60)
        self.assertNotIn(ran.code, (0, USAGE))
        clear(self, ran, "migrate")


if __name__ == "__main__":
    harness.main()
