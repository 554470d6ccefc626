#!/usr/bin/python3
"""`peyk group`: every verb for people and for programs, and used wrongly.

R17, R19–R21, R24; what the words and the JSON of docs/client.md say.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
from harness import unique  # noqa: E402

DONE, FAILED, USAGE, UNREACHABLE, WRONG_PASSWORD, KEY_CHANGED, REFUSED = (
    range(7))
VERBS = ("create", "add", "remove", "leave", "rotate", "show", "list",
         "rename", "hand-over", "delete", "send")


class GroupTest(harness.PeykTest):
    """Four accounts on one device; each test has groups of its own."""

    names = ("sara", "hassan", "reza", "nadia")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = harness.Device(cls.server)
        for name in cls.names:
            cls.home.signup(name)

    def group(self, name, verb, *args, code=DONE, **options):
        """`peyk group VERB …` in words."""
        return self.home.peyk("group", verb, "--as", name, *args,
                              **options).expect(code)

    def json(self, name, verb, *args):
        """The one object of `peyk group VERB … --json`."""
        objects = self.group(name, verb, "--json", *args).objects
        self.assertEqual(len(objects), 1, objects)
        return objects[0]

    def words(self, name):
        """What a poll prints for people, line by line."""
        return self.home.peyk("poll", "--as",
                              name).expect(DONE).out.splitlines()

    def catch_up(self, *names):
        for name in names:
            self.home.poll(name)


class Verbs(GroupTest):

    def test_R17_a_group_in_words(self):
        """From its making to its end, as the people in it see it."""
        ran = self.group("sara", "create", "team", "hassan")
        self.assertRegex(
            ran.out, r"^Created team: epoch 1, 2 members, id \d+\.$")
        self.assertEqual(self.words("hassan"),
                         ["sara added hassan to team"])

        ran = self.group("sara", "send", "team", "salam mashti")
        self.assertEqual(ran.out, "Sent to team.\n")
        self.assertEqual(self.words("hassan"),
                         ["sara has sent a message to team: salam mashti"])
        self.group("hassan", "send", "@team", input="aleyk\n\nsalam\n")
        self.assertEqual(self.words("sara"),
                         ["hassan has sent a message to team: aleyk",
                          "hassan has sent a message to team: salam"])
        self.assertEqual(self.words("sara"), [], "expected each once")

        ran = self.group("sara", "add", "team", "reza")
        self.assertEqual(ran.out, "Added reza to team: epoch 2, 3 members.\n")
        self.assertEqual(self.words("hassan"), ["sara added reza to team"])
        self.assertEqual(self.words("reza"), ["sara added reza to team"])
        ran = self.group("sara", "rotate", "team")
        self.assertEqual(
            ran.out, "Made a new key for team: epoch 3, 3 members.\n")
        self.assertEqual(self.words("reza"),
                         ["sara made a new key for team"])
        ran = self.group("sara", "rename", "team", "the crew")
        self.assertEqual(
            ran.out,
            "The group is called “the crew” now: epoch 4, 3 members.\n")
        self.assertEqual(
            self.words("reza"),
            ["sara renamed the group: it is called “the crew” now"])
        ran = self.group("sara", "remove", "the crew", "reza")
        self.assertEqual(
            ran.out, "Removed reza from “the crew”: epoch 5, 2 members.\n")
        self.assertEqual(self.words("reza"),
                         ["sara removed reza from “the crew”"])
        ran = self.group("sara", "hand-over", "the crew", "hassan")
        self.assertEqual(
            ran.out,
            "Handed “the crew” over to hassan: epoch 6, 2 members.\n")
        self.assertIn("sara handed “the crew” over to hassan",
                      self.words("hassan"))
        ran = self.group("sara", "leave", "the crew")
        self.assertEqual(ran.out, "You have left “the crew”.\n")
        self.assertIn("sara has left “the crew”", self.words("hassan"))
        ran = self.group("hassan", "delete", "the crew")
        self.assertEqual(ran.out, "Deleted “the crew”.\n")
        history = self.home.peyk("history", "--as", "hassan",
                                 "@the crew").expect(DONE).out
        for line in ("* sara added reza to “the crew”",
                     "hassan  aleyk", "sara    salam mashti",
                     "* sara has left “the crew”"):
            self.assertIn(line, history)

    def test_R17_a_group_in_json(self):
        made = self.json("sara", "create", "json", "hassan", "reza")
        self.assertEqual(
            {key: made[key] for key in
             ("event", "group", "status", "role", "epoch", "admin",
              "member_count", "waiting", "forked")},
            {"event": "group", "group": "json", "status": "active",
             "role": "admin", "epoch": 1, "admin": "sara",
             "member_count": 3, "waiting": 0, "forked": False})
        self.assertRegex(made["group_id"], r"^[1-9][0-9]*$")
        self.assertRegex(made["safety_number"], r"^\d{5}( \d{5}){11}$")
        self.assertEqual([m["name"] for m in made["members"]],
                         ["hassan", "reza", "sara"])
        sara = made["members"][2]
        self.assertEqual((sara["role"], sara["self"], sara["left"]),
                         ("admin", True, False))
        self.assertEqual([m["key"] for m in made["members"]],
                         ["pinned"] * 3)
        group_id = made["group_id"]

        events = self.home.poll("hassan")
        self.assertEqual(len(events), 1, events)
        event = events[0]
        self.assertEqual(
            {key: event[key] for key in
             ("event", "group", "group_id", "epoch", "kind", "by", "names")},
            {"event": "group_event", "group": "json", "group_id": group_id,
             "epoch": 1, "kind": "joined", "by": "sara",
             "names": event["names"]})
        self.assertEqual(sorted(event["names"]), ["hassan", "reza"])
        shown = self.json("hassan", "show", group_id)
        self.assertEqual((shown["role"], shown["safety_number"]),
                         ("member", made["safety_number"]))

        sent = self.json("hassan", "send", group_id, "salam")
        self.assertEqual((sent["event"], sent["outcome"]),
                         ("sent", "stored"))
        for name in ("sara", "reza"):
            message = self.home.poll(name)[-1]
            self.assertEqual(
                {key: message[key] for key in
                 ("event", "id", "direction", "from", "to", "group",
                  "group_id", "epoch", "text")},
                {"event": "message", "id": sent["id"], "direction": "in",
                 "from": "hassan", "to": "@json", "group": "json",
                 "group_id": group_id, "epoch": 1, "text": "salam"})
        out = self.home.history("hassan", "@json")[-1]
        self.assertEqual(
            (out["direction"], out["from"], out["to"], out["group_id"],
             out["outcome"]),
            ("out", "hassan", "@json", group_id, "stored"))

        for verb, args, epoch, members in (
                ("add", ["nadia"], 2, 4), ("remove", ["nadia"], 3, 3),
                ("rotate", [], 4, 3), ("rename", ["json2"], 5, 3),
                ("hand-over", ["reza"], 6, 3)):
            changed = self.json("sara", verb, group_id, *args)
            self.assertEqual(
                (changed["event"], changed["group_id"], changed["epoch"],
                 changed["member_count"]),
                ("group", group_id, epoch, members), verb)
        self.assertEqual(changed["role"], "member")
        kinds = [(e["kind"], e["by"], e["names"])
                 for e in self.home.poll("hassan")
                 if e["event"] == "group_event"]
        self.assertEqual(
            kinds, [("joined", "sara", ["nadia"]),
                    ("removed", "sara", ["nadia"]),
                    ("key_refreshed", "sara", []),
                    ("renamed", "sara", ["json2"]),
                    ("admin_changed", "sara", ["reza"])])
        left = self.json("sara", "leave", group_id)
        self.assertEqual(left["status"], "left")
        self.catch_up("reza")
        deleted = self.json("reza", "delete", group_id)
        self.assertEqual(deleted["status"], "deleted")
        self.assertIn(("deleted", "reza"),
                      [(e.get("kind"), e.get("by"))
                       for e in self.home.poll("hassan")])
        self.assertEqual(self.json("hassan", "show", group_id)["status"],
                         "deleted")

    def test_show_and_list(self):
        made = self.json("sara", "create", "shown", "hassan", "nadia")
        self.catch_up("hassan", "nadia")
        ran = self.group("sara", "show", "shown")
        for line in (r"^Group:    shown$", rf"^Id:       {made['group_id']}$",
                     r"^Status:   active$", r"^Epoch:    1$",
                     r"^Admin:    sara \(you\)$", r"^Members:  3$",
                     r"^    hassan  known$", r"^    nadia   known$",
                     r"^    sara    you, admin$"):
            self.assertRegex(ran.out, f"(?m){line}")
        self.assertIn(made["safety_number"][:23], ran.out)
        ran = self.group("nadia", "show", "shown")
        self.assertRegex(ran.out, r"(?m)^    hassan  not known here$")
        self.assertRegex(ran.out, r"(?m)^    sara    known, admin$")

        # who has compared a member's number sees it
        number = self.home.peyk("verify", "--json", "--as", "hassan",
                                "sara").expect(DONE).objects[0]
        self.home.peyk("verify", "--as", "sara", "hassan", "--expect",
                       number["safety_number"]).expect(DONE)
        ran = self.group("sara", "show", "shown")
        self.assertRegex(ran.out, r"(?m)^    hassan  compared ✓$")
        self.group("hassan", "leave", "shown")
        ran = self.group("hassan", "show", "shown")
        self.assertRegex(ran.out, r"(?m)^Status:   left$")

        ran = self.group("sara", "list")
        self.assertRegex(ran.out.splitlines()[0],
                         r"^NAME +MEMBERS +EPOCH +ROLE +STATUS +ID$")
        self.assertRegex(
            ran.out, rf"(?m)^shown +\d +\d +admin +active +"
            rf"{made['group_id']}$")
        listed = self.group("hassan", "list", "--json").objects
        mine = [g for g in listed if g["group_id"] == made["group_id"]]
        self.assertEqual([(g["status"], g["role"]) for g in mine],
                         [("left", "member")])
        self.assertNotIn("members", mine[0])
        device = self.device(unique("alone"))
        ran = device.peyk("group", "list").expect(DONE)
        self.assertEqual(ran.out, "")
        self.assertIn("no groups", ran.err)
        self.assertEqual(device.peyk("group", "list",
                                     "--json").expect(DONE).objects, [])

    def test_safety_number_of_a_group(self):
        made = self.json("sara", "create", "compared", "hassan")
        self.catch_up("hassan")
        ran = self.home.peyk("verify", "--as", "hassan",
                             "@compared").expect(DONE)
        self.assertIn("Safety number of the group compared, in epoch 1",
                      ran.out)
        self.assertIn(made["safety_number"][:23], ran.out)
        told = self.home.peyk("verify", "--as", "hassan", "--json",
                              "@compared").expect(DONE).objects[0]
        self.assertEqual(
            (told["group"], told["group_id"], told["epoch"],
             told["safety_number"], told["forked"]),
            ("compared", made["group_id"], 1, made["safety_number"], False))
        self.home.peyk("verify", "--as", "hassan", "@compared", "--expect",
                       made["safety_number"]).expect(DONE)
        self.group("sara", "rotate", "compared")
        ran = self.home.peyk("verify", "--as", "sara", "@compared",
                             "--expect",
                             made["safety_number"]).expect(FAILED)
        self.assert_clear(ran, "differ", "epoch 2")
        ran = self.home.peyk("verify", "--as", "sara", "@nowhere")
        self.assertEqual(ran.code, FAILED)


class Help(harness.PeykTest):
    """What needs neither server nor account."""

    serve = False

    def peyk(self, *args):
        return harness.run([harness.program("peyk"), *args],
                           env=harness.environment())

    def test_help(self):
        ran = self.peyk("help", "group").expect(DONE)
        for verb in VERBS:
            self.assertRegex(ran.out, rf"(?m)^  group {verb}\b")
        self.assertEqual(self.peyk("group", "--help").expect(DONE).out,
                         ran.out)
        self.assertRegex(self.peyk("help").expect(DONE).out,
                         r"(?m)^  group VERB … +\S")
        for verb in VERBS:
            ran = self.peyk("help", "group", verb).expect(DONE)
            self.assertIn(f"Usage: peyk group {verb}", ran.out)
            self.assertRegex(ran.out, rf"(?m)^  peyk group {verb}\b",
                             "expected an example")
        self.assertEqual(self.peyk("group", "send", "--help").expect(DONE).out,
                         ran.out)

    def test_used_wrongly(self):
        for args, word in (
                (["group"], "peyk group VERB"),
                (["group", "creat"], "Did you mean “group create”"),
                (["group", "handover", "a", "b"], "“group hand-over”"),
                (["group", "frobnicate"], "no command “group frobnicate”"),
                (["group", "create"], "peyk group create NAME"),
                (["group", "add", "team"], "GROUP MEMBER"),
                (["group", "list", "team"], "one word too many"),
                (["group", "show", "a", "b"], "one word too many"),
                (["group", "show", "a", "--wait", "3"], "no option --wait"),
                (["help", "group", "ad"], "“group add”"),
                (["help", "send", "x"], "no commands of its own"),
                (["groop", "list"], "Did you mean “group”")):
            ran = self.peyk(*args).expect(USAGE)
            self.assertIn(word, ran.err, args)
            ran = self.peyk("--json", *args).expect(USAGE)
            self.assertEqual(ran.out, "")
            self.assertIn('"exit":2', ran.err)


class Wrong(GroupTest):
    """Errors say what is wrong, with the exit code of their kind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home.peyk("group", "create", "--as", "sara", "team",
                      "hassan").expect(DONE)
        cls.home.poll("hassan")

    def wrong(self, name, code, verb, *args, says=()):
        ran = self.group(name, verb, *args, code=code)
        self.assertEqual(ran.out, "")
        self.assert_clear(ran, *says)
        return ran

    def epoch(self):
        return self.json("sara", "show", "team")["epoch"]

    def test_no_such_group(self):
        for verb, args in (("show", []), ("add", ["reza"]),
                           ("send", ["hi"])):
            self.wrong("sara", FAILED, verb, "nowhere", *args,
                       says=["nowhere"])
        for verb, args in (("show", ["@"]), ("send", ["", "hi"])):
            self.wrong("sara", USAGE, verb, *args, says=["missing"])
        # A name is no part of our sentences.
        self.wrong("sara", FAILED, "show", "two words",
                   says=["called “two words”."])
        # reza is not in it: for reza it is not there
        self.wrong("reza", FAILED, "leave", "team")
        ran = self.home.peyk("history", "--as", "sara", "@nowhere")
        self.assertEqual(ran.code, FAILED)

    def test_R24_not_the_admin(self):
        before = self.epoch()
        for verb, args in (("rotate", []), ("delete", []),
                           ("add", ["reza"]), ("remove", ["sara"]),
                           ("rename", ["x"]), ("hand-over", ["hassan"])):
            self.wrong("hassan", REFUSED, verb, "team", *args,
                       says=["admin"])
        self.assertEqual(self.epoch(), before)
        self.wrong("sara", REFUSED, "leave", "team", says=["hand"])

    def test_members_who_cannot_be(self):
        before = self.epoch()
        self.wrong("sara", REFUSED, "add", "team", "nobody#9",
                   says=["nobody#9"])
        self.wrong("sara", USAGE, "add", "team", "hassan", says=["hassan"])
        self.wrong("sara", USAGE, "add", "team", "sara")
        self.wrong("sara", USAGE, "remove", "team", "reza", says=["reza"])
        self.wrong("sara", USAGE, "remove", "team", "sara")
        self.wrong("sara", USAGE, "hand-over", "team", "sara")
        self.wrong("sara", USAGE, "hand-over", "team", "reza",
                   says=["reza"])
        self.wrong("sara", USAGE, "add", "team", "two words")
        self.wrong("sara", USAGE, "add", "team", "")
        self.wrong("sara", REFUSED, "create", "other", "nobody#9",
                   says=["nobody#9"])
        self.wrong("sara", USAGE, "create", "other", "two words")
        self.wrong("sara", USAGE, "create", "other", "hassan", "SARA")
        self.assertEqual(self.epoch(), before)
        self.assertNotIn("other", [
            g["group"] for g in
            self.group("sara", "list", "--json").objects])

    def test_one_person_named_twice_is_one_member(self):
        made = self.json("sara", "create", "doubled", "nadia", "NADIA")
        self.assertEqual([m["name"] for m in made["members"]],
                         ["nadia", "sara"])

    def test_names_that_cannot_be(self):
        for name in ("", "@team", " team", "team ", "x" * 65, "a\x1b[31mb",
                     "a\nb", "a\u2028b", "a\x7fb", "a\x9bb", "a\udcffb"):
            ran = self.wrong("sara", USAGE, "create", name)
            self.assertNotIn("\x1b", ran.err)
        self.wrong("sara", USAGE, "rename", "team", "a\x1b[31mb")

    def test_messages_that_cannot_be(self):
        self.wrong("sara", USAGE, "send", "team", "", says=["empty"])
        self.wrong("sara", USAGE, "send", "team", "x" * 65537)

    def test_a_name_that_several_have(self):
        ids = [self.json("sara", "create", "twin")["group_id"]
               for _ in range(2)]
        ran = self.wrong("sara", USAGE, "show", "twin")
        for group_id in ids:
            self.assertIn(group_id, ran.err)
        for way in (ids[0], "@" + ids[0]):
            self.assertEqual(self.json("sara", "show", way)["group_id"],
                             ids[0])
        # of those that are over only one is meant
        self.group("sara", "delete", ids[0])
        self.assertEqual(self.json("sara", "show", "twin")["group_id"],
                         ids[1])
        # a name that is another group's id does not stand in its way
        self.group("sara", "rename", ids[1], ids[0])
        self.assertEqual(self.json("sara", "show", ids[0])["group_id"],
                         ids[0])

    def test_a_stranger_does_not_inherit_a_name(self):
        """What is sent to @heir would reach others than it was meant for."""
        ours = self.json("hassan", "create", "heir", "reza")["group_id"]
        self.catch_up("reza")
        self.group("hassan", "delete", ours)
        theirs = self.json("nadia", "create", "heir", "reza",
                           "hassan")["group_id"]
        self.catch_up("reza", "hassan")
        for name in ("reza", "hassan"):
            ran = self.wrong(name, USAGE, "send", "heir", "secret")
            self.assertIn(f"{ours} (ended)", ran.err)
            self.assertIn(theirs, ran.err)
        # who made the one before may make another, and so may oneself
        again = self.json("hassan", "create", "again", "reza")["group_id"]
        self.catch_up("reza")
        self.group("hassan", "delete", again)
        again = self.json("hassan", "create", "again", "reza")["group_id"]
        self.catch_up("reza")
        for name in ("reza", "hassan"):
            self.assertEqual(self.json(name, "show", "again")["group_id"],
                             again)

    def test_names_reach_no_terminal_raw(self):
        """Right-to-left overrides pass as names, and as nothing else."""
        name = "you: \u202eevil\u2066 “x”"
        made = self.json("sara", "create", name, "hassan")
        self.assertEqual(made["group"], name)
        self.group("sara", "send", made["group_id"], "salam")
        runs = [self.home.peyk("poll", "--as", "hassan").expect(DONE),
                self.group("hassan", "show", made["group_id"]),
                self.group("hassan", "list"),
                self.group("hassan", "list", "--json"),
                self.group("sara", "rotate", made["group_id"]),
                self.home.peyk("poll", "--json", "--as",
                               "hassan").expect(DONE),
                self.home.peyk("history", "--as",
                               "hassan").expect(DONE)]
        for ran in runs:
            for character in "\u202e\u2066\x1b":
                self.assertNotIn(character, ran.out + ran.err)
        self.assertIn("sara has sent a message to “you: evil 'x'”: salam",
                      runs[0].out)

    def test_local_verbs_need_no_server(self):
        self.group("sara", "create", "away", "hassan")
        self.server.kill()
        try:
            self.group("sara", "show", "away")
            self.group("sara", "list")
            ran = self.group("sara", "rotate", "away", "--timeout", "1",
                             code=UNREACHABLE)
            self.assert_clear(ran, "next peyk command")
        finally:
            self.ensure_server()
        self.catch_up("sara")
        self.assertEqual(self.json("sara", "rotate", "away")["status"],
                         "active")


if __name__ == "__main__":
    harness.main()
