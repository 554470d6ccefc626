#!/usr/bin/python3
"""10,000 messages while server and clients are killed at random (R15).

Every message is found exactly once and in order. What dies when comes from
fixed seeds; how far the others are by then, of course, does not.
"""

import collections
import pathlib
import random
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import peyk_client as pc  # noqa: E402
from harness import Device  # noqa: E402
from peyk_client import payload  # noqa: E402

SEED = 8022
PYTHON_SENDERS, PYTHON_MESSAGES = 4, 1500
PEYK_SENDERS, PEYK_MESSAGES = 2, 2000
TOTAL = PYTHON_SENDERS * PYTHON_MESSAGES + PEYK_SENDERS * PEYK_MESSAGES
SERVER_KILLS = 25
PEYK_KILLS = 6  # of each process that sends or receives
DEADLINE = 420.0


class ExactlyOnce(harness.PeykTest):
    tls = True

    def setUp(self):
        super().setUp()
        self.errors = []
        self.confirmed = collections.Counter()
        self.kills = collections.Counter()
        self.sending_done = threading.Event()
        self.server_lock = threading.Lock()

    # --- who dies

    def run_and_kill(self, rng, kills_left, device, args, input=None):
        """Runs peyk; while kills are left, dies at a random moment.

        Its exit code and standard output.
        """
        process = subprocess.Popen(
            harness.tied() + [str(harness.program("peyk")),
                              *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=device.environment())
        late = rng.uniform(0.1, 2.5) if kills_left else 240
        try:
            out, err = process.communicate(
                input.encode() if input else b"", timeout=late)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.kills["peyk"] += 1
            if not kills_left:
                raise AssertionError("expected peyk to end: "
                                     + err.decode()) from None
        harness.no_sanitizer_report(err.decode(errors="replace"), "peyk")
        return harness.Ran(args, process.returncode, out.decode(),
                           err.decode(errors="replace"))

    def kill_server(self):
        """Kills the server each time a share of the messages has passed."""
        rng = random.Random(SEED)
        shares = sorted(rng.uniform(0.01, 0.95) for _ in range(SERVER_KILLS))
        for share in shares:
            wanted = int(share * TOTAL)
            harness.poll_until(
                lambda: sum(self.confirmed.values()) >= wanted
                or self.errors, f"{wanted} of {TOTAL} messages confirmed",
                DEADLINE)
            if self.errors:
                return
            self.server.kill()
            self.kills["peykd"] += 1
            self.server.start()

    # --- who writes

    def python_send(self, number, account, receivers):
        rng = random.Random(SEED + number)
        counts = collections.Counter()
        to_whom = [name for name in receivers
                   for _ in range(PYTHON_MESSAGES // len(receivers))]
        rng.shuffle(to_whom)
        while to_whom:
            size = rng.randint(1, 60)
            letters = []
            for name in to_whom[:size]:
                letters.append((name, f"{account.name} {counts[name]}"))
                counts[name] += 1
            to_whom = to_whom[size:]
            results = account.send(letters, deadline=180)
            for result in results:
                if result.outcome != payload.SEND_OUTCOME_STORED:
                    raise AssertionError(f"expected STORED, got {result}")
            self.confirmed[account.name] += len(letters)

    def peyk_send(self, number, device, name, receivers):
        rng = random.Random(SEED + 100 + number)
        kills = PEYK_KILLS
        share = PEYK_MESSAGES // len(receivers)
        for to in receivers:
            lines = [f"{name} {i}" for i in range(share)]
            done = 0
            while done < share:
                ran = self.run_and_kill(
                    rng, kills, device,
                    ["--timeout", "120", "send", "--as", name, to],
                    "\n".join(lines[done:]) + "\n")
                if ran.code == -9:
                    kills -= 1
                elif ran.code != 0:
                    raise AssertionError(f"expected to send: {ran}")
                # What was handed over stands in the history; the next
                # command finishes what is in doubt.
                texts = [m["text"] for m in device.history(
                    name, to, "--limit", "100000")]
                self.assertEqual(texts, lines[:len(texts)],
                                 "expected the history to be a prefix")
                if ran.code == 0:
                    self.assertEqual(len(texts), share, ran)
                self.confirmed[name] += len(texts) - done
                done = len(texts)

    # --- who reads

    def python_receive(self, account, got, expected):
        while len(got) < expected and not self.errors:
            got += account.poll(wait_ms=1000, max_messages=200,
                                deadline=180)

    def peyk_receive(self, number, device, name, printed, expected):
        rng = random.Random(SEED + 200 + number)
        kills = PEYK_KILLS
        while len(printed) < expected and not self.errors:
            ran = self.run_and_kill(
                rng, kills, device,
                ["--json", "--timeout", "120", "poll", "--as", name,
                 "--wait", "2"])
            if ran.code == -9:
                kills -= 1
            elif ran.code != 0:
                raise AssertionError(f"expected to poll: {ran}")
            lines = ran.out.split("\n")
            if lines[-1] and ran.code == -9:
                lines.pop()  # cut off by the kill; it comes again
            for message in harness.Ran([], 0, "\n".join(lines),
                                       "").objects:
                printed.setdefault(message["id"], message)

    # --- all of it

    def test_R15_ten_thousand_messages(self):
        client = self.client()
        writers = [pc.Account(client, f"writer#{i}")
                   for i in range(PYTHON_SENDERS)]
        readers = [pc.Account(client, f"reader#{i}") for i in range(2)]
        for account in writers + readers:
            account.sign_up()
        devices = {}
        for name in ("peyk-writer#0", "peyk-writer#1", "peyk-reader#0",
                     "peyk-reader#1"):
            devices[name] = Device(self.server)
            devices[name].signup(name)
        receivers = [a.name for a in readers] + ["peyk-reader#0",
                                                 "peyk-reader#1"]
        for account in writers:
            account.get_keys(receivers)

        expected = (PYTHON_SENDERS * PYTHON_MESSAGES
                    + PEYK_SENDERS * PEYK_MESSAGES) // len(receivers)
        got = {account.name: [] for account in readers}
        printed = {name: {} for name in receivers[2:]}
        jobs = []
        for i, account in enumerate(writers):
            jobs.append((self.python_send, i, account, receivers))
        for i in range(PEYK_SENDERS):
            name = f"peyk-writer#{i}"
            jobs.append((self.peyk_send, i, devices[name], name,
                         receivers[i:] + receivers[:i]))
        for account in readers:
            jobs.append((self.python_receive, account, got[account.name],
                         expected))
        for i, name in enumerate(printed):
            jobs.append((self.peyk_receive, i, devices[name], name,
                         printed[name], expected))

        def guard(work, *args):
            try:
                work(*args)
            except BaseException as error:  # told by the main thread
                self.errors.append(error)
        threads = [threading.Thread(target=guard, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        # In this thread: a server dies with the thread that started it.
        guard(self.kill_server)
        for thread in threads:
            thread.join(DEADLINE)
        if self.errors:
            raise self.errors[0]
        self.assertEqual([t for t in threads if t.is_alive()], [],
                         "expected everybody to be done")

        # Nothing is left, nothing comes again.
        for account in readers:
            self.assertEqual(account.drain(), [])
            self.assertEqual(account.unreadable, [])
        found = {name: [(m.sender.username, m.text) for m in messages]
                 for name, messages in got.items()}
        for name, messages in printed.items():
            self.assertEqual(devices[name].poll(name), [])
            found[name] = [(m["from"], m["text"]) for m in devices[
                name].history(name, "--limit", "100000")]
            self.assertEqual(
                sorted((m["from"], m["text"]) for m in messages.values()),
                sorted(found[name]), "expected poll to have printed what "
                "the history holds")
        self.check(found, writers, receivers)
        print(f"{sum(map(len, found.values()))} messages, "
              f"{self.kills['peykd']} kills of peykd, "
              f"{self.kills['peyk']} of peyk", file=sys.stderr)
        self.assertGreaterEqual(self.kills["peykd"], SERVER_KILLS)
        self.assertGreater(self.kills["peyk"], 5)

    def check(self, found, writers, receivers):
        total = 0
        for receiver in receivers:
            by_sender = collections.defaultdict(list)
            for sender, text in found[receiver]:
                by_sender[sender].append(text)
            for sender in [a.name for a in writers] + [
                    f"peyk-writer#{i}" for i in range(PEYK_SENDERS)]:
                count = (PYTHON_MESSAGES if sender.startswith("writer")
                         else PEYK_MESSAGES) // len(receivers)
                self.assertEqual(
                    by_sender.pop(sender, []),
                    [f"{sender} {i}" for i in range(count)],
                    f"expected {receiver} to have each message of {sender} "
                    "once and in order")
                total += count
            self.assertEqual(dict(by_sender), {})
        self.assertEqual(total, TOTAL)


if __name__ == "__main__":
    harness.main()
