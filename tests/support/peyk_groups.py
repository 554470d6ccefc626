"""Groups for the second client (docs/protocol.md section 13).

As in peyk_client.py every step is a function of its own, so that a hostile
test can deviate at any of them: those of peyk_group_keys.py, and those of an
Update. Member is an Account that puts them together the way an
honest client must.

    sara.create_group("team", ["hassan"])           -> Group, in epoch 1
    sara.update_group(group, added=["reza"])        one epoch; also removed=,
                                                    name=, admin=, or nothing
    sara.send_group(group, ["salam"])
    hassan.poll()                                   -> Received, GroupMessage
                                                       and GroupEvent, in order
    hassan.groups[group.id].safety_number()

To misbehave, change an Update between its steps:

    update = sara.draft_update(group, removed=["reza"])
    update.roster.name = "other"
    update.sign()
    update.seal_letters()
    update.letters[hassan.key] = b"..."
    sara.submit(update)                             does the steps that are left
"""

import dataclasses
import secrets
import time

import peyk_client as pc
import peyk_group_keys as keys
from peyk_client import ProtocolError, e2ee, payload
from peyk.v1 import group_pb2 as group_messages

KEEP_ENDED_S = 24 * 3600
MESSAGES_PER_SEND = 32
CODE_FAILED_PRECONDITION, CODE_ABORTED = 9, 10


# --- what a member knows of a group ----------------------------------------

@dataclasses.dataclass
class GroupMessage(pc.Received):
    group_id: int = 0
    epoch: int = 0


@dataclasses.dataclass
class GroupEvent:
    """What happened. kind: joined, left, removed, rotated, renamed,
    admin_changed, deleted; and the warnings key_wrong, roster_missed, forked,
    key_conflict. `names`: whom it concerns, or the group's new name."""
    kind: str
    group_id: int
    epoch: int
    names: list
    text: str = ""


@dataclasses.dataclass
class Secrets:
    """Of one epoch. A real client wipes them; tests search for them."""
    admin_secret: bytes
    server_share: bytes
    group_secret: bytes

    @classmethod
    def of(cls, admin_secret, server_share):
        return cls(admin_secret, server_share,
                   keys.group_secret(server_share, admin_secret))


class Group:
    """One group as one member sees it."""

    def __init__(self, group_id):
        self.id = group_id
        self.name = ""
        self.status = "unknown"  # creating, active, left, removed, deleted
        self.epoch = 0
        self.left_in = 0         # the epoch of the own Leave
        self.roster = None
        self.signed_roster = b""
        self.hashes = {}         # epoch -> roster hash
        self.rosters = {}        # epoch -> Roster, for tests to compare
        self.left = {}           # member key -> Leave, in this epoch
        self.leaves_waiting = []
        self.chains = {}         # epoch -> {sender key: Chain}
        self.sending = None      # own Chain of this epoch
        self.ended = {}          # epoch -> when it ended here
        self.secrets = {}        # epoch -> Secrets
        self.next_share = None
        self.sent = (0, b"")     # counter and hash of the last own message
        self.seen = {}           # sender key -> the same of theirs
        self.queue = []          # inbox messages that wait
        self.is_forked = False
        self.unsent = []         # (message id, text) refused as stale

    @property
    def admin_key(self):
        return self.roster.admin_key

    @property
    def roster_hash(self):
        return self.hashes[self.epoch]

    @property
    def members(self):
        return {m.signing_key: m for m in self.roster.members}

    def names(self):
        """Canonical names of those in the roster that have not left."""
        return sorted(pc.canonical_name(m.username)
                      for m in self.roster.members
                      if m.signing_key not in self.left)

    def admin_name(self):
        return pc.canonical_name(self.members[self.admin_key].username)

    def member(self, name):
        for m in self.roster.members:
            if pc.canonical_name(m.username) == pc.canonical_name(name):
                return m
        raise LookupError(name)

    def joins_at(self, epoch):
        """Whether this epoch would take this member in: it is no member, or
        its own Leave is of an earlier one."""
        if self.status == "left":
            return epoch > self.left_in
        return self.status != "active"

    def safety_number(self, epoch=None):
        epoch = self.epoch if epoch is None else epoch
        return keys.safety_number(self.id, epoch, self.hashes[epoch])


class Update:
    """The next epoch while its admin makes it: commit, sign, seal_letters.
    Any attribute may be changed between them."""

    def __init__(self, member, group, rpc, roster, share, farewells,
                 named):
        self.member = member
        self.group = group
        self.rpc = rpc
        self.roster = roster
        self.server_share = share
        self.admin_secret = secrets.token_bytes(32)
        self.admin_secrets = {}      # member key -> another one, to deceive
        self.signing = member.signing
        self.farewells = farewells   # roster members that get one
        self.named = named           # member_keys of the request
        self.is_committed = False
        self.signed = None
        self.letters = None          # member key -> ciphertext
        self.epoch = None            # of the request, if not the roster's
        self.share_hash = None

    @property
    def hash(self):
        return pc.sha256(self.signed.content)

    def commit(self):
        self.roster.key_commitment = keys.commitment(
            keys.group_secret(self.server_share, self.admin_secret),
            self.roster.group_id, self.roster.epoch)
        self.is_committed = True
        return self

    def sign(self):
        if not self.is_committed:
            self.commit()
        content = self.roster.SerializeToString(deterministic=True)
        self.signed = payload.SignedMessage(
            content=content,
            signature=pc.sign(self.signing, keys.LABEL_ROSTER, content))
        return self

    def seal_letters(self):
        if self.signed is None:
            self.sign()
        self.letters = {}
        for m in self.roster.members:
            if m.signing_key != self.member.key:
                self.letters[m.signing_key] = self.letter(m)
        for m in self.farewells:
            self.letters[m.signing_key] = self.member.seal_letter(
                m, e2ee.GroupFarewell(group_id=self.group.id,
                                      epoch=self.roster.epoch))
        return self

    def letter(self, m, **deviations):
        """The letter for one member; deviations are GroupKey's fields."""
        fields = dict(
            group_id=self.group.id, epoch=self.roster.epoch,
            roster_hash=self.hash, server_share=self.server_share,
            admin_secret=self.admin_secrets.get(m.signing_key,
                                                self.admin_secret))
        fields.update(deviations)
        return self.member.seal_letter(m, e2ee.GroupKey(**fields))

    def finish(self):
        if self.letters is None:
            self.seal_letters()
        return self

    def request(self):
        """The RPC's request message."""
        self.finish()
        update = group_messages.KeyUpdate(
            group_id=self.group.id,
            epoch=self.roster.epoch if self.epoch is None else self.epoch,
            share_hash=self.share_hash or pc.sha256(self.server_share),
            roster=self.signed,
            letters=[group_messages.GroupLetter(member_key=key,
                                                ciphertext=ciphertext)
                     for key, ciphertext in self.letters.items()])
        request = getattr(group_messages, self.rpc + "Request")(update=update)
        if self.named:
            request.member_keys.extend(self.named)
        return request


# --- a member --------------------------------------------------------------

class Member(pc.Account):
    """An account that is in groups."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.groups = {}
        self.taken = set()  # inbox ids of what came for groups
        self.early = []  # what arrived while something else was under way

    def group(self, group):
        """A Group of this member's own, by id, or by another's Group."""
        return self.groups[getattr(group, "id", group)]

    def seal_letter(self, m, body, **deviations):
        """A direct message outside the count, to a roster's member."""
        content = pc.message_content(self.signed_identity, m.signing_key,
                                     body, 0, b"", **deviations)
        return pc.seal_direct(
            pc.signed_message(self.signing, pc.LABEL_MESSAGE, content),
            m.encryption_key, m.signing_key)

    # --- changing a group

    def create_group(self, name, members=(), rotate=True):
        """Opens a group and, with `rotate`, makes its first epoch."""
        people = [self.people.get(pc.canonical_name(n)) or self.get_key(n)
                  for n in members]
        reply = self.request(
            "CreateGroup", group_messages.CreateGroupRequest(
                name=name, member_keys=[p.signing_key for p in people]),
            group_messages.CreateGroupResponse)
        group = self.groups[reply.group_id] = Group(reply.group_id)
        group.name = name
        group.status = "creating"
        group.next_share = reply.next_share
        group.invited = people
        if rotate:
            self.update_group(group)
        return group

    def get_group(self, group):
        """GetGroup, compared with what this member has entered."""
        group = self.group(group)
        reply = self.request(
            "GetGroup", group_messages.GetGroupRequest(group_id=group.id),
            group_messages.GetGroupResponse)
        if reply.epoch == group.epoch and group.epoch > 0 and (
                pc.sha256(reply.roster.content) != group.roster_hash):
            raise ProtocolError("the server shows another roster")
        if reply.next_share:
            group.next_share = reply.next_share
        return reply

    def list_groups(self):
        out, after, more = [], 0, True
        while more:
            reply = self.request(
                "ListGroups", group_messages.ListGroupsRequest(
                    after_group_id=after),
                group_messages.ListGroupsResponse)
            out += reply.groups
            more = reply.more
            if more:
                after = reply.groups[-1].group_id
        return out

    def _roster_member(self, person):
        return group_messages.RosterMember(
            username=person.username, signing_key=person.signing_key,
            encryption_key=person.encryption_key)

    def draft_update(self, group, added=(), removed=(), name=None,
                     admin=None, rpc=None):
        """The next epoch, to be changed or submitted. Who has left is left
        out."""
        group = self.group(group)
        if group.next_share is None:
            self.get_group(group)
        if group.epoch == 0:
            own = pc.Person(self.name, self.key,
                            pc.raw_public(self.encryption), b"")
            members = {p.signing_key: self._roster_member(p)
                       for p in [own, *group.invited]}
        else:
            members = {key: m for key, m in group.members.items()
                       if key not in group.left}
        named = []
        for person in added:
            if not isinstance(person, pc.Person):
                person = self.people.get(
                    pc.canonical_name(person)) or self.get_key(person)
            members[person.signing_key] = self._roster_member(person)
            named.append(person.signing_key)
        farewells = [group.member(n) for n in removed]
        for m in farewells:
            members.pop(m.signing_key, None)
            named.append(m.signing_key)
        roster = group_messages.Roster(
            group_id=group.id, epoch=group.epoch + 1,
            previous_hash=group.hashes.get(group.epoch, b""),
            server_key=self.server.identity_key, name=name or group.name,
            admin_key=group.member(admin).signing_key if admin else self.key,
            members=[members[key] for key in sorted(members)])
        rpc = rpc or ("AddMember" if added else "RemoveMember" if removed
                      else "UpdateGroup" if name or admin
                      else "RotateGroupKey")
        # Who is not the admin has no share: the server refuses any.
        return Update(self, group, rpc, roster, group.next_share or bytes(32),
                      farewells, named)

    def submit(self, update, enter=True):
        """Sends an update and, once it is done, enters its epoch."""
        reply = self.request(update.rpc, update.request(),
                             group_messages.KeyUpdateResponse)
        if reply.epoch != update.roster.epoch:
            raise ProtocolError("the server names another epoch")
        group = update.group
        group.next_share = reply.next_share or None
        if enter:
            events = self._enter(
                group, update.roster, update.signed.SerializeToString(),
                update.hash, Secrets.of(update.admin_secret,
                                        update.server_share),
                group.epoch == 0)
            self.early += events
            self.early += self._process(group, False)
        return reply

    def update_group(self, group, retries=5, **changes):
        """Makes the next epoch; anew when the group has moved meanwhile."""
        while True:
            update = self.draft_update(group, **changes)
            try:
                return self.submit(update)
            except pc.Refused as refusal:
                retries -= 1
                if retries < 0 or refusal.reply.code not in (
                        CODE_ABORTED, CODE_FAILED_PRECONDITION):
                    raise
                self.early += self.drain()
                self.get_group(group)

    def leave_group(self, group, leave=None):
        """Leaves; the statement is about the epoch that the server names,
        which may be ahead of the own one."""
        group = self.group(group)
        while leave is None:
            roster = self.get_group(group).roster
            named = group_messages.Roster.FromString(roster.content)
            made = keys.make_leave(self.signing, group.id, named.epoch,
                                   pc.sha256(roster.content))
            try:
                return self.leave_group(group, made)
            except pc.Refused as refusal:
                if refusal.reply.code != CODE_ABORTED:
                    raise
        self.request("LeaveGroup", group_messages.LeaveGroupRequest(
            group_id=group.id, leave=leave),
            group_messages.LeaveGroupResponse)
        group.left_in = group_messages.Leave.FromString(leave.content).epoch
        self._end(group, "left")
        return None

    def delete_group(self, group, letters=None):
        group = self.group(group)
        if letters is None:
            farewell = e2ee.GroupFarewell(group_id=group.id,
                                          epoch=group.epoch, is_deleted=True)
            members = group.members.values() if group.roster else ()
            letters = {m.signing_key: self.seal_letter(m, farewell)
                       for m in members if m.signing_key != self.key
                       and m.signing_key not in group.left}
        self.request("DeleteGroup", group_messages.DeleteGroupRequest(
            group_id=group.id, epoch=group.epoch,
            letters=[group_messages.GroupLetter(member_key=key, ciphertext=c)
                     for key, c in letters.items()]),
            group_messages.DeleteGroupResponse)
        self._end(group, "deleted")

    def _end(self, group, status):
        group.status = status
        group.sending = None
        group.unsent = []

    # --- sending

    def seal_group_text(self, group, text, message_id=None, signing=None,
                        sender_key=None, chain=None, r=None, label=None,
                        **fields):
        """One ciphertext; moves the own chain and counter on.

        To deviate: `chain`, `sender_key` (of the place), `signing`, `label`,
        and any field of GroupMessageContent.
        """
        sender_key = sender_key or self.key
        chain = chain or group.sending
        counter, previous = group.sent
        values = dict(
            group_id=group.id, epoch=group.epoch,
            roster_hash=group.roster_hash, sender_key=sender_key,
            index=chain.index, message_id=message_id
            or secrets.token_bytes(16), sent_at_ms=pc.now_ms(),
            counter=counter + 1, previous_hash=previous, text=text)
        values.update(fields)
        index = chain.index
        message_key = chain.step()
        content = pc.pad(e2ee.GroupMessageContent(**values))
        plaintext = pc.signed_message(
            signing or self.signing, label or keys.LABEL_GROUP_MESSAGE,
            content)
        group.sent = (counter + 1, pc.sha256(content))
        place = keys.message_place(group.id, group.epoch, sender_key, index)
        return keys.seal_group_message(plaintext, message_key, place, r)

    def send_sealed(self, group, ciphertexts, epoch=None, **options):
        """Hands ciphertexts over: the results."""
        reply = self.request("Send", payload.SendRequest(messages=[
            payload.OutgoingMessage(
                group_id=group.id,
                epoch=group.epoch if epoch is None else epoch, ciphertext=c)
            for c in ciphertexts]), payload.SendResponse, **options)
        if len(reply.results) != len(ciphertexts):
            raise ProtocolError("not one result for each message")
        return list(reply.results)

    def send_group(self, group, texts, resend=True, deadline=60.0,
                   **options):
        """Sends texts, in one request if they fit: the results. With
        `resend` those that an ended epoch refuses are sent in the next
        one."""
        group = self.group(group)
        drafts = [(secrets.token_bytes(16), text) for text in texts]
        end = time.monotonic() + deadline
        while True:
            results = []
            for i in range(0, len(drafts), MESSAGES_PER_SEND):
                results += self._send_drafts(
                    group, drafts[i:i + MESSAGES_PER_SEND], **options)
            if not resend or not group.unsent:
                return results
            drafts, group.unsent = group.unsent, []
            known = group.epoch
            while group.epoch == known and group.status == "active":
                if time.monotonic() > end:
                    raise TimeoutError("the next epoch does not come")
                self.early += super().poll(wait_ms=200)
            if group.status != "active":
                return results

    def _send_drafts(self, group, drafts, **options):
        chain, sent = group.sending.copy(), group.sent
        try:
            results = self.send_sealed(group, [
                self.seal_group_text(group, text, message_id=message_id)
                for message_id, text in drafts], **options)
        except pc.Refused:
            group.sending, group.sent = chain, sent
            raise
        outcomes = {result.outcome for result in results}
        if len(outcomes) != 1:
            raise ProtocolError("messages to one epoch did not fare alike")
        if outcomes != {payload.SEND_OUTCOME_STORED}:
            group.sending, group.sent = chain, sent
        if outcomes == {payload.SEND_OUTCOME_STALE_EPOCH}:
            group.unsent += drafts
        return results

    # --- receiving

    def poll(self, *args, **options):
        early, self.early = self.early, []
        return early + super().poll(*args, **options)

    def take(self, reply):
        """Reads the messages of a PollResponse, in order."""
        new = []
        for message in reply.messages:
            if message.group_id == 0:
                new += self._take_direct(message)
                continue
            self.to_ack.append(message.id)
            if message.id in self.taken:
                continue  # its acknowledgement was lost
            self.taken.add(message.id)
            group = self.groups.setdefault(message.group_id,
                                           Group(message.group_id))
            group.queue.append(message)
            new += self._process(group, False)
        if not reply.more:
            for group in list(self.groups.values()):
                new += self._process(group, True)
        return new

    def _take_direct(self, message):
        try:
            author, content, _ = self.open_content(message.ciphertext)
        except ProtocolError:
            content = None  # Account.take sets it aside
        if content is None or content.WhichOneof("body") != "group_farewell":
            return super().take(payload.PollResponse(messages=[message],
                                                     more=True))
        self.to_ack.append(message.id)
        group = self.groups.get(content.group_farewell.group_id)
        if group is None:
            self._set_aside(message, "a farewell of an unknown group")
            return []
        group.queue.append((message, author, content.group_farewell))
        return self._process(group, False)

    def _set_aside(self, message, reason):
        self.unreadable.append((message, ProtocolError(str(reason))))

    def _process(self, group, is_complete):
        """Works off what can be: messages and events."""
        out = []
        self._prune(group)
        while True:
            waiting, group.queue = group.queue, []
            before = len(waiting)
            for item in waiting:
                try:
                    done = self._process_item(group, item, out)
                except ProtocolError as error:
                    message = item[0] if isinstance(item, tuple) else item
                    self.unreadable.append((message, error))
                    done = True
                if not done:
                    group.queue.append(item)
            if len(group.queue) < before:
                continue
            if not (is_complete and self._skip_ahead(group, out)):
                return out

    def _process_item(self, group, item, out):
        """False: it waits."""
        if isinstance(item, tuple):
            return self._process_farewell(group, *item[1:], out)
        if item.roster:
            return self._process_update(group, item, out)
        if item.leave:
            return self._process_leave(group, item, out)
        if item.epoch > group.epoch:
            return False
        self._read_group_message(group, item, out)
        return True

    # updates

    def _process_update(self, group, item, out, may_skip=False):
        named = group_messages.Roster.FromString(
            payload.SignedMessage.FromString(item.roster).content)
        if named.epoch <= group.epoch:
            raise ProtocolError(f"epoch {named.epoch} is not above the own")
        joins = group.joins_at(named.epoch)
        if not joins and named.epoch != group.epoch + 1 and not may_skip:
            return False
        author, content, _ = self.open_content(item.ciphertext)
        if content.WhichOneof("body") != "group_key":
            raise ProtocolError("the letter holds no key")
        letter = content.group_key
        signer = author.signing_key if joins else group.admin_key
        if author.signing_key != signer:
            raise ProtocolError("the letter is not by who signs the roster")
        roster, roster_hash = keys.open_roster(
            item.roster, self.server.identity_key, signer)
        if (roster.group_id, roster.epoch) != (group.id, item.epoch):
            raise ProtocolError("the roster is of another group or epoch")
        if joins:
            self._know(author)
        elif not may_skip and roster.previous_hash != group.roster_hash:
            raise ProtocolError("the roster does not follow the own one")
        if self.key not in [m.signing_key for m in roster.members]:
            raise ProtocolError("the roster is without this member")
        if (letter.group_id, letter.epoch, letter.roster_hash) != (
                group.id, roster.epoch, roster_hash):
            raise ProtocolError("the letter is about another roster")
        if may_skip and roster.epoch != group.epoch + 1:
            out.append(GroupEvent("roster_missed", group.id, roster.epoch,
                                  []))
        out += self._enter(
            group, roster, item.roster, roster_hash,
            Secrets.of(letter.admin_secret, letter.server_share), joins)
        return True

    def _skip_ahead(self, group, out):
        """Nothing more is at the server: a later epoch of the same admin
        may be entered. Whether one was."""
        updates = [item for item in group.queue
                   if not isinstance(item, tuple) and item.roster]
        for item in sorted(updates, key=lambda item: item.epoch):
            group.queue.remove(item)
            try:
                return self._process_update(group, item, out, may_skip=True)
            except ProtocolError as error:
                self.unreadable.append((item, error))
        return False

    def _know(self, author):
        """Section 8: pinned to its name, or looked up and pinned now."""
        person = self.people.get(pc.canonical_name(author.username))
        try:
            person = person or self.get_key(author.username)
        except pc.KeyChanged as error:
            raise ProtocolError("the author's key changed") from error
        if person is None or (person.signing_key, person.encryption_key) != (
                author.signing_key, author.encryption_key):
            raise ProtocolError("the author is not who the name belongs to")

    def _enter(self, group, roster, signed, roster_hash, secret, joins):
        """Enters an epoch whose roster was verified: the events."""
        old = {} if joins else {key: m for key, m in group.members.items()
                                if key not in group.left}
        new = {m.signing_key: m for m in roster.members}
        told = self._changes(group, roster, old, new, joins)
        if joins:
            group.seen = {}
            group.status = "active"
        else:
            group.ended[group.epoch] = time.monotonic()
        group.name = roster.name
        group.epoch = roster.epoch
        group.roster, group.signed_roster = roster, signed
        group.hashes[roster.epoch] = roster_hash
        group.rosters[roster.epoch] = roster
        group.left = {}
        if roster.admin_key != self.key:
            group.next_share = None
        group.chains[roster.epoch], group.sending = {}, None
        if keys.commitment(secret.group_secret, group.id,
                           roster.epoch) == roster.key_commitment:
            group.secrets[roster.epoch] = secret
            group.chains[roster.epoch] = {
                key: keys.Chain.of(secret.group_secret, group.id,
                                   roster.epoch, key) for key in new}
            group.sending = group.chains[roster.epoch][self.key].copy()
        else:
            told.append(("key_wrong", []))
        return [GroupEvent(kind, group.id, roster.epoch, names)
                for kind, names in told]

    def _changes(self, group, roster, old, new, joins):
        """(kind, names) of what a roster changes."""
        told = []
        came = [m.username for key, m in new.items() if key not in old]
        gone = [m.username for key, m in old.items() if key not in new]
        if came:
            told.append(("joined", came))
        if gone:
            told.append(("removed", gone))
        if not joins and roster.name != group.name:
            told.append(("renamed", [roster.name]))
        if not joins and roster.admin_key != group.admin_key:
            told.append(("admin_changed",
                         [new[roster.admin_key].username]))
        if not told:
            told.append(("rotated", []))
        conflicts = [m.username for m in roster.members if self._conflicts(m)]
        if conflicts:
            told.append(("key_conflict", conflicts))
        return told

    def _conflicts(self, m):
        pinned = self.people.get(pc.canonical_name(m.username))
        return pinned is not None and (
            pinned.signing_key, pinned.encryption_key) != (
                m.signing_key, m.encryption_key)

    # leaves and farewells

    def _process_leave(self, group, item, out):
        leave = keys.open_leave(item.leave)
        if leave.group_id != group.id:
            raise ProtocolError("the leave is of another group")
        if group.status != "active":
            return True
        if leave.epoch > group.epoch:
            return False
        if leave.epoch < group.epoch or leave.member_key not in group.members:
            return True  # the roster is without it, or took it in anew
        if leave.roster_hash != group.hashes[group.epoch]:
            self._tell_fork(group, leave.epoch, leave.member_key, out)
            return True
        if leave.member_key not in group.left:
            group.left[leave.member_key] = leave
            out.append(GroupEvent(
                "left", group.id, group.epoch,
                [group.members[leave.member_key].username]))
        return True

    def _process_farewell(self, group, author, farewell, out):
        if group.status != "active":
            return True
        if author.signing_key != group.admin_key:
            raise ProtocolError("the farewell is not by the admin")
        last = farewell.epoch if farewell.is_deleted else farewell.epoch - 1
        if last < group.epoch:
            raise ProtocolError("the farewell is of an earlier epoch")
        if last > group.epoch:
            return False
        self._end(group, "deleted" if farewell.is_deleted else "removed")
        out.append(GroupEvent(group.status, group.id, farewell.epoch,
                              [self.name]))
        return True

    # messages

    def _read_group_message(self, group, item, out):
        sender_key, index = keys.peek_group_message(item.ciphertext)
        chains = group.chains.get(item.epoch, {})
        if sender_key not in chains:
            raise ProtocolError("no key of this sender in this epoch")
        chain = chains[sender_key].copy()
        content, data = keys.open_group_message(
            item.ciphertext, chain.take(index), group.id, item.epoch)
        chains[sender_key] = chain
        pc.check_padding(data)
        if content.WhichOneof("body") != "text":
            raise ProtocolError("the message has no text")
        if content.roster_hash != group.hashes[item.epoch]:
            self._tell_fork(group, item.epoch, sender_key, out)
        if sender_key in group.seen:
            missing = group.seen[sender_key] != (content.counter - 1,
                                                 content.previous_hash)
        else:
            missing = index != 0
        group.seen[sender_key] = (content.counter, pc.sha256(data))
        mark = (sender_key, content.message_id)
        if mark in self.known:
            raise ProtocolError("the message was shown before")
        self.known.add(mark)
        m = next(m for m in group.rosters[item.epoch].members
                 if m.signing_key == sender_key)
        out.append(GroupMessage(
            item.id, pc.Person(m.username, m.signing_key, m.encryption_key,
                               b""), content.text, content.sent_at_ms,
            content.counter, content.message_id, data, missing, group.id,
            item.epoch))

    def _tell_fork(self, group, epoch, member_key, out):
        group.is_forked = True
        names = [m.username for m in group.rosters[epoch].members
                 if m.signing_key == member_key]
        out.append(GroupEvent("forked", group.id, epoch, names))

    def _prune(self, group):
        now = time.monotonic()
        for epoch, ended in list(group.ended.items()):
            if now - ended > KEEP_ENDED_S:
                group.chains.pop(epoch, None)
                del group.ended[epoch]


def texts(received):
    """(sender's name, text) of the messages among what poll returned."""
    return [(m.sender.username, m.text) for m in received
            if isinstance(m, pc.Received)]


def events(received):
    """(kind, names) of the events among what poll returned."""
    return [(e.kind, e.names) for e in received if isinstance(e, GroupEvent)]
