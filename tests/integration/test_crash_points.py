#!/usr/bin/python3
"""SIGKILL between any two steps, of the client and of the server (R15).

Every crash_point("name") in the tree is tried in every operation; one that no
operation reaches fails the test, because then it protects nothing.
"""

import base64
import json
import pathlib
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_groups as pg  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from harness import Device, Peykd  # noqa: E402
from peyk_client import messenger  # noqa: E402

KILLED = -9
CLIENT_FOLDERS = ("client", "e2ee", "base", "crypto")
SERVER_FOLDERS = ("server",)
# Where a step is taken several times in an operation, die at a later one too.
PASSES = ("", ":2")


def built_with_crash_points():
    """Whether the programs were built with -DPEYK_CRASH_POINTS=ON."""
    name = b"PEYK_CRASH_POINT"
    return name in harness.program("peyk").read_bytes() and (
        name in harness.program("peykd").read_bytes())


class CrashTest(harness.PeykTest):
    @classmethod
    def setUpClass(cls):
        if not built_with_crash_points():
            raise unittest.SkipTest(
                "the programs are built without PEYK_CRASH_POINTS")
        super().setUpClass()


class Client(CrashTest):
    """peyk dies; the next run finishes or never began."""

    points = harness.crash_points(*CLIENT_FOLDERS)
    # What calls by hand pass through; the rest cannot reach some of it.
    seal_points = ("seal.sealed", "seal.stored")
    open_points = ("open.printed", "request.replied", "request.applied",
                   "request.settled")
    # Those of groups: test_crash_groups.py.
    others = [p for p in points
              if not p.startswith(("seal.", "open.", "group."))]
    reached = set()

    def crash(self, device, point, *args, input=None):
        """Runs peyk armed with a point; True if it died there."""
        return self.died_at(point, device.peyk(
            *args, input=input, PEYK_CRASH_POINT=point).expect(0, KILLED))

    def died_at(self, point, ran):
        self.died = ran.code == KILLED
        if self.died:
            self.reached.add(point.split(":")[0])
        return self.died

    def all_points(self):
        """Each point, and its later pass where the first one was reached."""
        for point in self.others:
            for turn in PASSES:
                self.died = False
                yield point + turn
                if not self.died:
                    break

    def poll_all(self, device, name):
        """Everything that poll prints until nothing is left."""
        out = []
        while got := device.poll(name):
            out += got
        return out

    def check_received(self, device, name, friend, printed, expected):
        """Each text once and in order in the history, and printed at least
        once; a message that was printed twice has one id."""
        texts = [m["text"] for m in device.history(
            name, friend, "--limit", "100000")]
        self.assertEqual(texts, expected)
        ids = {}
        for message in printed:
            ids.setdefault(message["id"], message["text"])
        self.assertEqual(list(ids.values()), expected)

    def test_1_sign_up(self):
        for point in self.all_points():
            with self.subTest(point):
                device = Device(self.server)
                name = harness.unique("crash")
                if self.crash(device, point, "signup", name):
                    again = device.peyk("signup", name)
                    if again.code == 1:  # it had been finished
                        self.assert_clear(again, name)
                    else:
                        again.expect(0)
                device.send(name, name, "alive")
                self.assertEqual(
                    [m["text"] for m in self.poll_all(device, name)],
                    ["alive"])

    def test_1_refused_sign_up(self):
        """A refusal leaves nothing behind, whenever it is interrupted."""
        taken = harness.unique("taken")
        Device(self.server).signup(taken)
        for point in self.all_points():
            with self.subTest(point):
                device = Device(self.server)
                ran = device.peyk("signup", taken, PEYK_CRASH_POINT=point)
                if not self.died_at(point, ran):
                    ran.expect(6)
                device.peyk("signup", taken).expect(6)
                self.assertEqual(list(device.home.rglob("identity.key")), [])

    def test_2_send(self):
        """Present at both ends or at none, once, and in order."""
        sender, receiver = Device(self.server), Device(self.server)
        one, two = harness.unique("from"), harness.unique("to")
        sender.signup(one)
        receiver.signup(two)
        printed = []
        for i, point in enumerate(self.all_points()):
            with self.subTest(point):
                self.crash(sender, point, "send", "--as", one, two,
                           f"{i} crashed at {point}")
                sender.send(one, two, f"{i} after it")
                sent = [m["text"] for m in sender.history(
                    one, two, "--limit", "100000")]
                printed += self.poll_all(receiver, two)
                self.assertEqual(
                    [m["text"] for m in printed], sent,
                    "expected the recipient to have what the sender has")
                self.assertEqual(len(sent), len(set(sent)))
                self.assertEqual(sent[-1], f"{i} after it")
        self.check_received(receiver, two, one, printed, sent)

    def test_3_bulk_send(self):
        """Lines of several requests: what arrives is a prefix of them."""
        sender, receiver = Device(self.server), Device(self.server)
        one, two = harness.unique("from"), harness.unique("to")
        sender.signup(one)
        receiver.signup(two)
        printed, expected = [], []
        for i, point in enumerate(self.all_points()):
            with self.subTest(point):
                lines = [f"{i} line {k}" for k in range(300)]
                crashed = self.crash(sender, point, "send", "--as", one, two,
                                     input="\n".join(lines) + "\n")
                sender.send(one, two, f"{i} end")
                new = self.poll_all(receiver, two)
                texts = [m["text"] for m in new]
                self.assertEqual(texts.pop(), f"{i} end")
                self.assertEqual(texts, lines[:len(texts)])
                if not crashed:
                    self.assertEqual(texts, lines)
                printed += new
                expected += texts + [f"{i} end"]
        self.check_received(receiver, two, one, printed, expected)
        sent = [m["text"] for m in sender.history(one, two, "--limit",
                                                  "100000")]
        self.assertEqual(sent, expected)

    def test_4_poll(self):
        device, friend = Device(self.server), self.account()
        name = harness.unique("poll")
        device.signup(name)
        printed, expected = [], []
        for i, point in enumerate(self.all_points()):
            with self.subTest(point):
                texts = [f"{i} a", f"{i} b", f"{i} c"]
                friend.send([(name, text) for text in texts])
                expected += texts
                ran = device.peyk("--json", "poll", "--as", name,
                                  PEYK_CRASH_POINT=point).expect(0, KILLED)
                self.died_at(point, ran)
                printed += ran.objects
                printed += self.poll_all(device, name)
                self.check_received(device, name, friend.name, printed,
                                    expected)

    def test_4_poll_that_waits(self):
        """Nothing is there: it is parked, and dies before or after."""
        device, friend = Device(self.server), self.account()
        name = harness.unique("wait")
        device.signup(name)
        printed, expected = [], []
        for point in self.all_points():
            with self.subTest(point):
                self.crash(device, point, "poll", "--as", name, "--wait",
                           "0.3")
                friend.send([(name, point)])
                expected.append(point)
                printed += self.poll_all(device, name)
                self.assertEqual([m["text"] for m in printed], expected)

    def test_5_look_up(self):
        """Armed, it changes nothing but what is known."""
        device, friend = Device(self.server), self.account()
        name = harness.unique("look")
        device.signup(name)
        device.send(name, friend.name, "hi")
        for point in self.all_points():
            with self.subTest(point):
                self.crash(device, point, "verify", "--as", name,
                           friend.name)
        self.assertEqual([m["text"] for m in device.history(name)], ["hi"])
        device.send(name, friend.name, "still")
        self.assertEqual([m.text for m in friend.drain()], ["hi", "still"])

    def test_6_chat(self):
        for point in self.others:
            with self.subTest(point):
                device = Device(self.server)
                one, two = harness.unique("chat"), harness.unique("chat")
                for name in (one, two):
                    device.signup(name)
                device.send(two, one, "waiting")
                self.crash(device, point, "chat", one, two, input="hello\n")
                device.peyk("chat", one, two, input="again\n").expect(0)
                texts = [m["text"] for m in self.poll_all(device, two)]
                self.assertIn(texts, (["hello", "again"], ["again"]))
                self.assertEqual(
                    sorted(m["text"] for m in device.history(one, two)),
                    sorted(["waiting", *texts]))

    def call(self, method, ran):
        """What another program gets for what seal has printed."""
        if not hasattr(self, "wire"):
            type(self).wire = pc.Server(self.server.address).connect()
            self.addClassCleanup(self.wire.close)
        request = json_format.Parse(ran.out, messenger.SealedRequest())
        code, _, trailers, reply = self.wire.call_raw(
            pc.SERVICE + method, request.SerializeToString(), timeout=60)
        if code is pc.grpc.StatusCode.OK:
            return json_format.MessageToJson(
                messenger.SealedResponse.FromString(reply))
        status = pc.status_pb2.Status.FromString(
            dict(trailers)["grpc-status-details-bin"])
        return json.dumps({"code": code.value[0], "details": [
            {"type": d.type_url, "value": base64.b64encode(
                d.value).decode()} for d in status.details]})

    def test_6_by_hand(self):
        """Sealed, sent, opened or not: there once, and in order."""
        device, name = Device(self.server), harness.unique("hand")
        device.signup(name)
        expected = []
        for point in (*self.seal_points, *self.open_points):
            with self.subTest(point):
                text = json.dumps({"messages": [{"to": name, "text": point}]})
                armed = {"PEYK_CRASH_POINT": point}
                ran = device.peyk(
                    "seal", "Send", text, "--as", name,
                    **armed if point in self.seal_points else {})
                ran.expect(KILLED if point in self.seal_points else 0)
                if not self.died_at(point, ran):
                    ran = device.peyk(
                        "open", "Send", "--as", name,
                        input=self.call("Send", ran), **armed).expect(KILLED)
                    self.died_at(point, ran)
                device.send(name, name, f"after {point}")
                if point != "seal.sealed":
                    expected.append(point)
                expected.append(f"after {point}")
        self.assertEqual([m["text"] for m in device.history(name)
                          if m["direction"] == "out"], expected)
        printed = self.poll_all(device, name)
        self.assertEqual([m["text"] for m in printed], expected)
        self.assertEqual({m["order"] for m in printed}, {"expected"})

    def test_6_poll_by_hand(self):
        """A message is there for the next poll, whatever died."""
        device, friend = Device(self.server), self.account()
        name = harness.unique("hand")
        device.signup(name)
        for point in self.open_points:
            with self.subTest(point):
                friend.send([(name, point)])
                ran = device.peyk("seal", "Poll", "--as", name).expect(0)
                ran = device.peyk(
                    "open", "Poll", "--as", name, input=self.call("Poll", ran),
                    PEYK_CRASH_POINT=point).expect(KILLED)
                self.died_at(point, ran)
                self.assertEqual([m["text"] for m in self.poll_all(
                    device, name)], [point])

    def test_6_sign_up_by_hand(self):
        for point in ("signup.keys", "signup.database", "signup.renamed",
                      *self.seal_points):
            with self.subTest(point):
                device, name = Device(self.server), harness.unique("hand")
                self.died_at(point, device.peyk(
                    "seal", "SignUp", "--as", name,
                    PEYK_CRASH_POINT=point).expect(KILLED))
                ran = device.peyk("seal", "SignUp", "--as", name)
                if ran.code == 1:
                    ran = device.peyk("seal", "SignUp", "--again", "--as",
                                      name)
                device.peyk("open", "SignUp", "--as", name, input=self.call(
                    "SignUp", ran.expect(0))).expect(0)
                device.send(name, name, "alive")
        taken = name
        for point in (*self.open_points, "signup.discarded"):
            with self.subTest(point):
                self.opened_sign_up(point, harness.unique("hand"))
                self.opened_sign_up(point, taken)

    def opened_sign_up(self, point, name):
        """open dies at the point; signup says how it went."""
        device = Device(self.server)
        ran = device.peyk("seal", "SignUp", "--as", name).expect(0)
        answer = self.call("SignUp", ran)
        is_taken = "details" in json.loads(answer)
        ran = device.peyk("open", "SignUp", "--as", name, input=answer,
                          PEYK_CRASH_POINT=point).expect(0, KILLED)
        self.died_at(point, ran)
        if is_taken:
            device.peyk("signup", name).expect(6)
            self.assertEqual(list(device.home.rglob("identity.key")), [])
            return
        device.peyk("signup", name).expect(0, 1)
        device.send(name, name, "alive")

    def test_7_every_point_was_reached(self):
        missed = sorted({*self.others, *self.seal_points, *self.open_points}
                        - self.reached)
        self.assertTrue(self.points, "expected crash points in the client")
        self.assertEqual(missed, [], "expected every crash point of the "
                         "client to be reached by some operation")


class Server(CrashTest):
    """peykd dies; it is started again; clients notice nothing but time."""

    points = harness.crash_points(*SERVER_FOLDERS)
    reached = set()

    def under(self, point, operation):
        """Runs an operation against a server armed with a point; the server
        is started again, unarmed, if it dies. The operation's result."""
        server = self.server
        server.stop()
        server.start(wait=False, PEYK_CRASH_POINT=point)
        outcome = {}

        def work():
            try:
                outcome["result"] = operation()
            except BaseException as error:  # told by the main thread
                outcome["error"] = error
        thread = threading.Thread(target=work)
        thread.start()
        harness.poll_until(
            lambda: not thread.is_alive() or not server.is_running(),
            "the operation or the server to end", 90)
        if not server.is_running():
            code = server.process.returncode
            server.process = None
            self.assertEqual(code, KILLED, server.read_log()[-3000:])
            self.reached.add(point.split(":")[0])
            self.died = True
            server.start()
            thread.join(120)
            self.assertFalse(thread.is_alive(), "expected the client to "
                             "finish after the restart")
        else:  # still armed: it would die in what comes next
            server.kill()
            server.start()
        if "error" in outcome:
            raise outcome["error"]
        return outcome.get("result")

    def each_point(self):
        """Each point of serving, and its later pass where the first one was
        reached."""
        for point in self.points:
            if point.split(".")[0] in ("init", "migrate"):
                continue
            for turn in PASSES:
                self.died = False
                yield point + turn
                if not self.died:
                    break

    def test_1_sign_up(self):
        client = self.client()
        for point in self.each_point():
            with self.subTest(point):
                account = pc.Account(client, harness.unique("up"))
                self.under(point, account.sign_up)
                self.assertEqual(account.get_key(account.name).signing_key,
                                 account.key)

    def test_2_send_and_poll(self):
        sara, hassan = self.account(), self.account()
        sara.get_key(hassan.name)
        got, expected = [], []
        for i, point in enumerate(self.each_point()):
            with self.subTest(point):
                texts = [f"{point} {k}" for k in range(3)]
                self.under(point, lambda: sara.send(
                    [(hassan.name, text) for text in texts]))
                expected += texts
                got += self.under(point, hassan.poll)
                got += hassan.drain()
                self.assertEqual([m.text for m in got], expected)
                self.assertFalse(any(m.missing for m in got))

    def test_3_look_up(self):
        sara = self.account()
        for point in self.each_point():
            with self.subTest(point):
                self.assertEqual(
                    self.under(point, lambda: sara.get_keys(
                        [sara.name, "nobody"]))[1], None)

    def test_4_parked_poll_that_is_woken(self):
        sara, hassan = self.account(), self.account()
        sara.get_key(hassan.name)
        for point in self.each_point():
            with self.subTest(point):
                def talk():
                    waiting = threading.Thread(
                        target=lambda: hassan_got.extend(
                            hassan.poll(wait_ms=20000)))
                    waiting.start()
                    sara.send([(hassan.name, point)])
                    waiting.join()
                hassan_got = []
                self.under(point, talk)
                hassan_got += hassan.drain()
                self.assertEqual([m.text for m in hassan_got], [point])

    def test_4_parked_poll_that_nothing_wakes(self):
        """Parked for sure: above, the message may come before the poll."""
        hassan = self.account()
        for point in self.points:
            if point.startswith("poll."):
                with self.subTest(point):
                    self.assertEqual(self.under(
                        point, lambda: hassan.poll(wait_ms=200)), [])

    def test_5_with_peyk(self):
        """The real client rides out the server's death by itself."""
        device = self.device("rides#1", "rides#2")
        got, expected = [], []
        for point in self.each_point():
            with self.subTest(point):
                self.under(point, lambda: device.send(
                    "rides#1", "rides#2", input=f"{point} a\n{point} b\n"))
                expected += [f"{point} a", f"{point} b"]
                got += self.under(point, lambda: device.poll("rides#2"))
                while new := device.poll("rides#2"):
                    got += new
                self.assertEqual([m["text"] for m in got], expected)

    def test_6_refused_sign_up(self):
        client = self.client()
        taken = self.account()
        for point in self.each_point():
            with self.subTest(point):
                account = pc.Account(client, taken.name)
                with self.assertRaises(pc.Refused) as caught:
                    self.under(point, account.sign_up)
                self.assertEqual(caught.exception.reply.code, 6)

    def test_7_init_and_migrate(self):
        """Set-up cut short is finished by running it again."""
        for point in self.points:
            with self.subTest(point):
                server = Peykd()
                for verb in ("init", "migrate up"):
                    ran = server.command(
                        verb, env=harness.environment(
                            PEYK_CRASH_POINT=point))
                    if ran.code == KILLED:
                        self.reached.add(point)
                    else:
                        ran.expect(0)
                    server.command(verb).expect(0)
                server.start(wait=False, PEYK_CRASH_POINT=point)
                harness.poll_until(
                    lambda: not server.is_running()
                    or "peyk://" in server.read_log(),
                    "the server to listen or to die")
                if not server.is_running():
                    server.process = None
                    self.reached.add(point)
                    server.start()
                server.wait_ready()
                pc.Server(server.address).connect().close()
                server.kill()

    def test_7_groups(self):
        """Whatever changes a group happens once, and wholly."""
        client = self.client()
        sara, hassan, reza, mina = people = [
            pg.Member(client, harness.unique(word))
            for word in ("sara", "hassan", "reza", "mina")]
        for member in people:
            member.sign_up()
        sara.get_keys([member.name for member in people])

        def once(operation, point="store.committed:2"):
            # The second batch: the first one looks the account up.
            self.died = False
            result = self.under(point, operation)
            self.assertTrue(self.died, "expected the server to die")
            return result

        def stands(epoch):
            self.assertEqual(sara.get_group(group).epoch, epoch)

        group = once(lambda: sara.create_group(
            "team", [hassan.name, reza.name], rotate=False))
        self.assertEqual([g.group_id for g in sara.list_groups()],
                         [group.id])
        once(lambda: sara.update_group(group), "store.committing:2")
        stands(1)
        once(lambda: sara.send_group(group, ["one", "two"]))
        once(lambda: sara.update_group(group, added=[mina.name]))
        stands(2)
        once(lambda: sara.update_group(group, removed=[reza.name]))
        stands(3)
        hassan.drain()
        once(lambda: hassan.leave_group(group),  # after a GetGroup
             "store.committed:3")
        sara.drain()
        once(lambda: sara.update_group(group, admin=mina.name))
        stands(4)
        mina.drain()
        once(lambda: mina.send_group(group, ["three"]))
        self.assertEqual(pg.texts(sara.drain()), [(mina.name, "three")])
        once(lambda: mina.delete_group(group))
        self.assertEqual([m.list_groups() for m in (sara, hassan, reza, mina)],
                         [[]] * 4)
        got = reza.drain()
        self.assertEqual(pg.texts(got), [(sara.name, "one"),
                                         (sara.name, "two")])
        self.assertEqual([kind for kind, _ in pg.events(got)],
                         ["joined", "joined", "removed"])
        self.assertEqual([kind for kind, _ in pg.events(sara.drain())],
                         ["deleted"])
        for member in (sara, hassan, reza, mina):
            self.assertEqual(member.unreadable, [], member.name)

    def test_8_every_point_was_reached(self):
        missed = sorted(set(self.points) - self.reached)
        self.assertTrue(self.points, "expected crash points in the server")
        self.assertEqual(missed, [], "expected every crash point of the "
                         "server to be reached by some operation")


if __name__ == "__main__":
    harness.main()
