#!/usr/bin/python3
"""peyk in a group among liars: a server that forges, hides, repeats and mixes
up, and members who pretend. Each attack is noticed, and the user told.

R20–R24. The server is the in-memory one of tests/support/, hassan and sahar
use peyk, and all others are members of tests/support/peyk_groups.py, who do
whatever the test makes them do.
"""

import dataclasses
import itertools
import json
import pathlib
import re
import secrets
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
import peyk_groups as pg  # noqa: E402
from harness import Device  # noqa: E402
from peyk_client import e2ee, payload  # noqa: E402
from peyk_group_server import (  # noqa: E402
    ABORTED, FAILED_PRECONDITION, LyingGroupServer)
from peyk.v1 import group_pb2 as group_messages  # noqa: E402

FAILED, KEY_CHANGED = 1, 5

# What was set aside, by the words that people read.
MESSAGE = "messages? to (a group|groups) could not be read"
CHANGE = "changes? of (a group|groups) (was|were) set aside"
INVITATION = "^WARNING: .* invitations? to (a group|groups)"
LETTER = "messages? could not be read"
ASIDE = (MESSAGE, CHANGE, INVITATION, LETTER)


class Seen:
    """What one poll told."""

    def __init__(self, ran):
        self.objects = ran.objects
        self.notices = [line for line in ran.err.splitlines() if line]
        self.texts = [(m["from"], m["text"]) for m in self.objects
                      if m["event"] == "message"]
        self.events = [(m["kind"], m["by"], m["names"]) for m in self.objects
                       if m["event"] == "group_event"]
        self.kinds = [kind for kind, _, _ in self.events]
        self.set_aside = {}  # what a notice calls them -> how many
        for notice in map(json.loads, self.notices):
            if notice["event"] == "set_aside":
                what = next(what for what in ASIDE
                            if re.search(what, notice["message"]))
                self.set_aside[what] = notice["count"]

    def __repr__(self):
        return f"texts {self.texts}, events {self.events}, {self.notices}"


class AttackTest(harness.PeykTest):
    """sara's group of hassan, who uses peyk, reza and mina."""

    serve = False
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lying = LyingGroupServer().start()
        cls.addClassCleanup(cls.lying.stop)
        cls.view = pc.Server(cls.lying.address).connect()
        cls.addClassCleanup(cls.view.close)
        cls.device = Device(cls.lying)
        cls.device.signup("hassan")
        cls.hassan_key = cls.lying.names["hassan"].signing_key
        cls.sara, cls.reza, cls.mina = (
            cls.person(name) for name in ("sara", "reza", "mina"))

    def setUp(self):
        super().setUp()
        self.lying.honest()
        self.lying.deaf.clear()
        with self.lying.lock:
            for record in self.lying.accounts.values():
                record.inbox.clear()
        self.title = f"team {next(self.numbers)}"
        self.group = self.sara.create_group(
            self.title, ["hassan", self.reza.name, self.mina.name])
        self.served = self.lying.groups[self.group.id]
        self.assertEqual(self.poll().kinds, ["joined"])
        self.catch_up()

    @classmethod
    def person(cls, word):
        member = pg.Member(cls.view, harness.unique(word))
        member.sign_up()
        return member

    def catch_up(self, *members):
        for member in members or (self.sara, self.reza, self.mina):
            member.drain()

    # --- what hassan sees

    def poll(self, name="hassan"):
        return Seen(self.device.peyk("--json", "poll", "--as",
                                     name).expect(0))

    def warnings(self):
        """What a poll says to people: the lines that warn."""
        ran = self.device.peyk("poll", "--as", "hassan").expect(0)
        return [line for line in ran.out.splitlines() if "WARNING" in line]

    def show(self, name="hassan"):
        shown, = self.device.peyk("--json", "group", "show", "--as", name,
                                  str(self.group.id)).expect(0).objects
        return shown

    def assert_unmoved(self, seen, lies):
        """assert_set_aside(), and honest members are still read."""
        self.assert_set_aside(seen, lies)
        self.assert_goes_on()

    def assert_set_aside(self, seen, lies):
        """Each lie was set aside and told, and changed nothing.
        lies: what of ASIDE -> how many."""
        self.assertEqual((seen.texts, seen.events), ([], []), seen)
        self.assertEqual(seen.set_aside, lies, seen)
        shown = self.show()
        self.assertEqual((shown["epoch"], shown["status"]), (1, "active"))
        self.assertEqual(
            {m["name"]: m["left"] for m in shown["members"]},
            dict.fromkeys(["hassan", self.sara.name, self.reza.name,
                           self.mina.name], False))

    def assert_goes_on(self):
        """An honest member is still read."""
        text = secrets.token_hex(8)
        self.sara.drain()
        self.sara.send_group(self.group, [text])
        self.assertEqual(self.poll().texts, [(self.sara.name, text)])

    # --- what liars make

    def swap(self, name):
        """The server has other keys for a name: whose they are now."""
        mallory = pg.Member(self.view, name)
        mallory.sign_up_request()
        record = self.lying.names[name]
        false = dataclasses.replace(
            record, signing_key=mallory.key,
            encryption_key=pc.raw_public(mallory.encryption),
            identity=mallory.signed_identity, inbox=[])
        self.lying.names[name] = self.lying.accounts[mallory.key] = false
        self.addCleanup(self.lying.names.__setitem__, name, record)
        return mallory

    def deliver(self, update, **changes):
        """To hassan, as if it had happened."""
        self.lying.deliver_update(update, self.hassan_key, **changes)

    def forged(self, change=lambda roster: None, signing=None, author=None,
               epoch=2):
        """The KeyUpdate of the next epoch, without sara's doing: signed with
        another key, the letter by whoever it is."""
        author = author or self.mina
        own = author.group(self.group)
        roster = group_messages.Roster()
        roster.CopyFrom(own.roster)
        roster.epoch = epoch
        roster.previous_hash = own.roster_hash
        change(roster)
        ordered = sorted(roster.members, key=lambda m: m.signing_key)
        del roster.members[:]
        roster.members.extend(ordered)
        update = pg.Update(author, own, "RotateGroupKey", roster,
                           secrets.token_bytes(32), [], [])
        update.signing = signing or author.signing
        return update.request().update

    def add(self, person):
        def change(roster):
            roster.members.add(
                username=person.name, signing_key=person.key,
                encryption_key=pc.raw_public(person.encryption))
        return change

    def without(self, person):
        def change(roster):
            kept = [m for m in roster.members if m.signing_key != person.key]
            del roster.members[:]
            roster.members.extend(kept)
        return change


class Rosters(AttackTest):
    """R23: who is in the group, the admin says and nobody else."""

    def test_the_server_adds_a_member(self):
        """Whoever signs it, and whether or not it says to be the admin."""
        mallory = self.person("mallory")
        add = self.add(mallory)

        def take_over(roster):
            add(roster)
            roster.admin_key = mallory.key
        mallory.groups[self.group.id] = self.mina.group(self.group)
        for signer, change in ((self.lying.identity, add),
                               (mallory.signing, add),
                               (mallory.signing, take_over)):
            update = self.forged(change, signing=signer, author=mallory)
            self.deliver(update)
        # sara's own signature, on another content
        update = self.forged(add)
        update.roster.signature = self.served.roster.signature
        self.deliver(update)
        self.assert_unmoved(self.poll(), {CHANGE: 4})

    def test_the_server_delivers_to_somebody_more(self):
        """Who only gets the bytes reads nothing, and is not heard."""
        mallory = self.person("mallory")
        self.served.members.add(mallory.key)
        self.sara.send_group(self.group, ["not for mallory"])
        self.assertEqual(self.poll().texts,
                         [(self.sara.name, "not for mallory")])
        self.assertEqual(mallory.drain(), [])
        group = mallory.groups[self.group.id]
        self.assertEqual((group.epoch, len(group.queue)), (0, 1))
        chain = keys.Chain.of(secrets.token_bytes(32), self.group.id, 1,
                              mallory.key)
        group.epoch, group.hashes[1] = 1, self.group.roster_hash
        mallory.send_sealed(group, [mallory.seal_group_text(
            group, "let me in", chain=chain)])
        self.assert_unmoved(self.poll(), {MESSAGE: 1})

    def test_the_server_drops_one_from_the_list(self):
        """By a roster, by a farewell, by a leave: none that sara signed."""
        self.deliver(self.forged(self.without(self.reza),
                                 signing=self.lying.identity))
        leave = keys.make_leave(self.lying.identity, self.group.id, 1,
                                self.group.roster_hash, self.reza.key)
        self.lying.deliver(self.hassan_key, b"", group_id=self.group.id,
                           epoch=1, leave=leave.SerializeToString())
        mallory = self.person("mallory")
        for is_deleted in (False, True):
            self.lying.deliver(self.hassan_key, mallory.seal_letter(
                self.group.member("hassan"), e2ee.GroupFarewell(
                    group_id=self.group.id, epoch=2 - is_deleted,
                    is_deleted=is_deleted)))
        self.assert_unmoved(self.poll(), {CHANGE: 4})

    def test_the_server_hides_an_update(self):
        """The next one that arrives shows the gap."""
        self.lying.deaf.add(self.hassan_key)
        self.sara.update_group(self.group, removed=[self.reza.name])
        self.lying.deaf.clear()
        self.sara.update_group(self.group, name="without reza")
        warning, = self.warnings()
        self.assertIn("without reza", warning)
        missed = [m for m in self.device.history("hassan")
                  if m["event"] == "group_event"
                  and m["group_id"] == str(self.group.id)]
        self.assertIn("roster_missed", [m["kind"] for m in missed])
        shown = self.show()
        self.assertEqual(shown["epoch"], 3)
        self.assertNotIn(self.reza.name, [m["name"] for m in
                                          shown["members"]])

    def test_the_server_repeats_an_old_roster(self):
        """And the letter with it: reza was removed, and stays removed."""
        self.sara.update_group(self.group, removed=[self.reza.name])
        self.assertEqual(self.poll().events, [
            ("removed", self.sara.name, [self.reza.name])])
        first, second = self.served.updates
        for update in (first, second, first):
            self.deliver(update)
            # ... or under the number of the next epoch
            self.deliver(update, epoch=3)
        seen = self.poll()
        self.assertEqual((seen.texts, seen.events), ([], []), seen)
        shown = self.show()
        self.assertEqual((shown["epoch"], shown["member_count"]), (2, 3))
        self.assert_goes_on()

    def test_the_server_repeats_an_old_roster_to_who_was_removed(self):
        """Nobody comes back by an epoch before the removal."""
        self.sara.update_group(self.group, removed=["hassan"])
        self.assertEqual(self.poll().events, [
            ("removed", self.sara.name, ["hassan"])])
        self.deliver(self.served.updates[0])
        self.assertEqual(self.poll().events, [])
        self.assertEqual(self.show()["status"], "removed")
        # the farewell again, when hassan is back
        farewell = {entry.member_key: entry.ciphertext
                    for entry in self.served.updates[1].letters
                    }[self.hassan_key]
        self.sara.update_group(self.group, added=["hassan"])
        self.assertEqual(self.poll().kinds, ["joined"])
        self.lying.deliver(self.hassan_key, farewell)
        self.assertEqual(self.poll().events, [])
        self.assertEqual(self.show()["status"], "active")
        self.assert_goes_on()

    def test_the_server_repeats_an_old_leave(self):
        """A leave ends the stay that it was signed in, not the next one."""
        self.reza.leave_group(self.group)
        leave = self.served.leaves[0].SerializeToString()
        self.sara.drain()
        self.sara.update_group(self.group)
        self.sara.update_group(self.group, added=[self.reza.name])
        self.assertEqual(self.poll().kinds,
                         ["left", "key_refreshed", "joined"])
        self.lying.deliver(self.hassan_key, b"", group_id=self.group.id,
                           epoch=3, leave=leave)
        self.assertEqual(self.poll().events, [])
        self.assertEqual([m["left"] for m in self.show()["members"]],
                         [False] * 4)

    def test_who_was_the_admin_signs_on(self):
        """With the server's help, after handing over: sara is a member like
        others then."""
        self.sara.update_group(self.group, admin=self.reza.name)
        self.assertEqual(self.poll().events, [
            ("admin_changed", self.sara.name, [self.reza.name])])
        mallory = self.person("mallory")
        self.deliver(self.forged(self.add(mallory), author=self.sara,
                                 epoch=3))
        self.lying.deliver(self.hassan_key, self.sara.seal_letter(
            self.group.member("hassan"), e2ee.GroupFarewell(
                group_id=self.group.id, epoch=3)))
        seen = self.poll()
        self.assertEqual((seen.events, seen.set_aside), ([], {CHANGE: 2}),
                         seen)
        self.assertEqual(self.show()["epoch"], 2)
        self.reza.drain()
        self.reza.update_group(self.group)
        self.assertEqual(self.poll().events, [
            ("key_refreshed", self.reza.name, [])])

    def test_an_admin_shows_two_rosters_of_one_epoch(self):
        """Both are well signed, of one key: hassan's has no mallory. The
        first message of who has the other one shows it, and so does the
        safety number."""
        mallory = self.person("mallory")
        one = self.sara.draft_update(self.group).finish()
        other = self.sara.draft_update(self.group, added=[
            self.sara.get_key(mallory.name)], rpc="RotateGroupKey")
        other.admin_secret, other.named = one.admin_secret, []
        self.lying.deaf.add(self.hassan_key)
        self.sara.submit(other)
        self.lying.deaf.clear()
        self.deliver(one.request().update)
        seen = self.poll()
        self.assertEqual(seen.kinds, ["key_refreshed"], seen)
        self.assertFalse(self.show()["forked"])
        self.catch_up()

        number = self.reza.group(self.group).safety_number()
        self.assertNotEqual(self.show()["safety_number"], number)
        ran = self.device.peyk("verify", "--as", "hassan",
                               f"@{self.group.id}", "--expect", number)
        self.assertEqual(ran.code, FAILED, ran)
        self.assertIn("DIFFER", ran.err)

        self.reza.send_group(self.group, ["who is mallory?"])
        warning, = self.warnings()
        self.assertIn(self.reza.name, warning)
        self.assertTrue(self.show()["forked"])
        told = [m for m in self.device.history("hassan",
                                               f"@{self.group.id}")]
        self.assertIn((self.reza.name, "who is mallory?"),
                      [(m["from"], m["text"]) for m in told
                       if m["event"] == "message"])
        self.assertIn(("forked", self.reza.name),
                      [(m["kind"], m["by"]) for m in told
                       if m["event"] == "group_event"])

    def test_the_server_makes_the_admin_sign_twice(self):
        """It refuses an update, keeps it, and shows it to hassan: the others
        have another key, so that nothing passes between them, and with the
        next update hassan hears that there was another roster."""
        kept = []

        def refuse_once(_group, update):
            if not kept:
                kept.append(update)
                raise self.lying.Refusal(ABORTED, "again")
        self.lying.on_update = refuse_once
        self.lying.deaf.add(self.hassan_key)
        self.sara.update_group(self.group)
        self.lying.deaf.clear()
        # the letter of one with the roster of the other
        self.deliver(kept[0], roster=self.served.roster)
        self.assert_set_aside(self.poll(), {CHANGE: 1})
        self.deliver(kept[0])
        self.assertEqual(self.poll().kinds, ["key_refreshed"])
        self.catch_up()
        self.assertNotEqual(self.show()["safety_number"],
                            self.reza.group(self.group).safety_number())
        self.reza.send_group(self.group, ["salam"])
        seen = self.poll()
        self.assertEqual((seen.texts, seen.set_aside), ([], {MESSAGE: 1}),
                         seen)
        self.sara.update_group(self.group)
        self.assertEqual(self.poll().kinds,
                         ["roster_missed", "key_refreshed"])
        self.assert_goes_on()

    def test_the_server_swaps_letters(self):
        """hassan gets reza's letter, an old one, one by somebody else, one
        without a key, and none; the roster is sara's own each time."""
        self.lying.deaf.add(self.hassan_key)
        self.sara.update_group(self.group)
        self.lying.deaf.clear()
        first, second = self.served.updates
        old, letters = ({entry.member_key: entry.ciphertext
                         for entry in update.letters}
                        for update in (first, second))
        me = self.group.member("hassan")
        key = e2ee.GroupKey(group_id=self.group.id, epoch=2,
                            roster_hash=self.group.roster_hash,
                            admin_secret=bytes(32), server_share=bytes(32))
        for letter in (letters[self.reza.key], old[self.hassan_key],
                       self.mina.seal_letter(me, key),
                       self.sara.seal_letter(me, e2ee.GroupFarewell(
                           group_id=self.group.id, epoch=9)),
                       letters[self.hassan_key][:-1], b""):
            self.deliver(second, letter=letter)
        self.assert_set_aside(self.poll(), {CHANGE: 6})
        self.deliver(second)
        self.assertEqual(self.poll().kinds, ["key_refreshed"])
        self.assert_goes_on()


class Keys(AttackTest):
    """R19, R23: whose key it is."""

    def test_the_server_swaps_a_members_key_for_the_admin(self):
        """sara takes in who she believes to be nadia; hassan knows better."""
        nadia = self.person("nadia")
        self.device.peyk("verify", "--as", "hassan", nadia.name).expect(0)
        mallory = self.swap(nadia.name)
        self.sara.update_group(self.group, added=[nadia.name])
        warning, = self.warnings()
        self.assertIn(nadia.name, warning)
        told = [m for m in self.device.history("hassan",
                                               f"@{self.group.id}")
                if m["event"] == "group_event"]
        self.assertIn(("key_conflict", [nadia.name]),
                      [(m["kind"], m["names"]) for m in told])
        shown = {m["name"]: m for m in self.show()["members"]}
        self.assertEqual(shown[nadia.name]["key"], "conflicting")
        self.assertEqual(shown[nadia.name]["signing_key"],
                         mallory.key.hex())

    def test_the_server_swaps_the_admins_key(self):
        """A group by somebody in sara's name: hassan does not join it."""
        mallory = self.swap(self.sara.name)
        false = pg.Group(self.group.id ^ 1)
        roster = group_messages.Roster(
            group_id=false.id, epoch=1, name="false",
            server_key=self.view.identity_key, admin_key=mallory.key,
            members=sorted(
                [mallory._roster_member(pc.Person(
                    mallory.name, mallory.key,
                    pc.raw_public(mallory.encryption), b"")),
                 self.group.member("hassan")],
                key=lambda m: m.signing_key))
        update = pg.Update(mallory, false, "RotateGroupKey", roster,
                           secrets.token_bytes(32), [], [])
        self.deliver(update.request().update)
        seen = self.poll()
        self.assertEqual(seen.events, [], seen)
        listed = self.device.peyk("--json", "group", "list", "--as",
                                  "hassan").expect(0).objects
        self.assertNotIn(str(false.id), [g["group_id"] for g in listed])
        self.assertEqual(seen.set_aside, {INVITATION: 1}, seen)

    def test_the_admin_wraps_a_wrong_key_for_one_member(self):
        """hassan can tell, says so, and reads again from the next key on."""
        update = self.sara.draft_update(self.group)
        update.admin_secrets[self.hassan_key] = secrets.token_bytes(32)
        self.sara.submit(update)
        self.reza.drain()
        self.reza.send_group(self.group, ["without hassan"])
        warning, = self.warnings()
        self.assertIn(self.sara.name, warning)
        told = [m for m in self.device.history("hassan",
                                               f"@{self.group.id}")]
        self.assertIn(("key_wrong", self.sara.name),
                      [(m["kind"], m["by"]) for m in told
                       if m["event"] == "group_event"])
        self.assertNotIn("without hassan", [m.get("text") for m in told])
        shown = self.show()
        self.assertEqual((shown["epoch"], shown["waiting"]), (2, 1))
        # what hassan writes waits for a key, too
        self.device.peyk("group", "send", "--as", "hassan",
                         str(self.group.id), "are you there?")
        self.assertEqual(self.reza.drain(), [])
        self.sara.update_group(self.group)
        seen = self.poll()
        self.assertEqual(seen.kinds, ["key_refreshed"])
        # reza's message will never be readable
        self.assertEqual(seen.set_aside, {MESSAGE: 1}, seen)
        self.assertEqual(pg.texts(self.reza.drain()),
                         [("hassan", "are you there?")])
        self.assert_goes_on()


class Messages(AttackTest):
    """R22: who wrote what, and once."""

    def chain(self, of, by=None):
        """The chain of `of` at its beginning: every member can make it."""
        secret = (by or self.mina).group(self.group).secrets[1].group_secret
        return keys.Chain.of(secret, self.group.id, 1, of.key)

    def test_a_member_forges_anothers_message(self):
        """mina has the key of all, but not reza's own."""
        own = self.mina.group(self.group)

        self.mina.send_sealed(own, [
            # reza's place, mina's signature
            self.mina.seal_group_text(own, "by mina",
                                      chain=self.chain(self.reza),
                                      sender_key=self.reza.key),
            # mina's place and signature, reza's name
            self.sealed_as(own, self.reza.key)])
        self.assert_unmoved(self.poll(), {MESSAGE: 2})
        # reza's chain has not moved on
        self.reza.send_group(self.group, ["by reza"])
        self.assertEqual(self.poll().texts, [(self.reza.name, "by reza")])

    def sealed_as(self, own, named):
        """A ciphertext of mina's whose content names somebody else."""
        index = own.sending.index
        message_key = own.sending.step()
        content = pc.pad(e2ee.GroupMessageContent(
            group_id=own.id, epoch=1, roster_hash=own.roster_hash,
            sender_key=named, index=index, message_id=secrets.token_bytes(16),
            sent_at_ms=pc.now_ms(), counter=1, text="by mina"))
        plaintext = pc.signed_message(self.mina.signing,
                                      keys.LABEL_GROUP_MESSAGE, content)
        return keys.seal_group_message(
            plaintext, message_key,
            keys.message_place(own.id, 1, self.mina.key, index))

    def test_a_member_repeats_anothers_message(self):
        """As it is, and in other places: each text is shown once."""
        group = self.reza.group(self.group)
        ciphertext = self.reza.seal_group_text(group, "once")
        self.reza.send_sealed(group, [ciphertext])
        self.assertEqual(self.poll().texts, [(self.reza.name, "once")])
        own = self.mina.group(self.group)
        plaintext = keys.decrypt_group_message(
            ciphertext, self.chain(self.reza).take(0), group.id, 1)
        chain = self.chain(self.reza)
        chain.step()
        index = chain.index
        again = keys.seal_group_message(
            plaintext, chain.step(),
            keys.message_place(group.id, 1, self.reza.key, index))
        as_mina = keys.seal_group_message(
            plaintext, own.sending.step(),
            keys.message_place(group.id, 1, self.mina.key, 0))
        self.mina.send_sealed(own, [ciphertext, again, as_mina])
        self.assert_unmoved(self.poll(), {MESSAGE: 3})
        # by the server, in another epoch, and under another id
        self.sara.update_group(self.group)
        for epoch in (1, 2):
            self.lying.deliver_to_group(self.served, ciphertext, epoch=epoch)
        self.assertEqual(self.poll().texts, [])
        # by its author: the same message twice
        self.reza.drain()
        self.reza.send_sealed(group, [self.reza.seal_group_text(
            group, "by reza", message_id=b"twice" + bytes(11))
            for _ in range(2)])
        self.assertEqual(self.poll().texts, [(self.reza.name, "by reza")])

    def test_a_member_runs_ahead_in_its_chain(self):
        """Of the keys that are passed over hassan keeps so many and no more,
        and is told how many messages seem to be missing."""
        own = self.mina.group(self.group)
        for _ in range(keys.SKIP_MAX):
            own.sending.step()
        self.mina.send_group(own, ["far"])
        first, = (m for m in self.poll().objects if m["event"] == "message")
        self.assertEqual((first["text"], first["order"],
                          first["missing_before"]),
                         ("far", "missing", keys.SKIP_MAX))
        here = own.sending.copy()
        for _ in range(keys.SKIP_MAX + 1):
            own.sending.step()
        self.mina.send_group(own, ["too far"])
        self.assert_unmoved(self.poll(), {MESSAGE: 1})
        own.sending = here
        self.mina.send_group(own, ["here"])
        self.assertEqual(self.poll().texts, [(self.mina.name, "here")])

    def test_who_was_removed_writes_on(self):
        """The server refuses it; with the server's help it is unreadable in
        every epoch but its last one."""
        own = self.mina.group(self.group)
        before = self.mina.seal_group_text(own, "before")
        self.mina.send_sealed(own, [before])
        self.sara.update_group(self.group, removed=[self.mina.name])
        seen = self.poll()
        self.assertEqual(seen.texts, [(self.mina.name, "before")])
        self.assertEqual(seen.kinds, ["removed"])
        after = self.mina.seal_group_text(own, "after")
        result, = self.mina.send_sealed(own, [after])
        self.assertEqual(result.outcome, payload.SEND_OUTCOME_UNKNOWN_GROUP)
        as_next = self.mina.seal_group_text(own, "after", epoch=2)
        for ciphertext in (after, as_next):
            self.lying.deliver_to_group(self.served, ciphertext, epoch=2)
        seen = self.poll()
        self.assertEqual((seen.texts, seen.set_aside), ([], {MESSAGE: 2}),
                         seen)
        # under the old key it is a message of that time, which came late
        self.lying.deliver_to_group(self.served, after, epoch=1)
        self.assertEqual([(m["text"], m["epoch"]) for m in
                          self.poll().objects], [("after", 1)])
        self.assert_goes_on()

    def test_the_server_drops_and_reorders_messages(self):
        """What is missing is told with the next message of its sender."""
        group = self.reza.group(self.group)
        self.reza.send_group(self.group, ["one"])
        self.poll()
        self.reza.send_group(self.group, ["two", "three", "four"])
        with self.lying.lock:
            inbox = self.lying.accounts[self.hassan_key].inbox
            two, three, four = inbox[-3:]
            inbox[-3:] = [four, three]
        seen = self.poll()
        self.assertEqual(sorted(seen.texts), [(self.reza.name, "four"),
                                              (self.reza.name, "three")])
        orders = {m["text"]: (m["order"], m["missing_before"])
                  for m in seen.objects if m["event"] == "message"}
        self.assertEqual(orders["four"], ("missing", 2))
        self.assertEqual(orders["three"][0], "earlier")
        self.lying.deliver(self.hassan_key, two.ciphertext,
                           group_id=group.id, epoch=1)
        seen = self.poll()
        self.assertEqual(seen.texts, [(self.reza.name, "two")])


class Admin(AttackTest):
    """What the server tells the admin's own client (sahar, with peyk)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device.signup("sahar")

    def setUp(self):
        super().setUp()
        ran = self.device.peyk("--json", "group", "create", "--as", "sahar",
                               f"sahar {self.title}", self.reza.name,
                               self.mina.name).expect(0)
        made, = ran.objects
        self.group_id = int(made["group_id"])
        self.served = self.lying.groups[self.group_id]
        self.assertEqual((made["epoch"], self.served.epoch), (1, 1))
        self.catch_up()

    def change(self, verb, *args):
        return self.device.peyk("group", verb, "--as", "sahar",
                                str(self.group_id), *args)

    def assert_told(self, ran, *codes):
        self.assertIn(ran.code, codes, ran)
        self.assertIn("WARNING", ran.err)
        shown, = self.device.peyk(
            "--json", "group", "show", "--as", "sahar",
            str(self.group_id)).expect(0).objects
        self.assertEqual((shown["epoch"], shown["member_count"]), (1, 3))

    def reply_with(self, change):
        def on_result(call, reply):
            if call.method.endswith("/GetGroup"):
                body = group_messages.GetGroupResponse.FromString(reply.body)
                change(body)
                reply.body = body.SerializeToString()
        self.lying.on_result = on_result

    def test_the_server_shows_the_admin_another_roster(self):
        """With somebody more, of another group, and none at all."""
        mallory = self.person("mallory")
        mallory.groups[self.group_id] = self.mina.group(self.group_id)
        self.group = self.mina.group(self.group_id)
        forged = self.forged(self.add(mallory), author=mallory, epoch=1)
        for roster in (forged.roster, self.lying.groups[
                self.sara_group_id()].roster, payload.SignedMessage()):
            with self.subTest(roster=len(roster.content)):
                self.reply_with(lambda body: body.roster.CopyFrom(roster))
                self.assert_told(self.change("rotate"), KEY_CHANGED)
        self.lying.honest()
        self.change("rotate").expect(0)
        for member in (self.reza, self.mina):
            self.assertEqual(pg.events(member.drain()), [("rotated", [])])

    def sara_group_id(self):
        return next(id_ for id_, group in self.lying.groups.items()
                    if group.admin == self.sara.key)

    def test_the_server_shows_the_admin_a_forged_leave(self):
        """Nobody loses a member to a leave that the member never signed."""
        roster_hash = self.reza.group(self.group_id).roster_hash
        leave = keys.make_leave(self.lying.identity, self.group_id, 1,
                                roster_hash, self.reza.key)
        self.reply_with(lambda body: body.leaves.add().CopyFrom(leave))
        self.assert_told(self.change("rotate"), KEY_CHANGED)

    def test_the_server_swaps_a_key_that_the_admin_knows(self):
        """Nobody is taken in under other keys than the pinned ones."""
        nadia = self.person("nadia")
        self.device.peyk("verify", "--as", "sahar", nadia.name).expect(0)
        self.swap(nadia.name)

        def not_current(_group, update):
            roster = group_messages.Roster.FromString(update.roster.content)
            self.assertIn(nadia.key, [m.signing_key for m in roster.members])
            raise self.lying.Refusal(FAILED_PRECONDITION, "not current")
        self.lying.on_update = not_current
        self.assert_told(self.change("add", nadia.name), KEY_CHANGED)
        self.assertEqual(self.served.epoch, 1)


if __name__ == "__main__":
    harness.main()
