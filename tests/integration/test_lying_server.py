#!/usr/bin/python3
"""peyk against a server that lies: no false reply is believed.

R5 (signature, number and encryption of every reply are checked), R13–R15, and
section 5: a bare status means no more than “try again”. The server is the
in-memory one of tests/support/peyk_server.py.
"""

import pathlib
import secrets
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from harness import Device  # noqa: E402
from peyk_client import messenger, payload  # noqa: E402
from peyk_server import LyingServer  # noqa: E402

CODE = grpc.StatusCode
UNREACHABLE, KEY_CHANGED, REFUSED = 3, 5, 6


class LyingTest(harness.PeykTest):
    serve = False

    def setUp(self):
        super().setUp()
        self.lying = LyingServer().start()
        self.addCleanup(self.lying.stop)
        self.device = Device(self.lying)
        self.alice = harness.unique("alice")
        self.device.signup(self.alice)
        client = pc.Server(self.lying.address).connect()
        self.addCleanup(client.close)
        self.bob = pc.Account(client, harness.unique("bob"))
        self.bob.sign_up()

    def send(self, *text, timeout="1.5", **options):
        return self.device.peyk("--timeout", timeout, "send", "--as",
                                self.alice, self.bob.name, *text, **options)

    def outcomes(self):
        return {m["text"]: m for m in self.device.history(self.alice)}


class Replies(LyingTest):
    """R5: what is no reply to this request is as good as none."""

    def lie_about_send(self, why, **hooks):
        self.send("hello", timeout="30").expect(0)
        self.bob.drain()
        before = list(self.outcomes())
        for name, hook in hooks.items():
            setattr(self.lying, name, hook)
        text = f"under: {why}"
        ran = self.send(text)
        self.assertIn(ran.code, (UNREACHABLE, 1), "expected the reply not "
                      f"to be believed, {why}: {ran}")
        self.assert_clear(ran)
        self.lying.honest()
        self.send("the end", timeout="30").expect(0)
        self.assertEqual([m.text for m in self.bob.drain()],
                         [text, "the end"], why)
        self.assertEqual(list(self.outcomes()), [*before, text, "the end"])

    def test_R5_wrong_signature(self):
        other = pc.Ed25519PrivateKey.generate()

        def another_key(_call, signed):
            signed.signature = pc.sign(other, pc.LABEL_REPLY, signed.content)
        self.lie_about_send("another key's signature",
                            on_signed=another_key)

    def test_R5_wrong_label(self):
        def another_label(_call, signed):
            signed.signature = pc.sign(self.lying.identity, pc.LABEL_REQUEST,
                                       signed.content)
        self.lie_about_send("another label", on_signed=another_label)

    def test_R5_no_signature(self):
        def none(_call, signed):
            signed.signature = b""
        self.lie_about_send("no signature", on_signed=none)

    def test_R5_wrong_number(self):
        def number(_call, reply):
            reply.sequence += 1
        self.lie_about_send("another number", on_result=number)

    def test_R5_wrong_request_hash(self):
        def hash_(_call, reply):
            reply.request_hash = bytes(32)
        self.lie_about_send("another request's hash", on_result=hash_)

    def test_R5_wrong_method(self):
        def method(_call, reply):
            reply.method = pc.SERVICE + "Poll"
        self.lie_about_send("another method", on_result=method)

    def test_R5_not_the_final_reply(self):
        def more(_call, reply):
            reply.final = False
        self.lie_about_send("not final", on_result=more)

    def test_R5_wrong_index(self):
        def index(_call, reply):
            reply.index = 1
        self.lie_about_send("index 1", on_result=index)

    def test_R5_altered_ciphertext(self):
        def flip(_call, sealed):
            data = bytearray(sealed.ciphertext)
            data[len(data) // 2] ^= 1
            sealed.ciphertext = bytes(data)
        self.lie_about_send("a flipped bit", on_sealed=flip)

    def test_R5_altered_nonce(self):
        def nonce(_call, sealed):
            sealed.nonce = secrets.token_bytes(32)
        self.lie_about_send("another nonce", on_sealed=nonce)

    def test_R5_short_nonce(self):
        def nonce(_call, sealed):
            sealed.nonce = sealed.nonce[:31]
        self.lie_about_send("a short nonce", on_sealed=nonce)

    def test_R5_not_encrypted_to_the_account(self):
        """A reply for whoever knows the request's secret alone."""
        stranger = pc.X25519PrivateKey.generate()

        def another(call, sealed):
            call.encryption_key = pc.raw_public(stranger)
            sealed.CopyFrom(self.lying.seal(call, b"x" * 200))
        self.lie_about_send("another recipient", on_sealed=another)

    def test_R5_a_reply_to_an_earlier_request(self):
        """Recorded and played again."""
        recorded = []

        def record(_call, sealed):
            if recorded:
                sealed.CopyFrom(recorded[0])
            else:
                first = messenger.SealedResponse()
                first.CopyFrom(sealed)
                recorded.append(first)
        self.send("hello", timeout="30").expect(0)
        self.bob.drain()
        self.lying.on_sealed = record
        self.send("recorded", timeout="30").expect(0)
        ran = self.send("played again")
        self.assertIn(ran.code, (UNREACHABLE, 1), ran)
        self.lying.honest()
        self.send("the end", timeout="30").expect(0)
        self.assertEqual([m.text for m in self.bob.drain()],
                         ["recorded", "played again", "the end"])

    def test_garbage(self):
        def garbage(_call, sealed):
            sealed.ciphertext = secrets.token_bytes(500)
        self.lie_about_send("garbage", on_sealed=garbage)

    def test_signed_garbage(self):
        """Well signed and sealed, but no sense in it."""
        def nonsense(_call, signed):
            signed.content = b"\xff\xff\xff"
            signed.signature = pc.sign(self.lying.identity, pc.LABEL_REPLY,
                                       signed.content)
        self.lie_about_send("signed garbage", on_signed=nonsense)

    def test_code_and_disposition_contradict(self):
        def contradict(_call, reply):
            reply.disposition = payload.DISPOSITION_REFUSED
        self.lie_about_send("REFUSED with code 0", on_result=contradict)

    def test_no_disposition(self):
        def unspecified(_call, reply):
            reply.disposition = payload.DISPOSITION_UNSPECIFIED
        self.lie_about_send("no disposition", on_result=unspecified)

    def test_the_body_is_no_reply(self):
        """DONE, but the body does not parse or has too few results: the
        message must not count as stored, and must not be sent twice."""
        for body in (b"\xff\xff", b"", payload.SendResponse(results=[
                payload.SendResult(outcome=1, id=str(uuid.uuid4()))] * 2
                ).SerializeToString(), payload.SendResponse(results=[
                    payload.SendResult(outcome=0)]).SerializeToString(),
                payload.SendResponse(results=[payload.SendResult(
                    outcome=1, id="x")]).SerializeToString()):
            with self.subTest(body):
                self.lying.on_result = lambda call, reply: (
                    setattr(reply, "body", body)
                    if call.method.endswith("/Send") else None)
                ran = self.send(f"body {body.hex()[:20]} {len(body)}")
                self.assertNotEqual(ran.code, 0, ran)
                self.assert_clear(ran)
                self.lying.honest()
                self.send("go on", timeout="30").expect(0)
                texts = [m.text for m in self.bob.drain()]
                self.assertEqual(texts.count("go on"), 1)
                self.assertEqual(len(texts), 2, "expected each message once")


class BareStatuses(LyingTest):
    """Section 5: believed for nothing more than “try again”."""

    def test_every_code_is_only_try_again(self):
        """Before and after the work was done: sent once in the end."""
        self.send("hello", timeout="30").expect(0)
        self.bob.drain()
        for code in CODE:
            if code is CODE.OK:
                continue
            for when in ("on_request", "after_done"):
                with self.subTest(code=code, when=when):
                    left = [3]

                    def bare(call):
                        if call.method.endswith("/Send") and left[0]:
                            left[0] -= 1
                            raise LyingServer.Bare(code, "so it is")
                    setattr(self.lying, when, bare)
                    text = f"{code.name} {when}"
                    ran = self.send(text, timeout="20")
                    self.lying.honest()
                    if ran.code != 0:
                        self.assertIn(ran.code, (UNREACHABLE, 1), ran)
                        self.assert_clear(ran)
                        self.device.peyk("poll", "--as",
                                         self.alice).expect(0)
                    self.assertEqual([m.text for m in self.bob.drain()],
                                     [text])

    def test_refusal_without_a_seal_is_not_believed(self):
        """A bare NOT_FOUND or PERMISSION_DENIED is not exit code 6."""
        self.send("hello", timeout="30").expect(0)

        def bare(call):
            if call.method.endswith("/Send"):
                raise LyingServer.Bare(CODE.PERMISSION_DENIED, "go away")
        self.lying.on_request = bare
        ran = self.send("believe me")
        self.assertIn(ran.code, (UNREACHABLE, 1), ran)
        self.lying.honest()
        self.send("the end", timeout="30").expect(0)
        self.assertEqual([m.text for m in self.bob.drain()],
                         ["hello", "believe me", "the end"])

    def test_sign_up_refused_without_a_seal(self):
        def bare(call):
            if call.method.endswith("/SignUp"):
                raise LyingServer.Bare(CODE.ALREADY_EXISTS, "taken")
        self.lying.on_request = bare
        ran = self.device.peyk("--timeout", "1.5", "signup", "carol#1")
        self.assertIn(ran.code, (UNREACHABLE, 1), ran)
        self.lying.honest()
        self.device.signup("carol#1")

    def test_sealing_key_changed(self):
        """The same content sealed anew to the new key, unnoticed."""
        self.send("hello", timeout="30").expect(0)
        self.lying.sealing = pc.X25519PrivateKey.generate()
        self.lying.key_id = secrets.token_bytes(8)
        self.send("to the new key", timeout="30").expect(0)
        self.bob.server.connect()
        self.assertEqual([m.text for m in self.bob.drain()],
                         ["hello", "to the new key"])

    def test_hints_and_texts_of_the_server_are_harmless(self):
        """Escape sequences in a refusal do not reach the terminal."""
        self.send("hello", timeout="30").expect(0)

        def refuse(call, reply):
            if call.method.endswith("/Send"):
                reply.disposition = payload.DISPOSITION_REFUSED
                reply.code = 7
                reply.body = b""
                reply.message = "no\x1b[2J\u202e\nway " + "x" * 100
        self.lying.on_result = refuse
        ran = self.send("refused")
        self.assertEqual(ran.code, REFUSED, ran)
        for bad in ("\x1b", "\u202e"):
            self.assertNotIn(bad, ran.err)


class Numbers(LyingTest):
    """Section 6: an old or copied state is stopped and told."""

    def answer(self, disposition, code):
        def lie(call, reply):
            if call.method.endswith("/Send"):
                reply.disposition, reply.code = disposition, code
                reply.body = b""
                reply.message = "out of order"
                reply.expected_sequence = call.request.sequence + 5
        return lie

    def test_replay_and_gap_stop(self):
        self.send("hello", timeout="30").expect(0)
        for disposition, code in ((payload.DISPOSITION_GAP, 11),
                                  (payload.DISPOSITION_REPLAY, 10)):
            with self.subTest(disposition):
                self.lying.on_result = self.answer(disposition, code)
                ran = self.send("out of order", timeout="5")
                self.assertEqual(ran.code, 1, ran)
                self.assert_clear(ran, "old|copy|copied|backup")


class Infos(LyingTest):
    """Section 2, on first use and later."""

    def fresh(self, address=None):
        device = Device(self.lying, address=address)
        return device.peyk("--timeout", "2", "signup",
                           harness.unique("fresh"))

    def refused(self, why, codes=(KEY_CHANGED, UNREACHABLE, 1)):
        calls = len(self.lying.calls)
        ran = self.fresh()
        self.assertIn(ran.code, codes, f"{why}: {ran}")
        self.assert_clear(ran)
        self.assertEqual(len(self.lying.calls), calls,
                         f"{why}: expected nothing to be sent")
        self.lying.honest()

    def test_R13_bad_signature_of_the_info(self):
        def flip(response):
            response.signature = bytes(64)
        self.lying.on_info_signed = flip
        self.refused("a bad signature")

    def test_R13_another_identity(self):
        """Signed by another key than the fingerprint's."""
        honest = self.lying.address
        other = pc.Ed25519PrivateKey.generate()
        self.lying.identity, kept = other, self.lying.identity
        calls = len(self.lying.calls)
        ran = self.fresh(honest)
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assert_clear(ran, "fingerprint|identity|server")
        ran = self.device.peyk("--timeout", "2", "--server", honest, "poll",
                               "--as", self.alice)
        self.assertEqual(ran.code, KEY_CHANGED, ran)
        self.assertEqual(len(self.lying.calls), calls)
        self.lying.identity = kept

    def test_R13_another_certificate(self):
        def certificate(info):
            info.tls_certificate_sha256 = bytes(32)
        self.lying.on_info = certificate
        self.refused("another certificate", (KEY_CHANGED,))

    def test_R13_no_certificate(self):
        """Under TLS a server that says it has none is not believed."""
        def certificate(info):
            info.tls_certificate_sha256 = b""
        self.lying.on_info = certificate
        self.refused("no certificate", (KEY_CHANGED,))

    def test_sealing_keys_that_may_not_be_used(self):
        """Expired, not yet in force, signed by another, malformed."""
        hour = 3600_000
        stranger = pc.Ed25519PrivateKey.generate()
        make = self.lying.signed_sealing_key
        for why, keys in (
                ("none", []),
                ("expired", [make(not_after_ms=pc.now_ms() - hour)]),
                ("early", [make(not_before_ms=pc.now_ms() + hour)]),
                ("another's signature", [make(signer=stranger)]),
                ("short key", [make(key=bytes(31))]),
                ("low order", [make(key=bytes(32))])):
            def replace(info, keys=keys):
                del info.sealing_keys[:]
                info.sealing_keys.extend(keys)
            with self.subTest(why):
                self.lying.on_info = replace
                self.refused(why)

    def test_first_usable_sealing_key_is_taken(self):
        """Bad ones before it are passed over; five minutes are allowed."""
        stranger = pc.Ed25519PrivateKey.generate()
        make = self.lying.signed_sealing_key
        minute = 60_000

        def replace(info):
            del info.sealing_keys[:]
            info.sealing_keys.extend([
                make(signer=stranger, id=b"stranger"),
                make(id=b"too old!", not_after_ms=pc.now_ms() - 30 * minute),
                make(not_after_ms=pc.now_ms() - 3 * minute),
                make(id=b"too late", key=bytes(32))])
        self.lying.on_info = replace
        self.fresh().expect(0)


class Inbox(LyingTest):
    """R15: what a server can do with an inbox, a client notices."""

    def write(self, *texts):
        self.bob.get_key(self.alice)
        self.bob.send([(self.alice, text) for text in texts])

    def poll(self):
        return self.device.peyk("--json", "poll", "--as", self.alice)

    def texts(self, ran):
        return [o["text"] for o in ran.expect(0).objects if "text" in o]

    def test_R15_doubled_messages_are_shown_once(self):
        self.write("one", "two")
        self.lying.on_poll = lambda request, inbox: inbox + inbox
        got = self.texts(self.poll()) + self.texts(self.poll())
        self.assertEqual(got, ["one", "two"])

    def test_R15_messages_that_come_again(self):
        """With a new id, after they were acknowledged."""
        self.write("one", "two")
        kept = []

        def keep(request, inbox):
            kept.extend(inbox)
            return inbox
        self.lying.on_poll = keep
        self.assertEqual(self.texts(self.poll()), ["one", "two"])

        def again(request, inbox):
            return [payload.InboxMessage(id=secrets.token_bytes(16),
                                         ciphertext=m.ciphertext,
                                         stored_at_ms=m.stored_at_ms)
                    for m in kept[:2]]
        self.lying.on_poll = again
        ran = self.device.peyk("--json", "--timeout", "3", "poll", "--as",
                               self.alice, timeout=120)
        self.assertEqual([o for o in ran.objects if "text" in o], [])
        self.lying.honest()
        self.assertEqual(self.texts(self.poll()), [])
        self.assertEqual(len(self.device.history(self.alice)), 2)

    def test_R15_reordered_and_dropped_messages_are_told(self):
        self.write("one", "two", "three")
        self.lying.on_poll = lambda request, inbox: [
            m for i, m in enumerate(inbox) if i != 1]
        ran = self.device.peyk("poll", "--as", self.alice).expect(0)
        self.assertIn("three", ran.out)
        self.assertRegex((ran.out + ran.err).lower(), "missing|gap|lost",
                         "expected a dropped message to be told")

    def test_R14_messages_for_somebody_else(self):
        """Another user's message in the inbox: not shown as one's own."""
        carol = pc.Account(self.bob.server, harness.unique("carol"))
        carol.sign_up()
        self.bob.send([(carol.name, "for carol's eyes")])
        foreign = self.lying.accounts[carol.key].inbox[0].ciphertext
        me = self.lying.names[pc.canonical_name(self.alice)]
        self.lying.deliver(me.signing_key, foreign)
        self.write("for you")
        ran = self.poll()
        self.assertIn(ran.code, (0, 1), ran)
        self.assertEqual([o["text"] for o in ran.objects if "text" in o],
                         ["for you"])

    def test_malformed_inbox_messages(self):
        """Ids and ciphertexts of any length: no crash, no endless loop."""
        self.write("fine")

        def mess(request, inbox):
            return [payload.InboxMessage(), payload.InboxMessage(
                id=b"short", ciphertext=b"x"), payload.InboxMessage(
                    id=secrets.token_bytes(16)), payload.InboxMessage(
                        id=secrets.token_bytes(16),
                        ciphertext=bytes(200000)), *inbox]
        self.lying.on_poll = mess
        ran = self.device.peyk("--json", "--timeout", "3", "poll", "--as",
                               self.alice, timeout=120)
        self.assertIn(ran.code, (0, 1, UNREACHABLE), ran)
        self.lying.honest()
        seen = [o["text"] for o in ran.objects if "text" in o]
        seen += self.texts(self.poll())
        self.assertEqual(seen, ["fine"])


if __name__ == "__main__":
    harness.main()
