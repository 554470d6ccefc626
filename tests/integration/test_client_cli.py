#!/usr/bin/python3
"""The command line: results, JSON, exit codes, error texts, files.

C9, R9, R25–R27; issue: what stands, 5, and “Bad input and trouble”.
"""

import json
import os
import pathlib
import pty
import signal
import socket
import stat
import sys
import threading
import time
import unicodedata

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
from harness import PASSWORD, Device  # noqa: E402

DONE, FAILED, USAGE, UNREACHABLE, WRONG_PASSWORD, KEY_CHANGED, REFUSED = (
    range(7))
PERSIAN = "علی‌جان"


class Commands(harness.PeykTest):
    """C9: what each command does, for people and for programs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = Device(cls.server)
        for name in ("client#2", "client#3", PERSIAN, "Ärger"):
            cls.home.signup(name)

    def test_C9_help_and_version(self):
        for args in (["help"], ["--help"], ["-h"]):
            ran = self.home.peyk(*args).expect(DONE)
            for command in ("signup", "whoami", "send", "poll", "chat",
                            "contacts", "verify", "history"):
                self.assertIn(command, ran.out)
        for command in ("signup", "send", "poll", "chat", "verify"):
            ran = self.home.peyk(command, "--help").expect(DONE)
            self.assertIn(command, ran.out)
        self.assertRegex(self.home.peyk("--version").expect(DONE).out,
                         r"\d+\.\d+")

    def test_help_fits_a_terminal(self):
        """No line of any page of help is wider than 80 columns."""
        pages = [[]] + [[name] for name in (
            "signup", "whoami", "send", "poll", "chat", "history", "group",
            "contacts", "verify", "seal", "open")] + [
            ["group", verb] for verb in (
                "create", "add", "remove", "leave", "rotate", "show", "list",
                "rename", "hand-over", "delete", "send")]
        for page in pages:
            ran = self.home.peyk("help", *page).expect(DONE)
            for line in ran.lines:
                self.assertLessEqual(len(line), 80, f"{page}: {line}")

    def test_R29_first_conversation(self):
        """The issue's two lines, in the words of R29."""
        self.home.send("client#2", "client#3", "salam mashti")
        ran = self.home.peyk("poll", "--as", "client#3").expect(DONE)
        self.assertIn("client#2", ran.out)
        self.assertIn("salam mashti", ran.out)
        self.home.send("client#3", "client#2", "aleyk")
        ran = self.home.peyk("poll", "--as", "client#2").expect(DONE)
        self.assertIn("aleyk", ran.out)
        ran = self.home.peyk("poll", "--as", "client#2").expect(DONE)
        self.assertNotIn("aleyk", ran.out, "expected it once")
        ran = self.home.peyk("history", "--as", "client#2",
                             "client#3").expect(DONE)
        self.assertLess(ran.out.index("salam mashti"),
                        ran.out.index("aleyk"))

    def test_json_of_a_received_message(self):
        self.home.send("client#2", PERSIAN, "«سلام»\tمشتی \"x\" \\ 😀")
        got = self.home.poll(PERSIAN)
        self.assertEqual(len(got), 1)
        message = got[0]
        self.assertEqual((message["from"], message["to"], message["text"]),
                         ("client#2", PERSIAN, "«سلام»\tمشتی \"x\" \\ 😀"))
        self.assertRegex(message["id"], r"^[0-9a-f-]{32,36}$")
        self.assertRegex(str(message["sent_at"]),
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

    def test_json_of_every_command(self):
        """--json: one object a line, on every command, in any position."""
        device = self.device("json#1")
        device.send("json#1", "client#2", "hello")
        for args in (["whoami", "--as", "json#1"],
                     ["contacts", "--as", "json#1"],
                     ["history", "--as", "json#1"],
                     ["verify", "--as", "json#1", "client#2"],
                     ["poll", "--as", "json#1"],
                     ["send", "--as", "json#1", "client#2", "again"]):
            for where in (["--json", *args], [*args, "--json"]):
                device.peyk(*where).expect(DONE).objects
        ran = device.peyk("--json", "signup", "json#2").expect(DONE)
        self.assertTrue(ran.objects, "expected signup to tell an object")
        who = device.peyk("--json", "whoami", "--as",
                          "json#1").expect(DONE).objects[0]
        self.assertIn("json#1", json.dumps(who))
        self.assertIn(self.server.fingerprint, json.dumps(who),
                      "expected whoami to tell the server's fingerprint")

    def test_json_errors_are_objects(self):
        ran = self.home.peyk("--json", "send", "--as", "client#2", "nobody",
                             "x").expect(REFUSED)
        errors = [json.loads(line) for line in ran.err.splitlines()]
        told = [e for e in errors if "error" in e]
        self.assertEqual(len(told), 1, ran)
        self.assertEqual(told[0]["exit"], REFUSED)
        self.assertIn("nobody", told[0]["error"])

    def test_R9_names_in_any_spelling(self):
        """CLIENT#2 is client#2, decomposed is composed, on all commands."""
        decomposed = unicodedata.normalize("NFD", "ärger")
        self.assertNotEqual(decomposed, "ärger")
        self.home.send("CLIENT#2", decomposed, "any spelling")
        got = self.home.poll("ÄRGER")
        self.assertEqual([(m["from"], m["to"], m["text"]) for m in got],
                         [("client#2", "Ärger", "any spelling")])
        found = self.home.history(decomposed, "Client#2")
        self.assertEqual([m["text"] for m in found], ["any spelling"])
        ran = self.home.peyk("signup", "CLIENT#2").expect(FAILED, REFUSED)
        self.assert_clear(ran, "client#2")

    def test_R9_taken_and_forbidden_names(self):
        other = Device(self.server)
        ran = other.peyk("signup", "Client#2").expect(REFUSED)
        self.assert_clear(ran, "taken|exists|belongs", "name")
        for name in ("@all", "two words", "", "x" * 65, "a\u202eb", "a\tb"):
            ran = other.peyk("signup", name).expect(USAGE, REFUSED)
            self.assert_clear(ran, "name")
        ran = other.peyk("signup", "client-2").expect(DONE)
        ran = self.home.peyk("send", "--as", "client#2", "no such person",
                             "x").expect(USAGE, REFUSED)
        self.assert_clear(ran)

    def test_unknown_recipient(self):
        ran = self.home.peyk("send", "--as", "client#2", "nobody#9",
                             "x").expect(REFUSED)
        self.assert_clear(ran, "nobody#9")
        ran = self.home.peyk("verify", "--as", "client#2", "nobody#9")
        self.assertNotEqual(ran.code, DONE)
        self.assert_clear(ran, "nobody#9")

    def test_unknown_account_here(self):
        ran = self.home.peyk("send", "--as", "stranger#9", "client#2", "x")
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "stranger#9", "signup|sign up")

    def test_empty_and_oversized_message(self):
        ran = self.home.peyk("send", "--as", "client#2", "client#3", "")
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "empty")
        big = "ب" * 32769  # 65,538 bytes: more than one argument can hold?
        ran = self.home.peyk("send", "--as", "client#2", "client#3", big)
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "65,?536|64 KiB|long|large")
        ran = self.home.peyk("send", "--as", "client#2", "client#3",
                             input="fine\n" + "x" * 65537 + "\nfine\n")
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "65,?536|64 KiB|long|large")
        device = self.device("big#1")
        device.send("big#1", "client#3", "ب" * 32768)

    def test_bulk_send_over_standard_input(self):
        """Every line is a message; the last may lack its end; empty lines
        are no messages; CR LF is one end."""
        device = self.device("bulk#1", "bulk#2")
        lines = [f"line {i} خط" for i in range(700)]
        device.send("bulk#1", "bulk#2",
                    input="\n".join(lines[:300]) + "\n")
        device.send("bulk#1", "bulk#2", input="\n".join(lines[300:]))
        texts = []

        def all_here():
            texts.extend(m["text"] for m in device.poll("bulk#2"))
            return len(texts) >= len(lines)
        harness.poll_until(all_here, "700 messages")
        self.assertEqual(texts, lines)
        self.assertEqual(device.poll("bulk#2"), [])

    def test_bulk_send_of_nothing(self):
        ran = self.home.peyk("send", "--as", "client#2", "client#3",
                             input="")
        self.assertIn(ran.code, (DONE, FAILED, USAGE))
        self.assertNotIn("Sanitizer", ran.err)

    def test_bulk_send_streams(self):
        """A line goes out when it is typed, not when the input ends."""
        device = self.device("stream#1", "stream#2")
        sending = device.start("send", "--as", "stream#1", "stream#2")
        sending.type("first\n")
        got = []

        def arrived():
            got.extend(device.poll("stream#2"))
            return got
        harness.poll_until(arrived, "the first line before the input ends")
        sending.type("second\n")
        harness.poll_until(lambda: arrived() and len(got) == 2,
                           "the second line")
        sending.close_input()
        sending.end().expect(DONE)
        self.assertEqual([m["text"] for m in got], ["first", "second"])

    def test_bulk_send_bytes_that_are_not_utf8(self):
        ran = self.home.peyk("send", "--as", "client#2", "client#3",
                             input=b"good\n\xff\xfe\n")
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "utf-?8")

    def test_progress_bar_only_on_a_terminal(self):
        ran = self.home.peyk("send", "--as", "client#2", "client#3",
                             input="a\nb\n").expect(DONE)
        self.assertNotIn("\r", ran.out + ran.err)
        self.assertNotIn("\x1b", ran.out + ran.err)

    def test_poll_wait(self):
        """--wait returns with the message, not at the end of the wait."""
        device = self.device("wait#1", "wait#2")
        waiting = device.start("--json", "poll", "--as", "wait#2", "--wait",
                               "120", stdin=None)
        device.send("wait#1", "wait#2", "hurry")
        ran = waiting.end(timeout=60).expect(DONE)
        self.assertEqual([o["text"] for o in ran.objects], ["hurry"])

    def test_poll_wait_ends_by_itself(self):
        device = self.device("short#1")
        ran = device.peyk("--json", "poll", "--as", "short#1", "--wait", "1")
        self.assertEqual(ran.expect(DONE).objects, [])

    def test_poll_follow(self):
        """--follow shows what arrives until it is ended."""
        device = self.device("follow#1", "follow#2")
        following = device.start("--json", "poll", "--as", "follow#2",
                                 "--follow", stdin=None)
        for i in range(5):
            device.send("follow#1", "follow#2", f"number {i}")
            following.wait_for(f"number {i}")
        following.signal(signal.SIGINT)
        ran = following.end()
        self.assertIn(ran.code, (DONE, FAILED, 130, -signal.SIGINT))
        self.assertEqual([o["text"] for o in ran.objects],
                         [f"number {i}" for i in range(5)])
        self.assertEqual(device.poll("follow#2"), [],
                         "expected what was shown to stay shown")

    def test_send_while_following(self):
        """One account sends in one process while another one receives."""
        device = self.device("both#1", "both#2")
        following = device.start("--json", "poll", "--as", "both#1",
                                 "--follow", stdin=None)
        for i in range(5):
            device.send("both#1", "both#2", f"ping {i}")
            got = [m["text"] for m in device.poll("both#2")]
            self.assertEqual(got, [f"ping {i}"])
            device.send("both#2", "both#1", f"pong {i}")
            following.wait_for(f"pong {i}")
        following.kill()

    def test_many_sends_of_one_account_at_once(self):
        """Processes of one account take turns; nothing is lost."""
        device = self.device("turn#1", "turn#2")
        errors = []

        def send(k):
            try:
                device.send("turn#1", "turn#2",
                            input="".join(f"{k}-{i}\n" for i in range(30)))
            except AssertionError as error:
                errors.append(error)
        threads = [threading.Thread(target=send, args=(k,))
                   for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        texts = [m["text"] for m in device.poll("turn#2")]
        while more := device.poll("turn#2"):
            texts += [m["text"] for m in more]
        self.assertEqual(sorted(texts), sorted(
            f"{k}-{i}" for k in range(4) for i in range(30)))
        for k in range(4):
            self.assertEqual([t for t in texts if t.startswith(f"{k}-")],
                             [f"{k}-{i}" for i in range(30)])

    def test_poll_in_two_processes_shows_each_message_once(self):
        device = self.device("pair#1", "pair#2")
        device.send("pair#1", "pair#2",
                    input="".join(f"{i}\n" for i in range(300)))
        got, errors = [], []

        def poll():
            try:
                while new := device.poll("pair#2"):
                    got.extend(m["text"] for m in new)
            except AssertionError as error:
                errors.append(error)
        threads = [threading.Thread(target=poll) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        got += [m["text"] for m in device.poll("pair#2")]
        self.assertEqual(sorted(got, key=int), [str(i) for i in range(300)])

    def test_contacts_and_verify(self):
        device = self.device("knows#1")
        self.assertEqual(device.peyk("--json", "contacts", "--as",
                                     "knows#1").expect(DONE).objects, [])
        device.send("knows#1", "client#2", "hi")
        contacts = device.peyk("--json", "contacts", "--as",
                               "knows#1").expect(DONE).objects
        self.assertEqual([c["name"] for c in contacts], ["client#2"])
        mine = device.peyk("verify", "--as", "knows#1",
                           "client#2").expect(DONE).out
        theirs = self.home.peyk("verify", "--as", "client#2",
                                "knows#1").expect(DONE).out

        def digits(text):
            import re
            return "".join(re.findall(r"\b\d{5}\b", text))
        self.assertEqual(len(digits(mine)), 60, mine)
        self.assertEqual(digits(mine), digits(theirs))

    def test_terminal_is_safe_from_texts(self):
        """Escape sequences and overrides of others do not reach the
        terminal; --json keeps them, escaped."""
        python = self.account()
        evil = "\x1b[2J\x07red\u202eevil\r\nforged: line"
        python.send([("client#3", evil)])
        ran = self.home.peyk("poll", "--as", "client#3").expect(DONE)
        for bad in ("\x1b", "\x07", "\u202e", "\r"):
            self.assertNotIn(bad, ran.out)
        self.assertNotIn("\nforged: line", ran.out)
        found = self.home.history("client#3")[-1]
        self.assertEqual(found["text"], evil)

    def test_reader_that_goes_away(self):
        """`peyk history | head -1`: no error, no message."""
        import subprocess
        ran = subprocess.run(
            ["bash", "-c", '"$0" history --as client#2 | head -n 1',
             str(harness.program("peyk"))], capture_output=True, text=True,
            env=self.home.environment(), timeout=harness.DEADLINE)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))

    def test_full_disk_for_the_output(self):
        """A result that cannot be written is a failure, and not lost."""
        import subprocess
        device = self.device("full#1", "full#2")
        device.send("full#1", "full#2", "do not lose me")
        with open("/dev/full", "w") as full:
            ran = subprocess.run(
                [str(harness.program("peyk")), "--json", "poll", "--as",
                 "full#2"], stdout=full, stderr=subprocess.PIPE, text=True,
                env=device.environment(), timeout=harness.DEADLINE)
        self.assertEqual(ran.returncode, FAILED, ran.stderr)
        self.assertEqual([m["text"] for m in device.poll("full#2")],
                         ["do not lose me"])

    def test_precedence_of_settings(self):
        """Option before environment before configuration file."""
        device = self.device("order#1")
        config = harness.new_dir("config")
        (config / "peyk").mkdir()
        (config / "peyk/config").write_text(
            "# a remark\nserver = 127.0.0.1:1\nas = order#1\n")
        ran = device.peyk("whoami", PEYK_SERVER=None, XDG_CONFIG_HOME=config,
                          PEYK_AS="nobody#1")
        self.assertNotEqual(ran.code, DONE)
        ran = device.peyk("whoami", XDG_CONFIG_HOME=config).expect(DONE)
        self.assertIn("order#1", ran.out)
        ran = device.peyk("whoami", "--as", "order#1",
                          XDG_CONFIG_HOME=config,
                          PEYK_AS="nobody#1").expect(DONE)
        (config / "peyk/config").write_text("nonsense = 1\n")
        ran = device.peyk("whoami", "--as", "order#1",
                          XDG_CONFIG_HOME=config).expect(USAGE)
        self.assert_clear(ran, "nonsense")

    def test_two_servers_in_one_home(self):
        """The same name at two servers; --server decides."""
        other = harness.Peykd().prepare().start()
        self.addCleanup(other.kill)
        device = self.device("twice#1", "twice#2")
        for name in ("twice#1", "twice#2"):
            device.signup(name, PEYK_SERVER=other.address)
        device.send("twice#1", "twice#2", "here")
        self.assertEqual(device.poll("twice#2", PEYK_SERVER=other.address),
                         [])
        self.assertEqual([m["text"] for m in device.poll("twice#2")],
                         ["here"])
        other.stop()


class Usage(harness.PeykTest):
    """Exit code 2, with what to do about it; needs no server."""

    serve = False

    def setUp(self):
        super().setUp()
        self.device_ = Device(None, address="127.0.0.1:1")

    def usage(self, *args, words=(), **options):
        ran = self.device_.peyk(*args, **options).expect(USAGE)
        self.assert_clear(ran, *words)
        self.assertEqual(ran.out, "", "expected usage errors on stderr")

    def test_usage_errors(self):
        self.usage()
        self.usage("sned", words=["sned", "send"])
        self.usage("signup")
        self.usage("signup", "a", "b")
        self.usage("send", "--as", "a")
        self.usage("send", "--as", "a", "b", "c", "d")
        self.usage("poll", "--as", "a", "--wait", words=["--wait"])
        self.usage("poll", "--as", "a", "--wait", "soon", words=["soon"])
        self.usage("poll", "--as", "a", "--wait", "-1")
        self.usage("poll", "--nonsense", words=["nonsense"])
        self.usage("send", "--follow", "--as", "a", "b", "c",
                   words=["follow"])
        self.usage("poll", words=["--as"])
        self.usage("chat", "a")
        self.usage("verify", "--as", "a")
        self.usage("poll", "--as", "a", "--password-file", "x",
                   "--password-fd", "3", words=["password"])
        self.usage("poll", "--as", "a", "--password-fd", "many")

    def test_bad_addresses(self):
        for address in ("http://x", "peyk://", "host:0", "host:65536",
                        "peyk://h:1#abc", "a b", "host:port",
                        "peyk://h/path"):
            self.usage("--server", address, "signup", "x", words=["address|"
                                                                  "server"])

    def test_no_server_named(self):
        ran = self.device_.peyk("signup", "x", PEYK_SERVER=None)
        self.assertEqual(ran.code, USAGE, ran)
        self.assert_clear(ran, "PEYK_SERVER|--server")

    def test_no_password_on_the_command_line(self):
        self.usage("--password", "secret", "poll", "--as", "a",
                   words=["password"])

    def test_no_home(self):
        ran = self.device_.peyk("poll", "--as", "a", PEYK_HOME=None,
                                HOME=None)
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran)


class Passwords(harness.PeykTest):
    """Password sources, wrong ones, forbidden ones (R7, R27)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = Device(cls.server)
        cls.home.signup("client#2")

    def whoami(self, *args, **options):
        return self.home.peyk("whoami", "--as", "client#2", *args, **options)

    def files(self):
        folder = self.home.user_dir()
        return {p.name: p.read_bytes() for p in sorted(folder.iterdir())
                if p.is_file()}

    def test_R27_wrong_password(self):
        before = self.files()
        wrong = self.home.root / "wrong"
        for text in ("wrong password", PASSWORD + "x", PASSWORD[:-1],
                     PASSWORD.upper(), "", "x" * 1024):
            wrong.write_text(text + "\n")
            wrong.chmod(0o600)
            ran = self.whoami(PEYK_PASSWORD_FILE=wrong)
            if ran.code == DONE:
                continue  # whoami may need no password
            self.assertEqual(ran.code, WRONG_PASSWORD, ran)
            self.assert_clear(ran, "password")
        for args in (["poll"], ["history"], ["contacts"],
                     ["send", "client#2", "x"]):
            wrong.write_text("wrong password\n")
            ran = self.home.peyk(args[0], "--as", "client#2", *args[1:],
                                 PEYK_PASSWORD_FILE=wrong)
            self.assertEqual(ran.code, WRONG_PASSWORD, ran)
            self.assert_clear(ran, "password")
        self.assertEqual(self.files(), before,
                         "expected a wrong password to change nothing")

    def test_sources(self):
        """File, descriptor, terminal; the first line counts."""
        def poll(*args, **options):
            return self.home.peyk("poll", "--as", "client#2", *args,
                                  PEYK_PASSWORD_FILE=None, **options)
        poll("--password-file", self.home.password_file).expect(DONE)
        for ending in ("", "\n", "\r\n", "\nsecond line\n"):
            read, write = os.pipe()
            os.write(write, (PASSWORD + ending).encode())
            os.close(write)
            ran = poll("--password-fd", read, pass_fds=(read,))
            os.close(read)
            ran.expect(DONE)
        poll("--password-fd", "0", input=PASSWORD + "\n").expect(DONE)

    def test_password_and_messages_on_standard_input(self):
        device = self.device("feed#1")
        ran = device.peyk("send", "--as", "feed#1", "client#2",
                          "--password-fd", "0", PEYK_PASSWORD_FILE=None,
                          input=PASSWORD + "\none\ntwo\n").expect(DONE)
        self.assertNotIn(PASSWORD, ran.out + ran.err)
        self.assertEqual([m["text"] for m in self.home.poll("client#2")
                          if m["from"] == "feed#1"], ["one", "two"])

    def test_missing_sources(self):
        ran = self.home.peyk("poll", "--as", "client#2",
                             PEYK_PASSWORD_FILE="/nonexistent/password")
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "/nonexistent/password")
        ran = harness.run(  # without a terminal to ask on
            ["setsid", "--wait", harness.program("peyk"), "poll", "--as",
             "client#2"], env=self.home.environment(PEYK_PASSWORD_FILE=None))
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "password", "--password-file|terminal")
        ran = self.home.peyk("poll", "--as", "client#2", "--password-fd",
                             "77", PEYK_PASSWORD_FILE=None)
        self.assertIn(ran.code, (FAILED, USAGE))
        self.assert_clear(ran, "77")

    def test_prompt_on_a_terminal_without_echo(self):
        import pexpect
        child = pexpect.spawn(
            str(harness.program("peyk")), ["poll", "--as", "client#2"],
            env=self.home.environment(PEYK_PASSWORD_FILE=None),
            encoding="utf-8", timeout=harness.DEADLINE)
        child.expect("(?i)password.*: ?")
        harness.poll_until(lambda: not child.getecho(),
                           "the terminal not to echo the password")
        child.sendline(PASSWORD)
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual(child.exitstatus, DONE, child.before)
        self.assertNotIn(PASSWORD, child.before)

    def test_prompt_asks_twice_for_a_new_password(self):
        import pexpect
        device = Device(self.server)
        child = pexpect.spawn(
            str(harness.program("peyk")), ["signup", "typed#1"],
            env=device.environment(PEYK_PASSWORD_FILE=None),
            encoding="utf-8", timeout=harness.DEADLINE)
        child.expect("(?i)password[^\n]*: ?")
        child.sendline("correct horse")
        child.expect("(?i)(again|repeat|once more|confirm)[^\n]*: ?")
        child.sendline("another horse")
        index = child.expect([pexpect.EOF, "(?i)password[^\n]*: ?"])
        if index == 1:
            child.sendline("typed password")
            child.expect("(?i)(again|repeat|once more|confirm)[^\n]*: ?")
            child.sendline("typed password")
            child.expect(pexpect.EOF)
            child.close()
            self.assertEqual(child.exitstatus, DONE)
        else:
            child.close()
            self.assertNotEqual(child.exitstatus, DONE)

    def test_passwords_that_may_not_be(self):
        for password, word in (("short", "short|8"), ("", "short|8|empty"),
                               ("x" * 1025, "long|1,?024")):
            device = Device(self.server, password)
            ran = device.peyk("signup", "weak#1")
            self.assertIn(ran.code, (FAILED, USAGE), ran)
            self.assert_clear(ran, word)
        device = Device(self.server, "پسورد خوب")
        device.signup("persian#1")
        device.peyk("poll", "--as", "persian#1").expect(DONE)
        # The same password typed in another normal form.
        device.set_password(unicodedata.normalize("NFD", "پسورد خوب"))
        device.peyk("poll", "--as", "persian#1").expect(DONE)


class KeyFile(harness.PeykTest):
    """R25–R27: the files, their permissions, and their damage."""

    def setUp(self):
        super().setUp()
        self.home = Device(self.server)
        name = harness.unique("file")
        self.name = name
        self.home.signup(name)
        self.friend = self.account()
        self.home.send(name, self.friend.name, "the secret word is پرتقال")
        self.friend.send([(name, "the answer is نارنگی")])
        self.home.poll(name)
        self.folder = self.home.user_dir()
        self.key_file = self.folder / "identity.key"

    def snapshot(self):
        return {p.name: p.read_bytes() for p in self.folder.iterdir()
                if p.is_file()}

    def test_R26_permissions(self):
        for path in [self.home.home, *self.home.home.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            expected = 0o700 if path.is_dir() else 0o600
            self.assertEqual(mode, expected, f"mode of {path}: {mode:o}")

    def test_R26_permissions_whatever_the_umask(self):
        device = Device(self.server)
        harness.run(["sh", "-c", 'umask 000; exec "$0" signup "$1"',
                     harness.program("peyk"), harness.unique("umask")],
                    env=device.environment()).expect(DONE)
        for path in device.home.rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode & 0o077, 0, f"mode of {path}: {mode:o}")

    def test_R25_R26_nothing_readable_in_the_files(self):
        """No text, no name of a friend, no password in any file."""
        words = [word.encode() for word in (
            "secret word", "پرتقال", "نارنگی", PASSWORD, self.friend.name)]
        words += [self.friend.key, self.friend.key.hex().encode()]
        for path in self.home.home.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                for word in words:
                    self.assertNotIn(word, data, f"{word!r} in {path}")
        self.assertNotIn(b"SQLite format 3",
                         (self.folder / "state.db").read_bytes()[:16])

    def test_R25_key_file_is_a_fernet_token(self):
        header, _, token = self.key_file.read_bytes().partition(b"\n")
        values = json.loads(header)
        self.assertTrue(values)
        self.assertRegex(token.strip().decode(), r"^gAAAAA[\w-]+={0,2}$")

    def expect_damaged(self, why):
        before = self.snapshot()
        for args in (["poll"], ["send", self.friend.name, "x"],
                     ["history"]):
            ran = self.home.peyk(args[0], "--as", self.name, *args[1:])
            self.assertEqual(ran.code, WRONG_PASSWORD, f"{why}: {ran}")
            self.assert_clear(ran, "password", "damaged|altered|key file")
            if why.endswith("quick"):
                break
        self.assertEqual(self.snapshot(), before,
                         f"{why}: expected nothing to change")

    def test_R27_truncated_key_file(self):
        good = self.key_file.read_bytes()
        header = good.index(b"\n")
        for size in (0, 1, header // 2, header, header + 1, header + 20,
                     len(good) // 2, len(good) - 30, len(good) - 2):
            self.key_file.write_bytes(good[:size])
            self.expect_damaged(f"cut to {size} of {len(good)}, quick")
        self.key_file.write_bytes(good)
        self.home.peyk("poll", "--as", self.name).expect(DONE)

    def test_R27_bit_flipped_key_file(self):
        """A flip in every region: header (parameters, salt, identity), and
        the token's version, time, IV, ciphertext, HMAC."""
        good = self.key_file.read_bytes()
        header = good.index(b"\n")
        token = header + 1
        positions = list(range(1, header, max(1, header // 12)))
        positions += [token, token + 3, token + 8, token + 16, token + 40,
                      (token + len(good)) // 2, len(good) - 45,
                      len(good) - 10]
        for position in positions:
            damaged = bytearray(good)
            damaged[position] ^= 0x01
            self.key_file.write_bytes(damaged)
            self.expect_damaged(f"bit flipped at byte {position}, quick")
        self.key_file.write_bytes(good)
        self.expect_intact()

    def expect_intact(self):
        texts = [m["text"] for m in self.home.history(self.name)]
        self.assertEqual(texts, ["the secret word is پرتقال",
                                 "the answer is نارنگی"])

    def test_R27_costs_out_of_bounds(self):
        """A header that asks for absurd work is refused, at once."""
        good = self.key_file.read_bytes()
        header, _, token = good.partition(b"\n")
        values = json.loads(header)

        def changed(tree):
            for key, value in list(tree.items()):
                if isinstance(value, dict):
                    yield from changed(value)
                elif isinstance(value, int) and not isinstance(value, bool):
                    for absurd in (0, -1, 1 << 40, 1 << 70):
                        tree[key] = absurd
                        yield json.dumps(values).encode()
                    tree[key] = value
        count = 0
        for altered in changed(values):
            self.key_file.write_bytes(altered + b"\n" + token)
            self.expect_damaged(f"{altered[:80]!r}, quick")
            count += 1
        self.assertGreater(count, 4, "expected numbers in the header")

    def test_R27_garbage_key_files(self):
        for garbage in (b"\0" * 5000, b"{}\n", b"{\n", b"\n\n\n",
                        os.urandom(2000), b"x" * 3_000_000,
                        b'{"version":99}\ngAAAAA'):
            self.key_file.write_bytes(garbage)
            ran = self.home.peyk("poll", "--as", self.name)
            self.assertIn(ran.code, (WRONG_PASSWORD, FAILED), ran)
            self.assert_clear(ran)

    def test_R27_damaged_database(self):
        """state.db cut or altered: said so, exit code 4, not overwritten."""
        database = self.folder / "state.db"
        good = database.read_bytes()
        extra = {p.name for p in self.folder.iterdir()}
        for why, bad in (("first page altered",
                          good[:100] + bytes([good[100] ^ 1]) + good[101:]),
                         ("cut in half", good[:len(good) // 2]),
                         ("salt altered", bytes([good[0] ^ 1]) + good[1:]),
                         ("garbage", os.urandom(len(good)))):
            database.write_bytes(bad)
            ran = self.home.peyk("history", "--as", self.name)
            self.assertEqual(ran.code, WRONG_PASSWORD, f"{why}: {ran}")
            self.assert_clear(ran, "damaged|altered|database|password")
            self.assertEqual(database.read_bytes(), bad,
                             "expected the damaged file to be left alone")
        database.write_bytes(good)
        self.assertTrue(extra)
        self.expect_intact()

    def test_missing_database(self):
        (self.folder / "state.db").rename(self.folder / "elsewhere")
        ran = self.home.peyk("send", "--as", self.name, self.friend.name,
                             "x")
        self.assertIn(ran.code, (FAILED, WRONG_PASSWORD), ran)
        self.assert_clear(ran, "database|state")

    def test_an_old_copy_of_the_state_is_noticed(self):
        """Section 6: REPLAY for a number that was never used: stop."""
        old = (self.folder / "state.db").read_bytes()
        for i in range(3):
            self.home.send(self.name, self.friend.name, f"later {i}")
        (self.folder / "state.db").write_bytes(old)
        ran = self.home.peyk("send", "--as", self.name, self.friend.name,
                             "from the past")
        self.assertIn(ran.code, (FAILED, WRONG_PASSWORD), ran)
        self.assert_clear(ran, "old|copy|copied|backup")


class Locked(harness.PeykTest):
    """A state database that another process has open: wait, then say so."""

    def test_locked_by_another_process(self):
        import fcntl
        device = self.device("lock#1")
        folder = device.user_dir()
        # Every lock that a peyk could hold: advisory locks on the lock file
        # (both kinds), held by this very process.
        with open(folder / "lock", "r+b") as one:
            fcntl.flock(one, fcntl.LOCK_EX)
            fcntl.lockf(one, fcntl.LOCK_EX)
            ran = device.peyk("send", "--as", "lock#1", "lock#1", "x",
                              timeout=120)
        self.assertEqual(ran.code, FAILED, ran)
        self.assert_clear(ran, "another", "peyk|process|use")
        device.peyk("send", "--as", "lock#1", "lock#1", "x").expect(DONE)

    def test_waits_for_the_lock(self):
        """It is released while the second one waits: the second goes on."""
        import fcntl
        device = self.device("lock#2")
        folder = device.user_dir()
        one = open(folder / "lock", "r+b")
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.lockf(one, fcntl.LOCK_EX)
        waiting = device.start("send", "--as", "lock#2", "lock#2", "patient",
                               stdin=None)
        timer = threading.Timer(2.0, one.close)
        timer.start()
        waiting.end().expect(DONE)
        timer.join()
        self.assertEqual([m["text"] for m in device.poll("lock#2")],
                         ["patient"])

    def test_database_locked_by_sqlite(self):
        """An exclusive transaction of somebody else on state.db."""
        import fcntl
        import struct
        device = self.device("lock#3")
        with open(device.user_dir() / "state.db", "r+b") as database:
            # SQLite's PENDING, RESERVED and SHARED bytes, at 1 GiB.
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET,
                               0x40000000, 512, 0)
            fcntl.fcntl(database, fcntl.F_SETLK, lock)
            ran = device.peyk("send", "--as", "lock#3", "lock#3", "x",
                              timeout=120)
            self.assertEqual(ran.code, FAILED, ran)
            self.assert_clear(ran, "another", "peyk|process|use")
        device.peyk("send", "--as", "lock#3", "lock#3", "x").expect(DONE)


class Unreachable(harness.PeykTest):
    """Exit code 3, and nothing lost."""

    def test_server_down(self):
        device = self.device("down#1", "down#2")
        device.send("down#1", "down#2", "before")
        self.server.stop()
        try:
            for args in (["poll", "--as", "down#2"],
                         ["send", "--as", "down#1", "down#2", "meanwhile"],
                         ["signup", "down#3"]):
                ran = device.peyk("--timeout", "2", *args)
                self.assertEqual(ran.code, UNREACHABLE, ran)
                self.assert_clear(ran, "server|reach",
                                  str(self.server.port))
        finally:
            self.server.start()
        # What was begun is finished by the next command, once.
        device.send("down#1", "down#2", "after")
        texts = [m["text"] for m in device.poll("down#2")]
        self.assertIn(texts, (["before", "meanwhile", "after"],
                              ["before", "after"]))
        device.signup("down#3")

    def test_history_needs_no_server(self):
        device = self.device("local#1", "local#2")
        device.send("local#1", "local#2", "remember")
        self.server.stop()
        try:
            self.assertEqual(
                [m["text"] for m in device.history("local#1")],
                ["remember"])
            device.peyk("contacts", "--as", "local#1").expect(DONE)
        finally:
            self.server.start()

    def test_server_comes_back_while_it_waits(self):
        device = self.device("back#1", "back#2")
        following = device.start("--json", "poll", "--as", "back#2",
                                 "--follow", stdin=None)
        device.send("back#1", "back#2", "one")
        following.wait_for("one")
        self.server.kill()
        self.server.start()
        device.send("back#1", "back#2", "two")
        following.wait_for("two")
        following.kill()

    def test_server_away_for_a_while(self):
        """Who waits says once that the server is away, and goes on."""
        device = self.device("away#1", "away#2")
        following = device.start("poll", "--as", "away#2", "--follow",
                                 stdin=None)
        device.send("away#1", "away#2", "one")
        following.wait_for("one")
        self.server.kill()
        harness.poll_until(lambda: "does not answer" in following.err,
                           "to be told that the server is away")
        time.sleep(8)  # its attempts are rare by now
        self.server.start()
        device.send("away#1", "away#2", "two")
        following.wait_for("two", deadline=12)
        self.assertEqual(following.err.count("does not answer"), 1)
        self.assertEqual(following.err.count("answers again"), 1)
        following.signal(signal.SIGTERM)
        following.end().expect(DONE)

    def test_host_that_does_not_exist(self):
        device = Device(self.server, address="no-such-host.invalid:8022")
        ran = device.peyk("--timeout", "2", "signup", "x")
        self.assertEqual(ran.code, UNREACHABLE, ran)
        self.assert_clear(ran, "no-such-host.invalid")

    def test_something_else_listens_there(self):
        """A port that accepts and says nothing, and one that talks HTTP."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        device = Device(self.server, address=address)
        ran = device.peyk("--timeout", "2", "signup", "x")
        self.assertEqual(ran.code, UNREACHABLE, ran)
        self.assert_clear(ran)

        def talk():
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                with near:
                    near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        threading.Thread(target=talk, daemon=True).start()
        ran = device.peyk("--timeout", "2", "signup", "x")
        self.assertEqual(ran.code, UNREACHABLE, ran)
        self.assert_clear(ran)


if __name__ == "__main__":
    harness.main()
