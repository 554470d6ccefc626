#!/usr/bin/python3
"""SIGKILL of a client between any two steps of what it does in groups (R15).

The points of a request are tried here again: two of them make an update, and
what they decide is entered, told and sent with them.
"""

import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_groups as pg  # noqa: E402
from harness import Device  # noqa: E402
from test_crash_points import CLIENT_FOLDERS, KILLED, PASSES, CrashTest  # noqa: E402


class Groups(CrashTest):

    group_points = [p for p in harness.crash_points(*CLIENT_FOLDERS)
                    if p.startswith("group.")]
    changing = [*group_points, "request.stored", "request.sent",
                "request.replied", "request.applied"]
    receiving = [*group_points, "request.applied", "request.settled",
                 "poll.taken", "poll.printed", "poll.shown"]
    reached = set()

    def sign_up(self):
        self.device = Device(self.server)
        self.sara, self.hassan = (
            harness.unique(word) for word in ("sara", "hassan"))
        for name in (self.sara, self.hassan):
            self.device.signup(name)

    def group(self, *args, **options):
        verb, *rest = args
        return self.device.peyk("--json", "group", verb, "--as", self.sara,
                                *rest, **options)

    def die(self, points, run):
        """Yields each point, and its later pass, after run() met it; each
        with a number of its own."""
        number = itertools.count()
        for point in points:
            for turn in PASSES:
                i = next(number)
                with self.subTest(point + turn):
                    ran = run(i, PEYK_CRASH_POINT=point + turn)
                    ran.expect(0, KILLED)
                    yield i, point + turn
                if ran.code != KILLED:
                    break
                self.reached.add(point)

    def poll_all(self, name):
        out = []
        while got := self.device.poll(name):
            out += got
        return out

    def check_texts(self, printed, expected):
        """Once in the history, at least once on the screen, and complete."""
        history = [m for m in self.device.history(
            self.hassan, "@team", "--limit", "100000")
            if m["event"] == "message"]
        self.assertEqual([m["text"] for m in history], expected)
        self.assertEqual({m["order"] for m in history}, {"expected"})
        ids = {m["id"]: m["text"] for m in printed
               if m["event"] == "message"}
        self.assertEqual(list(ids.values()), expected)

    def standing(self, name):
        return self.device.peyk("--json", "group", "show", "--as", name,
                                "team").expect(0).objects[0]

    def test_1_create(self):
        """There is one, with a key, or none; and so for its members."""
        self.sign_up()

        def run(i, **options):
            return self.group("create", f"g{i}", self.hassan, **options)

        made = []
        for i, _ in self.die(self.changing, run):
            self.poll_all(self.sara)
            made = self.group("list").expect(0).objects
            self.assertLessEqual([g["group"] for g in made].count(f"g{i}"), 1)
        self.assertEqual({(g["status"], g["epoch"]) for g in made},
                         {("active", 1)})
        joined = [m["group"] for m in self.poll_all(self.hassan)]
        self.assertEqual(joined, sorted(
            (g["group"] for g in made), key=lambda name: int(name[1:])))

    def test_2_change_and_send(self):
        """An update is made once, and entered by whoever learns of it; a text
        that waits for it is sent once."""
        self.sign_up()
        self.group("create", "team", self.hassan).expect(0)
        for i, _ in self.die(self.changing,
                             lambda i, **o: self.group("rotate", "team", **o)):
            self.group("send", "team", f"after {i}").expect(0)
        for i, _ in self.die(self.changing, lambda i, **o: self.group(
                "send", "team", f"dying {i}", **o)):
            self.group("send", "team", f"sent {i}").expect(0)
        sent = [m["text"] for m in self.device.history(
            self.sara, "@team", "--limit", "100000")
            if m["event"] == "message"]
        self.assertEqual(len(sent), len(set(sent)))
        self.check_texts(self.poll_all(self.hassan), sent)
        self.assertEqual(self.standing(self.sara)["safety_number"],
                         self.standing(self.hassan)["safety_number"])

    def test_3_receive(self):
        """An epoch and its messages, whenever it dies over them."""
        self.sign_up()
        server = pc.Server(self.server.address).connect()
        self.addCleanup(server.close)
        admin = pg.Member(server, harness.unique("admin"))
        admin.sign_up()
        admin.get_keys([self.hassan])
        group = admin.create_group("team", [self.hassan])
        sent, printed = [], []

        def run(i, **options):
            admin.update_group(group)
            sent.extend([f"{i} a", f"{i} b"])
            admin.send_group(group, sent[-2:])
            ran = self.device.peyk("--json", "poll", "--as", self.hassan,
                                   **options)
            printed.extend(ran.objects)
            return ran

        for _ in self.die(self.receiving, run):
            printed += self.poll_all(self.hassan)
            self.check_texts(printed, sent)
        told = [m["kind"] for m in self.device.history(
            self.hassan, "@team", "--limit", "100000")
            if m["event"] == "group_event"]
        self.assertEqual(
            told, ["joined"] + ["key_refreshed"] * (len(sent) // 2))

    def test_4_every_point_was_reached(self):
        self.assertTrue(self.group_points, "expected points of groups")
        self.assertEqual(
            sorted({*self.changing, *self.receiving} - self.reached), [])


if __name__ == "__main__":
    harness.main()
