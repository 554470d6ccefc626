#!/usr/bin/python3
"""A server that lies: swapped keys, another identity, a man in the middle.

R13; exit code 5, sending blocked, loud.
"""

import asyncio
import pathlib
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from harness import Device  # noqa: E402

KEY_CHANGED = 5


class SwappedKeys(harness.PeykTest):
    """The operator of the server puts other keys behind a name."""

    def setUp(self):
        super().setUp()
        self.alice = harness.unique("alice")
        self.bob = self.account(name=harness.unique("bob"))
        self.device = self.device_with(self.alice)

    def device_with(self, name):
        device = Device(self.server)
        device.signup(name)
        return device

    def swap(self, account, forger):
        """What a dishonest server does: a forged identity for the name,
        well signed by the forged key itself."""
        signed = pc.make_identity(account.name, forger.signing,
                                  forger.encryption,
                                  account.server.identity_key)
        canonical = pc.canonical_name(account.name).replace("'", "''")
        changed = self.server.sql(
            "UPDATE usernames SET identity = "
            f"'\\x{signed.SerializeToString().hex()}' "
            f"WHERE username = '{canonical}' RETURNING 1")
        self.assertEqual(changed, [["1"]], "expected one name to be swapped")
        return signed

    def forger(self):
        return self.account()

    def messages(self):
        return int(self.server.sql("SELECT count(*) FROM messages")[0][0])

    def test_R13_a_swap_is_loud_and_blocks_sending(self):
        device, alice, bob = self.device, self.alice, self.bob
        device.send(alice, bob.name, "to the real bob")
        self.swap(bob, self.forger())
        # A look-up is what notices; verify asks the server.
        ran = device.peyk("verify", "--as", alice, bob.name)
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assert_clear(ran, bob.name, "key", "changed")
        before = self.messages()
        for _ in range(2):
            ran = device.peyk("send", "--as", alice, bob.name, "secret")
            self.assertEqual(ran.code, KEY_CHANGED, ran)
            self.assert_clear(ran, bob.name, "key", "changed")
            self.assertGreater(len(ran.err), 120, "expected a loud text")
        ran = device.peyk("send", "--as", alice, bob.name,
                          input="secret one\nsecret two\n")
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assertEqual(self.messages(), before, "expected nothing to be "
                         "sent to a changed key")

    def test_R13_the_pin_survives_and_shows(self):
        device, alice, bob = self.device, self.alice, self.bob
        device.send(alice, bob.name, "hi")
        self.swap(bob, self.forger())
        device.peyk("verify", "--as", alice, bob.name).expect(KEY_CHANGED)
        listed = device.peyk("contacts", "--as", alice).expect(0).out
        self.assertRegex(listed.lower(), "changed")
        entry = device.peyk("--json", "contacts", "--as",
                            alice).expect(0).objects
        self.assertEqual(len(entry), 1)
        self.assertIn("chang", str(entry[0]).lower())

    def test_R13_a_message_of_the_forger_is_not_bobs(self):
        """The forged key writes in bob's name: shown as conflicting."""
        device, alice, bob = self.device, self.alice, self.bob
        device.send(alice, bob.name, "hi")
        forger = self.forger()
        forger.signed_identity = self.swap(bob, forger)
        forger.send([(alice, "I am bob, send me money")])
        ran = device.peyk("poll", "--as", alice)
        self.assertIn("send me money", ran.out + ran.err)
        self.assertRegex((ran.out + ran.err).lower(),
                         "changed|other key|another key|not the key|warning|"
                         "conflict|pretend")
        shown = device.history(alice)[-1]
        self.assertNotEqual(shown.get("author"), "pinned")

    def test_R13_two_fresh_devices_see_different_numbers(self):
        """First use cannot notice; comparing safety numbers does."""
        device, alice, bob = self.device, self.alice, self.bob
        forger = self.forger()
        self.swap(bob, forger)
        device.send(alice, bob.name, "caught")
        import re
        shown = "".join(re.findall(r"\b\d{5}\b", device.peyk(
            "verify", "--as", alice, bob.name).expect(0).out))
        me = bob.get_key(alice)
        real = pc.Person(bob.name, bob.key, pc.raw_public(bob.encryption),
                         b"")
        honest = pc.safety_number(me, real, bob.server.identity_key)
        self.assertEqual(len(shown), 60)
        self.assertNotEqual(shown, honest.replace(" ", ""))

    def test_R13_forged_identities_are_refused(self):
        """An answer that is no identity of this name: never pinned."""
        device, alice = self.device, self.alice
        server = self.bob.server
        other = self.account()
        stranger = pc.Ed25519PrivateKey.generate()

        def put(name, signed):
            self.server.sql(
                "UPDATE usernames SET identity = "
                f"'\\x{signed.SerializeToString().hex()}' WHERE username = "
                f"'{name}'")
        for why in ("bad signature", "another name", "another server"):
            victim = self.account(name=harness.unique("victim"))
            good = pc.make_identity(victim.name, victim.signing,
                                    victim.encryption, server.identity_key)
            if why == "bad signature":
                good.signature = pc.sign(stranger, pc.LABEL_IDENTITY,
                                         good.identity)
            elif why == "another name":
                good = pc.make_identity(other.name, other.signing,
                                        other.encryption,
                                        server.identity_key)
            else:
                good = pc.make_identity(victim.name, victim.signing,
                                        victim.encryption, bytes(32))
            put(victim.name, good)
            before = self.messages()
            ran = device.peyk("send", "--as", alice, victim.name, "x")
            self.assertEqual(ran.code, KEY_CHANGED, f"{why}: {ran}")
            self.assert_clear(ran)
            self.assertEqual(self.messages(), before, why)
            names = [c["name"] for c in device.peyk(
                "--json", "contacts", "--as", alice).expect(0).objects]
            self.assertNotIn(victim.name, names, why)

    def test_R13_a_deleted_key_is_stale(self):
        """The server says that the pinned key is gone: nothing is sent to
        whoever has the name now without asking."""
        device, alice, bob = self.device, self.alice, self.bob
        device.send(alice, bob.name, "hi")
        forger = self.forger()
        self.swap(bob, forger)
        self.server.sql("UPDATE signing_keys SET state = 2 WHERE "
                        f"signing_key = '\\x{bob.key.hex()}'")
        self.server.stop()  # caches forget
        self.server.start()
        before = self.messages()
        ran = device.peyk("send", "--as", alice, bob.name, "secret")
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assert_clear(ran, bob.name)
        self.assertEqual(self.messages(), before)


class OtherServers(harness.PeykTest):
    """Another identity key at the same address; a wrong fingerprint."""

    def test_R13_server_with_another_identity(self):
        port = harness.free_port()
        first = harness.Peykd(port=port).prepare().start()
        self.addCleanup(first.kill)
        device = Device(first, address=f"127.0.0.1:{port}")
        device.signup("client#2")
        first.stop()
        second = harness.Peykd(port=port).prepare().start()
        self.addCleanup(second.kill)
        for args in (["poll", "--as", "client#2"],
                     ["send", "--as", "client#2", "client#3", "x"]):
            ran = device.peyk(*args)
            self.assertEqual(ran.code, KEY_CHANGED, ran)
            self.assert_clear(ran, "server", "identity|key|fingerprint")
            self.assertIn(second.fingerprint[:8], ran.err,
                          "expected the new fingerprint to be shown")
        second.stop()

    def test_R13_wrong_fingerprint_in_the_address(self):
        address = self.server.address.split("#")[0] + "#" + "ab" * 32
        device = Device(self.server, address=address)
        ran = device.peyk("signup", "client#9")
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assert_clear(ran, "fingerprint|identity")
        self.assertEqual(self.server.sql("SELECT count(*) FROM usernames "
                                         "WHERE username = 'client#9'"),
                         [["0"]])

    def test_R13_first_use_tells_the_fingerprint(self):
        device = Device(self.server,
                        address=f"127.0.0.1:{self.server.port}")
        ran = device.signup("client#8")
        self.assertIn(self.server.fingerprint, ran.out + ran.err)


class ManInTheMiddle(harness.PeykTest):
    """A TLS proxy with another certificate between client and server."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = harness.new_dir("mitm")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=peyk", "-addext",
             "subjectAltName=DNS:peyk,DNS:localhost,IP:127.0.0.1",
             "-keyout", "key.pem", "-out", "cert.pem"], cwd=cls.place,
            check=True, capture_output=True)

    def setUp(self):
        super().setUp()
        self.seen = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.place / "cert.pem",
                                self.place / "key.pem")
        context.set_alpn_protocols(["h2"])
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outer.check_hostname = False
        outer.verify_mode = ssl.CERT_NONE
        outer.set_alpn_protocols(["h2"])
        async def pump(source, target):
            try:
                while data := await source.read(65536):
                    self.seen.append(data)
                    target.write(data)
                    await target.drain()
            except OSError:
                pass
            target.close()

        relays = set()  # asyncio itself forgets them

        async def relay(near, to_near):
            relays.add(asyncio.current_task())
            try:
                far, to_far = await asyncio.open_connection(
                    "127.0.0.1", self.server.port, ssl=outer)
            except OSError:
                to_near.close()
                return
            await asyncio.gather(pump(near, to_far), pump(far, to_near))

        # One thread: OpenSSL's connections are not for two at once.
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def stop():
            proxy.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        def clean_up():
            asyncio.run_coroutine_threadsafe(stop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
        proxy = asyncio.run_coroutine_threadsafe(asyncio.start_server(
            relay, "127.0.0.1", 0, ssl=context), loop).result()
        self.addCleanup(clean_up)
        self.port = proxy.sockets[0].getsockname()[1]

    def test_the_proxy_works(self):
        """The control: a client that does not compare gets through it, and
        the second implementation, which compares, stops."""
        client = pc.Server(f"127.0.0.1:{self.port}")
        self.addCleanup(client.close)
        with self.assertRaisesRegex(pc.ProtocolError, "between"):
            client.connect()
        self.assertTrue(self.seen, "expected the proxy to see the call")

    def test_R13_peyk_stops_on_first_use(self):
        address = f"peyk://127.0.0.1:{self.port}#{self.server.fingerprint}"
        for where in (address, f"127.0.0.1:{self.port}"):
            device = Device(self.server, address=where)
            ran = device.peyk("signup", "middle#1")
            self.assertEqual(ran.code, KEY_CHANGED, ran)
            self.assert_clear(ran, "certificate|between")
        self.assertEqual(self.server.sql("SELECT count(*) FROM usernames "
                                         "WHERE username = 'middle#1'"),
                         [["0"]])

    def test_R13_peyk_stops_later_too(self):
        """The account was made without the man in the middle, behind a
        relay that then begins to end the TLS."""
        relay = harness.Proxy(self.server.port)
        self.addCleanup(relay.close)
        device = Device(self.server, address=f"127.0.0.1:{relay.port}")
        device.signup("middle#2")
        relay.target = self.port
        relay.cut()
        ran = device.peyk("send", "--as", "middle#2", "middle#2", "secret")
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assert_clear(ran, "certificate|between")
        relay.target = self.server.port
        relay.cut()
        device.send("middle#2", "middle#2", "free again")


if __name__ == "__main__":
    harness.main()
