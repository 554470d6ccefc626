#!/usr/bin/python3
"""Bad input on the wire: every row of it, and that nothing changed.

R2, R3, R5, R6, R8, R9, R15; issue: “Bad input and trouble”.
"""

import pathlib
import secrets
import sys
import threading
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from peyk_client import messenger, payload  # noqa: E402

SEND = pc.SERVICE + "Send"
POLL = pc.SERVICE + "Poll"
LOOKUP = pc.SERVICE + "GetPublicKey"
SIGN_UP = pc.SERVICE + "SignUp"
CODE = grpc.StatusCode

UNAUTHENTICATED = (CODE.UNAUTHENTICATED, "not authenticated")


class Hostile(harness.PeykTest):
    """One server; each test proves on the database that nothing happened."""

    tls = False

    def setUp(self):
        super().setUp()
        self.ensure_server()
        self.sara = self.account()
        self.hassan = self.account()
        self.person = self.sara.get_key(self.hassan.name)
        self.before = self.server.dump()

    def assert_unchanged(self):
        self.assertEqual(self.server.dump(), self.before,
                         "expected the database as it was")

    def assert_still_works(self):
        """After all that, an honest request with the next number is done."""
        self.sara.send([(self.hassan.name, "still here")])
        self.assertEqual([m.text for m in self.hassan.drain()],
                         ["still here"])

    def raw(self, method, envelope):
        code, details, trailers, reply = self.sara.server.call_raw(
            method, envelope)
        sealed = pc.sealed_in_status(trailers)
        return code, details, sealed, reply

    def assert_bare(self, method, envelope, code, details=None, why=""):
        """A status without a sealed reply, one text for each kind."""
        got, text, sealed, _ = self.raw(method, envelope)
        self.assertEqual(got, code, f"{why}: expected {code}, got {got}: "
                         f"{text}")
        self.assertIsNone(sealed, f"{why}: expected no sealed reply")
        if details is not None:
            self.assertEqual(text, details, why)
        self.assertTrue(text, f"{why}: expected an explanation")

    def send_body(self, text="never", messages=None):
        return payload.SendRequest(messages=messages if messages is not None
                                   else [self.one(text)]).SerializeToString()

    def one(self, text="never"):
        message = self.sara.outgoing(self.person, text)
        self.sara.sent.clear()
        return message

    def send_content(self, **deviations):
        return self.sara.content(SEND, self.send_body(), **deviations)

    def ask(self, method, content, account=None):
        """One attempt with sealed outcome."""
        return (account or self.sara).try_once(method, content)

    # --- what is no envelope

    def test_malformed_protobuf_envelope(self):
        """Malformed protobuf, layer 1: INVALID_ARGUMENT, not an envelope."""
        good = self.sara.seal(SEND, self.send_content())
        envelope = messenger.SealedRequest.FromString(good.envelope)
        cases = {
            "no protobuf": b"\xff" * 40,
            "truncated protobuf": good.envelope[:-1],
            "random": secrets.token_bytes(500),
            "empty": b"",
        }
        for field, size in (("key_id", 8), ("encapsulated_key", 32)):
            for length in (0, size - 1, size + 1, 100000):
                wrong = messenger.SealedRequest()
                wrong.CopyFrom(envelope)
                setattr(wrong, field, b"k" * length)
                cases[f"{field} of {length}"] = wrong.SerializeToString()
        for why, bytes_ in cases.items():
            for method in (SEND, POLL, LOOKUP, SIGN_UP):
                self.assert_bare(method, bytes_, CODE.INVALID_ARGUMENT,
                                 why=why)
        self.assert_unchanged()
        self.assert_still_works()

    def test_unknown_fields_of_the_envelope_do_no_harm(self):
        good = self.sara.seal(LOOKUP, self.sara.content(
            LOOKUP, payload.GetPublicKeyRequest(
                names=["x"]).SerializeToString()))
        extra = good.envelope + b"\xfa\x01\x03abc"  # field 31
        reply = self.sara.open_outcome(
            good, self.sara.server.call_raw(LOOKUP, extra))
        self.assertEqual(reply.disposition, payload.DISPOSITION_DONE)

    # --- what cannot be attributed

    def test_wrong_key_id(self):
        """FAILED_PRECONDITION “sealing key changed”: seal anew."""
        exchange = self.sara.seal(SEND, self.send_content(), key_id=b"x" * 8)
        self.assert_bare(SEND, exchange.envelope, CODE.FAILED_PRECONDITION,
                         "sealing key changed")
        self.assert_unchanged()
        self.assert_still_works()

    def test_altered_ciphertext(self):
        """R2: a bit flipped anywhere, and every truncation."""
        good = self.sara.seal(SEND, self.send_content())
        envelope = messenger.SealedRequest.FromString(good.envelope)
        size = len(envelope.ciphertext)
        cases = []
        for position in (0, 1, 11, 16, size // 2, size - 17, size - 16,
                         size - 1):
            changed = bytearray(envelope.ciphertext)
            changed[position] ^= 0x40
            cases.append((f"bit flipped at {position} of {size}",
                          bytes(changed)))
        for length in (0, 1, 15, 16, 17, size // 2, size - 1):
            cases.append((f"truncated to {length} of {size}",
                          envelope.ciphertext[:length]))
        cases.append(("one byte more", envelope.ciphertext + b"\0"))
        for why, ciphertext in cases:
            envelope.ciphertext = ciphertext
            code, text, sealed, _ = self.raw(SEND,
                                             envelope.SerializeToString())
            self.assertIn((code, text if code is CODE.UNAUTHENTICATED
                           else None),
                          (UNAUTHENTICATED, (CODE.INVALID_ARGUMENT, None)),
                          why)
            if len(ciphertext) >= 16:
                self.assertEqual((code, text), UNAUTHENTICATED, why)
            self.assertIsNone(sealed, why)
        envelope = messenger.SealedRequest.FromString(good.envelope)
        for position in (0, 15, 30):
            enc = bytearray(envelope.encapsulated_key)
            enc[position] ^= 1
            changed = messenger.SealedRequest()
            changed.CopyFrom(envelope)
            changed.encapsulated_key = bytes(enc)
            self.assert_bare(SEND, changed.SerializeToString(),
                             *UNAUTHENTICATED, why=f"enc at {position}")
        self.assert_unchanged()
        self.assert_still_works()

    def test_low_order_encapsulated_key(self):
        """X25519 results of all zeros are refused."""
        good = self.sara.seal(SEND, self.send_content())
        envelope = messenger.SealedRequest.FromString(good.envelope)
        for point in (bytes(32), b"\1" + bytes(31),
                      bytes.fromhex("ecffffffffffffffffffffffffffffffffffff"
                                    "ffffffffffffffffffffffff7f")):
            envelope.encapsulated_key = point
            code, _, sealed, _ = self.raw(SEND, envelope.SerializeToString())
            self.assertIn(code, (CODE.UNAUTHENTICATED,
                                 CODE.INVALID_ARGUMENT))
            self.assertIsNone(sealed)
        self.assert_unchanged()

    def test_malformed_protobuf_inside(self):
        """Layer 2 and 3: SignedMessage and RequestContent."""
        sara = self.sara
        inner = self.send_content()
        cases = {
            "SignedMessage is no protobuf": b"\xff\xff\xff\xff",
            "SignedMessage is empty": b"",
            "no signature": payload.SignedMessage(
                content=inner).SerializeToString(),
            "no content": pc.signed_message(sara.signing, pc.LABEL_REQUEST,
                                            b""),
            "short signature": payload.SignedMessage(
                content=inner, signature=pc.sign(
                    sara.signing, pc.LABEL_REQUEST,
                    inner)[:63]).SerializeToString(),
            "RequestContent is no protobuf": pc.signed_message(
                sara.signing, pc.LABEL_REQUEST, b"\xff\xff\xff"),
            "RequestContent truncated": pc.signed_message(
                sara.signing, pc.LABEL_REQUEST, inner[:-5]),
            "short sender key": pc.signed_message(
                sara.signing, pc.LABEL_REQUEST,
                self.send_content(sender_key=sara.key[:31])),
            "no sender key": pc.signed_message(
                sara.signing, pc.LABEL_REQUEST,
                self.send_content(sender_key=b"")),
        }
        for why, plaintext in cases.items():
            exchange = pc.seal_request(plaintext, inner,
                                       sara.server.sealing_key, SEND)
            self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                             why=why)
        self.assert_unchanged()
        self.assert_still_works()

    def test_R2_wrong_signature(self):
        sara, content = self.sara, self.send_content()
        flipped = bytearray(pc.sign(sara.signing, pc.LABEL_REQUEST, content))
        flipped[10] ^= 1
        cases = {
            "another key's": pc.sign(self.hassan.signing, pc.LABEL_REQUEST,
                                     content),
            "another label": pc.sign(sara.signing, pc.LABEL_REPLY, content),
            "without label": sara.signing.sign(content),
            "of other content": pc.sign(sara.signing, pc.LABEL_REQUEST,
                                        content + b"x"),
            "a flipped bit": bytes(flipped),
            "zeros": bytes(64),
        }
        for why, signature in cases.items():
            plaintext = payload.SignedMessage(
                content=content, signature=signature).SerializeToString()
            exchange = pc.seal_request(plaintext, content,
                                       sara.server.sealing_key, SEND)
            self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                             why=why)
        self.assert_unchanged()
        self.assert_still_works()

    def test_R1_another_senders_key(self):
        """Signed by oneself in somebody else's name."""
        content = self.sara.content(SEND, self.send_body(),
                                    sender_key=self.hassan.key,
                                    sequence=self.hassan.sequence)
        exchange = self.sara.seal(SEND, content)
        self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED)
        self.assert_unchanged()

    def test_R4_sealed_for_another_method(self):
        sara = self.sara
        content = self.send_content()
        sealed_for_send = sara.seal(SEND, content)
        self.assert_bare(POLL, sealed_for_send.envelope, *UNAUTHENTICATED,
                         why="an envelope carried to another method")
        inner = sara.content(POLL, self.send_body(), inner_method=SEND)
        exchange = sara.seal(POLL, inner)
        self.assert_bare(POLL, exchange.envelope, *UNAUTHENTICATED,
                         why="sealed for Poll, content says Send")
        for aad in (b"", b"Send", b"/peyk.v1.Messenger/send"):
            exchange = sara.seal(SEND, content, aad=aad)
            self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                             why=f"aad {aad!r}")
        self.assert_unchanged()
        self.assert_still_works()

    def test_R4_sealed_for_another_server(self):
        sara = self.sara
        content = self.send_content(server_key=secrets.token_bytes(32))
        self.assert_bare(SEND, sara.seal(SEND, content).envelope,
                         *UNAUTHENTICATED, why="content for another server")
        content = self.send_content(server_key=b"")
        self.assert_bare(SEND, sara.seal(SEND, content).envelope,
                         *UNAUTHENTICATED, why="content for no server")
        other = pc.SealingKey(sara.server.sealing_key.id, pc.raw_public(
            pc.X25519PrivateKey.generate()))
        plaintext = pc.signed_message(sara.signing, pc.LABEL_REQUEST,
                                      self.send_content())
        exchange = pc.seal_request(plaintext, b"", other, SEND)
        self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                         why="sealed to another key under our id")
        for info in (b"", b"peyk/v1 request", b"peyk/v1 direct"):
            exchange = sara.seal(SEND, self.send_content(), info=info)
            self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                             why=f"info {info!r}")
        self.assert_unchanged()
        self.assert_still_works()

    def test_unknown_sender(self):
        """A valid request of a key that has no account."""
        stranger = pc.Account(self.sara.server, "stranger")
        for method, body in (
                (SEND, self.send_body()),
                (POLL, payload.PollRequest().SerializeToString()),
                (LOOKUP, payload.GetPublicKeyRequest(
                    names=["x"]).SerializeToString())):
            exchange = stranger.seal(method, stranger.content(method, body))
            self.assert_bare(method, exchange.envelope, *UNAUTHENTICATED)
        self.assert_unchanged()

    # --- numbers

    def test_R6_replay_of_the_newest_gets_the_same_reply(self):
        """The very envelope again, as a recorder would send it."""
        exchange = self.sara.seal(SEND, self.send_content())
        server = self.sara.server
        first = self.sara.open_outcome(
            exchange, server.call_raw(SEND, exchange.envelope))
        self.assertEqual(first.disposition, payload.DISPOSITION_DONE)
        after = self.server.dump()
        for _ in range(3):
            again = self.sara.open_outcome(
                exchange, server.call_raw(SEND, exchange.envelope))
            self.assertEqual(again.body, first.body)
        self.assertEqual(self.server.dump(), after,
                         "expected the replays to change nothing")
        self.sara.sequence += 1
        self.assertEqual(len(self.hassan.drain()), 1)

    def test_R6_replay_of_an_older_request(self):
        old = self.sara.seal(SEND, self.send_content())
        server = self.sara.server
        self.sara.open_outcome(old, server.call_raw(SEND, old.envelope))
        self.sara.sequence += 1
        self.sara.send([(self.hassan.name, "newer")])
        self.before = self.server.dump()
        reply = self.sara.open_outcome(old, server.call_raw(SEND,
                                                            old.envelope))
        self.assert_replay(reply)
        self.assertEqual(len(self.hassan.drain()), 2)

    def assert_replay(self, reply):
        self.assertEqual(
            (reply.disposition, reply.code, reply.expected_sequence,
             reply.body),
            (payload.DISPOSITION_REPLAY, CODE.ABORTED.value[0],
             self.sara.sequence, b""))
        self.assertTrue(reply.message)
        self.assert_unchanged()

    def test_R3_another_request_under_a_used_number(self):
        for behind in (1, 2, self.sara.sequence):
            reply = self.ask(SEND, self.send_content(
                sequence=self.sara.sequence - behind))
            self.assert_replay(reply)
        self.assert_still_works()

    def test_R3_skipped_numbers(self):
        for ahead in (1, 2, 1000, (1 << 62),
                      (1 << 63) - 1 - self.sara.sequence):
            reply = self.ask(SEND, self.send_content(
                sequence=self.sara.sequence + ahead))
            self.assertEqual(
                (reply.disposition, reply.code, reply.expected_sequence),
                (payload.DISPOSITION_GAP, CODE.OUT_OF_RANGE.value[0],
                 self.sara.sequence), f"{ahead} ahead")
            self.assertTrue(reply.message)
        self.assert_unchanged()
        self.assert_still_works()

    def test_R3_numbers_that_are_none(self):
        """From 2^63 on a number is malformed, like the rest of it."""
        for number in ((1 << 63), (1 << 64) - 1):
            exchange = self.sara.seal(SEND, self.send_content(
                sequence=number))
            self.assert_bare(SEND, exchange.envelope, *UNAUTHENTICATED,
                             why=f"number {number}")
        self.assert_unchanged()
        self.assert_still_works()

    def test_R3_every_method_counts(self):
        """A replay or gap is told by the look-up and the poll as well."""
        for method, body in (
                (LOOKUP, payload.GetPublicKeyRequest(names=["x"])),
                (POLL, payload.PollRequest(wait_ms=60000))):
            bytes_ = body.SerializeToString()
            reply = self.ask(method, self.sara.content(
                method, bytes_, sequence=self.sara.sequence - 1))
            self.assert_replay(reply)
            reply = self.ask(method, self.sara.content(
                method, bytes_, sequence=self.sara.sequence + 1))
            self.assertEqual(reply.disposition, payload.DISPOSITION_GAP)
        self.assert_unchanged()

    def test_R3_the_same_number_twice_at_once(self):
        """Of many different requests under one number exactly one wins."""
        contents = [self.sara.content(SEND, self.send_body(str(i)))
                    for i in range(8)]
        outcomes = []
        threads = [threading.Thread(target=lambda c=c: outcomes.append(
            self.sara.settle(SEND, c))) for c in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kinds = sorted(o.disposition for o in outcomes)
        self.assertEqual(kinds, [payload.DISPOSITION_DONE]
                         + [payload.DISPOSITION_REPLAY] * 7)
        self.sara.sequence += 1
        self.assertEqual(len(self.hassan.drain()), 1)

    def test_R6_one_retry_many_times_at_once(self):
        content = self.send_content()
        bodies = []
        threads = [threading.Thread(target=lambda: bodies.append(
            self.sara.settle(SEND, content).body)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(bodies), len(set(bodies))), (8, 1))
        self.sara.sequence += 1
        self.assertEqual(len(self.hassan.drain()), 1)

    # --- bodies: refused for good, the number is used, nothing is stored

    def refused(self, method, body, code, account=None):
        """REFUSED, the number used, the same again on a retry."""
        account = account or self.sara
        messages = self.server.sql("SELECT count(*) FROM messages")
        content = account.content(method, body)
        reply = self.ask(method, content, account)
        self.assertEqual(
            (reply.disposition, reply.code),
            (payload.DISPOSITION_REFUSED, code.value[0]), reply.message)
        self.assertRegex(reply.message, r"\w{3,} \w+",
                         "expected a reason for a person")
        again = self.ask(method, content, account)
        self.assertEqual((again.disposition, again.code, again.message),
                         (reply.disposition, reply.code, reply.message))
        account.sequence += 1
        self.assertEqual(self.server.sql("SELECT count(*) FROM messages"),
                         messages, "expected no message to be stored")
        return reply

    def test_malformed_protobuf_body(self):
        """Layer 4: the request message itself."""
        for method in (SEND, POLL, LOOKUP):
            for body in (b"\xff\xff\xff", b"\x0a\xff\x01a"):
                self.refused(method, body, CODE.INVALID_ARGUMENT)
        self.assert_still_works()

    def test_empty_send(self):
        self.refused(SEND, b"", CODE.INVALID_ARGUMENT)
        self.assert_still_works()

    def test_empty_message(self):
        key = self.person.signing_key
        for message in (
                payload.OutgoingMessage(),
                payload.OutgoingMessage(recipient_key=key),
                payload.OutgoingMessage(ciphertext=b"x" * 100),
                payload.OutgoingMessage(recipient_key=key[:31],
                                        ciphertext=b"x" * 100),
                payload.OutgoingMessage(recipient_key=key + b"x",
                                        ciphertext=b"x" * 100)):
            self.refused(SEND, self.send_body(messages=[self.one(), message]),
                         CODE.INVALID_ARGUMENT)
        self.assert_still_works()

    def test_oversized_message(self):
        key = self.person.signing_key
        limit = self.sara.server.limits.ciphertext_bytes
        self.refused(SEND, self.send_body(messages=[
            self.one(), payload.OutgoingMessage(
                recipient_key=key, ciphertext=bytes(limit + 1))]),
            CODE.INVALID_ARGUMENT)
        reply = self.sara.request("Send", payload.SendRequest(messages=[
            payload.OutgoingMessage(recipient_key=key,
                                    ciphertext=bytes(limit))]),
            payload.SendResponse)
        self.assertEqual(reply.results[0].outcome,
                         payload.SEND_OUTCOME_STORED,
                         "expected exactly the limit to pass")
        self.assert_still_works()

    def test_too_many_messages(self):
        limit = self.sara.server.limits.messages_per_send
        one = self.one()
        self.refused(SEND, self.send_body(messages=[one] * (limit + 1)),
                     CODE.INVALID_ARGUMENT)
        reply = self.sara.request(
            "Send", payload.SendRequest(messages=[one] * limit),
            payload.SendResponse)
        self.assertEqual(len(reply.results), limit)

    def test_oversized_body(self):
        """Past 4 MiB: refused by the channel or by the transport, with
        nothing done; the very limit passes."""
        key = self.person.signing_key
        limit = self.sara.server.limits.body_bytes

        def body(size):
            big = payload.SendRequest()
            while size - big.ByteSize() > 132096 + 100:
                big.messages.add(recipient_key=key,
                                 ciphertext=bytes(132000))
            last = big.messages.add(recipient_key=key)
            room = size - big.ByteSize() - 8
            last.ciphertext = bytes(room)
            last.ciphertext = bytes(room + size - big.ByteSize())
            return big.SerializeToString()
        self.assertEqual(len(body(limit)), limit)
        for size in (limit + 1, limit + 60000, limit + 100000, limit * 3):
            content = self.sara.content(SEND, body(size))
            try:
                reply = self.ask(SEND, content)
                self.assertEqual(reply.disposition,
                                 payload.DISPOSITION_REFUSED)
                self.assertIn(reply.code, (CODE.INVALID_ARGUMENT.value[0],
                                           CODE.RESOURCE_EXHAUSTED.value[0]))
                self.sara.sequence += 1
            except pc.Bare as bare:
                self.assertIn(bare.code, (CODE.INVALID_ARGUMENT,
                                          CODE.UNAUTHENTICATED,
                                          CODE.RESOURCE_EXHAUSTED))
        self.assertEqual(
            self.server.sql("SELECT count(*) FROM messages m JOIN accounts a"
                            " ON a.id = m.recipient_id WHERE a.signing_key ="
                            f" '\\x{self.hassan.key.hex()}'"), [["0"]])
        reply = self.ask(SEND, self.sara.content(SEND, body(limit)))
        self.assertEqual(reply.disposition, payload.DISPOSITION_DONE,
                         f"expected the very limit to pass: {reply.message}")
        self.sara.sequence += 1

    def test_limits_of_poll(self):
        limits = self.sara.server.limits
        over = limits.messages_per_poll + 1
        for request in (
                payload.PollRequest(acks=[str(uuid.UUID(int=0))] * over),
                payload.PollRequest(max_messages=over),
                payload.PollRequest(wait_ms=limits.poll_wait_ms + 1),
                payload.PollRequest(wait_ms=(1 << 32) - 1),
                payload.PollRequest(acks=["short"]),
                payload.PollRequest(acks=[""]),
                payload.PollRequest(acks=[uuid.uuid4().hex]),
                payload.PollRequest(acks=[str(uuid.uuid4()) + "0"]),
                payload.PollRequest(acks=[f"{{{uuid.uuid4()}}}"]),
                payload.PollRequest(acks=["A" + str(uuid.uuid4())[1:]]),
                payload.PollRequest(acks=["x" * 100000])):
            self.refused(POLL, request.SerializeToString(),
                         CODE.INVALID_ARGUMENT)
        self.assert_still_works()

    def test_acks_of_other_peoples_messages(self):
        """R15: nobody acknowledges for somebody else; unknown ids do not
        matter."""
        sent = self.sara.send([(self.hassan.name, "mine")])
        thief = self.account()
        thief.to_ack = [sent[0].id, str(uuid.uuid4())]
        thief.poll()
        self.assertEqual([m.text for m in self.hassan.drain()], ["mine"])

    def test_limits_of_lookup(self):
        limit = self.sara.server.limits.names_per_lookup
        self.refused(LOOKUP, payload.GetPublicKeyRequest(
            names=["x"] * (limit + 1)).SerializeToString(),
            CODE.INVALID_ARGUMENT)
        self.refused(LOOKUP, b"", CODE.INVALID_ARGUMENT)
        people = self.sara.get_keys(
            [f"nobody {i}".replace(" ", "-") for i in range(limit)])
        self.assertEqual(people, [None] * limit)

    def test_names_that_cannot_be_in_a_lookup(self):
        """A name nobody can have is unknown or refused, never an error."""
        for name in ("", "@all", "a b", "x" * 65, "\u202e", "a\0b",
                     "x" * 100000):
            body = payload.GetPublicKeyRequest(
                names=[self.hassan.name, name]).SerializeToString()
            reply = self.ask(LOOKUP, self.sara.content(LOOKUP, body))
            self.sara.sequence += 1
            if reply.disposition == payload.DISPOSITION_DONE:
                entries = payload.GetPublicKeyResponse.FromString(
                    reply.body).entries
                self.assertEqual([e.HasField("identity") for e in entries],
                                 [True, False], repr(name))
            else:
                self.assertEqual((reply.disposition, reply.code),
                                 (payload.DISPOSITION_REFUSED,
                                  CODE.INVALID_ARGUMENT.value[0]))
        # Not UTF-8: a proto3 string must not hold it.
        body = b"\x0a\x03a\xffb"
        reply = self.ask(LOOKUP, self.sara.content(LOOKUP, body))
        self.sara.sequence += 1
        self.assertIn(reply.disposition, (payload.DISPOSITION_REFUSED,
                                          payload.DISPOSITION_DONE))
        self.assert_still_works()

    def test_unknown_recipient(self):
        """An outcome of its own; its neighbours are stored."""
        nobody = payload.OutgoingMessage(
            recipient_key=secrets.token_bytes(32), ciphertext=b"x" * 100)
        reply = self.sara.request("Send", payload.SendRequest(
            messages=[self.one("a"), nobody, self.one("b")]),
            payload.SendResponse)
        self.assertEqual([r.outcome for r in reply.results], [
            payload.SEND_OUTCOME_STORED,
            payload.SEND_OUTCOME_UNKNOWN_RECIPIENT,
            payload.SEND_OUTCOME_STORED])
        self.assertEqual([len(r.id) for r in reply.results], [36, 0, 36])
        self.assertEqual([m.text for m in self.hassan.drain()], ["a", "b"])

    def test_unknown_method(self):
        for method in (pc.SERVICE + "Nonsense", "/peyk.v1.Nonsense/Send",
                       "/", "/x"):
            code, details, _, _ = self.sara.server.call_raw(method, b"",
                                                            timeout=20)
            self.assertEqual(code, CODE.UNIMPLEMENTED, method)
        self.assert_still_works()

    def test_garbage_connections(self):
        """Bytes that are no HTTP/2, and connections that say nothing."""
        import socket
        silent = [socket.create_connection(("127.0.0.1", self.server.port))
                  for _ in range(20)]
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", secrets.token_bytes(5000),
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 999):
            with socket.create_connection(("127.0.0.1",
                                           self.server.port)) as raw:
                raw.sendall(garbage)
        self.assert_still_works()
        for one in silent:
            one.close()


class SignUps(harness.PeykTest):
    """R7–R9 on the wire."""

    tls = False

    def request(self, account, **changes):
        request = account.sign_up_request()
        for field, value in changes.items():
            if field == "identity":
                request.identity.CopyFrom(value)
            else:
                setattr(request, field, value)
        return request.SerializeToString()

    def attempt(self, account, body):
        return account.try_once(SIGN_UP, account.content(SIGN_UP, body))

    def assert_refused(self, account, body, code, why=""):
        """Refused, sealed or not, and no account of that name or key."""
        try:
            reply = self.attempt(account, body)
            self.assertEqual(reply.disposition, payload.DISPOSITION_REFUSED,
                             f"{why}: {reply.message}")
            self.assertEqual(reply.code, code.value[0],
                             f"{why}: {reply.message}")
            self.assertTrue(reply.message, why)
        except pc.Bare as bare:
            self.assertIn(bare.code, (CODE.UNAUTHENTICATED,
                                      CODE.INVALID_ARGUMENT), why)
        self.assertIsNone(self.witness.get_key(account.name)
                          if self.is_valid(account.name) else None, why)

    @staticmethod
    def is_valid(name):
        return 0 < len(name) <= 64 and not name.startswith("@")

    def setUp(self):
        super().setUp()
        self.witness = self.account()

    def new(self, name=None, **options):
        return pc.Account(self.witness.server,
                          name or harness.unique("new"), **options)

    def test_R9_taken_name(self):
        """ALREADY_EXISTS in any spelling; the first account is untouched."""
        first = self.account(name="Taken#Ä")
        for name in ("Taken#Ä", "taken#ä", "TAKEN#A\u0308"):
            with self.assertRaises(pc.Refused) as caught:
                self.new(name).sign_up()
            self.assertEqual(caught.exception.reply.code,
                             CODE.ALREADY_EXISTS.value[0])
            self.assertTrue(caught.exception.reply.message)
        self.assertEqual(self.witness.get_key("taken#ä").signing_key,
                         first.key)
        first.poll()

    def test_R9_taken_name_at_once(self):
        """Of many who ask for one name at once, one gets it."""
        accounts = [self.new("Wanted") for _ in range(6)]
        done, refused = [], []

        def sign_up(account):
            try:
                account.sign_up()
                done.append(account)
            except pc.Refused as error:
                refused.append(error.reply.code)
        threads = [threading.Thread(target=sign_up, args=(a,))
                   for a in accounts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(done), refused),
                         (1, [CODE.ALREADY_EXISTS.value[0]] * 5))
        self.assertEqual(self.witness.get_key("wanted").signing_key,
                         done[0].key)

    def test_R9_forbidden_names(self):
        for name in ("", "@admin", "a b", " a", "a ", "a\tb", "a\nb", "a\0b",
                     "x" * 65, "a\u200bb", "a\u202eb", "\ufeffa", "a\u2028b",
                     "a\u200cb", "\u0301a", "a\u00a0b", "a\x7fb"):
            account = self.new("placeholder")
            account.name = name
            identity = pc.make_identity(name, account.signing,
                                        account.encryption,
                                        account.server.identity_key)
            body = payload.SignUpRequest(
                nonce=secrets.token_bytes(32), identity=identity,
                password_proof=secrets.token_bytes(32)).SerializeToString()
            try:
                reply = self.attempt(account, body)
                self.assertEqual(
                    (reply.disposition, reply.code),
                    (payload.DISPOSITION_REFUSED,
                     CODE.INVALID_ARGUMENT.value[0]), repr(name))
                self.assertRegex(reply.message, r"\w+ \w+")
            except pc.Bare as bare:
                # A NUL makes the whole identity malformed, keys included.
                self.assertIn("\0", name, f"expected a sealed refusal for "
                              f"{name!r}: {bare}")
            self.assertEqual(self.server.sql(
                "SELECT count(*) FROM usernames WHERE username = ''"),
                [["0"]])

    def test_R9_names_in_any_script(self):
        for name in ("client#2", "سارا", "می‌خواهم", "Ελλάδα", "日本語",
                     "नमस्ते", "x" * 64, "😀", "O'Brien;--", "a/b", "..",
                     "%s%n", '"quoted"', "<b>"):
            account = self.new(name)
            account.sign_up()
            found = self.witness.get_key(name)
            self.assertEqual((found.username, found.signing_key),
                             (name, account.key))

    def test_R8_recorded_sign_up(self):
        """The recorded bytes again, while it is the newest request and
        later: never a second account, never a reset number."""
        account = self.new()
        content = account.content(SIGN_UP, self.request(account))
        exchange = account.seal(SIGN_UP, content)
        first = account.open_outcome(exchange, account.server.call_raw(
            SIGN_UP, exchange.envelope))
        self.assertEqual(first.disposition, payload.DISPOSITION_DONE)
        before = self.server.dump()
        again = account.open_outcome(exchange, account.server.call_raw(
            SIGN_UP, exchange.envelope))
        self.assertEqual((again.disposition, again.body),
                         (first.disposition, first.body),
                         "expected the original reply again")
        self.assertEqual(self.server.dump(), before)
        account.sequence += 1
        account.poll()
        before = self.server.dump()
        late = account.open_outcome(exchange, account.server.call_raw(
            SIGN_UP, exchange.envelope))
        self.assertEqual(late.disposition, payload.DISPOSITION_REPLAY)
        self.assertEqual(self.server.dump(), before)
        account.poll()

    def test_R8_the_key_signs_up_once(self):
        """A second sign-up with the key of an account opens none."""
        account = self.account()
        before = self.server.dump()
        other = self.new(signing=account.signing,
                         encryption=account.encryption)
        for sequence in (account.sequence - 1, account.sequence + 5, 17):
            other.sequence = sequence
            reply = self.attempt(other, self.request(other))
            self.assertIn(reply.disposition, (payload.DISPOSITION_REPLAY,
                                              payload.DISPOSITION_GAP))
        self.assertEqual(self.server.dump(), before)
        other.sequence = account.sequence
        reply = self.attempt(other, self.request(other))
        self.assertEqual(reply.disposition, payload.DISPOSITION_REFUSED)
        self.assertIsNone(self.witness.get_key(other.name))
        account.sequence += 1
        account.poll()

    def test_R8_refused_sign_up_retried(self):
        """The same content gets the same refusal, also once the name were
        free for it; the key is spent, a new key succeeds."""
        name = harness.unique("clash")
        self.account(name=name)
        late = self.new(name)
        content = late.content(SIGN_UP, self.request(late))
        first = late.try_once(SIGN_UP, content)
        self.assertEqual((first.disposition, first.code),
                         (payload.DISPOSITION_REFUSED,
                          CODE.ALREADY_EXISTS.value[0]))
        before = self.server.dump()
        again = late.try_once(SIGN_UP, content)
        self.assertEqual((again.disposition, again.code, again.message),
                         (first.disposition, first.code, first.message))
        self.assertEqual(self.server.dump(), before)
        late.sequence += 1
        late.name = harness.unique("other")
        reply = self.attempt(late, self.request(late))
        self.assertNotEqual(reply.disposition, payload.DISPOSITION_DONE,
                            "expected a spent key to stay spent")
        self.assertIsNone(self.witness.get_key(late.name))
        with self.assertRaises((pc.Refused, pc.Bare)):
            late.poll()  # it has no account, and none opens by asking
        fresh = self.new(late.name)
        fresh.sign_up()

    def test_R7_identity_that_does_not_fit(self):
        stranger = self.new()

        def identity(new, **changes):
            args = dict(name=new.name, signing=new.signing,
                        encryption=new.encryption,
                        server_key=new.server.identity_key)
            args.update(changes)
            return pc.make_identity(**args)

        def signed(new, statement, label=pc.LABEL_IDENTITY):
            return payload.SignedIdentity(
                identity=statement,
                signature=pc.sign(new.signing, label, statement))

        def short(new):
            statement = payload.Identity.FromString(identity(new).identity)
            statement.encryption_key = statement.encryption_key[:31]
            return signed(new, statement.SerializeToString())
        cases = {
            "another's key": lambda new: identity(
                new, signing=stranger.signing),
            "another server": lambda new: identity(
                new, server_key=bytes(32)),
            "bad signature": lambda new: payload.SignedIdentity(
                identity=identity(new).identity, signature=bytes(64)),
            "too large": lambda new: payload.SignedIdentity(
                identity=bytes(5000), signature=bytes(64)),
            "short key": short,
            "low-order encryption key": self.low_order,
            "wrong label": lambda new: signed(
                new, identity(new).identity, pc.LABEL_MESSAGE),
            "none": lambda new: payload.SignedIdentity(),
        }
        for why, wrong in cases.items():
            new = self.new()  # a refused key is spent
            self.assert_refused(new, self.request(new, identity=wrong(new)),
                                CODE.INVALID_ARGUMENT, why)

    @staticmethod
    def low_order(account):
        identity = payload.Identity(
            username=account.name, signing_key=account.key,
            encryption_key=bytes(32),
            server_key=account.server.identity_key,
            created_at_ms=1).SerializeToString()
        return payload.SignedIdentity(identity=identity, signature=pc.sign(
            account.signing, pc.LABEL_IDENTITY, identity))

    def test_R8_nonce_and_proof_have_their_size(self):
        for field, value in (("nonce", b""), ("nonce", bytes(31)),
                             ("nonce", bytes(33)), ("password_proof", b""),
                             ("password_proof", bytes(31)),
                             ("password_proof", bytes(33)),
                             ("password_proof", bytes(100000))):
            account = self.new()
            self.assert_refused(account, self.request(
                account, **{field: value}), CODE.INVALID_ARGUMENT,
                f"{field} of {len(value)}")

    def test_R3_first_number_is_below_2_48(self):
        account = self.new(sequence=(1 << 48))
        self.assert_refused(account, self.request(account),
                            CODE.INVALID_ARGUMENT, "2^48")
        account = self.new(sequence=(1 << 48) - 1)
        account.sign_up()
        account.poll()
        account = self.new(sequence=0)
        account.sign_up()
        account.poll()

    def test_malformed_body(self):
        for body in (b"\xff\xff", b"", b"\x0a\xff\x01a"):
            account = self.new()
            self.assert_refused(account, body, CODE.INVALID_ARGUMENT)


if __name__ == "__main__":
    harness.main()
