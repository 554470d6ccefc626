#!/usr/bin/python3
"""R17, R22: a group of 1,000 members works, one of 1,001 is refused.

All have the longest names there are, so that rosters, letters and replies are
the largest too. Those who do nothing are rows in the database.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import crowd  # noqa: E402
import harness  # noqa: E402

MEMBERS = 1000
TEXT = "m" * 65536


class Size(harness.PeykTest):

    def peyk(self, *args, code=0, **options):
        return self.home.peyk(*args, **options).expect(code)

    def poll(self, name):
        return self.home.poll(name)

    def groups(self):
        return int(self.server.sql("SELECT count(*) FROM groups")[0][0])

    def test_R17_a_thousand_members(self):
        names = [crowd.long_name(i) for i in range(MEMBERS + 1)]
        admin, reader = names[:2]
        self.home = self.device(admin, reader)
        crowd.settle(self.server, self.client().identity_key, names[2:])

        ran = self.peyk("group", "create", "team", *names[1:], "--as",
                        admin, code=2)
        self.assertEqual(
            ran.err.strip(),
            "peyk: A group may have 1000 members at most, and would have "
            "1001.", "expected nobody to be looked up before")
        self.assertEqual(self.groups(), 0)

        # Who is named twice is in it once.
        ran = self.peyk("group", "create", "team", *names[1:MEMBERS],
                        names[1], "--as", admin)
        self.assertRegex(ran.out, "epoch 1, 1000 members")
        self.assertEqual(
            ran.err.strip(),
            "peyk: First contact with 999 people: remembering their keys. "
            "Compare the safety numbers (peyk verify) to be sure who they "
            "are.", "expected one line for all")
        joined, = self.poll(reader)
        self.assertEqual(joined["kind"], "joined")
        self.assertEqual(sorted(joined["names"]), names[1:MEMBERS])

        ran = self.peyk("group", "add", "team", names[MEMBERS], "--as",
                        admin, code=2)
        self.assertIn("A group may have 1000 members at most", ran.err)

        self.peyk("group", "send", "team", "--as", reader, input=TEXT + "\n")
        sent, = self.poll(admin)
        self.assertEqual(sent["text"], TEXT)

        removed = names[2:MEMBERS]
        ran = self.peyk("group", "remove", "team", *removed, "--as", admin)
        self.assertRegex(ran.out, "and 990 others from team: epoch 2, "
                         "2 members")
        ran = self.peyk("group", "add", "team", names[2], names[MEMBERS],
                        "--as", admin)
        self.assertRegex(ran.out, "epoch 3, 4 members")
        self.peyk("group", "send", "team", "salam", "--as", admin)
        out, back, text = self.poll(reader)
        self.assertEqual((out["kind"], sorted(out["names"])),
                         ("removed", removed))
        self.assertEqual((back["kind"], sorted(back["names"])),
                         ("joined", [names[2], names[MEMBERS]]))
        self.assertEqual(text["text"], "salam")

        shown, = self.peyk("group", "show", "--json", "team", "--as",
                           reader).objects
        self.assertEqual(shown["member_count"], 4)
        self.peyk("group", "delete", "team", "--as", admin)
        self.assertEqual([row["kind"] for row in self.poll(reader)],
                         ["deleted"])


if __name__ == "__main__":
    harness.main()
