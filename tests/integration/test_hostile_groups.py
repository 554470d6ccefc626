#!/usr/bin/python3
"""Calls of groups that break a rule: each is refused with its code, and
leaves the group as it was.

R17, R23, R24. What dishonest members and servers do to clients is in
test_group_attacks.py.
"""

import copy
import pathlib
import secrets
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import grpc  # noqa: E402
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
import peyk_groups as pg  # noqa: E402
from peyk.v1 import group_pb2 as messages  # noqa: E402
from peyk_client import payload  # noqa: E402

CODE = grpc.StatusCode
UPDATES = ("RotateGroupKey", "AddMember", "RemoveMember", "UpdateGroup")
LETTER_MIN, LETTER_MAX = 48, 4096
ROSTER_MAX = 384 << 10

# All that a refused call might have changed.
STATE = """
SELECT 'group', g::text FROM groups g UNION ALL
SELECT 'member', m::text FROM group_members m UNION ALL
SELECT 'of', m::text FROM member_groups m UNION ALL
SELECT 'messages', count(*)::text FROM messages ORDER BY 1, 2
"""


def person(account):
    return pc.Person(account.name, account.key,
                     pc.raw_public(account.encryption), b"")


class HostileGroups(harness.PeykTest):
    """sara is the admin of a new group in each test, hassan and reza are
    members, mina is not."""

    tls = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.wire = pc.Server(cls.server.address, tls=False).connect()
        cls.addClassCleanup(cls.wire.close)
        cls.people = [pg.Member(cls.wire, word)
                      for word in ("sara", "hassan", "reza", "mina")]
        for member in cls.people:
            member.sign_up()

    def setUp(self):
        super().setUp()
        self.sara, self.hassan, self.reza, self.mina = self.people
        self.group = self.sara.create_group("team", ["hassan", "reza"])
        self.hassan.drain()
        self.reza.drain()

    # --- what is asked, and what is expected

    def state(self):
        return self.server.sql(STATE)

    def ask(self, member, method, request):
        """One request; its number is used."""
        content = member.content(pc.SERVICE + method,
                                 request.SerializeToString())
        reply = member.settle(pc.SERVICE + method, content)
        self.assertIn(reply.disposition, (payload.DISPOSITION_DONE,
                                          payload.DISPOSITION_REFUSED))
        again = member.settle(pc.SERVICE + method, content)
        self.assertEqual((again.code, again.message, again.body),
                         (reply.code, reply.message, reply.body),
                         "expected the same again")
        member.sequence += 1
        return reply

    def refused(self, member, method, request, code, why=""):
        """It is, for a reason that a person is told; nothing changes."""
        before = self.state()
        reply = self.ask(member, method, request)
        said = f"{why}: {method}: {reply.message}"
        self.assertEqual(grpc_code(reply.code), code, said)
        self.assertRegex(reply.message, r"^[A-Z][^\n]{15,}\.$", said)
        self.assertEqual(self.state(), before, said)
        return reply

    def done(self, member, method, request):
        reply = self.ask(member, method, request)
        self.assertEqual(reply.code, 0, reply.message)
        return reply

    def pretend(self, member, group=None):
        """Lets a member draft updates of a group as if it were the admin,
        who told it everything."""
        group = group or self.group
        known = member.groups[group.id] = copy.copy(
            self.sara.group(group))
        return known

    def draft(self, member=None, rpc="RotateGroupKey", **changes):
        return (member or self.sara).draft_update(self.group, rpc=rpc,
                                                  **changes)

    def drafts(self, member):
        """The four updates, each as this member would make it as admin."""
        mina = person(self.mina)
        return {
            "RotateGroupKey": self.draft(member),
            "AddMember": self.draft(member, "AddMember", added=[mina]),
            "RemoveMember": self.draft(member, "RemoveMember",
                                       removed=["reza"]),
            "UpdateGroup": self.draft(member, "UpdateGroup", name="ours"),
        }

    def leave_request(self, member, group=None, **changes):
        group = group or self.group
        fields = dict(signing=member.signing, group_id=group.id,
                      epoch=group.epoch, roster_hash=group.roster_hash)
        fields.update(changes)
        return messages.LeaveGroupRequest(
            group_id=group.id, leave=keys.make_leave(**fields))

    def get(self, group=None):
        return messages.GetGroupRequest(group_id=(group or self.group).id)

    def delete(self, epoch=None, letters=()):
        return messages.DeleteGroupRequest(
            group_id=self.group.id,
            epoch=self.group.epoch if epoch is None else epoch,
            letters=letters)

    def outcomes(self, member, *outgoing):
        reply = self.ask(member, "Send",
                         payload.SendRequest(messages=outgoing))
        self.assertEqual(reply.code, 0, reply.message)
        return [result.outcome for result in
                payload.SendResponse.FromString(reply.body).results]

    def to_group(self, **fields):
        values = dict(group_id=self.group.id, epoch=self.group.epoch,
                      ciphertext=secrets.token_bytes(400))
        values.update(fields)
        return payload.OutgoingMessage(**values)

    def assert_still_works(self):
        """An honest update and message after all that."""
        self.sara.update_group(self.group)
        self.sara.send_group(self.group, ["still here"])
        got = self.reza.drain()
        self.assertEqual(pg.texts(got), [("sara", "still here")])

    # --- who may not

    def test_R23_a_stranger_can_do_nothing(self):
        mina = self.mina
        self.pretend(mina)
        before = self.state()
        requests = [("GetGroup", self.get()),
                    ("LeaveGroup", self.leave_request(mina)),
                    ("DeleteGroup", self.delete())]
        for rpc, update in self.drafts(mina).items():
            update.roster.members.append(mina._roster_member(person(mina)))
            members = {m.signing_key: m for m in update.roster.members}
            del update.roster.members[:]
            update.roster.members.extend(
                members[key] for key in sorted(members))
            requests.append((rpc, update.request()))
        texts = set()
        for method, request in requests:
            reply = self.refused(mina, method, request, CODE.NOT_FOUND)
            texts.add(reply.message)
        self.assertEqual(
            self.outcomes(mina, self.to_group(), self.to_group(epoch=9)),
            [payload.SEND_OUTCOME_UNKNOWN_GROUP] * 2)
        self.assertNotIn(self.group.id,
                         [g.group_id for g in mina.list_groups()])
        # Exactly as if there were no such group.
        for group_id in (self.group.id ^ 1, 0, 1 << 63, (1 << 64) - 1):
            for method, request in (
                    ("GetGroup", messages.GetGroupRequest()),
                    ("LeaveGroup", self.leave_request(mina)),
                    ("DeleteGroup", messages.DeleteGroupRequest())):
                request.group_id = group_id
                if method == "LeaveGroup" and 0 < group_id < 1 << 63:
                    request.leave.CopyFrom(self.leave_request(
                        mina, group_id=group_id).leave)
                texts.add(self.refused(mina, method, request,
                                       CODE.NOT_FOUND).message)
        self.assertEqual(len(texts), 1, texts)
        self.assertEqual(self.state(), before)
        self.assertEqual(mina.drain(), [])

    def test_R24_a_member_cannot_do_what_the_admin_does(self):
        hassan = self.hassan
        self.pretend(hassan)
        for rpc, update in self.drafts(hassan).items():
            self.refused(hassan, rpc, update.request(),
                         CODE.PERMISSION_DENIED, "signed by itself")
        self.refused(hassan, "DeleteGroup", self.delete(),
                     CODE.PERMISSION_DENIED)
        update = self.draft(hassan, "UpdateGroup")
        update.roster.admin_key = self.sara.key
        self.refused(hassan, "UpdateGroup", update.request(),
                     CODE.PERMISSION_DENIED, "names the admin")
        update = self.draft(hassan)
        update.roster.admin_key = self.sara.key
        self.refused(hassan, "RotateGroupKey", update.request(),
                     CODE.INVALID_ARGUMENT, "names the admin")
        for rpc, update in self.drafts(self.sara).items():
            self.refused(hassan, rpc, update.request(),
                         CODE.INVALID_ARGUMENT, "made by the admin")
        reply = messages.GetGroupResponse.FromString(
            self.done(hassan, "GetGroup", self.get()).body)
        self.assertEqual((reply.next_share, list(reply.member_keys)),
                         (b"", []))
        self.assert_still_works()

    def assert_out(self, member):
        """Who is no member any more."""
        for method, request in (("GetGroup", self.get()),
                                ("LeaveGroup", self.leave_request(member)),
                                ("DeleteGroup", self.delete())):
            self.refused(member, method, request, CODE.NOT_FOUND)
        self.assertEqual(
            self.outcomes(member, self.to_group(), self.to_group(
                epoch=self.group.epoch + 1)),
            [payload.SEND_OUTCOME_UNKNOWN_GROUP] * 2)
        self.assertNotIn(self.group.id,
                         [g.group_id for g in member.list_groups()])

    def test_R23_a_removed_member_is_out(self):
        self.sara.update_group(self.group, removed=["hassan"])
        self.sara.send_group(self.group, ["without you"])
        self.assert_out(self.hassan)
        got = self.hassan.drain()
        self.assertEqual([e.kind for e in got], ["removed"])
        self.assert_still_works_after("without you")

    def assert_still_works_after(self, text):
        self.sara.send_group(self.group, ["still here"])
        self.assertEqual(pg.texts(self.reza.drain()),
                         [("sara", text), ("sara", "still here")])

    def test_R23_who_has_left_is_out(self):
        self.done(self.hassan, "LeaveGroup", self.leave_request(self.hassan))
        self.assert_out(self.hassan)
        # In the same epoch still, whose key it has.
        self.sara.send_group(self.group, ["without you"])
        self.assertEqual(self.hassan.drain(), [])
        # It is out of the next roster, too.
        update = self.draft()
        self.refused(self.sara, "RotateGroupKey", update.request(),
                     CODE.FAILED_PRECONDITION, "with who has left")
        self.assert_still_works_after("without you")

    def test_a_former_admin_is_a_member(self):
        old = self.draft(name="later", rpc="UpdateGroup")
        self.sara.update_group(self.group, admin="hassan")
        self.refused(self.sara, "UpdateGroup", old.request(),
                     CODE.PERMISSION_DENIED, "made before the hand-over")
        self.sara.group(self.group).next_share = old.server_share
        self.refused(self.sara, "RotateGroupKey", self.draft().request(),
                     CODE.PERMISSION_DENIED)
        self.refused(self.sara, "DeleteGroup", self.delete(epoch=2),
                     CODE.PERMISSION_DENIED)
        self.hassan.drain()
        self.hassan.update_group(self.group)
        self.assertEqual(self.hassan.group(self.group).epoch, 3)

    # --- rosters that lie

    def update_refused(self, code, why, change, rpc="RotateGroupKey",
                       **changes):
        """change(update) before it is signed; a finished update if it
        returns one."""
        update = self.draft(None, rpc, **changes)
        change(update)
        self.refused(self.sara, rpc, update.request(), code, why)

    def test_R24_rosters_that_lie(self):
        group, mina = self.group, person(self.mina)
        other = self.sara.create_group("other", ["hassan"])

        def roster(**fields):
            def change(update):
                for name, value in fields.items():
                    setattr(update.roster, name, value)
            return change

        def as_members(*members):
            def change(update):
                del update.roster.members[:]
                update.roster.members.extend(members)
            return change

        def signed_as(content=None, label=keys.LABEL_ROSTER, by=self.sara):
            def change(update):
                update.sign()
                bytes_ = update.signed.content if content is None else content
                update.seal_letters()
                update.signed = payload.SignedMessage(
                    content=bytes_,
                    signature=pc.sign(by.signing, label, bytes_))
            return change

        def flipped(update):
            update.sign().seal_letters()
            signature = bytearray(update.signed.signature)
            signature[7] ^= 1
            update.signed.signature = bytes(signature)

        def absent(update):
            update.roster.admin_key = self.hassan.key
            mine = [m for m in update.roster.members
                    if m.signing_key == self.sara.key]
            update.roster.members.remove(mine[0])

        def in_another(update):
            update.roster.group_id = other.id
            update.group = other  # of the request, too

        rising = list(self.draft().roster.members)
        same_name = [copy.copy(m) for m in rising]
        same_name[0] = messages.RosterMember(
            username=rising[1].username.upper(),
            signing_key=rising[0].signing_key,
            encryption_key=rising[0].encryption_key)
        bad_name = [messages.RosterMember(
            username="white space", signing_key=rising[0].signing_key,
            encryption_key=rising[0].encryption_key), *rising[1:]]
        # Of the admin, to whom the second client seals no letter.
        short_key = [messages.RosterMember(
            username=m.username, signing_key=m.signing_key,
            encryption_key=bytes(31) if m.signing_key == self.sara.key
            else m.encryption_key) for m in rising]
        new = self.sara._roster_member(mina)
        with_mina = sorted([*rising, new], key=lambda m: m.signing_key)
        without = [m for m in rising if m.signing_key != self.reza.key]
        ABORTED, INVALID, UNFIT = (CODE.ABORTED, CODE.INVALID_ARGUMENT,
                                   CODE.FAILED_PRECONDITION)
        for why, code, change in (
                ("another previous hash", ABORTED,
                 roster(previous_hash=secrets.token_bytes(32))),
                ("no previous hash", INVALID, roster(previous_hash=b"")),
                ("a previous hash of 31 bytes", INVALID,
                 roster(previous_hash=bytes(31))),
                ("an epoch too far", ABORTED, roster(epoch=3)),
                ("the highest epoch", ABORTED, roster(epoch=(1 << 32) - 1)),
                ("the epoch that there is", INVALID, roster(epoch=1)),
                ("the epoch that there is, as the first", ABORTED,
                 roster(epoch=1, previous_hash=b"")),
                ("epoch 0", INVALID, roster(epoch=0, previous_hash=b"")),
                ("another epoch than the update", INVALID,
                 lambda update: setattr(update, "epoch", 3)),
                ("another group", INVALID, roster(group_id=other.id)),
                ("another group, whose turn it is not", ABORTED, in_another),
                ("group 0", INVALID, roster(group_id=0)),
                ("group 2^63", INVALID, roster(group_id=1 << 63)),
                ("another server", INVALID,
                 roster(server_key=secrets.token_bytes(32))),
                ("no server", INVALID, roster(server_key=b"")),
                ("a commitment of 31 bytes", INVALID,
                 lambda update: setattr(update.commit().roster,
                                        "key_commitment", bytes(31))),
                ("a new name", INVALID, roster(name="ours")),
                ("no name", INVALID, roster(name="")),
                ("a name that is not allowed", INVALID, roster(name="@x")),
                ("a name of 65", INVALID, roster(name="x" * 65)),
                ("a new admin", INVALID, roster(admin_key=self.hassan.key)),
                ("an admin who is no member", INVALID,
                 roster(admin_key=self.mina.key)),
                ("without the caller", INVALID, absent),
                ("nobody", INVALID, as_members()),
                ("one more than there are", UNFIT, as_members(*with_mina)),
                ("one less than there are", UNFIT, as_members(*without)),
                ("members in another order", INVALID,
                 as_members(*reversed(rising))),
                ("a member twice", INVALID,
                 as_members(*sorted(rising + rising[:1],
                                    key=lambda m: m.signing_key))),
                ("a name twice", INVALID, as_members(*same_name)),
                ("a member's name that is not allowed", INVALID,
                 as_members(*bad_name)),
                ("a member's key of 31 bytes", INVALID,
                 as_members(*short_key)),
                ("signed by another", INVALID, signed_as(by=self.hassan)),
                ("signed as something else", INVALID,
                 signed_as(label=pc.LABEL_MESSAGE)),
                ("nothing, signed", INVALID, signed_as(content=b"")),
                ("no protobuf, signed", INVALID,
                 signed_as(content=b"\xff" * 40)),
                ("a flipped bit", INVALID, flipped),
                ("no signature", INVALID, lambda update: (
                    update.sign().seal_letters().signed.ClearField(
                        "signature")))):
            with self.subTest(why):
                self.update_refused(code, why, change)
        with self.subTest("no roster"):
            request = self.draft().request()
            request.update.ClearField("roster")
            self.refused(self.sara, "RotateGroupKey", request, INVALID)
        with self.subTest("no update"):
            for rpc in UPDATES:
                request = getattr(messages, rpc + "Request")()
                if rpc in ("AddMember", "RemoveMember"):
                    request.member_keys.append(self.mina.key)
                self.refused(self.sara, rpc, request, INVALID)
        self.assertEqual(group.epoch, 1)
        self.assert_still_works()

    def test_who_comes_and_goes_is_named(self):
        mina, hassan = person(self.mina), self.hassan.key
        INVALID, UNFIT = CODE.INVALID_ARGUMENT, CODE.FAILED_PRECONDITION
        stranger = pc.Person(
            "nobody", secrets.token_bytes(32), secrets.token_bytes(32), b"")

        def named(*keys_):
            return lambda update: setattr(update, "named", list(keys_))

        add, remove = dict(added=[mina]), dict(removed=["reza"])
        for why, code, rpc, changes, change in (
                ("nobody", INVALID, "AddMember", {}, named()),
                ("nobody", INVALID, "RemoveMember", {}, named()),
                ("nobody, who comes", INVALID, "AddMember", add, named()),
                ("who is not on the list", INVALID, "AddMember", add,
                 named(mina.signing_key, secrets.token_bytes(32))),
                ("a key of 31 bytes", INVALID, "AddMember", add,
                 named(mina.signing_key[:31])),
                ("twice", INVALID, "AddMember", add,
                 named(mina.signing_key, mina.signing_key)),
                ("twice", INVALID, "RemoveMember", remove,
                 named(self.reza.key, self.reza.key)),
                ("who stays", INVALID, "RemoveMember", remove,
                 named(self.reza.key, hassan)),
                ("oneself", INVALID, "RemoveMember", {},
                 named(self.sara.key)),
                ("who is a member", UNFIT, "AddMember", {}, named(hassan)),
                ("oneself", UNFIT, "AddMember", {}, named(self.sara.key)),
                ("one of two", UNFIT, "AddMember", add, named(hassan)),
                ("who is no member", UNFIT, "RemoveMember", {},
                 named(self.mina.key)),
                ("one of two", UNFIT, "RemoveMember", remove,
                 named(self.mina.key)),
                ("who has no account", UNFIT, "AddMember",
                 dict(added=[stranger]), lambda update: None),
                ("who has no account", UNFIT, "RemoveMember", {},
                 named(secrets.token_bytes(32)))):
            with self.subTest(f"{rpc} of {why}"):
                update = self.draft(None, rpc, **changes)
                change(update)
                letters = update.finish().letters
                if rpc == "RemoveMember":  # no letter for who is not named
                    for key in set(letters) - set(update.named) - {
                            m.signing_key for m in update.roster.members}:
                        del letters[key]
                self.refused(self.sara, rpc, update.request(), code, why)
        self.assert_still_works()

    def test_hand_overs_that_lie(self):
        INVALID = CODE.INVALID_ARGUMENT
        for why, admin, by in (
                ("to who is no member", self.mina.key, self.sara),
                ("to nobody", secrets.token_bytes(32), self.sara),
                ("signed by who is to be the admin", self.hassan.key,
                 self.hassan)):
            update = self.draft(None, "UpdateGroup")
            update.roster.admin_key = admin
            update.signing = by.signing
            self.refused(self.sara, "UpdateGroup", update.request(), INVALID,
                         why)
        update = self.draft(None, "UpdateGroup")
        update.roster.admin_key = self.hassan.key
        reply = self.done(self.sara, "UpdateGroup", update.request())
        self.assertEqual(
            messages.KeyUpdateResponse.FromString(reply.body),
            messages.KeyUpdateResponse(epoch=2), "no share any more")

    def test_the_first_epoch_has_the_admin_who_made_the_group(self):
        group = self.sara.create_group("new", ["hassan"], rotate=False)
        update = self.sara.draft_update(group, rpc="UpdateGroup")
        update.roster.admin_key = self.hassan.key
        self.refused(self.sara, "UpdateGroup", update.request(),
                     CODE.INVALID_ARGUMENT)
        update = self.sara.draft_update(group)
        update.roster.name = "other"
        self.refused(self.sara, "RotateGroupKey", update.request(),
                     CODE.INVALID_ARGUMENT)
        update = self.sara.draft_update(group)
        update.roster.epoch = 2
        update.roster.previous_hash = bytes(32)
        self.refused(self.sara, "RotateGroupKey", update.request(),
                     CODE.ABORTED)
        for epoch in (1, 2):
            self.assertEqual(
                self.outcomes(self.sara, payload.OutgoingMessage(
                    group_id=group.id, epoch=epoch, ciphertext=bytes(100))),
                [payload.SEND_OUTCOME_STALE_EPOCH])
        self.refused(self.hassan, "LeaveGroup", messages.LeaveGroupRequest(
            group_id=group.id, leave=keys.make_leave(
                self.hassan.signing, group.id, 1, bytes(32))),
            CODE.FAILED_PRECONDITION, "before the first key")
        self.sara.update_group(group)
        self.assertEqual(group.epoch, 1)

    # --- letters and shares

    def test_letters(self):
        INVALID, UNFIT = CODE.INVALID_ARGUMENT, CODE.FAILED_PRECONDITION

        def case(why, code, change, rpc="RotateGroupKey", **changes):
            with self.subTest(why):
                request = self.draft(None, rpc, **changes).request()
                change(request.update.letters)
                self.refused(self.sara, rpc, request, code, why)

        def letter(key, size=100):
            return messages.GroupLetter(member_key=key,
                                        ciphertext=secrets.token_bytes(size))

        case("none", UNFIT, lambda letters: letters.__delitem__(
            slice(None)))
        case("one missing", UNFIT, lambda letters: letters.pop())
        case("one for who is no member", UNFIT,
             lambda letters: letters.append(letter(self.mina.key)))
        case("one for oneself", UNFIT,
             lambda letters: letters.append(letter(self.sara.key)))
        case("two for one", UNFIT,
             lambda letters: letters.append(letters[0]))
        case("one instead of another", UNFIT, lambda letters: (
            letters.pop(), letters.append(letter(self.mina.key))))
        case("two farewells", UNFIT,
             lambda letters: letters.append(letter(self.reza.key)),
             "RemoveMember", removed=["reza"])
        for size in (0, LETTER_MIN - 1, LETTER_MAX + 1, 100000):
            case(f"one of {size} bytes", INVALID, lambda letters: setattr(
                letters[0], "ciphertext", bytes(size)))
        for size in (0, 31, 33):
            case(f"one for a key of {size} bytes", INVALID,
                 lambda letters: setattr(letters[0], "member_key",
                                         bytes(size)))
        case("a thousand", INVALID, lambda letters: letters.extend(
            letter(secrets.token_bytes(32), 48) for _ in range(1000)))
        # The very limits pass; a farewell may be missing.
        request = self.draft(None, "RemoveMember",
                             removed=["reza"]).request()
        kept = [item for item in request.update.letters
                if item.member_key == self.hassan.key]
        kept[0].ciphertext = bytes(LETTER_MAX)
        del request.update.letters[:]
        request.update.letters.extend(kept)
        self.done(self.sara, "RemoveMember", request)

    def test_shares(self):
        for why, code, share_hash in (
                ("another", CODE.ABORTED, secrets.token_bytes(32)),
                ("short", CODE.INVALID_ARGUMENT, bytes(31)),
                ("long", CODE.INVALID_ARGUMENT, bytes(33))):
            update = self.draft()
            update.share_hash = share_hash
            self.refused(self.sara, "RotateGroupKey", update.request(), code,
                         why)
        request = self.draft().request()
        request.update.share_hash = b""
        self.refused(self.sara, "RotateGroupKey", request,
                     CODE.INVALID_ARGUMENT)

    def test_R24_updates_that_come_again(self):
        """Under new numbers: the epoch, and the share, are others by then."""
        first, second = self.draft(), self.draft()
        self.sara.submit(first)
        for why, update in (("the very same", first), ("a rival", second)):
            self.refused(self.sara, "RotateGroupKey", update.request(),
                         CODE.ABORTED, why)
        self.sara.update_group(self.group)
        self.refused(self.sara, "RotateGroupKey", first.request(),
                     CODE.ABORTED, "two epochs later")
        # With the numbers put right, but the roster before this one.
        update = self.draft()
        update.roster.previous_hash = first.hash
        self.refused(self.sara, "RotateGroupKey", update.request(),
                     CODE.ABORTED, "another history")
        self.assert_still_works()

    # --- CreateGroup

    def test_create(self):
        count = len(self.sara.list_groups())
        hassan = self.hassan.key
        INVALID = CODE.INVALID_ARGUMENT

        def request(name="team", *member_keys):
            return messages.CreateGroupRequest(name=name,
                                               member_keys=member_keys)
        for name in ("", "@team", " team", "team ", "te\nam", "te\x7fam",
                     "te\x85am", "te\u2028am", "x" * 65, "ی" * 65,
                     "x" * 100000):
            self.refused(self.sara, "CreateGroup", request(name), INVALID,
                         repr(name[:70]))
        for why, member_keys in (
                ("oneself", [self.sara.key]),
                ("somebody twice", [hassan, hassan]),
                ("a key of 31 bytes", [hassan[:31]]),
                ("a key of 33 bytes", [hassan + b"x"]),
                ("an empty key", [b""]),
                ("a thousand others",
                 [secrets.token_bytes(32) for _ in range(1000)])):
            self.refused(self.sara, "CreateGroup",
                         request("team", *member_keys), INVALID, why)
        for why, member_keys in (
                ("nobody's key", [hassan, secrets.token_bytes(32)]),
                ("as many as may be",
                 [secrets.token_bytes(32) for _ in range(999)])):
            self.refused(self.sara, "CreateGroup",
                         request("team", *member_keys),
                         CODE.FAILED_PRECONDITION, why)
        self.assertEqual(len(self.sara.list_groups()), count)
        # What is allowed just so: 64 code points, of 4 bytes; alone.
        ids = set()
        for name in ("\U00010428" * 64, "می‌خواهم", "a"):
            reply = messages.CreateGroupResponse.FromString(
                self.done(self.sara, "CreateGroup", request(name)).body)
            self.assertTrue(0 < reply.group_id < 1 << 63)
            self.assertEqual(len(reply.next_share), 32)
            ids.add(reply.group_id)
        self.assertEqual(len(ids), 3)
        self.assertLessEqual(ids, {g.group_id for g in
                                   self.sara.list_groups()})

    # --- sizes

    def crowd(self, count):
        """An update for so many members; nobody has such keys."""
        update = self.draft()
        mine = update.roster.members[0]
        for member in update.roster.members:
            if member.signing_key == self.sara.key:
                mine = copy.deepcopy(member)
        others = [messages.RosterMember(
            username=f"crowd-{i}", signing_key=b"\xff" * 8
            + secrets.token_bytes(24), encryption_key=bytes(32))
            for i in range(count - 1)]
        del update.roster.members[:]
        update.roster.members.extend(sorted(
            [mine, *others], key=lambda m: m.signing_key))
        update.sign()
        update.letters = {m.signing_key: bytes(LETTER_MIN) for m in others}
        return update

    def test_sizes(self):
        INVALID = CODE.INVALID_ARGUMENT
        for count, code in ((1000, CODE.FAILED_PRECONDITION),
                            (1001, INVALID)):
            update = self.crowd(count)
            letters = list(update.letters.items())[:999]
            update.letters = dict(letters)
            self.refused(self.sara, "RotateGroupKey", update.request(), code,
                         f"{count} members")
        for size in (ROSTER_MAX + 1, 2 << 20):
            update = self.draft().commit()
            update.roster.name = "x" * (size - update.roster.ByteSize())
            self.refused(self.sara, "RotateGroupKey", update.request(),
                         INVALID, f"a roster of {size} bytes")
        # Around the roster, where the signature does not look.
        request = self.draft().request()
        bytes_ = request.SerializeToString()
        unknown = b"\xfa\x01\x80\x80\x20" + bytes(1 << 19)  # field 31
        roster = request.update.roster.SerializeToString() + unknown
        request.update.roster.ParseFromString(roster)
        self.assertGreater(request.ByteSize(), len(bytes_) + (1 << 19))
        self.refused(self.sara, "RotateGroupKey", request, INVALID,
                     "a large field that nobody knows")
        self.assert_still_works()

    # --- LeaveGroup, DeleteGroup

    def test_leaves_that_lie(self):
        hassan, INVALID = self.hassan, CODE.INVALID_ARGUMENT
        other = self.sara.create_group("other", ["hassan"])
        good = self.leave_request(hassan)
        large = copy.deepcopy(good)
        large.leave.ParseFromString(
            large.leave.SerializeToString() + b"\xfa\x01\x80\x02"
            + bytes(256))
        unsigned = copy.deepcopy(good)
        unsigned.leave.signature = bytes(64)
        as_message = copy.deepcopy(good)
        as_message.leave.signature = pc.sign(
            hassan.signing, pc.LABEL_MESSAGE, good.leave.content)
        for why, request in (
                ("none", messages.LeaveGroupRequest(group_id=self.group.id)),
                ("another member's", self.leave_request(self.reza)),
                ("in another member's name", self.leave_request(
                    hassan, member_key=self.reza.key)),
                ("of another group", self.leave_request(
                    hassan, group_id=other.id)),
                ("of group 0", self.leave_request(hassan, group_id=0)),
                ("of epoch 0", self.leave_request(hassan, epoch=0)),
                ("with a hash of 31 bytes", self.leave_request(
                    hassan, roster_hash=bytes(31))),
                ("with a key of 31 bytes", self.leave_request(
                    hassan, member_key=hassan.key[:31])),
                ("not signed", unsigned),
                ("signed as something else", as_message),
                ("large", large)):
            self.refused(hassan, "LeaveGroup", request, INVALID, why)
        for epoch in (2, (1 << 31), (1 << 32) - 1):
            self.refused(hassan, "LeaveGroup", self.leave_request(
                hassan, epoch=epoch), CODE.ABORTED, f"epoch {epoch}")
        self.refused(self.sara, "LeaveGroup", self.leave_request(self.sara),
                     CODE.FAILED_PRECONDITION, "the admin")
        self.sara.update_group(self.group)
        self.refused(hassan, "LeaveGroup", good, CODE.ABORTED,
                     "of the epoch before")
        hassan.drain()
        self.done(hassan, "LeaveGroup", self.leave_request(hassan))
        self.refused(hassan, "LeaveGroup", self.leave_request(hassan),
                     CODE.NOT_FOUND, "twice")

    def test_deletions(self):
        INVALID, UNFIT = CODE.INVALID_ARGUMENT, CODE.FAILED_PRECONDITION

        def letter(key=self.hassan.key, size=100):
            return messages.GroupLetter(member_key=key,
                                        ciphertext=bytes(size))
        for epoch in (0, 2, 1 << 31, (1 << 32) - 1):
            self.refused(self.sara, "DeleteGroup", self.delete(epoch),
                         CODE.ABORTED, f"epoch {epoch}")
        for why, code, letters in (
                ("for who is no member", UNFIT, [letter(self.mina.key)]),
                ("for oneself", UNFIT, [letter(self.sara.key)]),
                ("two for one", UNFIT, [letter(), letter()]),
                ("for nobody", UNFIT, [letter(secrets.token_bytes(32))]),
                ("for a short key", INVALID, [letter(self.hassan.key[:31])]),
                ("too short", INVALID, [letter(size=LETTER_MIN - 1)]),
                ("too long", INVALID, [letter(size=LETTER_MAX + 1)]),
                ("a thousand", INVALID, [letter(secrets.token_bytes(32))
                                         for _ in range(1000)])):
            self.refused(self.sara, "DeleteGroup",
                         self.delete(letters=letters), code, why)
        asked = self.hassan.content(
            pc.SERVICE + "GetGroup", self.get().SerializeToString())
        reply = self.hassan.settle(pc.SERVICE + "GetGroup", asked)
        self.assertEqual(reply.code, 0, reply.message)
        self.done(self.sara, "DeleteGroup", self.delete(
            letters=[letter(size=LETTER_MAX)]))
        # The same question again is a new look.
        reply = self.hassan.settle(pc.SERVICE + "GetGroup", asked)
        self.assertEqual(grpc_code(reply.code), CODE.NOT_FOUND)
        self.hassan.sequence += 1
        self.assert_out(self.hassan)
        self.refused(self.sara, "RotateGroupKey", self.draft().request(),
                     CODE.NOT_FOUND)
        self.hassan.drain()
        self.hassan.unreadable.clear()

    # --- Send

    def test_messages_to_nobody_or_two(self):
        INVALID, key = CODE.INVALID_ARGUMENT, self.hassan.key
        for why, message in (
                ("both", self.to_group(recipient_key=key)),
                ("neither", self.to_group(group_id=0, epoch=0)),
                ("an epoch without a group", self.to_group(group_id=0)),
                ("a key and an epoch", self.to_group(group_id=0,
                                                     recipient_key=key)),
                ("a group without an epoch", self.to_group(epoch=0)),
                ("a group that is none", self.to_group(group_id=1 << 63)),
                ("no text", self.to_group(ciphertext=b"")),
                ("too short", self.to_group(ciphertext=bytes(47))),
                ("too long", self.to_group(ciphertext=bytes(132097)))):
            self.refused(self.sara, "Send", payload.SendRequest(
                messages=[self.to_group(), message]), INVALID, why)
        self.assertEqual(self.hassan.drain(), [])

    def test_many_messages_at_once(self):
        """Each is a row for every member, so few of them make a request."""
        many = [self.to_group(group_id=self.group.id ^ (i % 2))
                for i in range(33)]
        self.refused(self.sara, "Send", payload.SendRequest(messages=many),
                     CODE.INVALID_ARGUMENT, "33 messages to groups")
        self.assertEqual(self.hassan.drain(), [])
        direct = payload.OutgoingMessage(
            recipient_key=self.mina.key, ciphertext=secrets.token_bytes(99))
        STORED = payload.SendOutcome.Value("SEND_OUTCOME_STORED")
        outcomes = self.outcomes(self.sara, *many[:32], *[direct] * 224)
        self.assertEqual(outcomes[:32:2] + outcomes[32:], [STORED] * 240)
        for member in (self.hassan, self.reza, self.mina):
            reply = member.request("Poll", payload.PollRequest(),
                                   payload.PollResponse)
            self.assertEqual(len(reply.messages),
                             224 if member is self.mina else 16, member.name)
            member.request("Poll", payload.PollRequest(
                acks=[m.id for m in reply.messages]), payload.PollResponse)

    def test_each_message_fares_on_its_own(self):
        """But all that are for one epoch of one group alike."""
        direct = payload.OutgoingMessage(
            recipient_key=self.mina.key, ciphertext=secrets.token_bytes(99))
        nobody = payload.OutgoingMessage(
            recipient_key=bytes(32), ciphertext=secrets.token_bytes(99))
        STORED, UNKNOWN_RECIPIENT, _, UNKNOWN, STALE = (
            payload.SendOutcome.Value(f"SEND_OUTCOME_{name}") for name in (
                "STORED", "UNKNOWN_RECIPIENT", "STALE_RECIPIENT",
                "UNKNOWN_GROUP", "STALE_EPOCH"))
        self.sara.update_group(self.group)
        self.assertEqual(self.outcomes(
            self.sara, self.to_group(), direct, self.to_group(epoch=1),
            nobody, self.to_group(epoch=3), self.to_group(
                group_id=self.group.id ^ 1), self.to_group(),
            self.to_group(epoch=(1 << 32) - 1)),
            [STORED, STORED, STALE, UNKNOWN_RECIPIENT, STALE, UNKNOWN,
             STORED, STALE])
        for member, count in ((self.hassan, 3), (self.reza, 3),
                              (self.mina, 1)):
            reply = member.request("Poll", payload.PollRequest(),
                                   payload.PollResponse)
            self.assertEqual(len(reply.messages), count, member.name)
            member.request("Poll", payload.PollRequest(
                acks=[m.id for m in reply.messages]), payload.PollResponse)

    # --- bodies

    def test_malformed_bodies(self):
        before = self.state()
        for method in (*UPDATES, "CreateGroup", "LeaveGroup", "GetGroup",
                       "ListGroups", "DeleteGroup"):
            for body in (b"\xff\xff\xff", b"\x0a\xff\x01a"):
                content = self.mina.content(pc.SERVICE + method, body)
                reply = self.mina.settle(pc.SERVICE + method, content)
                self.assertEqual(
                    (reply.disposition, grpc_code(reply.code)),
                    (payload.DISPOSITION_REFUSED, CODE.INVALID_ARGUMENT),
                    method)
                self.mina.sequence += 1
        self.assertEqual(self.state(), before)


def grpc_code(number):
    return next(code for code in CODE if code.value[0] == number)


if __name__ == "__main__":
    harness.main()
