#!/usr/bin/python3
"""`peykd` under attack, and between what an operator does to it."""

import contextlib
import datetime
import os
import pathlib
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.serialization import (  # noqa: E402
    Encoding, NoEncryption, PrivateFormat)
from cryptography.x509.oid import NameOID  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from harness import Peykd, poll_until, unique  # noqa: E402
from peyk_client import payload  # noqa: E402

SEND = pc.SERVICE + "Send"
POLL = pc.SERVICE + "Poll"


def is_sanitized():
    """Sanitizers keep freed memory, so its size tells nothing."""
    return b"__asan_init" in harness.program("peykd").read_bytes() or (
        b"__tsan_init" in harness.program("peykd").read_bytes())


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmRSS")


def start_poll(account, wait_ms=60000, padding=b""):
    """A parked poll: (its content, what opens its reply, grpc's call)."""
    content = account.content(
        POLL, payload.PollRequest(wait_ms=wait_ms).SerializeToString())
    exchange = account.seal(POLL, content)
    call = account.server.start_raw(POLL, exchange.envelope + padding,
                                    timeout=100)
    call.initial_metadata()  # sent as soon as it is parked
    account.sequence += 1
    return content, exchange, call


def make_expired(certificate, key):
    """A certificate of yesterday in their place."""
    pair = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peyk")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(
        name, name, pair.public_key(), x509.random_serial_number(),
        now - datetime.timedelta(days=3), now - datetime.timedelta(days=1)
    ).sign(pair, hashes.SHA256())
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(pair.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class FewFiles(Peykd):
    """A peykd that may open only so many files."""

    files = 160

    def serve_args(self, *extra):
        return ["prlimit", f"--nofile={self.files}:{self.files}",
                *super().serve_args(*extra)]


class ConnectionFlood(harness.PeykTest):
    """Who opens connections until none is left stops nobody for long."""

    serve = False

    def flood(self, server, count):
        """Opens connections; those that the server has closed are left."""
        connections = []
        for _ in range(count):
            try:
                connections.append(socket.create_connection(
                    ("127.0.0.1", server.port), timeout=10))
            except OSError:
                pass
        return connections

    def check(self, server, during):
        client = pc.Server(server.address, tls=False).connect()
        self.addCleanup(client.close)
        account = pc.Account(client, unique("flood"))
        account.sign_up()
        connections = self.flood(server, 400)
        during()
        self.assertIsNotNone(account.get_key(account.name))
        for connection in connections:
            connection.close()

        def serves():
            again = pc.Server(server.address, tls=False, timeout=2)
            try:
                return again.connect()
            except pc.Bare as bare:
                raise AssertionError(str(bare)) from None
            finally:
                again.close()
        poll_until(serves, "new connections once the flood is over", 20)
        server.stop()
        self.assertIn("event=connections_refused", server.read_log())

    def test_more_than_are_allowed(self):
        server = FewFiles(tls=False).prepare().start()
        self.addCleanup(server.kill)

        def during():
            # Descriptors are left for the database.
            server.pg.terminate_backends(server.database)
        self.check(server, during)

    def test_no_descriptor_is_left(self):
        server = Peykd(tls=False).prepare().start()
        self.addCleanup(server.kill)
        subprocess.run(["prlimit", "--pid", str(server.process.pid),
                        "--nofile=100:100"], check=True)
        self.check(server, lambda: None)


class Memory(harness.PeykTest):
    """What a client makes large does not stay."""

    tls = False

    def test_parked_poll_keeps_no_envelope(self):
        client = self.client()
        # An unknown field of 4 MiB: ignored, as the protocol wants.
        filler = secrets.token_bytes((4 << 20) - 1)
        padding = b"\xfa\x07\xff\xff\xff\x01" + filler
        accounts = [self.account(server=client) for _ in range(12)]
        before = resident_mb(self.server.process)
        calls = [start_poll(account, padding=padding)[2]
                 for account in accounts]
        grown = resident_mb(self.server.process) - before
        for call in calls:
            self.assertTrue(call.is_active())
            call.cancel()
        if not is_sanitized():
            self.assertLess(grown, 40, "MiB for 12 polls of 4 MiB")


class Authority(harness.PeykTest):
    """The database decides who acts, whatever a server remembers."""

    def status_of(self, account, status):
        self.server.sql("UPDATE accounts SET status = "
                        f"{status} WHERE signing_key = "
                        f"'\\x{account.key.hex()}'")

    def test_disabled_while_it_is_remembered(self):
        client = self.client()
        friend = self.account(server=client)
        account = self.account(server=client)
        account.get_key(friend.name)
        account.send([(friend.name, "salam")])
        poll = account.content(POLL,
                               payload.PollRequest().SerializeToString())
        first = account.try_once(POLL, poll)
        self.assertEqual(first.disposition, payload.DISPOSITION_DONE)
        account.sequence += 1
        friend.get_key(account.name)
        friend.send([(account.name, "aleyk")])

        self.status_of(account, 2)
        # Neither the same poll again nor another one reads the mail.
        for content in (poll, account.content(
                POLL, payload.PollRequest(
                    max_messages=1).SerializeToString())):
            for _ in range(3):
                try:
                    reply = account.try_once(POLL, content)
                except pc.Bare as bare:
                    self.assertIs(bare.code, grpc.StatusCode.UNAVAILABLE)
                    continue
                self.assertEqual(reply.disposition,
                                 payload.DISPOSITION_NOT_PROCESSED)
                self.assertEqual(reply.body, b"")

        self.status_of(account, 1)
        self.assertEqual([m.text for m in account.poll()], ["aleyk"])

    def test_key_taken_from_an_account_while_it_is_remembered(self):
        account = self.account()
        account.get_key(account.name)
        other = pc.raw_public(pc.Ed25519PrivateKey.generate())
        self.server.sql(f"UPDATE accounts SET signing_key = '\\x{other.hex()}'"
                        f" WHERE signing_key = '\\x{account.key.hex()}'")
        content = account.content(POLL,
                                  payload.PollRequest().SerializeToString())
        for expected in (grpc.StatusCode.UNAVAILABLE,
                         grpc.StatusCode.UNAUTHENTICATED,
                         grpc.StatusCode.UNAUTHENTICATED):
            with self.assertRaises(pc.Bare) as caught:
                account.try_once(POLL, content)
            self.assertIs(caught.exception.code, expected)


class Clock(harness.PeykTest):
    """A clock that was wrong for a while leaves no lasting trouble."""

    serve = False

    def test_sealing_key_from_the_future(self):
        server = Peykd(tls=False).prepare().start()
        self.addCleanup(server.kill)
        server.stop()
        # What a server leaves whose clock was a year ahead.
        server.sql("UPDATE sealing_keys SET not_before = now() + '1 year', "
                   "not_after = now() + '1 year 30 days'")
        server.start()
        rows = server.sql("SELECT not_before <= now() + '1 minute' FROM "
                          "sealing_keys ORDER BY not_before")
        self.assertEqual(rows, [["t"], ["f"]])
        client = pc.Server(server.address, tls=False).connect()
        client.close()
        server.stop()
        server.start()
        self.assertEqual(
            server.sql("SELECT count(*) FROM sealing_keys"), [["2"]])
        server.stop()


class Signals(harness.PeykTest):

    serve = False

    def setUp(self):
        super().setUp()
        self.server = Peykd(tls=False).prepare()
        self.addCleanup(self.server.kill)

    def test_hangup_stops_in_order(self):
        self.server.start()
        self.server.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.server.wait_end(), 0)
        self.assertIn("event=stopped", self.server.read_log())

    def test_log_that_nobody_reads(self):
        reader, writer = os.pipe()
        process = subprocess.Popen(
            harness.tied() + self.server.serve_args(),
            stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
            env=harness.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writer)
        with os.fdopen(reader) as log:
            for line in log:
                if line.startswith("peyk://"):
                    address = line.strip()
                    break
        self.server.pg.terminate_backends(self.server.database)
        client = pc.Server(address, tls=False).connect()
        account = pc.Account(client, unique("quiet"))
        account.sign_up()
        client.close()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.DEADLINE), 0)

    def test_silent_connection_does_not_hold_up_a_stop(self):
        self.server.start()
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        settings = b"\0\0\0\x04\0\0\0\0\0"
        with socket.create_connection(
                ("127.0.0.1", self.server.port)) as silent:
            silent.sendall(preface + settings)
            silent.recv(100)
            start = time.monotonic()
            self.server.stop()
            self.assertLess(time.monotonic() - start, 8)


class Operator(harness.PeykTest):
    """What is said to whoever runs it."""

    serve = False

    def test_init_where_no_folder_can_be(self):
        ran = harness.run([harness.program("peykd"), "init", "--data",
                           "/proc/peyk", "--database", "dbname=x"]).expect(1)
        self.assertIn("cannot be made there", ran.err)
        self.assert_clear(ran, "--data")

    def test_tls_key_that_everybody_can_read(self):
        server = Peykd().prepare()
        key = server.data / "server.key"
        key.chmod(0o604)
        ran = server.command("serve", "--listen", "127.0.0.1:0").expect(1)
        self.assertIn(f"chmod o-rwx {key}", ran.err)
        key.chmod(0o640)  # for a group: somebody's choice
        server.start()
        self.addCleanup(server.kill)
        server.stop()
        self.assertNotIn("not_valid", server.read_log())

    def test_tls_certificate_that_has_expired(self):
        server = Peykd().prepare()
        make_expired(server.data / "server.crt", server.data / "server.key")
        server.start()
        self.addCleanup(server.kill)
        harness.Device(server).signup(unique("late"))
        server.stop()
        self.assertIn("event=tls_certificate_not_valid_now",
                      server.read_log())

    def test_compression_is_refused(self):
        server = Peykd(tls=False).prepare().start()
        self.addCleanup(server.kill)
        for how, code in ((grpc.Compression.NoCompression, None),
                          (grpc.Compression.Gzip,
                           grpc.StatusCode.UNIMPLEMENTED)):
            with grpc.insecure_channel(f"127.0.0.1:{server.port}",
                                       compression=how) as channel:
                # An unknown field, long enough to be compressed.
                call = channel.unary_unary(pc.SERVICE + "GetServerInfo")
                try:
                    call(b"\xfa\x07\xc8\x01" + bytes(200), timeout=30)
                    self.assertIsNone(code)
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), code, error.details())
        server.stop()

    def test_database_that_is_away_does_not_fill_the_log(self):
        cluster = harness.Cluster().start()
        self.addCleanup(cluster.kill)
        server = Peykd(pg=cluster, tls=False).prepare().start()
        self.addCleanup(server.kill)
        client = pc.Server(server.address, tls=False).connect()
        self.addCleanup(client.close)
        account = pc.Account(client, unique("away"))
        account.sign_up()
        for outage in (1, 2):
            cluster.stop()

            def is_away():
                self.assertRaises((pc.Bare, pc.Refused), account.get_key,
                                  account.name, deadline=0)
                return server.read_log().count(
                    "event=database_away") == outage
            poll_until(is_away, "that the log tells")
            time.sleep(1)  # attempts go on; none of them may be told
            cluster.start()
            poll_until(lambda: server.read_log().count(
                "event=database_connected") == outage + 1, "it is back")
            account.get_key(account.name)
        said = server.read_log().count("event=database_unreachable")
        self.assertGreaterEqual(said, 2)
        self.assertLessEqual(said, 6)
        server.stop()


class BehindAProxy(harness.PeykTest):
    """TLS ends at a proxy; its certificate is what the server signs."""

    serve = False

    def serve_tls(self, certificate, key, port):
        """A proxy on a port of its own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2"])
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def pump(source, target):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
            source.close()

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    with contextlib.suppress(ssl.SSLError):
                        near = context.wrap_socket(near, server_side=True)
                    far = socket.create_connection(("127.0.0.1", port))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=pump, args=pair,
                                         daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def test_certificate_of_the_proxy(self):
        server = Peykd(tls=False).prepare()
        certificate = server.data / "server.crt"
        server.start("--tls-certificate", str(certificate))
        self.addCleanup(server.kill)
        port = self.serve_tls(certificate, server.data / "server.key",
                              server.port)
        front = pc.Server(f"peyk://127.0.0.1:{port}#{server.fingerprint}")
        self.addCleanup(front.close)
        self.account(server=front.connect())
        # Those who go around it are served too.
        behind = pc.Server(server.address, tls=False)
        self.addCleanup(behind.close)
        self.account(server=behind.connect())
        server.tls = True  # so that peyk is not told --plaintext
        device = harness.Device(server, address=(
            f"peyk://127.0.0.1:{port}#{server.fingerprint}"))
        device.signup(unique("proxied"))
        server.stop()

    def test_certificate_that_is_none(self):
        server = Peykd(tls=False).prepare()
        ran = server.command("serve", "--plaintext", "--listen",
                             "127.0.0.1:0", "--tls-certificate",
                             str(server.data / "identity.key")).expect(1)
        self.assertIn("holds no certificate", ran.err)
        server.command("serve", "--plaintext", "--listen",
                             "127.0.0.1:0", "--tls-key",
                             str(server.data / "server.key")).expect(2)


class TwoServers(harness.PeykTest):
    """C10: two servers on one database, with one identity."""

    tls = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = Peykd(pg=cls.server.pg, database=cls.server.database,
                          data=cls.server.data, tls=False).start()
        cls.addClassCleanup(cls.other.kill)

    @classmethod
    def tearDownClass(cls):
        if cls.other.is_running():
            cls.other.stop()
        super().tearDownClass()

    def connect(self, server):
        client = pc.Server(server.address, tls=False).connect()
        self.addCleanup(client.close)
        return client

    def both(self):
        return self.connect(self.server), self.connect(self.other)

    def test_one_identity_and_the_same_sealing_keys(self):
        one, other = self.both()
        self.assertEqual(one.identity_key, other.identity_key)
        self.assertEqual([key.id for key in one.sealing_keys],
                         [key.id for key in other.sealing_keys])

    def test_mail_through_one_wakes_a_poll_on_the_other(self):
        one, other = self.both()
        sender, recipient = self.account(server=one), self.account(
            server=other)
        sender.get_key(recipient.name)
        for text in ("salam", "mashti"):
            _, exchange, call = start_poll(recipient)
            start = time.monotonic()
            sender.send([(recipient.name, text)])
            reply = recipient.open_outcome(exchange, pc.finish_raw(call))
            self.assertLess(time.monotonic() - start, 5)
            messages = recipient.take(
                payload.PollResponse.FromString(reply.body))
            self.assertEqual([m.text for m in messages], [text])
            recipient.poll()

    def test_the_same_number_on_both_at_once(self):
        one, other = self.both()
        account = self.account(server=one)
        for _ in range(30):
            contents = [account.content(
                pc.SERVICE + "GetPublicKey", payload.GetPublicKeyRequest(
                    names=[name]).SerializeToString())
                for name in ("ali", "reza")]
            exchanges = [account.seal(pc.SERVICE + "GetPublicKey", content)
                         for content in contents]
            calls = [client.start_raw(pc.SERVICE + "GetPublicKey",
                                      exchange.envelope)
                     for client, exchange in zip((one, other), exchanges)]
            found = [account.open_outcome(exchange, pc.finish_raw(call))
                     .disposition
                     for exchange, call in zip(exchanges, calls)]
            self.assertEqual(sorted(found), [payload.DISPOSITION_DONE,
                                             payload.DISPOSITION_REPLAY])
            account.sequence += 1

    def test_one_name_on_both_at_once(self):
        clients = self.both()
        for _ in range(3):
            name = unique("race")
            accounts = [pc.Account(client, name) for client in clients]
            outcomes = []

            def sign_up(account):
                try:
                    account.sign_up()
                    outcomes.append(0)
                except pc.Refused as refused:
                    outcomes.append(refused.reply.code)
            threads = [threading.Thread(target=sign_up, args=(account,))
                       for account in accounts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(outcomes), [
                0, grpc.StatusCode.ALREADY_EXISTS.value[0]])

    def test_one_key_on_both_at_once(self):
        clients = self.both()
        for _ in range(3):
            first = pc.Account(clients[0], unique("key"))
            second = pc.Account(clients[1], unique("key"),
                                signing=first.signing,
                                encryption=first.encryption,
                                sequence=first.sequence)
            contents = [account.content(
                pc.SERVICE + "SignUp",
                account.sign_up_request().SerializeToString())
                for account in (first, second)]
            exchanges = [account.seal(pc.SERVICE + "SignUp", content)
                         for account, content in zip((first, second),
                                                     contents)]
            calls = [client.start_raw(pc.SERVICE + "SignUp",
                                      exchange.envelope)
                     for client, exchange in zip(clients, exchanges)]
            found = [first.open_outcome(exchange, pc.finish_raw(call))
                     .disposition
                     for exchange, call in zip(exchanges, calls)]
            self.assertEqual(sorted(found), [payload.DISPOSITION_DONE,
                                             payload.DISPOSITION_REPLAY])
            rows = self.server.sql(
                "SELECT count(*) FROM usernames u JOIN accounts a ON a.id = "
                f"u.account_id WHERE a.signing_key = '\\x{first.key.hex()}'")
            self.assertEqual(rows, [["1"]])

    def test_one_dies_and_the_other_goes_on(self):
        one, other = self.both()
        sender = self.account(server=one)
        recipient = self.account(server=other)
        sender.get_key(recipient.name)
        sender.send([(recipient.name, "before")])
        _, exchange, call = start_poll(recipient, wait_ms=0)
        self.assertEqual(len(recipient.take(payload.PollResponse.FromString(
            recipient.open_outcome(exchange, pc.finish_raw(call)).body))), 1)
        recipient.poll()
        self.server.kill()
        try:
            sender.server = other
            _, exchange, call = start_poll(recipient)
            sender.send([(recipient.name, "after")])
            reply = recipient.open_outcome(exchange, pc.finish_raw(call))
            messages = recipient.take(
                payload.PollResponse.FromString(reply.body))
            self.assertEqual([m.text for m in messages], ["after"])
        finally:
            self.server.start()


if __name__ == "__main__":
    harness.main()
