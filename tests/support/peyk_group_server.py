"""Groups for the server in memory (docs/protocol.md section 13).

It believes every update: whoever tells lies here is the test, through the
hooks of LyingServer, deliver(), and the fields of a group.
"""

import dataclasses
import secrets

import peyk_client as pc
from peyk_client import payload
from peyk.v1 import group_pb2 as group_messages
from peyk_server import LyingServer

NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, ABORTED = 5, 7, 9, 10


@dataclasses.dataclass
class ServedGroup:
    """What the server keeps of one group."""
    id: int
    name: str
    admin: bytes
    members: set  # signing keys
    share: bytes = dataclasses.field(
        default_factory=lambda: secrets.token_bytes(32))
    epoch: int = 0
    roster: object = None  # SignedMessage
    leaves: list = dataclasses.field(default_factory=list)
    updates: list = dataclasses.field(default_factory=list)  # KeyUpdates


class LyingGroupServer(LyingServer):
    """deaf: keys of accounts to which nothing of groups is delivered.
    on_update(group, KeyUpdate) may raise Refusal instead of the update."""

    UPDATES = ("AddMember", "RemoveMember", "RotateGroupKey", "UpdateGroup")
    METHODS = (*LyingServer.METHODS, *UPDATES, "CreateGroup", "LeaveGroup",
               "GetGroup", "ListGroups", "DeleteGroup")
    HOOKS = (*LyingServer.HOOKS, "on_update")

    def __init__(self, port=None):
        super().__init__(port)
        self.groups = {}
        self.deaf = set()

    def group(self, id_, member=None):
        group = self.groups.get(id_)
        if group is None or (member and member not in group.members):
            raise self.Refusal(NOT_FOUND, "no such group")
        return group

    def _work(self, name, record, body):
        if name in LyingServer.METHODS:
            return super()._work(name, record, body)
        request = getattr(group_messages, name + "Request").FromString(body)
        work = {"CreateGroup": self._create, "LeaveGroup": self._leave,
                "GetGroup": self._get, "ListGroups": self._list,
                "DeleteGroup": self._delete}.get(name, self._update)
        return work(record.signing_key, request).SerializeToString()

    def _create(self, caller, request):
        group = ServedGroup(secrets.randbits(62) + 1, request.name, caller,
                            {caller, *request.member_keys})
        self.groups[group.id] = group
        return group_messages.CreateGroupResponse(group_id=group.id,
                                                  next_share=group.share)

    def _update(self, caller, request):
        update = request.update
        group = self.group(update.group_id, caller)
        if caller != group.admin:
            raise self.Refusal(PERMISSION_DENIED, "not the admin")
        if (update.epoch, update.share_hash) != (
                group.epoch + 1, pc.sha256(group.share)):
            raise self.Refusal(ABORTED, "another state")
        if self.on_update:
            self.on_update(group, update)
        roster = group_messages.Roster.FromString(update.roster.content)
        group.members = {m.signing_key for m in roster.members}
        group.epoch, group.name = update.epoch, roster.name
        group.admin, group.roster = roster.admin_key, update.roster
        group.share, group.leaves = secrets.token_bytes(32), []
        group.updates.append(update)
        for letter in update.letters:
            if letter.member_key in group.members:
                self.deliver_update(update, letter.member_key)
            else:
                self.deliver(letter.member_key, letter.ciphertext)
        return group_messages.KeyUpdateResponse(
            epoch=group.epoch,
            next_share=group.share if group.admin == caller else b"")

    def deliver_update(self, update, member_key, roster=None, letter=None,
                       epoch=None):
        """A KeyUpdate as one member's inbox gets it, or something else."""
        if member_key in self.deaf:
            return
        letters = {entry.member_key: entry.ciphertext
                   for entry in update.letters}
        self.deliver(member_key, letters[member_key] if letter is None
                     else letter, group_id=update.group_id,
                     epoch=epoch or update.epoch,
                     roster=(roster or update.roster).SerializeToString())

    def deliver_to_group(self, group, ciphertext, epoch=None, sender=None,
                         **fields):
        """One message, as every member but its sender gets it: its id."""
        text = self.new_id()
        for key in sorted(group.members - self.deaf - {sender}):
            self.deliver(key, ciphertext, id=text, group_id=group.id,
                         epoch=epoch or group.epoch, **fields)
        return text

    def _leave(self, caller, request):
        group = self.group(request.group_id, caller)
        group.members.remove(caller)
        group.leaves.append(request.leave)
        self.deliver_to_group(group, b"",
                              leave=request.leave.SerializeToString())
        return group_messages.LeaveGroupResponse()

    def _get(self, caller, request):
        group = self.group(request.group_id, caller)
        reply = group_messages.GetGroupResponse(
            epoch=group.epoch, name=group.name, roster=group.roster,
            leaves=group.leaves)
        if caller == group.admin:
            reply.next_share = group.share
            if group.epoch == 0:
                reply.member_keys.extend(sorted(group.members - {caller}))
        return reply

    def _list(self, caller, request):
        return group_messages.ListGroupsResponse(groups=[
            group_messages.GroupEntry(
                group_id=group.id, name=group.name, epoch=group.epoch,
                is_admin=group.admin == caller)
            for _, group in sorted(self.groups.items())
            if caller in group.members and group.id > request.after_group_id])

    def _delete(self, caller, request):
        group = self.group(request.group_id, caller)
        if caller != group.admin:
            raise self.Refusal(PERMISSION_DENIED, "not the admin")
        del self.groups[group.id]
        for letter in request.letters:
            self.deliver(letter.member_key, letter.ciphertext)
        return group_messages.DeleteGroupResponse()

    def _send_one(self, sender, message):
        if message.group_id == 0:
            return super()._send_one(sender, message)
        group = self.groups.get(message.group_id)
        if group is None or sender.signing_key not in group.members:
            return payload.SendResult(
                outcome=payload.SEND_OUTCOME_UNKNOWN_GROUP)
        if message.epoch != group.epoch:
            return payload.SendResult(
                outcome=payload.SEND_OUTCOME_STALE_EPOCH)
        return payload.SendResult(
            outcome=payload.SEND_OUTCOME_STORED,
            id=self.deliver_to_group(group, message.ciphertext,
                                     sender=sender.signing_key))
