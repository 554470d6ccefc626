#!/usr/bin/python3
"""Groups by peyk alone (R17 to R24): what their admin changes, as every member
sees it; two processes at once; and SIGKILL in between.
"""

import concurrent.futures
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
from harness import unique  # noqa: E402

DONE, FAILED, USAGE, UNREACHABLE, WRONG_PASSWORD, KEY_CHANGED, REFUSED = (
    range(7))
KILLED = -9


class GroupTest(harness.PeykTest):
    """Accounts on one device, which keeps them apart; a group a test."""

    words = ("sara", "hassan", "reza", "nadia")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = harness.Device(cls.server)
        cls.people = [unique(word) for word in cls.words]
        for name in cls.people:
            cls.home.signup(name)

    def setUp(self):
        super().setUp()
        self.ids = set()

    def run_group(self, name, verb, *args, code=DONE, **env):
        return self.home.peyk("--json", "group", verb, "--as", name, *args,
                              **env).expect(code)

    def group(self, name, verb, *args):
        """The group as it is after `peyk group VERB …`."""
        return self.run_group(name, verb, *args).objects[-1]

    def show(self, name, group):
        return self.group(name, "show", group)

    def create(self, admin, *members):
        """A group with a name of its own, which everybody in it knows."""
        name = unique("team")
        self.ids.add(self.group(admin, "create", name, *members)["group_id"])
        for member in members:
            self.poll_all(member)
        return name

    def poll_all(self, name):
        """What waits of this test's groups: ("text", author, text) and
        (event, by, names)."""
        return [(row["kind"], row["by"], tuple(row["names"]))
                if row["event"] == "group_event" else
                ("text", row["from"], row["text"])
                for row in self.home.poll(name)
                if row.get("group_id") in self.ids]

    def say(self, name, group, text):
        return self.home.peyk("group", "send", "--as", name, group,
                              text).expect(DONE)

    def end_account(self, name):
        key = self.home.peyk("--json", "whoami", "--as",
                             name).expect(DONE).objects[0]["signing_key"]
        self.server.sql(f"UPDATE signing_keys SET state = 2 "
                        f"WHERE signing_key = '\\x{key}'; "
                        f"DELETE FROM usernames WHERE username = '{name}'")

    def members(self, view):
        return sorted(m["name"] for m in view["members"])

    def assert_agree(self, group, *names, epoch=None):
        """All of them have the same roster, and are what is in it."""
        views = [self.show(name, group) for name in names]
        for view in views:
            self.assertEqual(view["status"], "active", view)
            self.assertEqual(self.members(view), sorted(names), view)
            self.assertEqual(view["safety_number"],
                             views[0]["safety_number"])
            self.assertFalse(view["forked"])
        if epoch is not None:
            self.assertEqual(views[0]["epoch"], epoch)
        return views[0]


class Changes(GroupTest):

    def test_R19_R21_add_and_remove(self):
        """A newcomer reads nothing of before, a removed one nothing after."""
        sara, hassan, reza, nadia = self.people
        team = self.create(sara, hassan, reza)
        self.say(hassan, team, "before")
        self.group(sara, "add", team, nadia)
        # It does not know of that yet, and writes to all who are in it.
        self.say(hassan, team, "with nadia")
        self.assertEqual(self.poll_all(nadia), [
            ("joined", sara, (nadia,)), ("text", hassan, "with nadia")])
        view = self.group(sara, "remove", team, reza)
        self.assertEqual(view["epoch"], 3)
        self.say(sara, team, "without reza")
        self.assertEqual(
            [row for row in self.poll_all(reza) if row[0] != "joined"],
            [("text", hassan, "before"), ("text", hassan, "with nadia"),
             ("removed", sara, (reza,))])
        self.assertEqual(self.show(reza, team)["status"], "removed")
        self.home.peyk("group", "send", "--as", reza, team, "I am here"
                       ).expect(REFUSED)
        self.assertEqual(self.poll_all(hassan)[-2:], [
            ("removed", sara, (reza,)), ("text", sara, "without reza")])
        self.assertEqual(self.poll_all(nadia), [
            ("removed", sara, (reza,)), ("text", sara, "without reza")])
        self.assert_agree(team, sara, hassan, nadia, epoch=3)

    def test_several_at_once_are_one_epoch(self):
        sara, hassan, reza, nadia = self.people
        team = self.create(sara)
        self.assertEqual(self.group(sara, "add", team, hassan, reza,
                                    nadia)["epoch"], 2)
        self.assertEqual(self.group(sara, "remove", team, nadia,
                                    hassan)["epoch"], 3)
        self.assertEqual(
            self.poll_all(nadia),
            [("joined", sara, (nadia,)), ("removed", sara, (nadia,))])
        self.poll_all(reza)
        self.assert_agree(team, sara, reza)
        # Who was removed may come back.
        self.group(sara, "add", team, nadia)
        self.poll_all(nadia)
        self.poll_all(reza)
        self.assert_agree(team, sara, reza, nadia, epoch=4)

    def test_R21_R24_rotate_rename_hand_over_delete(self):
        sara, hassan, reza, nadia = self.people
        team, crew = self.create(sara, hassan, reza), unique("crew")
        self.group(sara, "rotate", team)
        self.group(sara, "rename", team, crew)
        view = self.group(sara, "hand-over", crew, hassan)
        self.assertEqual((view["role"], view["admin"]), ("member", hassan))
        self.run_group(sara, "rotate", crew, code=REFUSED)
        # Before the new admin has heard of it, it is not one.
        self.run_group(hassan, "add", team, nadia, code=REFUSED)
        changes = [("key_refreshed", sara, ()), ("renamed", sara, (crew,)),
                   ("admin_changed", sara, (hassan,))]
        self.assertEqual(self.poll_all(hassan), changes)
        self.assertEqual(self.show(hassan, crew)["role"], "admin")
        self.group(hassan, "add", crew, nadia)
        self.assertEqual(self.poll_all(reza), [
            *changes, ("joined", hassan, (nadia,))])
        self.assertEqual(self.poll_all(sara), [("joined", hassan, (nadia,))])
        self.assertEqual(self.poll_all(nadia), [("joined", hassan, (nadia,))])
        self.assert_agree(crew, *self.people, epoch=5)
        # The one who was admin is a member like any other.
        self.group(sara, "leave", crew)
        self.assertEqual(self.poll_all(hassan), [("left", sara, ())])
        self.poll_all(reza)
        self.poll_all(nadia)
        self.assert_agree(crew, hassan, reza, nadia, epoch=6)
        self.assertEqual(self.group(hassan, "delete", crew)["status"],
                         "deleted")
        for name in (reza, nadia):
            self.assertEqual(self.poll_all(name), [("deleted", hassan, ())])
            self.assertEqual(self.show(name, crew)["status"], "deleted")
        self.assertEqual(self.poll_all(sara), [])
        self.assertEqual(self.show(sara, crew)["status"], "left")
        self.run_group(hassan, "rotate", crew, code=REFUSED)

    def test_leave_and_come_back(self):
        """The admin may take who has left in again before it heard of it."""
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan, reza)
        self.group(hassan, "leave", team)
        self.assertEqual(self.show(hassan, team)["status"], "left")
        self.run_group(hassan, "leave", team, code=REFUSED)
        self.assertEqual(self.group(sara, "add", team, hassan)["epoch"], 2)
        self.assertEqual(self.poll_all(hassan), [("joined", sara, (hassan,))])
        self.assertEqual(self.poll_all(reza), [
            ("left", hassan, ()), ("joined", sara, (hassan,))])
        self.assertEqual(self.poll_all(sara), [("left", hassan, ())])
        self.assert_agree(team, sara, hassan, reza, epoch=2)
        # And the old Leave takes nobody out any more.
        self.assertEqual(self.poll_all(sara), [])
        self.assert_agree(team, sara, hassan, reza, epoch=2)

    def test_remove_who_has_left(self):
        """It is what was wanted: a key without them, and no error."""
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan, reza)
        self.group(hassan, "leave", team)
        self.group(sara, "remove", team, hassan)
        self.poll_all(reza)
        self.assert_agree(team, sara, reza, epoch=2)
        self.run_group(sara, "remove", team, hassan, code=USAGE)

    def test_admin_stays(self):
        sara, hassan, *_ = self.people
        team = self.create(sara, hassan)
        ran = self.run_group(sara, "leave", team, code=REFUSED)
        self.assert_clear(ran, "hand it over")
        self.group(sara, "hand-over", team, hassan)
        # Its own client has not heard that it is the admin now.
        self.assert_clear(self.run_group(hassan, "leave", team, code=REFUSED))
        self.group(sara, "leave", team)
        self.poll_all(hassan)
        self.assert_agree(team, hassan, epoch=3)

    def test_leave_of_an_epoch_that_has_not_come(self):
        """A Leave is of the server's epoch, whatever the leaver knows."""
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan, reza)
        self.group(sara, "rotate", team)
        self.say(sara, team, "farewell")
        self.group(hassan, "leave", team)
        self.assertEqual(self.poll_all(hassan), [
            ("key_refreshed", sara, ()), ("text", sara, "farewell")])
        self.assertEqual(self.show(hassan, team)["status"], "left")
        self.poll_all(sara)
        self.poll_all(reza)
        self.assert_agree(team, sara, reza, epoch=3)

    def test_unknown_names_make_no_group(self):
        sara, hassan, *_ = self.people
        team = unique("team")
        before = len(self.run_group(sara, "list").objects)
        for bad, code in (("nobody#404", REFUSED), ("@", USAGE),
                          (sara, USAGE)):
            self.assert_clear(self.run_group(sara, "create", team, hassan,
                                             bad, code=code))
        self.assertEqual(len(self.run_group(sara, "list").objects), before)

    def test_a_members_key_is_not_current_any_more(self):
        """Nothing changes with it in the group; taking it out does."""
        sara, hassan, reza, _ = self.people
        lost, gone = unique("lost"), unique("gone")
        self.home.signup(lost)
        self.home.signup(gone)
        team = self.create(sara, hassan, lost, gone)

        self.end_account(lost)
        harness.Device(self.server).signup(lost)
        ran = self.run_group(sara, "rotate", team, code=KEY_CHANGED)
        self.assert_clear(ran, lost, "group remove")
        self.group(sara, "remove", team, lost)
        self.end_account(gone)
        ran = self.run_group(sara, "add", team, reza, code=REFUSED)
        self.assert_clear(ran, gone, "no account", "group remove")
        self.group(sara, "remove", team, gone)
        self.group(sara, "add", team, reza)
        self.poll_all(hassan)
        self.poll_all(reza)
        self.assert_agree(team, sara, hassan, reza, epoch=4)


class Races(GroupTest):
    """Each ends in a state that all agree on."""

    def at_once(self, *calls):
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return [f.result() for f in [pool.submit(c) for c in calls]]

    def peyk(self, *args):
        return lambda: self.home.peyk("--json", "group", *args)

    def test_two_processes_of_the_admin(self):
        sara, hassan, reza, nadia = self.people
        team = self.create(sara, hassan)
        for ran in self.at_once(
                self.peyk("add", "--as", sara, team, reza),
                self.peyk("add", "--as", sara, team, nadia)):
            ran.expect(DONE)
        for name in (hassan, reza, nadia):
            self.poll_all(name)
        self.assert_agree(team, *self.people, epoch=3)

    def test_two_processes_do_the_same(self):
        """One of them finds that it is done."""
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan)
        codes = sorted(ran.code for ran in self.at_once(
            self.peyk("add", "--as", sara, team, reza),
            self.peyk("add", "--as", sara, team, reza)))
        self.assertEqual(codes, [DONE, USAGE])
        self.poll_all(hassan)
        self.poll_all(reza)
        self.assert_agree(team, sara, hassan, reza, epoch=2)

    def test_two_processes_create(self):
        sara, hassan, *_ = self.people
        one, two = unique("team"), unique("team")
        for ran, name in zip(self.at_once(
                self.peyk("create", "--as", sara, one, hassan),
                self.peyk("create", "--as", sara, two, hassan)), (one, two)):
            self.assertEqual(ran.expect(DONE).objects[-1]["group"], name)
        self.poll_all(hassan)
        for name in (one, two):
            self.assert_agree(name, sara, hassan, epoch=1)

    def test_leave_while_the_key_is_refreshed(self):
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan, reza)
        for ran in self.at_once(
                self.peyk("leave", "--as", hassan, team),
                self.peyk("rotate", "--as", sara, team)):
            ran.expect(DONE)
        self.poll_all(sara)
        self.say(sara, team, "among us")
        self.assertIn(("text", sara, "among us"), self.poll_all(reza))
        self.assert_agree(team, sara, reza)
        self.assertNotIn(("text", sara, "among us"), self.poll_all(hassan))
        self.assertEqual(self.show(hassan, team)["status"], "left")

    def test_two_processes_hear_of_a_leave(self):
        """One of them makes the new key."""
        sara, hassan, reza, _ = self.people
        team = self.create(sara, hassan, reza)
        self.group(hassan, "leave", team)
        poll = ("--json", "poll", "--as", sara)
        for ran in self.at_once(lambda: self.home.peyk(*poll),
                                lambda: self.home.peyk(*poll)):
            ran.expect(DONE)
        self.poll_all(reza)
        self.assert_agree(team, sara, reza, epoch=2)

    def test_two_leave_at_once(self):
        sara, hassan, reza, nadia = self.people
        team = self.create(sara, hassan, reza, nadia)
        for ran in self.at_once(self.peyk("leave", "--as", hassan, team),
                                self.peyk("leave", "--as", reza, team),
                                self.peyk("rename", "--as", sara, team,
                                          team + "!")):
            ran.expect(DONE)
        self.poll_all(sara)
        self.poll_all(nadia)
        self.assert_agree(team + "!", sara, nadia)


def built_with_crash_points():
    name = b"PEYK_CRASH_POINT"
    return name in harness.program("peyk").read_bytes()


class Killed(GroupTest):
    """Whoever changes a group dies, and the next command goes on. What
    test_crash_groups.py does not do: who is in it changes."""

    words = ("sara", "hassan", "reza")
    steps = ("begun", "prepared", "stored", "sent", "replied", "applied",
             "settled")

    @classmethod
    def setUpClass(cls):
        if not built_with_crash_points():
            raise unittest.SkipTest(
                "the programs are built without PEYK_CRASH_POINTS")
        super().setUpClass()

    def points(self, turn):
        """Of the command's request with this number, from 1."""
        return [f"request.{step}:{turn}" for step in self.steps]

    def kill(self, point, name, *args):
        return self.home.peyk(*args, "--as", name,
                              PEYK_CRASH_POINT=point).expect(KILLED)

    def test_update(self):
        """The epoch that the server has is the one that is entered."""
        sara, hassan, reza = self.people
        team = self.create(sara, hassan)
        is_in = False
        # GetGroup, AddMember or RemoveMember
        for point in ("request.settled:1", *self.points(2)):
            with self.subTest(point):
                self.kill(point, sara, "group",
                          "remove" if is_in else "add", team, reza)
                # A command that asks the server finishes what was begun.
                view = self.group(sara, "rotate", team)
                is_in = is_in != (point not in (
                    "request.settled:1", "request.begun:2",
                    "request.prepared:2"))
                self.assertEqual(reza in self.members(view), is_in)
        self.poll_all(hassan)
        self.poll_all(reza)
        self.assert_agree(team, sara, hassan, *([reza] if is_in else []))
        self.say(sara, team, "all is well")
        self.assertEqual(self.poll_all(hassan),
                         [("text", sara, "all is well")])

    def test_who_is_gone_before_the_first_key(self):
        """The group waits, and says for what, until it does without them."""
        sara, hassan, _ = self.people
        gone, team = unique("gone"), unique("team")
        self.home.signup(gone)
        self.kill("group.created", sara, "group", "create", team, hassan, gone)
        self.end_account(gone)
        ran = self.home.peyk("--json", "poll", "--as", sara).expect(DONE)
        self.assertIn("group_key_owed", ran.err)
        self.assert_clear(ran, gone, "no account")
        self.assertEqual(self.show(sara, team)["status"], "creating")
        self.group(sara, "remove", team, gone)
        self.poll_all(hassan)
        self.assert_agree(team, sara, hassan, epoch=1)

    def test_change_before_the_first_key(self):
        sara, hassan, reza = self.people
        for verb, who in (("add", {sara, hassan, reza}),
                          ("remove", {sara})):
            with self.subTest(verb):
                team = unique("team")
                self.kill("group.created", sara, "group", "create", team,
                          hassan)
                view = self.group(sara, verb, team,
                                  reza if verb == "add" else hassan)
                self.assertEqual(view["epoch"], 1)
                self.assertEqual(set(self.members(view)), who)
        team = unique("team")
        self.kill("group.created", sara, "group", "create", team, hassan)
        view = self.group(sara, "hand-over", team, hassan)
        self.assertEqual((view["epoch"], view["role"]), (2, "member"))

    def test_hand_over_under_way(self):
        """A parked poll brings what the new admin did, before it is known
        here that there is one."""
        sara, hassan, _ = self.people
        team = self.create(sara, hassan)

        def requests():
            return int(self.server.sql("SELECT last_seq FROM accounts "
                                       f"WHERE username = '{sara}'")[0][0])

        before = requests()
        parked = self.home.start("--json", "poll", "--as", sara, "--wait",
                                 "6")
        harness.poll_until(lambda: requests() > before, "the poll to wait")
        self.kill("request.replied:2", sara, "group", "hand-over", team,
                  hassan)
        self.poll_all(hassan)
        self.group(hassan, "rotate", team)
        parked.end().expect(DONE)
        self.poll_all(sara)
        self.assert_agree(team, sara, hassan, epoch=3)
        told = [row["kind"] for row in self.home.history(sara, f"@{team}")]
        self.assertEqual(told, ["joined", "admin_changed", "key_refreshed"])

    def test_leave_and_delete(self):
        sara, hassan, _ = self.people
        for point in ("request.stored:2", "request.applied:2"):
            with self.subTest(point):
                team = self.create(sara, hassan)
                self.kill(point, hassan, "group", "leave", team)
                self.home.poll(hassan)
                self.assertEqual(self.show(hassan, team)["status"], "left")
                self.kill(point, sara, "group", "delete", team)
                self.poll_all(sara)
                self.assertEqual(self.show(sara, team)["status"], "deleted")


if __name__ == "__main__":
    harness.main()
