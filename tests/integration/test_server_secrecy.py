#!/usr/bin/python3
"""What the server, its database, its logs and the wire know: no secret.

R4, R7, R10, R12, R18.
"""

import base64
import contextlib
import functools
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
import peyk_groups as pg  # noqa: E402
from harness import Device  # noqa: E402

TEXT = "the treasure lies under پرتقال number 7"
ANSWER = "aleyk, and the map is in the نارنگی"
PASSWORD = "unusual-password-چنار-42"


def spellings(secret):
    """The forms in which bytes could stand in a file: as they are, in hex,
    and in base64 at any place of what was encoded."""
    out = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            out.append(encode(bytes(shift) + secret)[
                4 if shift else 0:(shift + len(secret)) // 3 * 4])
    return list(dict.fromkeys(out))


def database_places(server):
    """(place, bytes) of all that PostgreSQL holds: a whole dump, schema and
    data, the files of the cluster, and its log."""
    yield "the database dump", subprocess.run(
        ["pg_dump", "-h", str(server.pg.dir), "-U", "postgres",
         server.database], capture_output=True, check=True).stdout
    server.sql("CHECKPOINT")
    oid = server.sql("SELECT oid FROM pg_database WHERE datname = "
                     "current_database()")[0][0]
    files = [*(server.pg.data / "base" / oid).iterdir(),
             *(server.pg.data / "pg_wal").iterdir(), server.pg.log]
    for path in files:
        if path.is_file():
            yield path, path.read_bytes()


def server_places(server):
    """The same of peykd's own log and files."""
    yield "peykd's log", server.log.read_bytes()
    for path in server.data.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def squeeze(data):
    """Database files are mostly zeros, which make every search slow."""
    return re.sub(rb"\0{64,}", bytes(64), data)


class Secrecy(harness.PeykTest):
    """A conversation, and then a look everywhere."""

    tls = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = harness.Proxy(cls.server.port, record=True)
        cls.addClassCleanup(cls.proxy.close)
        through = f"127.0.0.1:{cls.proxy.port}"
        server = pc.Server(through, tls=False).connect()
        cls.addClassCleanup(server.close)
        cls.sara = pc.Account(server, "sara#secret", PASSWORD)
        cls.hassan = pc.Account(server, "hassan#secret", PASSWORD)
        for account in (cls.sara, cls.hassan):
            account.sign_up()
        cls.sara.send([(cls.hassan.name, TEXT)])
        cls.left = cls.hassan.poll()
        cls.hassan.send([(cls.sara.name, ANSWER)])
        # Not acknowledged and not fetched: both lie in the database now.
        assert [m.text for m in cls.left] == [TEXT]

    def accounts(self):
        return self.sara, self.hassan

    @functools.cache
    def forms(self):
        """(kind, bytes) of every secret in each form; made once, because
        each password proof takes a while."""
        return [(kind, form) for kind, secret in self.secrets()
                for form in spellings(secret)]

    def secrets(self):
        """What nobody but its owner may have."""
        yield "text", TEXT.encode()
        yield "text", TEXT.encode()[:20]
        yield "text", ANSWER.encode()
        yield "password", PASSWORD.encode()
        for account in self.accounts():
            yield "password proof", pc.password_proof(
                PASSWORD, account.server.identity_key, account.name)
            yield "signing key", pc.raw_private(account.signing)
            yield "encryption key", pc.raw_private(account.encryption)

    def assert_nowhere(self, data, place):
        data = squeeze(data)
        for kind, form in self.forms():
            self.assertNotIn(form, data, f"the {kind} is in {place}")

    def test_R12_R10_database(self):
        """A whole dump, and the files of the cluster."""
        places = dict(database_places(self.server))
        self.assertIn(b"hassan#secret", places["the database dump"],
                      "expected the names in it")
        self.assertGreater(len(places), 10)
        for place, data in places.items():
            self.assert_nowhere(data, place)

    def test_R12_server_files_and_log(self):
        for place, data in server_places(self.server):
            self.assert_nowhere(data, place)

    def test_log_has_no_names_keys_or_content(self):
        """DESIGN: no name, key or content in any log."""
        log = self.server.log.read_bytes()
        for account in self.accounts():
            self.assertNotIn(account.name.encode(), log)
            for form in spellings(account.key):
                self.assertNotIn(form, log)

    def test_R10_password_hash_is_argon2id(self):
        rows = self.server.sql("SELECT password_hash FROM accounts WHERE "
                               "status = 1")
        self.assertEqual(len(rows), 2)
        for (phc,) in rows:
            self.assertRegex(phc, r"^\$argon2id\$v=19\$m=\d+,t=\d+,p=1\$"
                             r"[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$")
            memory, passes = map(int, re.search(r"m=(\d+),t=(\d+)",
                                                phc).groups())
            self.assertGreaterEqual(memory, 19 * 1024)
            self.assertGreaterEqual(passes, 2)
        salts = {phc.split("$")[4] for (phc,) in rows}
        self.assertEqual(len(salts), 2, "expected a salt for each account, "
                         "though the password is the same")

    def test_R10_hash_is_of_the_proof(self):
        """The stored string verifies the proof, and only it."""
        import argon2
        phc = self.server.sql(
            "SELECT password_hash FROM accounts WHERE signing_key = "
            f"'\\x{self.sara.key.hex()}'")[0][0]
        proof = pc.password_proof(PASSWORD, self.sara.server.identity_key,
                                  self.sara.name)
        hasher = argon2.PasswordHasher()
        self.assertTrue(hasher.verify(phc, proof))
        with self.assertRaises(argon2.exceptions.VerifyMismatchError):
            hasher.verify(phc, PASSWORD.encode())

    def test_R4_the_wire_tells_nothing(self):
        """Without TLS: no sender key, name, number's content or text."""
        wire = bytes(self.proxy.recorded)
        self.assertIn(b"/peyk.v1.Messenger/", wire,
                      "expected the recording to be of gRPC")
        self.assertGreater(len(wire), 3000)
        self.assert_nowhere(wire, "the recording of the wire")
        for account in self.accounts():
            self.assertNotIn(account.name.encode(), wire)
            for key in (account.key, pc.raw_public(account.encryption)):
                for form in spellings(key):
                    self.assertNotIn(form, wire, "a user's public key")

    def test_R4_same_request_never_looks_the_same(self):
        content = self.sara.content(pc.SERVICE + "Send", b"x")
        seals = {self.sara.seal(pc.SERVICE + "Send", content).envelope[12:]
                 for _ in range(5)}
        self.assertEqual(len(seals), 5)

    def test_R7_private_files_of_the_server(self):
        """init leaves files that their owner alone reads."""
        import stat
        for path in [self.server.data, *self.server.data.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            if path.is_dir():
                self.assertEqual(mode & 0o077, 0, f"{path} has {mode:o}")
            elif path.suffix != ".crt":  # which everybody gets to see
                self.assertEqual(mode & 0o077, 0, f"{path} has {mode:o}")

    def test_sealing_keys_are_wrapped(self):
        """The private sealing key does not stand in the database: what is
        stored is longer than a key and differs from its public half."""
        for public, wrapped in self.server.sql(
                "SELECT encode(content, 'hex'), "
                "encode(wrapped_private_key, 'hex') FROM sealing_keys"):
            key = pc.messenger.SealingKey.FromString(bytes.fromhex(public))
            data = bytes.fromhex(wrapped)
            self.assertGreaterEqual(len(data), 32 + 16)
            for i in range(len(data) - 31):
                private = pc.X25519PrivateKey.from_private_bytes(
                    data[i:i + 32])
                self.assertNotEqual(pc.raw_public(private), key.key,
                                    "the private sealing key in clear")


class SecrecyOfGroups(harness.PeykTest):
    """R18: a group of both implementations in use, and then a look everywhere
    for what its members know: its secrets, chains, message keys, texts."""

    tls = False
    WORDS = "the key lies behind the نارنج tree, number "

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = harness.Proxy(cls.server.port, record=True)
        cls.addClassCleanup(cls.proxy.close)
        server = pc.Server(f"127.0.0.1:{cls.proxy.port}", tls=False).connect()
        cls.addClassCleanup(server.close)
        cls.members = [pg.Member(server, name) for name in (
            "sara#group", "hassan#group", "reza#group")]
        for member in cls.members:
            member.sign_up()
        sara, hassan, reza = cls.members
        cls.peyk = Device(cls.server, address=f"127.0.0.1:{cls.proxy.port}")
        cls.peyk.signup("nadia#group")
        cls.texts, cls.heard = [], []

        def talk(*who):
            for member in who:
                cls.heard += member.drain()
                cls.texts.append(f"{cls.WORDS}{len(cls.texts)}")
                member.send_group(cls.group, cls.texts[-1:])
            cls.texts.append(f"{cls.WORDS}{len(cls.texts)}")
            cls.peyk.poll("nadia#group")
            cls.peyk.send("nadia#group", f"@{cls.group.id}", cls.texts[-1])
        cls.group = sara.create_group("orchard", [
            hassan.name, reza.name, "nadia#group"])
        talk(sara, hassan, reza)
        sara.update_group(cls.group)
        talk(hassan, sara)
        sara.update_group(cls.group, removed=[reza.name])
        talk(sara, hassan)
        sara.update_group(cls.group, admin=hassan.name, name="قنات")
        talk(hassan)
        hassan.update_group(cls.group, added=[reza.name])
        talk(sara, hassan)
        # Not fetched, or not acknowledged: letters, rosters and messages lie
        # in the database now.

    def epochs(self):
        return {epoch: secret for member in self.members
                for epoch, secret in member.group(
                    self.group).secrets.items()}

    def secrets(self):
        for epoch, secret in self.epochs().items():
            yield "admin_secret", secret.admin_secret
            yield "group secret", secret.group_secret
            for m in self.members[0].group(self.group).rosters[epoch].members:
                chain = keys.Chain.of(secret.group_secret, self.group.id,
                                      epoch, m.signing_key)
                for _ in range(3):
                    yield "chain key", chain.key
                    yield "message key", chain.step()
        for text in self.texts:
            yield "text", text.encode()
        yield "text", self.WORDS.encode()
        for member in self.members:
            yield "signing key", pc.raw_private(member.signing)
            yield "encryption key", pc.raw_private(member.encryption)

    def shares(self):
        """The server's part of each key: it makes and keeps them, and tells
        nobody but the admin."""
        return [secret.server_share for secret in self.epochs().values()]

    def assert_nowhere(self, secrets, places):
        forms = [(kind, form) for kind, secret in secrets
                 for form in spellings(secret)]
        for place, data in places:
            data = squeeze(data)
            for kind, form in forms:
                if form in data:
                    self.fail(f"the {kind} is in {place}")

    def test_R18_database(self):
        self.assertEqual(sorted(self.epochs()), [1, 2, 3, 4, 5])
        heard = {text for who, text in pg.texts(self.heard)
                 if who == "nadia#group"}
        self.assertGreater(len(heard), 3, "expected peyk to have taken part")
        self.assert_nowhere(self.secrets(), database_places(self.server))

    def test_R18_server_files_and_log(self):
        secrets = [*self.secrets(),
                   *(("server_share", share) for share in self.shares())]
        self.assert_nowhere(secrets, server_places(self.server))

    def test_R18_wire(self):
        secrets = [*self.secrets(),
                   *(("server_share", share) for share in self.shares()),
                   ("name", "orchard".encode()), ("name", "قنات".encode())]
        wire = bytes(self.proxy.recorded)
        self.assertIn(b"/peyk.v1.Messenger/RotateGroupKey", wire)
        self.assert_nowhere(secrets, [("the recording of the wire", wire)])

    def test_what_is_there_is_found(self):
        """The same search finds what the server does have: rosters, and its
        own share of the next key."""
        hassan = self.members[1]
        hassan.get_group(self.group)
        roster = hassan.group(self.group).roster
        commitment = roster.key_commitment
        for kind, secret in (("commitment", commitment),
                             ("share", hassan.group(self.group).next_share)):
            found = []
            for place, data in database_places(self.server):
                with contextlib.suppress(AssertionError):
                    self.assert_nowhere([(kind, secret)], [(place, data)])
                    continue
                found.append(str(place))
            self.assertIn("the database dump", found, kind)
            self.assertTrue([f for f in found if "/base/" in f], kind)
            self.assertTrue([f for f in found if "/pg_wal/" in f], kind)
        for text in self.texts:
            for form in spellings(text.encode()):
                self.assertRaises(
                    AssertionError, self.assert_nowhere,
                    [("text", text.encode())],
                    [("a place", b"around " + form + b" it")])

    def test_server_share_of_epochs_that_came_is_gone(self):
        """What the server made for a key is forgotten with its use: nothing
        but the share of the next key is in the tables."""
        dump = next(data for _, data in database_places(self.server))
        self.assert_nowhere([("share", share) for share in self.shares()],
                            [("the database dump", dump)])


class SecrecyOfPeyk(harness.PeykTest):
    """The same for the real client, over TLS: its signup and its texts."""

    def test_R7_R12_conversation(self):
        device = Device(self.server, PASSWORD)
        names = ("sara#peyk", "hassan#peyk")
        for name in names:
            device.signup(name)
        device.send(*names, TEXT)
        device.poll(names[1])
        device.send(names[1], names[0], ANSWER)
        dump = subprocess.run(
            ["pg_dump", "-h", str(self.server.pg.dir), "-U", "postgres",
             self.server.database], capture_output=True, check=True).stdout
        for place, data in (("the dump", dump),
                            ("the log", self.server.log.read_bytes())):
            for secret in (TEXT, ANSWER, PASSWORD):
                for form in spellings(secret.encode()):
                    self.assertNotIn(form, data, place)
            for name in names:
                proof = pc.password_proof(
                    PASSWORD, self.client().identity_key, name)
                for form in spellings(proof):
                    self.assertNotIn(form, data, place)
        self.assertNotIn(names[0].encode(), self.server.log.read_bytes())

    def test_no_secret_in_arguments_or_environment(self):
        """What `ps` shows of a running peyk and peykd."""
        device = Device(self.server, PASSWORD)
        device.signup("shown#1")
        following = device.start("poll", "--as", "shown#1", "--follow",
                                 stdin=None)
        device.send("shown#1", "shown#1", "ready")
        following.wait_for("ready")
        for pid in (following.process.pid, self.server.process.pid):
            for name in ("cmdline", "environ"):
                data = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                self.assertNotIn(PASSWORD.encode(), data)
        following.kill()

    def test_server_has_no_code_to_open_messages(self):
        """peykd is not linked with e2ee."""
        symbols = subprocess.run(
            ["nm", "-C", str(harness.program("peykd"))],
            capture_output=True, text=True).stdout
        self.assertIn("channel_request_open", symbols,
                      "expected a program with symbols")
        self.assertNotIn("e2ee_", symbols)


class WireOfPeyk(harness.PeykTest):
    """R4: what peyk sends, recorded without TLS around it."""

    tls = False

    def test_R4_conversation(self):
        proxy = harness.Proxy(self.server.port, record=True)
        self.addCleanup(proxy.close)
        device = Device(self.server, PASSWORD,
                        address=f"127.0.0.1:{proxy.port}")
        names = ("sara#wire", "hassan#wire")
        keys = []
        for name in names:
            device.signup(name)
            who = device.peyk("--json", "whoami", "--as",
                              name).expect(0).objects[0]
            keys += [bytes.fromhex(who["signing_key"]),
                     bytes.fromhex(who["encryption_key"])]
        device.send(*names, TEXT)
        self.assertEqual([m["text"] for m in device.poll(names[1])], [TEXT])
        device.send(names[1], names[0], ANSWER)
        wire = bytes(proxy.recorded)
        self.assertIn(b"/peyk.v1.Messenger/Poll", wire,
                      "expected the recording to be of gRPC")
        words = [TEXT, ANSWER, PASSWORD, *names]
        for secret in [word.encode() for word in words] + keys:
            for form in spellings(secret):
                self.assertNotIn(form, wire)


if __name__ == "__main__":
    harness.main()
