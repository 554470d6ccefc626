#!/usr/bin/python3
"""Two implementations agree: the client of tests/support/peyk_client.py, which
was written from docs/protocol.md alone, against peykd and against peyk.

R1–R5, R8, R12–R16; issue: sign up, send and receive in both directions.
"""

import json
import pathlib
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from peyk_client import payload  # noqa: E402

VECTORS = harness.ROOT / "tests/vectors"


class OwnPrimitives(unittest.TestCase):
    """R16: what the second client composes itself passes the RFC's vectors."""

    def test_R16_hpke_rfc9180(self):
        vectors = json.loads(
            (VECTORS / "hpke_rfc9180.json").read_text())["vectors"]
        checked = 0
        for vector in vectors:
            if (vector["kem_id"], vector["kdf_id"], vector["aead_id"]) != (
                    0x0020, 0x0001, 0x0002):
                continue
            raw = {key: bytes.fromhex(vector[key]) for key in (
                "info", "skRm", "skEm", "pkRm", "pkEm")}
            receiver_key = pc.X25519PrivateKey.from_private_bytes(
                raw["skRm"])
            enc, sender = pc.hpke_sender(
                raw["pkRm"], raw["info"],
                pc.X25519PrivateKey.from_private_bytes(raw["skEm"]))
            receiver = pc.hpke_receiver(enc, receiver_key, raw["info"])
            self.assertEqual(enc, raw["pkEm"])
            for step in vector["encryptions"]:
                aad, pt, ct = (bytes.fromhex(step[key])
                               for key in ("aad", "pt", "ct"))
                # The list has gaps; the RFC's aad tells the number.
                number = int(aad.decode().removeprefix("Count-"))
                sender.sequence = receiver.sequence = number
                self.assertEqual(sender.seal(aad, pt), ct)
                self.assertEqual(receiver.open(aad, ct), pt)
                checked += 1
            for step in vector["exports"]:
                self.assertEqual(
                    receiver.export(bytes.fromhex(step["exporter_context"]),
                                    int(step["L"])),
                    bytes.fromhex(step["exported_value"]))
                checked += 1
        self.assertGreater(checked, 5, "expected vectors of our suite")

    def test_R13_safety_number_is_symmetric(self):
        one = pc.Person("Sara", b"1" * 32, b"2" * 32, b"")
        other = pc.Person("حسن", b"3" * 32, b"4" * 32, b"")
        number = pc.safety_number(one, other, b"5" * 32)
        self.assertEqual(number, pc.safety_number(other, one, b"5" * 32))
        self.assertRegex(number, r"^(\d{5} ){11}\d{5}$")

    def test_padding_reaches_a_power_of_two(self):
        """docs/protocol.md section 9, for every remainder around 256, 512
        and the sizes where the length prefix grows."""
        key = pc.Ed25519PrivateKey.generate()
        signed = pc.make_identity("a", key, pc.X25519PrivateKey.generate(),
                                  bytes(32), 1)
        sizes = list(range(1, 600)) + list(range(16000, 16400, 7)) + [65536]
        for size in sizes:
            content = pc.message_content(signed, bytes(32), "x" * size, 1,
                                         b"", bytes(16), 1)
            padded = 1 << (len(content) - 1).bit_length()
            self.assertGreaterEqual(padded, 256)
            self.assertLessEqual(padded - len(content), 2, f"text of {size}")


class WithItself(harness.PeykTest):
    """The Python client alone, against peykd over TLS."""

    def test_server_info(self):
        """Identity, fingerprint, certificate, limits as documented."""
        client = self.client()
        self.assertEqual(pc.sha256(client.identity_key).hex(),
                         self.server.fingerprint)
        limits = {field.name: getattr(client.limits, field.name)
                  for field in client.limits.DESCRIPTOR.fields}
        self.assertEqual(limits, {
            "text_bytes": 65536, "ciphertext_bytes": 132096,
            "messages_per_send": 256, "body_bytes": 4194304,
            "messages_per_poll": 1024, "poll_wait_ms": 60000,
            "names_per_lookup": 256, "members_per_group": 1000})
        self.assertTrue(client.info.version)
        self.assertLess(abs(client.info.time_ms - pc.now_ms()), 60000)
        self.assertEqual(client.info.registration,
                         pc.messenger.REGISTRATION_OPEN)
        for key in client.sealing_keys:
            self.assertEqual((len(key.id), len(key.key)), (8, 32))

    def test_R7_sign_up_and_canonical_name(self):
        account = pc.Account(self.client(), "Ştraße#1")
        reply = account.sign_up()
        self.assertEqual(reply.canonical_name,
                         pc.canonical_name("Ştraße#1"))

    def test_R12_R14_R15_send_and_receive(self):
        sara, hassan = self.account(), self.account()
        results = sara.send([(hassan.name, "salam mashti")])
        self.assertEqual([r.outcome for r in results],
                         [payload.SEND_OUTCOME_STORED])
        inbox_id = uuid.UUID(results[0].id)
        self.assertEqual(str(inbox_id), results[0].id)
        self.assertEqual(inbox_id.version, 7, "expected a UUIDv7")
        got = hassan.poll()
        self.assertEqual([(m.sender.signing_key, m.text, m.inbox_id)
                          for m in got],
                         [(sara.key, "salam mashti", results[0].id)])
        self.assertFalse(got[0].missing)
        self.assertEqual(hassan.poll(), [], "expected nothing twice")
        hassan.send([(sara.name, "aleyk")])
        self.assertEqual([m.text for m in sara.drain()], ["aleyk"])

    def test_R15_many_in_one_request_keep_their_order(self):
        sara, hassan = self.account(), self.account()
        texts = [f"message {i} پیام" for i in range(600)]
        for start in range(0, 600, 200):
            sara.send([(hassan.name, t) for t in texts[start:start + 200]])
        got = hassan.drain()
        self.assertEqual([m.text for m in got], texts)
        self.assertFalse(any(m.missing for m in got))

    def test_R15_unacknowledged_messages_come_again(self):
        sara, hassan = self.account(), self.account()
        sara.send([(hassan.name, "one"), (hassan.name, "two")])
        ids = [m.inbox_id for m in hassan.poll()]
        hassan.to_ack = ids[1:]  # the second one alone
        hassan.poll()
        reply = hassan.request("Poll", payload.PollRequest(),
                               payload.PollResponse)
        self.assertEqual([m.id for m in reply.messages], ids[:1],
                         "expected the message that was not acknowledged")

    def test_R3_R6_a_retry_gets_the_same_result(self):
        """The same content sealed anew: same ids, nothing stored twice."""
        sara, hassan = self.account(), self.account()
        person = sara.get_key(hassan.name)
        body = payload.SendRequest(
            messages=[sara.outgoing(person, f"{i}") for i in range(3)])
        method = pc.SERVICE + "Send"
        content = sara.content(method, body.SerializeToString())
        replies = [sara.try_once(method, content) for _ in range(4)]
        self.assertEqual({r.disposition for r in replies},
                         {payload.DISPOSITION_DONE})
        self.assertEqual(len({r.body for r in replies}), 1,
                         "expected the very same body each time")
        sara.sequence += 1
        self.assertEqual([m.text for m in hassan.drain()], ["0", "1", "2"])

    def test_R5_a_repeated_lookup_is_answered_afresh(self):
        sara, hassan = self.account(), self.account()
        method = pc.SERVICE + "GetPublicKey"
        content = sara.content(method, payload.GetPublicKeyRequest(
            names=[hassan.name]).SerializeToString())
        bodies = {sara.try_once(method, content).body for _ in range(3)}
        self.assertEqual(len(bodies), 1)
        sara.sequence += 1
        sara.poll()

    def test_R13_look_up_in_any_spelling(self):
        sara = self.account()
        self.account(name="علی‌رضا#7")
        self.account(name="ÉMILE#7")
        people = sara.get_keys(["علی‌رضا#7", "émile#7", "nobody#7",
                                "E\u0301mile#7"])
        self.assertEqual([p and p.username for p in people],
                         ["علی‌رضا#7", "ÉMILE#7", None, "ÉMILE#7"])

    def test_R15_long_poll_is_woken(self):
        """A parked poll returns when a message arrives, not at its end."""
        sara, hassan = self.account(), self.account()
        sara.get_key(hassan.name)
        method = pc.SERVICE + "Poll"
        content = hassan.content(method, payload.PollRequest(
            wait_ms=60000).SerializeToString())
        exchange = hassan.seal(method, content)
        call = hassan.server.start_raw(method, exchange.envelope, timeout=90)
        call.initial_metadata()  # the server has parked it by now
        hassan.sequence += 1
        started = time.monotonic()
        sara.send([(hassan.name, "wake up")])
        reply = hassan.open_outcome(exchange, pc.finish_raw(call))
        self.assertLess(time.monotonic() - started, 30)
        got = hassan.take(payload.PollResponse.FromString(reply.body))
        self.assertEqual([m.text for m in got], ["wake up"])

    def test_R15_headers_of_a_parked_poll_free_the_number(self):
        """Section 6: from the headers on the next number may be used, and a
        newer poll ends the parked one, which returns empty."""
        sara = self.account()
        method = pc.SERVICE + "Poll"
        content = sara.content(method, payload.PollRequest(
            wait_ms=60000).SerializeToString())
        exchange = sara.seal(method, content)
        call = sara.server.start_raw(method, exchange.envelope, timeout=90)
        call.initial_metadata()
        sara.sequence += 1
        self.assertIsNone(sara.get_key("nobody at all"))
        self.assertFalse(call.done(), "expected the poll to stay parked")
        self.assertEqual(sara.poll(wait_ms=1), [])
        reply = sara.open_outcome(exchange, pc.finish_raw(call))
        self.assertEqual(
            len(payload.PollResponse.FromString(reply.body).messages), 0)

    def test_R15_a_repeated_poll_never_waits(self):
        sara = self.account()
        method = pc.SERVICE + "Poll"
        content = sara.content(method, payload.PollRequest(
            wait_ms=60000).SerializeToString())
        first = sara.seal(method, content)
        call = sara.server.start_raw(method, first.envelope, timeout=90)
        call.initial_metadata()
        again = sara.try_once(method, content, timeout=30)
        self.assertEqual(again.disposition, payload.DISPOSITION_DONE)
        call.cancel()
        sara.sequence += 1
        sara.poll()

    def test_R15_a_poll_ends_by_itself(self):
        sara = self.account()
        started = time.monotonic()
        self.assertEqual(sara.poll(wait_ms=300), [])
        self.assertGreaterEqual(time.monotonic() - started, 0.25)

    def test_R15_a_cancelled_poll_loses_nothing(self):
        sara, hassan = self.account(), self.account()
        method = pc.SERVICE + "Poll"
        for i in range(5):
            content = hassan.content(method, payload.PollRequest(
                wait_ms=60000, acks=hassan.to_ack).SerializeToString())
            exchange = hassan.seal(method, content)
            call = hassan.server.start_raw(method, exchange.envelope)
            call.initial_metadata()
            call.cancel()
            hassan.sequence += 1
            hassan.to_ack = []
            sara.send([(hassan.name, f"number {i}")])
        self.assertEqual([m.text for m in hassan.drain()],
                         [f"number {i}" for i in range(5)])

    def test_limits_largest_message(self):
        """65,536 bytes of text pass, and a full Poll stops at 3 MiB."""
        sara, hassan = self.account(), self.account()
        text = "ی" * 32768
        for _ in range(3):
            sara.send([(hassan.name, text)] * 10)
        first = hassan.poll(max_messages=1024)
        self.assertTrue(all(m.text == text for m in first))
        size = 32 + 65536 * 2 + 16  # less than one sealed message
        self.assertLessEqual(len(first) * size, 3 << 20,
                             "expected at most 3 MiB in one reply")
        self.assertLess(len(first), 30)
        self.assertEqual(len(first) + len(hassan.drain()), 30)

    def test_poll_more_and_max_messages(self):
        sara, hassan = self.account(), self.account()
        sara.send([(hassan.name, str(i)) for i in range(5)])
        reply = hassan.request("Poll", payload.PollRequest(max_messages=2),
                               payload.PollResponse)
        self.assertEqual((len(reply.messages), reply.more), (2, True))
        reply = hassan.request("Poll", payload.PollRequest(max_messages=5),
                               payload.PollResponse)
        self.assertEqual((len(reply.messages), reply.more), (5, False))
        ids = [m.id for m in reply.messages]
        self.assertEqual(ids, sorted(ids), "expected the oldest first")

    def test_two_accounts_at_once(self):
        """Concurrent accounts do not disturb each other's numbers."""
        server = self.client()
        people = [self.account(server=server) for _ in range(6)]
        errors = []

        def talk(me, to):
            try:
                for i in range(15):
                    me.send([(to.name, f"{me.name} {i}")])
            except Exception as error:  # told by the main thread
                errors.append(error)
        threads = [threading.Thread(target=talk, args=(one, two))
                   for one, two in zip(people, people[1:] + people[:1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        for me, author in zip(people, people[-1:] + people[:-1]):
            self.assertEqual([m.text for m in me.drain()],
                             [f"{author.name} {i}" for i in range(15)])


class Plaintext(harness.PeykTest):
    """The sealed channel is the same without TLS, on the loopback."""

    tls = False

    def test_conversation(self):
        client = self.client()
        self.assertEqual(client.info.tls_certificate_sha256, b"")
        sara, hassan = self.account(), self.account()
        sara.send([(hassan.name, "salam")])
        self.assertEqual([m.text for m in hassan.drain()], ["salam"])


class WithPeyk(harness.PeykTest):
    """R5, R12–R14: the Python client and the real one, both ways."""

    def test_both_directions(self):
        device = self.device("client#2")
        python = self.account(name="پایتون")
        python.send([("client#2", "salam mashti"), ("CLIENT#2", "خط دوم")])
        got = device.poll("client#2")
        self.assertEqual([(m["from"], m["to"], m["text"]) for m in got],
                         [("پایتون", "client#2", "salam mashti"),
                          ("پایتون", "client#2", "خط دوم")])
        device.send("client#2", "پایتون", "aleyk")
        got = python.drain()
        self.assertEqual([(m.sender.username, m.text, m.counter, m.missing)
                          for m in got], [("client#2", "aleyk", 1, False)])

    def test_bulk_both_ways(self):
        """Counters, hashes and padding of many sizes agree."""
        device = self.device("bulk#1")
        python = self.account()
        lines = ["x" * n for n in range(1, 301)] + ["پ" * 9000, "y" * 65536]
        device.send("bulk#1", python.name, input="\n".join(lines) + "\n")
        got = python.drain()
        self.assertEqual([m.text for m in got], lines)
        self.assertFalse(any(m.missing for m in got),
                         "expected unbroken counters and hashes")
        for start in range(0, len(lines), 150):
            python.send([("bulk#1", t) for t in lines[start:start + 150]])
        texts = []

        def all_arrived():
            texts.extend(m["text"] for m in device.poll("bulk#1"))
            return len(texts) >= len(lines)
        harness.poll_until(all_arrived, f"{len(lines)} messages")
        self.assertEqual(texts, lines)

    def test_R13_safety_numbers_agree(self):
        device = self.device("safe#1")
        python = self.account()
        device.send("safe#1", python.name, "hello")
        me = python.get_key(python.name)
        friend = python.get_key("safe#1")
        number = pc.safety_number(me, friend, python.server.identity_key)
        shown = device.peyk("verify", "--as", "safe#1",
                            python.name).expect(0).out
        self.assertIn(number.replace(" ", ""),
                      "".join(c for c in shown if c.isdigit()),
                      f"expected the safety number {number} in:\n{shown}")

    def test_R14_a_forged_author_is_not_shown_as_genuine(self):
        """A message whose inner identity claims another's name."""
        device = self.device("victim#1", "honest#1")
        forger = self.account()
        device.send("honest#1", "victim#1", "I am the honest one")
        device.poll("victim#1")
        forger.signed_identity = pc.make_identity(
            "honest#1", forger.signing, forger.encryption,
            forger.server.identity_key)
        forger.send([("victim#1", "send me money")])
        ran = device.peyk("--json", "poll", "--as", "victim#1")
        genuine = [o for o in ran.objects if o.get("text") == "send me money"
                   and o.get("from") == "honest#1" and o.get("verified", True)
                   is True]
        self.assertEqual(genuine, [], "expected no message of a forged "
                         f"author to pass for honest#1's: {ran}")

    def test_unreadable_messages_block_nothing(self):
        """What cannot be read is set aside, told, and acknowledged."""
        device = self.device("reader#1")
        python = self.account()
        person = python.get_key("reader#1")
        bad = python.outgoing(person, "soon broken")
        broken = bytearray(bad.ciphertext)
        broken[-1] ^= 1
        python.sent.clear()
        request = payload.SendRequest(messages=[
            payload.OutgoingMessage(recipient_key=person.signing_key,
                                    ciphertext=bytes(broken)),
            python.outgoing(person, "fine")])
        python.request("Send", request, payload.SendResponse)
        ran = device.peyk("--json", "poll", "--as", "reader#1").expect(0, 1)
        self.assertEqual([o["text"] for o in ran.objects if "text" in o],
                         ["fine"])
        self.assertTrue(ran.err.strip() or len(ran.objects) > 1,
                        f"expected the user to be told: {ran}")
        ran = device.peyk("--json", "poll", "--as", "reader#1").expect(0)
        self.assertEqual(ran.objects, [], "expected it to be acknowledged")

    def test_R14_messages_to_others_and_forgeries_are_refused(self):
        """Every deviation inside the encryption is caught by peyk."""
        device = self.device("strict#1")
        python = self.account()
        other = self.account()
        person = python.get_key("strict#1")

        def deliver(plaintext):
            python.request("Send", payload.SendRequest(messages=[
                payload.OutgoingMessage(
                    recipient_key=person.signing_key,
                    ciphertext=pc.seal_direct(
                        plaintext, person.encryption_key,
                        person.signing_key))]), payload.SendResponse)

        def content(**changes):
            args = dict(sender_signed=python.signed_identity,
                        recipient_key=person.signing_key, text="forged",
                        counter=1, previous_hash=b"")
            args.update(changes)
            return pc.message_content(**args)
        foreign = pc.make_identity(python.name, python.signing,
                                   python.encryption, bytes(32))
        stranger = pc.payload.SignedIdentity(
            identity=python.signed_identity.identity, signature=bytes(64))
        cases = {
            "written to another key": content(recipient_key=other.key),
            "identity of another server": content(sender_signed=foreign),
            "identity with a bad signature": content(sender_signed=stranger),
            "no sender": content(sender_signed=pc.payload.SignedIdentity()),
            "no text": pc.e2ee.MessageContent(
                sender=python.signed_identity, counter=1,
                recipient_key=person.signing_key, message_id=bytes(16),
            ).SerializeToString(),
            "short message id": content(message_id=b"x" * 15),
        }
        for bytes_ in cases.values():
            deliver(pc.signed_message(python.signing, pc.LABEL_MESSAGE,
                                      bytes_))
        deliver(pc.signed_message(other.signing, pc.LABEL_MESSAGE,
                                  content()))          # another's signature
        deliver(pc.signed_message(python.signing, pc.LABEL_REQUEST,
                                  content()))          # another label
        deliver(b"\xff\xff\xff")                       # no protobuf
        deliver(b"")
        ran = device.peyk("--json", "poll", "--as", "strict#1").expect(0, 1)
        self.assertEqual([o for o in ran.objects if o.get("text")], [],
                         f"expected no forged message to be shown: {ran}")
        python.sent.clear()
        python.send([("strict#1", "genuine")])
        got = device.poll("strict#1")
        self.assertEqual([o["text"] for o in got if "text" in o],
                         ["genuine"])

    def test_R15_a_gap_in_the_counter_is_told(self):
        device = self.device("gap#1")
        python = self.account()
        python.send([("gap#1", "one")])
        device.poll("gap#1")
        python.outgoing(python.get_key("gap#1"), "two, which never leaves")
        python.send([("gap#1", "three")])
        ran = device.peyk("poll", "--as", "gap#1").expect(0)
        self.assertIn("three", ran.out)
        self.assertRegex((ran.out + ran.err).lower(), "missing|lost|gap",
                         "expected to be told that a message is missing")


if __name__ == "__main__":
    harness.main()
