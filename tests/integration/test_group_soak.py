#!/usr/bin/python3
"""A group that never rests: its members send, join, leave, are removed and are
killed at random, while its admin makes new keys, renames it and hands it over.

    tests/integration/test_group_soak.py            what tools/check runs
    tests/integration/test_group_soak.py --full     50 members, 10 of them
                                                    killed, 2,000 messages
    … --seed 7                                      another course of things

The server is killed now and then, too. At the end everybody has every message
it was entitled to exactly once, and none it was not entitled to, and all agree
on the roster of every epoch. What is true of messages, epochs and rosters is
what one more member saw: a member of the second implementation
(tests/support/peyk_groups.py), which stays.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_group_keys as keys  # noqa: E402
import peyk_groups as pg  # noqa: E402
from harness import Device  # noqa: E402


@dataclasses.dataclass
class Size:
    members: int
    first: int      # of them in the group from the beginning
    victims: int    # whose processes are killed
    kills: int
    server_kills: int
    operations: int  # joins, leaves, refreshes, …
    messages: int
    ahead: int      # messages that may be under way
    deadline: float


SHORT = Size(members=10, first=6, victims=3, kills=10, server_kills=1,
             operations=12, messages=300, ahead=30, deadline=300.0)
FULL = Size(members=50, first=30, victims=10, kills=80, server_kills=4,
            operations=60, messages=2000, ahead=100, deadline=900.0)

# Who leaves at the very moment when a message is stored may have it or not:
# the server tells both times in milliseconds, as each transaction begins.
SAME_MOMENT_MS = 100


class Observer(pg.Member):
    """Sees everything, and when the server stored it."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.seen = {}    # text -> Seen
        self.leaves = {}  # (member key, epoch) -> stored_at_ms
        self.stored_at = {}

    def take(self, reply):
        for message in reply.messages:
            self.stored_at[message.id] = message.stored_at_ms
            if message.leave:
                leave = keys.open_leave(message.leave)
                self.leaves[leave.member_key,
                            leave.epoch] = message.stored_at_ms
        got = super().take(reply)
        for item in got:
            if not isinstance(item, pg.GroupMessage):
                continue
            if item.text in self.seen:
                raise AssertionError(f"{item.text!r} came twice")
            if item.missing:
                raise AssertionError(f"before {item.text!r} something is "
                                     "missing")
            self.seen[item.text] = Seen(
                item.text, item.sender.username, item.epoch,
                item.message_id.hex(), self.stored_at[item.inbox_id])
        return got


@dataclasses.dataclass
class Seen:
    """A message as the observer has it."""
    text: str
    sender: str
    epoch: int
    id: str
    stored_at_ms: int


class Participant:
    """A user of peyk: one process that receives, and one that sends."""

    def __init__(self, server, name, group=None):
        self.name = name
        self.device = Device(server)
        self.group = group
        self.lock = threading.RLock()
        self.polling = None
        self.sending = None
        self.outputs = []      # what each process that received has printed
        self.polled = collections.Counter()  # texts that poll() has printed
        self.kills = 0
        self.said = 0
        self.unseen = []       # texts that the observer has not got yet
        self.is_killed = False
        self.has_joined = False
        self.was_out = False   # of the group, after it was in it

    def start_polling(self):
        with self.lock:
            self.polling = self.device.start(
                "--json", "--timeout", "300", "poll", "--as", self.name,
                "--follow", stdin=None)
            self.outputs.append(self.polling)

    def start_sending(self):
        with self.lock:
            self.sending = self.device.start(
                "--json", "--timeout", "300", "send", "--as", self.name,
                self.group)
            self.unseen = []

    def is_sending(self):
        """Its last process may have ended, because its user was no member
        any more; never for another reason."""
        if self.sending is None:
            return False
        code = self.sending.process.poll()
        if code is not None:
            harness.no_sanitizer_report(self.sending.err, self.name)
            if code != 6:
                raise AssertionError(f"{self.name}: expected to send, got "
                                     f"{code}: {self.sending.err}")
        return code is None

    def knows_group(self):
        """Whether it was told that it is in it, once."""
        self.has_joined = self.has_joined or any(
            '"group_event"' in output.out for output in self.outputs)
        return self.has_joined

    def say(self, count=1):
        """Lines, each of its own."""
        with self.lock:
            if not self.is_sending():
                self.start_sending()
            lines = [f"{self.name} {self.said + i}" for i in range(count)]
            self.said += count
            self.unseen += lines
            with contextlib.suppress(BrokenPipeError):
                self.sending.type("\n".join(lines) + "\n")

    def under_way(self, seen):
        """How many of its lines are to come."""
        with self.lock:
            self.unseen = [text for text in self.unseen if text not in seen]
            return len(self.unseen) if self.is_sending() else 0

    def kill(self, which):
        with self.lock:
            process = getattr(self, which)
            if process is not None:
                process.kill()
                harness.no_sanitizer_report(process.err, self.name)
            self.kills += 1
            self.is_killed = True
            if which == "polling":
                self.start_polling()
            else:
                self.sending = None

    def printed(self):
        """How often each text was printed to this user."""
        count = collections.Counter(self.polled)
        for output in self.outputs:
            for line in output.out.splitlines(keepends=True):
                if not line.endswith("\n"):
                    continue  # cut off by a kill
                message = json.loads(line)
                if is_text(message):
                    count[message["text"]] += 1
        return count

    def poll(self):
        """What no other process has printed: texts of messages."""
        texts = [m["text"] for m in
                 self.command("poll").expect(0).objects if is_text(m)]
        self.polled.update(texts)
        return texts

    def command(self, *args, **options):
        return self.device.peyk("--json", "--timeout", "300", *args, "--as",
                                self.name, timeout=400, **options)


def is_text(message):
    """A message to the group, and no event of it."""
    return message.get("event") == "message" and "group_id" in message


def time_ms(text):
    """What a JSON time says, in milliseconds."""
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    return round(at.timestamp() * 1000)


class Soak(harness.PeykTest):
    """The whole of it; see above."""

    size = SHORT
    seed = 17
    tls = False

    def setUp(self):
        super().setUp()
        self.rng = random.Random(self.seed)
        self.errors = []
        self.stopped = threading.Event()
        self.started_at = time.monotonic()
        self.killed_operations = 0
        self.done = collections.Counter()

    def note(self, text):
        print(f"{time.monotonic() - self.started_at:6.1f} s  {text}",
              file=sys.stderr, flush=True)

    # --- the beginning

    def prepare(self):
        """Accounts, and the group with its first members."""
        size = self.size
        names = [f"m#{i}" for i in range(size.members)]
        self.people = {name: Participant(self.server, name)
                       for name in names}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda p: p.device.signup(p.name),
                          self.people.values()))
        self.observer = Observer(self.client(), "observer")
        self.observer.sign_up()
        self.note(f"{size.members} accounts")

        self.admin = names[0]
        self.members = set(names[:size.first])
        self.victims = names[:1] + self.rng.sample(names[1:],
                                                   size.victims - 1)
        made, = self.people[self.admin].command(
            "group", "create", "team", *names[1:size.first],
            self.observer.name).expect(0).objects
        self.group_id = int(made["group_id"])
        for person in self.people.values():
            person.group = f"@{self.group_id}"
            person.start_polling()
        self.observer.poll(wait_ms=10000)
        self.assertEqual(self.observer.group(self.group_id).epoch, 1)
        harness.poll_until(
            lambda: all(self.people[name].knows_group()
                        for name in self.members - {self.admin}),
            "everybody to know the group")
        self.people[self.admin].has_joined = True
        self.note(f"a group of {size.first}, killed are "
                  f"{', '.join(self.victims)}")

    # --- the threads

    def guard(self, work):
        try:
            work()
        except BaseException as error:  # told by the main thread
            self.errors.append(error)

    def observe(self):
        while not self.stopped.is_set():
            self.observer.poll(wait_ms=500, max_messages=1024)

    def count(self):
        return len(self.observer.seen)

    def wait_for(self, condition, what):
        harness.poll_until(lambda: self.errors or condition(), what,
                           self.size.deadline)
        if self.errors:
            raise self.errors[0]

    def operate(self):
        """Changes the group, each time some messages have passed."""
        size = self.size
        for number in range(1, size.operations + 1):
            self.operation_due = (number * size.messages
                                  // (size.operations + 1))
            self.wait_for(lambda: self.count() >= self.operation_due,
                          f"{self.operation_due} of {size.messages} messages")
            self.operation()
        self.operation_due = sys.maxsize

    def pick(self, names, least, most):
        return self.rng.sample(sorted(names), min(
            len(names), self.rng.randint(least, most)))

    def operation(self):
        """One change by the admin, or a member that leaves."""
        rest = self.members - {self.admin}
        outside = set(self.people) - self.members
        choices = ["rotate", "rename", "hand-over"]
        if outside:
            choices += ["add"] * 4
        if len(rest) > 3:
            choices += ["leave"] * 2 + ["remove"] * 2
        what = self.rng.choice(choices)
        who, args, after = self.admin, [], self.members
        if what == "add":
            args = self.pick(outside, 1, 3)
            after = self.members | set(args)
        elif what == "remove":
            args = self.pick(rest, 1, 2)
            after = self.members - set(args)
        elif what == "leave":
            who = self.rng.choice(sorted(rest))
            after = self.members - {who}
        elif what == "rename":
            args = [f"team {self.rng.randrange(1000)}"]
        elif what == "hand-over":
            args = [self.rng.choice(sorted(rest))]
        command = ("group", what, self.people[who].group, *args)
        self.note(f"{self.count():4} messages: {who}: {what} "
                  f"{' '.join(args)}")
        is_killed = who in self.victims and self.rng.random() < 0.4
        if is_killed:
            self.command_killed(who, command)
        else:
            self.people[who].command(*command).expect(0)
        self.done[what] += 1
        if is_killed:
            # It was done, is finished by this very poll, or never began.
            self.people[who].poll()
            shown, = self.people[who].command(
                "group", "show", self.people[who].group).expect(0).objects
            happened = {
                "leave": shown["status"] != "active",
                "hand-over": shown["role"] != "admin",
            }.get(what, {m["name"] for m in shown.get("members", [])
                         if not m.get("left")} - {self.observer.name}
                  == after)
            self.note(f"     killed, and {'done' if happened else 'not'}")
            if not happened:
                return
        for name in self.members - after:
            self.people[name].was_out = True
        self.members = after
        if what == "hand-over":
            self.admin = args[0]

    def command_killed(self, who, command):
        device = self.people[who].device
        process = device.start("--json", *command, "--as", who, stdin=None)
        with contextlib.suppress(Exception):
            process.process.wait(self.rng.uniform(0.2, 1.5))
        process.kill()
        harness.no_sanitizer_report(process.err, who)
        self.killed_operations += 1

    # --- the course of things

    def talk(self, changing):
        """Messages and kills, while operate() changes the group."""
        size = self.size
        kills = sorted(self.rng.sample(range(size.messages), size.kills))
        ends = sorted(self.rng.sample(range(size.messages),
                                      size.server_kills))
        while (self.count() < size.messages or kills or ends
               or changing.is_alive()) and not self.errors:
            while kills and kills[0] <= self.count():
                kills.pop(0)
                self.people[self.rng.choice(self.victims)].kill(
                    self.rng.choice(["polling", "sending"]))
            if ends and ends[0] <= self.count():
                ends.pop(0)
                self.server.kill()
                self.server.start()
            # Some pass while a change is made, not all of them.
            under_way = sum(p.under_way(self.observer.seen)
                            for p in self.people.values())
            if (under_way >= size.ahead or self.count() + under_way
                    >= self.operation_due + size.ahead):
                if time.monotonic() - self.started_at > size.deadline:
                    self.fail(f"stuck: {self.stuck()}")
                time.sleep(0.005)  # a pace, and no more
                continue
            sender = self.people[self.rng.choice(sorted(self.members))]
            if sender.knows_group():
                sender.say(self.rng.choice([1, 1, 1, 2, 5, 10]))

    def stuck(self):
        return {p.name: p.unseen for p in self.people.values()
                if p.under_way(self.observer.seen)}

    def test_soak(self):
        self.note(f"seed {self.seed}")
        self.prepare()
        self.operation_due = 0
        watching = threading.Thread(target=self.guard, args=(self.observe,),
                                    daemon=True)
        changing = threading.Thread(target=self.guard, args=(self.operate,),
                                    daemon=True)
        watching.start()
        changing.start()
        # Here, because programs die with the thread that started them.
        self.talk(changing)
        if self.errors:
            raise self.errors[0]
        self.settle()
        self.stopped.set()
        watching.join(harness.DEADLINE)
        if self.errors:
            raise self.errors[0]
        self.check()

    # --- the end

    def settle(self):
        """Lets everything that is under way arrive; ends all programs."""
        self.note(f"{self.count()} messages, "
                  f"{sum(p.kills for p in self.people.values())} kills")
        for person in self.people.values():
            if person.sending is not None:
                person.sending.end(self.size.deadline).expect(
                    *([0, 6] if person.was_out else [0]))
        group = self.observer.group(self.group_id)
        self.wait_for(lambda: set(group.names()) == self.members | {
            self.observer.name} and not group.left,
            f"a roster of {sorted(self.members)}")

        entitled = self.entitled()

        def is_quiet():
            lacking = {}
            for person in self.people.values():
                printed = person.printed()
                texts = [m.text for m in entitled[person.name][0]
                         if m.text not in printed]
                if texts:
                    lacking[person.name] = texts[:5]
            self.assertEqual(lacking, {}, "these are not printed")
            return True
        harness.poll_until(is_quiet, "everybody to have got everything",
                           self.size.deadline / 4)
        self.note(f"{self.count()} messages, epoch {group.epoch}: all have "
                  "got theirs")
        for person in self.people.values():
            person.polling.signal(15)
        for person in self.people.values():
            person.polling.end().expect(0)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.collect, self.people.values()))
        self.note("all histories read")

    def collect(self, person):
        """What the user has in the end."""
        person.late = []
        if person.is_killed:  # nothing may come again
            person.late = person.poll()
        person.history = person.command(
            "history", "--limit", "1000000").expect(0).objects
        person.shown = None
        shown = person.command("group", "show", person.group)
        if shown.code == 0:
            person.shown, = shown.objects

    def entitled(self):
        """name -> (what it must have, what it may have besides)."""
        group = self.observer.group(self.group_id)
        rosters = {epoch: list(roster.members)
                   for epoch, roster in list(group.rosters.items())}
        out = {name: ([], []) for name in (*self.people, self.observer.name)}
        for message in list(self.observer.seen.values()):
            for m in rosters[message.epoch]:
                at = self.observer.leaves.get((m.signing_key, message.epoch))
                if m.username == message.sender:
                    continue
                if at is None or message.stored_at_ms < at - SAME_MOMENT_MS:
                    out[m.username][0].append(message)
                elif message.stored_at_ms <= at + SAME_MOMENT_MS:
                    out[m.username][1].append(message)
        return out

    def check(self):
        size, group = self.size, self.observer.group(self.group_id)
        self.assertEqual([str(e) for _, e in self.observer.unreadable], [])
        self.assertEqual(sorted(group.rosters),
                         list(range(1, group.epoch + 1)),
                         "expected the observer to have every epoch")
        self.assertGreaterEqual(self.count(), size.messages)
        entitled = self.entitled()
        for person in self.people.values():
            self.check_messages(person, *entitled[person.name])
            self.check_rosters(person, group)
            self.check_told(person, group)
        kills = sum(p.kills for p in self.people.values())
        self.note(f"{self.count()} messages in {group.epoch} epochs, "
                  f"{kills} kills of programs, {self.killed_operations} of "
                  f"changes, {size.server_kills} of the server, " + ", ".join(
                      f"{n} {what}" for what, n in sorted(self.done.items())))
        self.assertEqual(kills, size.kills)

    def check_messages(self, person, must, may):
        name = person.name
        rows = [m for m in person.history if is_text(m)]
        got = [m for m in rows if m["direction"] == "in"]
        found = collections.Counter(m["text"] for m in got)
        # Of what came at the moment of its leave it has each sender's first.
        for sender in {m.sender for m in may}:
            had = [m.text in found for m in may if m.sender == sender]
            self.assertEqual(had, sorted(had, reverse=True), (name, sender))
        must, may = ({m.text for m in ms} for ms in (must, may))
        self.assertEqual([t for t, n in found.items() if n != 1], [],
                         f"{name} has these more than once")
        self.assertEqual(must - set(found), set(),
                         f"{name} was entitled to these")
        self.assertEqual(set(found) - must - may, set(),
                         f"{name} was not entitled to these")
        for m in got:
            seen = self.observer.seen[m["text"]]
            self.assertEqual((m["from"], m["epoch"], m["id"]),
                             (seen.sender, seen.epoch, seen.id))
        # What was printed is what is in the history; twice only if it died.
        printed = person.printed()
        self.assertEqual(set(printed), set(found), name)
        self.assertEqual(person.late, [], name)
        if not person.is_killed:
            self.assertEqual(max(printed.values(), default=1), 1, name)
        # What it sent: stored is what the others have, and nothing waits.
        sent = collections.Counter()
        for m in rows:
            if m["direction"] == "out":
                sent[m["text"], m["outcome"] == "stored"] += 1
                self.assertNotEqual(m["outcome"], "pending", m)
        self.assertEqual({t for t, stored in sent if stored},
                         {m.text for m in self.observer.seen.values()
                          if m.sender == name}, name)
        self.assertEqual(set(sent.values()) | {1}, {1}, name)

    def check_rosters(self, person, group):
        """What this user was told of each epoch is what the observer saw.

        Each roster names the hash of the one before, which every peyk
        checks: who has the observer's last roster, and missed none, has all
        of them. Messages name their roster's hash, too.
        """
        for m in person.history:
            if m["event"] == "group_event":
                self.assertNotIn(m["kind"], (
                    "forked", "roster_missed", "key_wrong", "key_conflict"),
                    m)
            if is_text(m) and m["direction"] == "in":
                self.assertIn(m["order"], ("expected",), m)
        shown = person.shown
        if shown is None:
            self.assertNotIn(person.name, {
                m.username for roster in group.rosters.values()
                for m in roster.members}, "expected to know the group")
            return
        self.assertFalse(shown["forked"], shown)
        if person.name in self.members:
            self.assertEqual((shown["status"], shown["epoch"]),
                             ("active", group.epoch), person.name)
            self.assertEqual({m["name"] for m in shown["members"]},
                             self.members | {self.observer.name})
            self.assertEqual(shown["admin"], self.admin)
            self.assertEqual(shown["group"], group.name)
        else:
            self.assertIn(shown["status"], ("left", "removed"), person.name)
        self.assertEqual(shown["safety_number"],
                         group.safety_number(shown["epoch"]), person.name)

    def changes(self, group, epoch, name):
        """What a user is told of an epoch, from the observer's rosters; None:
        it was not in it. Whoever joins is told of itself at least."""
        def members(of):
            roster = group.rosters.get(of)
            return {} if roster is None else {
                m.username: m.signing_key for m in roster.members}
        new = members(epoch)
        if name not in new:
            return None
        old = {n: key for n, key in members(epoch - 1).items()
               if (key, epoch - 1) not in self.observer.leaves}
        if name not in old:
            return [("joined", [name])]
        roster, last = group.rosters[epoch], group.rosters[epoch - 1]
        told = [(kind, sorted(names)) for kind, names in (
            ("joined", set(new) - set(old)), ("removed", set(old) - set(new)),
            ("renamed", {roster.name} - {last.name}),
            ("admin_changed", {n for n, key in new.items()
                               if key == roster.admin_key
                               and key != last.admin_key})) if names]
        return told or [("key_refreshed", [])]

    def check_told(self, person, group):
        """The history tells each epoch's changes, once."""
        told = collections.defaultdict(list)
        for m in person.history:
            if m["event"] != "group_event" or m["kind"] == "left" or (
                    m["kind"] == "removed" and person.name in m["names"]):
                continue
            names = sorted(m["names"])
            if m["kind"] == "joined" and (person.name in names
                                          or m["epoch"] == 1):
                names = [person.name]
            told[m["epoch"]].append((m["kind"], names))
        for epoch in group.rosters:
            self.assertEqual(
                sorted(told.pop(epoch, [])),
                sorted(self.changes(group, epoch, person.name) or []),
                f"{person.name} in epoch {epoch}")
        self.assertEqual(dict(told), {}, person.name)


def main():
    """--full and --seed are ours; the rest is unittest's."""
    if "--full" in sys.argv:
        sys.argv.remove("--full")
        Soak.size = FULL
    if os.environ.get("PEYK_SOAK") == "full":
        Soak.size = FULL
    if "--seed" in sys.argv:
        at = sys.argv.index("--seed")
        Soak.seed = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    harness.main()


if __name__ == "__main__":
    main()
