#!/usr/bin/python3
"""Groups in two implementations: members of tests/support/peyk_groups.py,
which was written from docs/protocol.md alone, among themselves on a real
peykd, and in one group with peyk.

R17–R24.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
import peyk_groups as pg  # noqa: E402
from harness import Device  # noqa: E402
from peyk_client import payload  # noqa: E402
from peyk_groups import events, texts  # noqa: E402


class GroupTest(harness.PeykTest):
    """Members whose names are their own in each test."""

    tls = False

    def setUp(self):
        super().setUp()
        self.server_view = self.client()

    def members(self, *words):
        out = []
        for word in words:
            member = pg.Member(self.server_view, harness.unique(word))
            member.sign_up()
            out.append(member)
        return out

    def assert_clean(self, *members):
        for member in members:
            self.assertEqual([(m.epoch, str(e)) for m, e in
                              member.unreadable], [], member.name)

    def assert_agree(self, group, *members):
        """Everybody has the same roster, in every epoch that both know."""
        known = {}
        for member in members:
            for epoch, roster_hash in member.group(group).hashes.items():
                self.assertEqual(known.setdefault(epoch, roster_hash),
                                 roster_hash, (member.name, epoch))
        self.assertEqual(
            len({m.group(group).safety_number() for m in members}), 1)
        self.assert_clean(*members)


class Chains(unittest.TestCase):
    """Sender chains on their own: gaps, repeats, bounds."""

    def chain(self):
        return keys.Chain.of(b"s" * 32, 7, 1, b"k" * 32)

    def test_any_order_once(self):
        straight = self.chain()
        expected = [straight.step() for _ in range(10)]
        mixed = self.chain()
        order = [3, 0, 9, 1, 2, 8, 4, 7, 5, 6]
        self.assertEqual([mixed.take(i) for i in order],
                         [expected[i] for i in order])
        for i in order:
            self.assertRaises(pc.ProtocolError, mixed.take, i)

    def test_bounds(self):
        chain = self.chain()
        self.assertRaises(pc.ProtocolError, chain.take, keys.SKIP_MAX + 1)
        chain.take(keys.SKIP_MAX)
        chain.take(keys.SKIP_MAX + 10)
        self.assertEqual(len(chain.skipped), keys.SKIP_MAX)
        self.assertRaises(pc.ProtocolError, chain.take, 0)
        chain.take(keys.SKIP_MAX - 1)


class Groups(GroupTest):
    """The second client with itself: what the server does is honest."""

    def test_R17_R20_create_and_send(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        self.assertTrue(0 < group.id < 1 << 63)
        self.assertEqual(group.epoch, 1)
        sara.send_group(group, ["salam", "mashti"])
        for member in (hassan, reza):
            got = member.poll()
            (kind, names), = events(got)
            self.assertEqual((kind, sorted(names)), ("joined", sorted(
                m.name for m in (sara, hassan, reza))))
            self.assertEqual(texts(got), [(sara.name, "salam"),
                                          (sara.name, "mashti")])
            self.assertEqual(member.group(group).name, "team")
        hassan.send_group(group, ["aleyk"])
        sara.poll()  # its own event of having joined, too
        reza.send_group(group, ["man ham"])
        self.assertEqual(texts(sara.poll()), [(reza.name, "man ham")])
        self.assertEqual(texts(hassan.poll()), [(reza.name, "man ham")])
        self.assertEqual(texts(reza.poll()), [(hassan.name, "aleyk")])
        for member in (sara, hassan, reza):
            self.assertEqual(member.drain(), [], "nothing comes twice")
        self.assert_agree(group, sara, hassan, reza)

    def test_R21_newcomer_and_removed(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name])
        sara.send_group(group, ["before"])
        sara.update_group(group, added=[reza.name])
        sara.send_group(group, ["with"])
        sara.update_group(group, removed=[hassan.name])
        sara.send_group(group, ["after"])
        self.assertEqual(texts(reza.drain()), [(sara.name, "with"),
                                               (sara.name, "after")])
        got = hassan.drain()
        self.assertEqual(texts(got), [(sara.name, "before"),
                                      (sara.name, "with")])
        self.assertEqual([kind for kind, _ in events(got)],
                         ["joined", "joined", "removed"])
        self.assertEqual(hassan.group(group).status, "removed")
        # Neither has the key of the other's time.
        self.assertEqual(set(reza.group(group).chains), {2, 3})
        self.assertEqual(set(hassan.group(group).chains), {1, 2})
        result, = hassan.send_sealed(hassan.group(group), [
            keys.seal_group_message(b"x" * 256, bytes(32),
                                    keys.message_place(group.id, 3,
                                                       hassan.key, 0))], 3)
        self.assertEqual(result.outcome, payload.SEND_OUTCOME_UNKNOWN_GROUP)
        self.assert_clean(sara, hassan, reza)

    def test_R21_R24_rotate_rename_hand_over(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        sara.update_group(group)
        sara.update_group(group, name="تیم ما")
        sara.update_group(group, admin=hassan.name)
        told = events(reza.drain())
        self.assertEqual(told[1:], [("rotated", []), ("renamed", ["تیم ما"]),
                                    ("admin_changed", [hassan.name])])
        with self.assertRaises(pc.Refused) as refusal:
            sara.update_group(group)
        self.assertEqual(refusal.exception.reply.code, 7)
        hassan.drain()
        hassan.update_group(group, name="again")
        sara.drain(), reza.drain()
        secrets = {m.group(group).secrets[5].group_secret
                   for m in (sara, hassan, reza)}
        self.assertEqual(len(secrets), 1)
        shares = [hassan.group(group).secrets[e].server_share
                  for e in range(1, 6)]
        self.assertEqual(len(set(shares)), 5)
        self.assert_agree(group, sara, hassan, reza)

    def test_leave_and_come_back(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        sara.send_group(group, ["one"])
        sara.update_group(group)
        # Hassan has seen none of it, and leaves the group as it is now.
        hassan.poll(max_messages=1)
        self.assertEqual(hassan.group(group).epoch, 1)
        hassan.leave_group(group)
        self.assertEqual(texts(hassan.drain()), [(sara.name, "one")])
        self.assertEqual(hassan.group(group).status, "left")
        for member in (sara, reza):
            self.assertEqual(events(member.drain())[-1],
                             ("left", [hassan.name]))
        sara.send_group(group, ["without"])
        self.assertEqual(hassan.drain(), [])
        sara.update_group(group)
        sara.update_group(group, added=[hassan.name])
        reza.drain()
        reza.send_group(group, ["with again"])
        got = hassan.drain()
        self.assertEqual(texts(got), [(reza.name, "with again")])
        self.assertEqual([m.missing for m in got
                          if isinstance(m, pg.GroupMessage)], [False])
        sara.drain()
        self.assert_agree(group, sara, hassan, reza)
        # An old statement says nothing about the new stay.
        old = keys.make_leave(hassan.signing, group.id, 2,
                              group.hashes[2])
        with self.assertRaises(pc.Refused) as refusal:
            hassan.leave_group(group, old)
        self.assertEqual(refusal.exception.reply.code, pg.CODE_ABORTED)
        sara.take(payload.PollResponse(messages=[payload.InboxMessage(
            id="replayed", group_id=group.id, epoch=2,
            leave=old.SerializeToString())]))
        self.assertIn(hassan.name, sara.group(group).names())

    def test_admin_cannot_leave(self):
        sara, hassan = self.members("sara", "hassan")
        group = sara.create_group("team", [hassan.name])
        with self.assertRaises(pc.Refused) as refusal:
            sara.leave_group(group)
        self.assertEqual(refusal.exception.reply.code,
                         pg.CODE_FAILED_PRECONDITION)

    def test_leave_while_the_key_is_refreshed(self):
        """The admin's update, made before the leave, is made anew."""
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        hassan.drain()
        update = sara.draft_update(group).finish()
        hassan.leave_group(group)
        with self.assertRaises(pc.Refused) as refusal:
            sara.submit(update)
        self.assertEqual(refusal.exception.reply.code,
                         pg.CODE_FAILED_PRECONDITION)
        sara.drain()
        sara.update_group(group)
        self.assertEqual(sara.group(group).names(),
                         sorted([sara.name, reza.name]))
        reza.drain()
        self.assert_agree(group, sara, reza)

    def test_stale_epoch_is_sent_again_once(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        hassan.drain(), reza.drain()
        hassan.send_group(group, ["first"])
        sara.update_group(group)
        result, = hassan.send_group(group, ["second"], resend=False)
        self.assertEqual(result.outcome, payload.SEND_OUTCOME_STALE_EPOCH)
        self.assertEqual(hassan.group(group).sending.index, 1)
        hassan.group(group).unsent = []
        hassan.send_group(group, ["third"])
        got = reza.drain()
        self.assertEqual(texts(got), [(hassan.name, "first"),
                                      (hassan.name, "third")])
        self.assertEqual([(m.epoch, m.missing) for m in got
                          if isinstance(m, pg.GroupMessage)],
                         [(1, False), (2, False)])

    def collect(self, member):
        """What is pending, taken from the inbox unread."""
        out = []
        while True:
            reply = member.request(
                "Poll", payload.PollRequest(acks=[m.id for m in out],
                                            max_messages=1024),
                payload.PollResponse)
            if not reply.messages:
                return out
            out += reply.messages

    def give(self, member, messages, more=False):
        return member.take(payload.PollResponse(messages=messages,
                                                more=more))

    def test_any_order_of_arrival(self):
        """Epochs and messages early, late, and backwards."""
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        for name in (None, "b", "c"):
            sara.send_group(group, [f"{name} 1", f"{name} 2"])
            sara.update_group(group, name=name)
        sara.send_group(group, ["end"])
        sent = [(sara.name, text) for text in (
            "None 1", "None 2", "b 1", "b 2", "c 1", "c 2", "end")]
        pending = self.collect(hassan)
        self.assertEqual(len(pending), 4 + 7)
        # Whoever joins begins with the first roster that it gets.
        got = self.give(hassan, pending[:1] + pending[:0:-1])
        self.assertEqual(sorted(texts(got)), sorted(sent))
        self.assertEqual(hassan.group(group).epoch, 4)
        self.assertEqual(self.give(hassan, pending), [],
                         "nothing is shown twice")
        pending = self.collect(reza)
        got = []
        for message in pending[:1] + pending[2::2] + pending[1::2]:
            got += self.give(reza, [message], more=True)
        self.assertEqual(sorted(texts(got)), sorted(sent))
        self.assert_agree(group, sara, hassan, reza)

    def test_update_that_never_comes(self):
        sara, hassan, reza = self.members("sara", "hassan", "reza")
        group = sara.create_group("team", [hassan.name, reza.name])
        sara.send_group(group, ["one"])
        sara.update_group(group)
        sara.send_group(group, ["two"])
        sara.update_group(group, name="later")
        sara.send_group(group, ["three"])
        pending = self.collect(hassan)
        kept = [m for m in pending if not (m.roster and m.epoch == 2)]
        self.assertEqual(len(kept), len(pending) - 1)
        got = self.give(hassan, kept, more=True)
        self.assertEqual(texts(got), [(sara.name, "one")],
                         "it may come with the next poll")
        got = self.give(hassan, [])
        self.assertEqual(events(got), [("roster_missed", []),
                                       ("renamed", ["later"])])
        self.assertEqual(texts(got), [(sara.name, "three")])
        self.assertTrue(got[-1].missing, "two was not readable")

    def test_lost_and_swapped_in_a_chain(self):
        sara, hassan = self.members("sara", "hassan")
        group = sara.create_group("team", [hassan.name])
        sara.send_group(group, [str(i) for i in range(6)])
        update, *messages = self.collect(hassan)
        self.give(hassan, [update])
        got = self.give(hassan, [messages[i] for i in (1, 0, 3, 4)])
        self.assertEqual([(m.text, m.missing) for m in got],
                         [("1", True), ("0", True), ("3", True),
                          ("4", False)])

    def test_delete(self):
        sara, hassan = self.members("sara", "hassan")
        group = sara.create_group("team", [hassan.name])
        sara.send_group(group, ["last words"])
        self.assertEqual([g.group_id for g in hassan.list_groups()],
                         [group.id])
        sara.delete_group(group)
        got = hassan.drain()
        self.assertEqual(texts(got), [(sara.name, "last words")])
        self.assertEqual(hassan.group(group).status, "deleted")
        self.assertEqual(hassan.list_groups(), [])
        for member in (sara, hassan):
            with self.assertRaises(pc.Refused) as refusal:
                member.get_group(group)
            self.assertEqual(refusal.exception.reply.code, 5)

    def test_epoch_0(self):
        """An admin that died after CreateGroup goes on from GetGroup."""
        sara, hassan = self.members("sara", "hassan")
        group = sara.create_group("team", [hassan.name], rotate=False)
        reply = sara.get_group(group)
        self.assertEqual((reply.epoch, reply.name, list(reply.member_keys),
                          reply.next_share),
                         (0, "team", [hassan.key], group.next_share))
        entry, = hassan.list_groups()
        self.assertEqual((entry.group_id, entry.epoch, entry.is_admin),
                         (group.id, 0, False))
        result, = hassan.send_sealed(pg.Group(group.id), [bytes(200)], 1)
        self.assertNotEqual(result.outcome, payload.SEND_OUTCOME_STORED)
        sara.update_group(group)
        self.assertEqual(len(events(hassan.drain())), 1)

    def test_lists(self):
        sara, hassan = self.members("sara", "hassan")
        made = [sara.create_group(f"g{i}", [hassan.name] * (i % 2)).id
                for i in range(4)]
        entries = sara.list_groups()
        self.assertEqual([e.group_id for e in entries], sorted(made))
        self.assertTrue(all(e.is_admin and e.epoch == 1 for e in entries))
        self.assertEqual({e.group_id for e in hassan.list_groups()},
                         {made[1], made[3]})


class Mixed(GroupTest):
    """Both implementations in one group."""

    def setUp(self):
        super().setUp()
        self.home = Device(self.server)

    def peyk_users(self, *words):
        names = [harness.unique(word) for word in words]
        for name in names:
            self.home.signup(name)
        return names

    def group_command(self, verb, group, *args, user):
        """`peyk group VERB GROUP …`: its object."""
        shown, = self.home.peyk("--json", "group", verb, f"@{group.id}",
                                *args, "--as", user).expect(0).objects
        return shown

    def poll(self, user):
        """What peyk shows: ([(from, text)], [(kind, names)])."""
        got = self.home.poll(user)
        messages = [m for m in got if m["event"] == "message"]
        for message in messages:
            self.assertEqual((message["order"], message["missing_before"]),
                             ("expected", 0), message)
        return ([(m["from"], m["text"]) for m in messages],
                [(e["kind"], [e["by"]] if e["kind"] == "left"
                  else sorted(e["names"])) for e in got
                 if e["event"] == "group_event"])

    def send(self, user, group, text):
        sent, = self.home.peyk("--json", "send", "--as", user,
                               f"@{group.id}", text).expect(0).objects
        self.assertEqual(sent["outcome"], "stored")

    def assert_same(self, group, *users):
        """peyk has the roster of a member of the second client."""
        for user in users:
            shown = self.group_command("show", group, user=user)
            self.assertEqual(
                (shown["group"], shown["group_id"], shown["status"],
                 shown["epoch"], shown["forked"], shown["waiting"]),
                (group.name, str(group.id), "active", group.epoch, False, 0))
            self.assertEqual(
                sorted(pc.canonical_name(m["name"])
                       for m in shown["members"] if not m["left"]),
                group.names())
            self.assertEqual(pc.canonical_name(shown["admin"]),
                             group.admin_name())
            self.assertEqual(shown["safety_number"], group.safety_number())

    def test_python_admin(self):
        sara, reza = self.members("sara", "reza")
        hassan, nadia = self.peyk_users("hassan", "nadia")
        group = sara.create_group("team", [hassan, reza.name])
        sara.send_group(group, ["salam"])
        self.assertEqual(self.poll(hassan), (
            [(sara.name, "salam")],
            [("joined", sorted([hassan, reza.name]))]))
        self.send(hassan, group, "aleyk")
        self.send(hassan, group, "chetori")
        for member in (sara, reza):
            got = member.drain()
            self.assertEqual(texts(got)[-2:], [(hassan, "aleyk"),
                                               (hassan, "chetori")])
            self.assertFalse(any(m.missing for m in got
                                 if isinstance(m, pg.GroupMessage)))
        self.assert_same(group, hassan)

        sara.update_group(group, added=[nadia])
        reza.drain()
        reza.send_group(group, ["khosh amadi"])
        sara.update_group(group)
        sara.update_group(group, name="گروه")
        sara.send_group(group, ["new name"])
        sara.update_group(group, removed=[reza.name])
        sara.send_group(group, ["without reza"])
        expected = [(reza.name, "khosh amadi"), (sara.name, "new name"),
                    (sara.name, "without reza")]
        changes = [("key_refreshed", []), ("renamed", ["گروه"]),
                   ("removed", [reza.name])]
        self.assertEqual(self.poll(hassan), (
            expected, [("joined", [nadia]), *changes]))
        self.assertEqual(self.poll(nadia), (
            expected, [("joined", [nadia]), *changes]))
        self.assertEqual(texts(reza.drain()), [(sara.name, "new name")])
        sara.drain()
        self.assert_same(group, hassan, nadia)

        # The admin's role goes to peyk, which uses it, and back.
        sara.update_group(group, admin=hassan)
        self.assertEqual(self.poll(nadia),
                         ([], [("admin_changed", [hassan])]))
        self.poll(hassan)
        self.group_command("rotate", group, user=hassan)
        self.group_command("add", group, reza.name, user=hassan)
        self.send(nadia, group, "from nadia")
        got = reza.drain()
        self.assertEqual(texts(got), [(nadia, "from nadia")])
        self.assertEqual([kind for kind, _ in events(got)],
                         ["joined"])
        self.assertEqual([m.missing for m in got
                          if isinstance(m, pg.GroupMessage)], [False])
        self.assertEqual(texts(sara.drain()), [(nadia, "from nadia")])
        self.group_command("hand-over", group, sara.name, user=hassan)
        sara.drain()
        self.assertEqual(sara.group(group).admin_key, sara.key)
        sara.update_group(group)
        self.poll(hassan), self.poll(nadia), reza.drain()
        self.assert_same(sara.group(group), hassan, nadia)
        self.assert_agree(group, sara, reza)

    def test_peyk_admin(self):
        sara, reza = self.members("sara", "reza")
        hassan, nadia = self.peyk_users("hassan", "nadia")
        made, = self.home.peyk("--json", "group", "create", "team",
                               sara.name, nadia, "--as",
                               hassan).expect(0).objects
        self.assertEqual((made["epoch"], made["role"]), (1, "admin"))
        got = sara.drain()
        self.assertEqual(events(got), [("joined", got[0].names)])
        group = sara.group(int(made["group_id"]))
        self.assertEqual(group.names(), sorted([sara.name, nadia, hassan]))
        sara.send_group(group, ["one", "two"])
        self.assertEqual(self.poll(hassan)[0], [(sara.name, "one"),
                                                (sara.name, "two")])
        self.send(hassan, group, "three")
        self.group_command("add", group, reza.name, user=hassan)
        self.send(hassan, group, "four")
        self.assertEqual(texts(reza.drain()), [(hassan, "four")])
        self.assertEqual(texts(sara.drain()), [(hassan, "three"),
                                               (hassan, "four")])
        self.poll(nadia)
        self.assert_same(group, hassan, nadia)
        self.group_command("remove", group, reza.name, user=hassan)
        self.send(hassan, group, "five")
        got = reza.drain()
        self.assertEqual((texts(got), events(got)[-1][0]), ([], "removed"))
        self.group_command("rename", group, "crew", user=hassan)
        self.assertEqual(texts(sara.drain()), [(hassan, "five")])
        self.assertEqual(group.name, "crew")

        # Somebody leaves, and peyk makes a new key on its own.
        sara.leave_group(group)
        self.assertIn(("left", [sara.name]), self.poll(nadia)[1])
        epoch = group.epoch
        self.poll(hassan)
        self.poll(nadia)
        shown = self.group_command("show", group, user=nadia)
        self.assertEqual(shown["epoch"], epoch + 1)
        self.assertEqual(sorted(m["name"] for m in shown["members"]),
                         sorted([hassan, nadia]))
        self.send(nadia, group, "unheard")
        self.assertEqual(sara.drain(), [])

        # And comes back, to a hand-over.
        self.group_command("add", group, sara.name, user=hassan)
        self.group_command("hand-over", group, sara.name, user=hassan)
        sara.drain()
        sara.update_group(group)
        self.poll(hassan), self.poll(nadia)
        self.assert_same(group, hassan, nadia)
        sara.delete_group(group)
        self.assertEqual(self.poll(nadia)[1], [("deleted", [])])
        self.assertEqual(self.group_command(
            "show", group, user=nadia)["status"], "deleted")

    def test_peyk_leaves(self):
        sara, = self.members("sara")
        hassan, nadia = self.peyk_users("hassan", "nadia")
        group = sara.create_group("team", [hassan, nadia])
        self.poll(hassan)
        sara.send_group(group, ["one"])
        sara.update_group(group)
        sara.send_group(group, ["two"])
        # The statement is of an epoch that hassan's peyk has not seen.
        self.group_command("leave", group, user=hassan)
        sara.send_group(group, ["three"])
        self.assertEqual(self.poll(hassan)[0], [(sara.name, "one"),
                                                (sara.name, "two")])
        self.assertEqual(self.group_command(
            "show", group, user=hassan)["status"], "left")
        self.assertEqual(events(sara.drain())[-1], ("left", [hassan]))
        self.assertIn(("left", [hassan]), self.poll(nadia)[1])
        sara.update_group(group)
        sara.update_group(group, added=[hassan])
        sara.send_group(group, ["four"])
        self.assertEqual(self.poll(hassan)[0], [(sara.name, "four")])
        self.poll(nadia)
        self.assert_same(group, hassan, nadia)

    def test_offline_for_three_epochs(self):
        """Both read it all, in order; what peyk sends then is of the epoch
        that is there."""
        sara, reza = self.members("sara", "reza")
        hassan, nadia = self.peyk_users("hassan", "nadia")
        group = sara.create_group("team", [hassan, reza.name, nadia])
        self.poll(nadia), self.poll(hassan)
        for i in range(3):
            sara.send_group(group, [f"{i} before"])
            sara.update_group(group)
            self.poll(nadia)
            self.send(nadia, group, f"{i} after")
        self.send(hassan, group, "behind")
        expected = [(who, text) for i in range(3) for who, text in (
            (sara.name, f"{i} before"), (nadia, f"{i} after"))]
        self.assertEqual(self.poll(hassan), (
            expected, [("key_refreshed", [])] * 3))
        got = reza.drain()
        self.assertEqual(texts(got), [*expected, (hassan, "behind")])
        self.assertEqual(got[-1].epoch, 4)
        self.assertFalse(any(m.missing for m in got
                             if isinstance(m, pg.GroupMessage)))
        self.assertEqual(self.poll(nadia), ([(hassan, "behind")], []))
        self.assert_same(group, hassan, nadia)
        self.assert_clean(sara, reza)


if __name__ == "__main__":
    harness.main()
