#!/usr/bin/python3
"""Sending to groups: once, in order, whatever dies or changes in between.

The admin and the reader is the second client (peyk_groups.py): it refuses
what is out of order, repeated, or encrypted with the wrong key.
"""

import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_groups  # noqa: E402
import pexpect  # noqa: E402
from peyk_client import payload  # noqa: E402
from peyk_group_server import LyingGroupServer  # noqa: E402

KILLED = -9
POINTS = ("request.begun", "request.prepared", "request.stored",
          "request.sent", "request.replied", "request.applied",
          "request.settled")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-_=>]|\][^\x07]*\x07)")


class GroupTest(harness.PeykTest):
    def member(self, prefix="reader"):
        """The second client, signed up."""
        member = peyk_groups.Member(self.client(), harness.unique(prefix))
        member.sign_up()
        return member

    def team(self, name="team"):
        """An admin, its group, and a device with a member that knows it."""
        admin, user = self.member("admin"), harness.unique("user")
        device = self.device(user)
        group = admin.create_group(name, [user])
        device.poll(user)
        return admin, group, device, user

    def give_wrong_key(self, admin, group, user):
        """A new epoch, in which the user can neither read nor write."""
        update = admin.draft_update(group)
        update.admin_secrets[admin.people[user].signing_key] = bytes(32)
        admin.submit(update)

    def texts(self, member):
        """What a member gets: whole, once, in order; (epoch, text) each."""
        got = [m for m in member.drain()
               if isinstance(m, peyk_groups.GroupMessage)]
        self.assertEqual(member.unreadable, [])
        self.assertFalse(any(m.missing for m in got),
                         "expected no gap in the counters")
        return [(m.epoch, m.text) for m in got]

    def outcomes(self, device, user, name="@team"):
        """(text, outcome) of what was sent, from the history."""
        return [(m["text"], m["outcome"])
                for m in device.history(user, name, "--limit", "100000")
                if m["event"] == "message" and m["direction"] == "out"]


class Sending(GroupTest):
    """Texts and streams, to one group."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parts = None

    def setUp(self):
        type(self).parts = self.parts or super().team()

    def team(self):
        return self.parts

    def test_texts_and_a_stream(self):
        admin, _, device, user = self.team()
        ran = device.send(user, "@team", "salam")
        self.assertEqual(ran.out, "Sent to team.\n")
        lines = [f"line {i} " + "x" * (i % 300) for i in range(600)]
        ran = device.send(user, "@team", input="\n".join(lines) + "\n")
        self.assertEqual(ran.out, "Sent 600 messages to team.\n")
        expected = ["salam", *lines]
        self.assertEqual(self.texts(admin), [(1, text) for text in expected])
        self.assertEqual(self.outcomes(device, user)[-len(expected):],
                         [(text, "stored") for text in expected])

    def test_long_lines_take_several_requests(self):
        """Forty messages of the largest size are more than a request holds;
        what came before them and after them keeps its place."""
        admin, _, device, user = self.team()
        lines = [f"{i} " + "x" * 65000 for i in range(80)]
        device.send(user, "@team", input="\n".join(lines) + "\nend\n")
        self.assertEqual([text for _, text in self.texts(admin)],
                         [*lines, "end"])

    def test_json(self):
        admin, group, device, user = self.team()
        ran = device.peyk("--json", "send", "--as", user, f"@{group.id}",
                          input="one\ntwo\n").expect(0)
        self.assertEqual(
            [(o["event"], o["to"], o["group"], o["group_id"], o["outcome"],
              o["line"]) for o in ran.objects],
            [("sent", "@team", "team", str(group.id), "stored", 1),
             ("sent", "@team", "team", str(group.id), "stored", 2)])
        ids = [o["id"] for o in ran.objects]
        self.assertEqual([m["id"] for m in device.history(
            user, "@team", "--limit", "2")], ids)
        self.assertEqual(len(self.texts(admin)), 2)

    def test_no_such_group(self):
        device = self.device(harness.unique("lonely"))
        ran = device.peyk("send", "@nothing", "hello").expect(1)
        self.assert_clear(ran, "nothing")

    def test_bad_texts(self):
        admin, _, device, user = self.team()
        for text in ("", "x" * 65537):
            ran = device.peyk("send", "--as", user, "@team", text)
            self.assert_clear(ran.expect(2))
        ran = device.peyk("send", "--as", user, "@team",
                          input=b"good\n\xff\xfe\nnever\n").expect(2)
        self.assert_clear(ran, "line 2")
        self.assertEqual(self.texts(admin), [(1, "good")])


class Epochs(GroupTest):
    """The key changes while something is under way."""

    def test_stale_epoch(self):
        """Who does not know of the new epoch learns it by sending."""
        admin, group, device, user = self.team()
        device.send(user, "@team", "in the first")
        for _ in range(3):
            admin.update_group(group)
        device.send(user, "@team", "in the fourth")
        self.assertEqual(self.texts(admin), [(1, "in the first"),
                                             (4, "in the fourth")])

    def test_several_senders_of_one_account(self):
        """They take turns, and one receives, while keys come and go: each
        one's messages in order, and none twice."""
        admin, group, device, user = self.team()
        follower = device.start("poll", "--as", user, "--follow")
        senders = [device.start("send", "--as", user, "@team")
                   for _ in range(3)]
        for step in range(6):
            for i, sender in enumerate(senders):
                for k in range(20):
                    sender.type(f"{i} {step:02} {k:02}\n")
            admin.update_group(group)
        for sender in senders:
            sender.close_input()
            sender.end().expect(0)
        follower.signal(signal.SIGTERM)
        follower.end().expect(0)
        texts = [text for _, text in self.texts(admin)]
        self.assertEqual(len(texts), 360)
        for i in range(3):
            self.assertEqual(
                [text for text in texts if text[0] == str(i)],
                [f"{i} {step:02} {k:02}" for step in range(6)
                 for k in range(20)])

    def test_stale_epoch_of_a_request_that_was_left(self):
        """Encrypted, then the epoch ends: encrypted anew, in its place."""
        admin, group, device, user = self.team()
        ran = device.peyk("send", "--as", user, "@team",
                          input="one\ntwo\nthree\n",
                          PEYK_CRASH_POINT="request.stored")
        self.assertEqual(ran.code, KILLED, ran)
        admin.update_group(group)
        ran = device.send(user, "@team", "four")
        self.assertIn("3 messages that were left unfinished", ran.err)
        expected = ["one", "two", "three", "four"]
        self.assertEqual(self.texts(admin), [(2, t) for t in expected])
        self.assertEqual(self.outcomes(device, user),
                         [(t, "stored") for t in expected])

    def test_receiving_sends_what_waits(self):
        admin, group, device, user = self.team()
        ran = device.peyk("send", "--as", user, "@team", "patient",
                          PEYK_CRASH_POINT="request.sent")
        self.assertEqual(ran.code, KILLED, ran)
        stored = self.texts(admin) != []  # whether the server had it
        admin.update_group(group)
        ran = device.peyk("poll", "--as", user).expect(0)
        self.assertIn("left unfinished", ran.err)
        got = self.texts(admin)
        self.assertEqual([text for _, text in got],
                         [] if stored else ["patient"])
        self.assertEqual(self.outcomes(device, user),
                         [("patient", "stored")])

    def test_waits_for_a_key(self):
        """An epoch without a usable key: kept, in order, and sent later."""
        admin, group, device, user = self.team()
        self.give_wrong_key(admin, group, user)
        for text in ("first", "second"):
            ran = device.peyk("send", "--as", user, "@team", text).expect(3)
            self.assert_clear(ran, "waits", "next key")
        ran = device.peyk("--json", "send", "--as", user, "@team",
                          input="third\n").expect(3)
        self.assertEqual([o["outcome"] for o in ran.objects], ["pending"])
        self.assertEqual(self.texts(admin), [])
        admin.update_group(group)
        device.send(user, "@team", "fourth")
        self.assertEqual(self.texts(admin), [
            (3, text) for text in ("first", "second", "third", "fourth")])

    def refused(self, device, user, *words):
        """Sending fails, says why, and the history says so."""
        for _ in range(2):
            ran = device.peyk("send", "--as", user, "@team", "out").expect(6)
            self.assert_clear(ran, *words)
        outcomes = self.outcomes(device, user)
        self.assertEqual(outcomes[0], ("while in", "stored"))
        self.assertEqual({o for _, o in outcomes[1:]}, {"refused"})

    def test_removed(self):
        """The farewell is fetched, and told once."""
        admin, group, device, user = self.team()
        device.send(user, "@team", "while in")
        admin.update_group(group)
        admin.update_group(group, removed=[user])
        self.refused(device, user, "not a member", "team")
        self.assertEqual(self.texts(admin), [(1, "while in")])
        self.assertEqual([m["kind"] for m in device.poll(user)],
                         ["key_refreshed", "removed"])

    def test_removed_without_a_farewell(self):
        """Then the server's word counts; a later update takes one in."""
        admin, group, device, user = self.team()
        device.send(user, "@team", "while in")
        update = admin.draft_update(group, removed=[user])
        update.farewells = []
        admin.submit(update)
        self.refused(device, user, "not a member", "team")
        self.assertEqual([(m["kind"], m["by"], m["author"])
                          for m in device.poll(user)],
                         [("removed", None, "unverified")])
        admin.update_group(group, added=[user])
        device.poll(user)
        device.send(user, "@team", "back")
        self.assertEqual(self.texts(admin), [(1, "while in"), (3, "back")])

    def test_removed_while_a_request_was_left(self):
        admin, group, device, user = self.team()
        ran = device.peyk("send", "--as", user, "@team", "too late",
                          PEYK_CRASH_POINT="request.stored")
        self.assertEqual(ran.code, KILLED, ran)
        admin.update_group(group, removed=[user])
        ran = device.peyk("poll", "--as", user).expect(0)
        self.assertIn("refused", ran.err)
        self.assertEqual(self.outcomes(device, user),
                         [("too late", "refused")])
        admin.update_group(group, added=[user])
        device.poll(user)
        device.send(user, "@team", "back")
        self.assertEqual(self.texts(admin), [(3, "back")])

    def test_left(self):
        admin, _, device, user = self.team()
        device.peyk("group", "leave", "--as", user, "team").expect(0)
        ran = device.peyk("send", "--as", user, "@team", "out").expect(6)
        self.assert_clear(ran, "left", "team")
        self.assertEqual(self.texts(admin), [])


class Crashes(GroupTest):
    """peyk dies at any step; the next command finishes it, or it never
    began. In one group, so that chains and counters tell of every slip."""

    def setUp(self):
        if b"PEYK_CRASH_POINT" not in harness.program("peyk").read_bytes():
            self.skipTest("peyk is built without PEYK_CRASH_POINTS")

    def finish(self, device, user, admin, texts, end):
        """Sends `end`; what came before it: all of texts, or nothing."""
        device.send(user, "@team", end)
        got = [text for _, text in self.texts(admin)]
        self.assertIn(got, ([*texts, end], [end]))
        return got

    def test_every_step(self):
        admin, _, device, user = self.team()
        sent = []
        for i, point in enumerate(POINTS):
            with self.subTest(point):
                texts = [f"{i} a", f"{i} b"]
                ran = device.peyk("send", "--as", user, "@team",
                                  input="\n".join(texts) + "\n",
                                  PEYK_CRASH_POINT=point)
                self.assertEqual(ran.code, KILLED, ran)
                got = self.finish(device, user, admin, texts, f"{i} end")
                self.assertEqual(
                    len(got) == 1,
                    point in ("request.begun", "request.prepared"))
                sent += got
        self.assertEqual(self.outcomes(device, user),
                         [(text, "stored") for text in sent])

    def test_every_step_around_a_stale_epoch(self):
        """Dies while the refusal, the new key and the second sending are
        worked off: :2 and :3 are the poll and the second request."""
        admin, group, device, user = self.team()
        sent = []
        for i, point in enumerate(f"request.{step}" for step in (
                "replied", "applied", "settled", "stored:2", "applied:2",
                "settled:2", "stored:3", "replied:3")):
            with self.subTest(point):
                admin.update_group(group)
                text = f"{i} {point}"
                ran = device.peyk("send", "--as", user, "@team", text,
                                  PEYK_CRASH_POINT=point).expect(0, KILLED)
                got = self.finish(device, user, admin, [text], f"{i} end")
                self.assertEqual(len(got), 2, ran)
                sent += got
        self.assertEqual(self.outcomes(device, user),
                         [(text, "stored") for text in sent])

    def test_first_key_was_never_made(self):
        """The admin's client dies before the first key: sending makes it."""
        reader, user = self.member(), harness.unique("user")
        device = self.device(user)
        ran = device.peyk("group", "create", "--as", user, "team",
                          reader.name, PEYK_CRASH_POINT="request.settled:2")
        self.assertEqual(ran.code, KILLED, ran)
        device.send(user, "@team", "hello")
        self.assertEqual(self.texts(reader), [(1, "hello")])


class Liar(LyingGroupServer):
    """Answers a Send as `lie` says, and stores nothing then."""

    lie = None  # called with the number of messages: results, or a Refusal
    told = 0    # how often it lied

    def _send(self, sender, body):
        if self.lie is None:
            return super()._send(sender, body)
        self.told += 1
        count = len(payload.SendRequest.FromString(body).messages)
        return payload.SendResponse(
            results=self.lie(count)).SerializeToString()


def outcome(value):
    return lambda count: [payload.SendResult(outcome=value)] * count


class Lies(GroupTest):
    """What a server may say instead of the truth: nothing is lost or sent
    twice, and nothing loops."""

    serve = False

    def setUp(self):
        self.lying = Liar().start()
        self.addCleanup(self.lying.stop)
        self.server = self.lying
        self.admin, self.group, self.device, self.user = self.team()

    def tearDown(self):
        self.server = None
        super().tearDown()

    def send(self, text, code):
        return self.device.peyk("send", "--as", self.user, "@team",
                                text).expect(code)

    def test_no_epoch_is_right(self):
        """STALE_EPOCH, and no new key: asked once for each epoch."""
        self.lying.lie = outcome(payload.SEND_OUTCOME_STALE_EPOCH)
        self.assert_clear(self.send("one", 3), "next key")
        self.assert_clear(self.send("two", 3), "next key")
        self.device.poll(self.user)
        self.assertEqual(self.lying.told, 1)
        self.admin.update_group(self.group)
        self.assert_clear(self.send("three", 3), "next key")
        self.assertEqual(self.lying.told, 2)
        self.lying.lie = None
        self.admin.update_group(self.group)
        self.device.poll(self.user)
        self.assertEqual(self.texts(self.admin), [
            (3, text) for text in ("one", "two", "three")])

    def test_refusals(self):
        """The message is told as refused, and the next one follows the one
        before it: chain and counter went back."""
        def refuse(_count):
            raise LyingGroupServer.Refusal(3, "not like that")
        self.send("before", 0)
        lies = (refuse, lambda _: [], outcome(0), outcome(99),
                outcome(payload.SEND_OUTCOME_STORED),  # under no id
                outcome(payload.SEND_OUTCOME_STALE_RECIPIENT),
                lambda n: outcome(payload.SEND_OUTCOME_STALE_EPOCH)(n + 1))
        for i, lie in enumerate(lies):
            with self.subTest(i):
                self.lying.lie = lie
                self.assert_clear(self.send("refused", 6), "refused")
                self.lying.lie = None
                self.send(f"after {i}", 0)
        self.assertEqual([text for _, text in self.texts(self.admin)],
                         ["before"] + [f"after {i}"
                                       for i in range(len(lies))])

    def test_not_a_member(self):
        """UNKNOWN_GROUP to a member: it is out until an update comes."""
        self.send("before", 0)
        self.lying.lie = outcome(payload.SEND_OUTCOME_UNKNOWN_GROUP)
        for _ in range(2):
            self.assert_clear(self.send("refused", 6), "not a member")
        self.assertEqual(self.lying.told, 1)
        self.lying.lie = None
        self.admin.update_group(self.group)
        self.device.poll(self.user)
        self.send("after", 0)
        self.assertEqual(self.texts(self.admin),
                         [(1, "before"), (2, "after")])


class Chat(GroupTest):
    """`peyk chat NAME @team`."""

    def test_on_a_pipe(self):
        admin, group, device, user = self.team()
        other = harness.unique("other")
        device.signup(other)
        admin.update_group(group, added=[other])
        one = device.start("chat", user, "@team")
        two = device.start("chat", other, f"@{group.id}")
        one.type("salam\n")
        two.wait_for(f"{user} has sent a message to team: salam")
        two.type("aleyk\n")
        one.wait_for(f"{other} has sent a message to team: aleyk")
        admin.send_group(group, ["from the admin"])
        for chat in (one, two):
            chat.wait_for(f"{admin.name} has sent a message to team: "
                          "from the admin")
        admin.update_group(group)
        one.type("in the next epoch\n")
        two.wait_for(f"{user} has sent a message to team: in the next epoch")
        for chat in (one, two):
            chat.close_input()
            chat.end().expect(0)
        self.assertEqual([text for _, text in self.texts(admin)],
                         ["salam", "aleyk", "in the next epoch"])

    def test_server_dies_and_comes_back(self):
        """Lines have ids of their own: sent again, they arrive once."""
        admin, _, device, user = self.team()
        chat = device.start("chat", user, "@team")
        chat.type("before\n")
        harness.poll_until(lambda: self.outcomes(device, user)
                           == [("before", "stored")], "the line is sent")
        self.server.kill()
        lines = [f"meanwhile {i}" for i in range(300)]
        chat.type("\n".join(lines) + "\n")
        self.server.start()
        chat.close_input()
        chat.end().expect(0)
        self.assertEqual(self.texts(admin), [
            (1, text) for text in ["before", *lines]])

    def test_json(self):
        admin, group, device, user = self.team()
        ran = device.peyk("--json", "chat", user, "@team",
                          input="hello\n").expect(0)
        sent = [o for o in ran.objects if o["event"] == "sent"]
        self.assertEqual([(o["to"], o["group_id"], o["outcome"])
                          for o in sent],
                         [("@team", str(group.id), "stored")])
        self.assertEqual(self.texts(admin), [(1, "hello")])

    def test_lines_wait_for_a_key(self):
        """And are sent as soon as it comes, while the chat goes on."""
        admin, group, device, user = self.team()
        self.give_wrong_key(admin, group, user)
        chat = device.start("chat", user, "@team")
        chat.type("one\n")
        harness.poll_until(lambda: "waits for it" in chat.err,
                           "the chat says that the line waits")
        ran = device.peyk("chat", user, "@team", input="two\n").expect(3)
        self.assert_clear(ran, "wait for its next key")
        self.assertEqual(self.texts(admin), [])
        admin.update_group(group)
        harness.poll_until(
            lambda: self.outcomes(device, user)
            == [("one", "stored"), ("two", "stored")], "the lines are sent")
        chat.type("three\n")
        chat.close_input()
        chat.end().expect(0)
        self.assertEqual(self.texts(admin), [
            (3, text) for text in ("one", "two", "three")])

    def test_not_a_member_any_more(self):
        admin, group, device, user = self.team()
        chat = device.start("chat", user, "@team")
        chat.type("in\n")
        harness.poll_until(lambda: self.outcomes(device, user)
                           == [("in", "stored")], "the line is sent")
        admin.update_group(group, removed=[user])
        chat.type("out\n")
        harness.poll_until(lambda: "not a member" in chat.err,
                           "the chat says that the line was refused")
        chat.close_input()
        chat.end().expect(6)
        ran = device.peyk("chat", user, "@team", input="again\n").expect(6)
        self.assert_clear(ran, "not a member")
        self.assertEqual(self.texts(admin), [(1, "in")])

    def test_on_a_terminal(self):
        admin, group, device, user = self.team()
        child = pexpect.spawn(
            str(harness.program("peyk")), ["chat", user, "@team"],
            env=device.environment(TERM="xterm"), encoding="utf-8",
            codec_errors="replace", timeout=harness.DEADLINE,
            dimensions=(24, 100), echo=False)
        self.addCleanup(child.close, True)
        seen = ""

        def expect(text):
            nonlocal seen

            def there():
                nonlocal seen
                try:
                    seen += child.read_nonblocking(4096, timeout=0.05)
                except (pexpect.TIMEOUT, pexpect.EOF):
                    pass
                return re.sub(r"\s+", "", text) in re.sub(
                    r"\s+", "", ESCAPES.sub("", seen))
            harness.poll_until(there, f"{text!r} on the terminal, which "
                               f"shows {seen[-800:]!r}")
        expect("you talk to the members of team")
        child.send("/members\r")
        expect("Members of team (2)")
        expect(f"{admin.name} (admin")
        expect(f"{user} (you)")
        child.send("/verify\r")
        expect(group.safety_number())
        child.send("salam\r")
        admin.send_group(group, ["aleyk"])
        expect(f"{admin.name} has sent a message to team: aleyk")
        # before the next epoch, which it could be sent in as well
        got = []
        harness.poll_until(lambda: got.extend(self.texts(admin)) or got,
                           "the line of the terminal at the admin's")
        self.assertEqual(got, [(1, "salam")])
        admin.update_group(group, name="the crew")
        expect("“the crew”")
        child.send("/members\r")
        expect("Members of “the crew” (2)")
        child.send("/quit\r")
        child.expect(pexpect.EOF)
        self.assertEqual(self.texts(admin), [])


if __name__ == "__main__":
    harness.main()
