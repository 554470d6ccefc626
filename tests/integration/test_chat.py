#!/usr/bin/python3
"""`peyk chat` on a pipe and on a terminal (R29)."""

import pathlib
import re
import signal
import sys
import termios

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import pexpect  # noqa: E402

PERSIAN = "سلام، حالِ شما چطور است؟ می‌روم و می‌آیم"
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-_=>]|\][^\x07]*\x07)")


def arrived(sender, text):
    """R29's notification, word for word."""
    return f"{sender} has sent a message to you: {text}"


class OnAPipe(harness.PeykTest):
    """No terminal: lines in, lines out."""

    def pair(self):
        one, two = harness.unique("pipe"), harness.unique("pipe")
        device = self.device(one, two)
        return (one, device.start("chat", one, two),
                two, device.start("chat", two, one), device)

    def test_R29_conversation(self):
        device = self.device("client#2", "client#3")
        two = device.start("chat", "client#2", "client#3")
        three = device.start("chat", "client#3", "client#2")
        two.type("salam mashti\n")
        three.wait_for(arrived("client#2", "salam mashti"))
        three.type("aleyk\n")
        two.wait_for(arrived("client#3", "aleyk"))
        for chat in (two, three):
            chat.close_input()
            ran = chat.end().expect(0)
            self.assertNotIn("\x1b", ran.out, "expected no control "
                             "sequences on a pipe")
        texts = [m["text"] for m in device.history("client#2", "client#3")]
        self.assertEqual(texts, ["salam mashti", "aleyk"])

    def test_persian_and_long_lines(self):
        one, a, two, b, device = self.pair()
        long = "دراز " * 3000 + "end"
        for text in (PERSIAN, long, "x" * 65536, "tab\there"):
            a.type(text + "\n")
        b.wait_for(arrived(one, PERSIAN))
        b.wait_for(long)
        b.wait_for("x" * 65536)
        a.close_input()
        b.close_input()
        a.end().expect(0)
        b.end().expect(0)
        texts = [m["text"] for m in device.history(two, one)]
        self.assertEqual(texts, [PERSIAN, long, "x" * 65536, "tab\there"])

    def test_end_with_quit(self):
        one, a, two, b, device = self.pair()
        a.type("bye\n/quit\nnever sent\n")
        ran = a.end().expect(0)
        self.assertNotIn("never sent", ran.out)
        b.wait_for(arrived(one, "bye"))
        b.type("/quit\n")
        b.end().expect(0)
        texts = [m["text"] for m in device.history(one, two)]
        self.assertEqual(texts, ["bye"])

    def test_what_was_typed_before_the_end_is_sent(self):
        """All lines of a pipe that ends at once arrive, in order."""
        one, two = harness.unique("burst"), harness.unique("burst")
        device = self.device(one, two)
        lines = [f"line {i}" for i in range(50)]
        device.peyk("chat", one, two,
                    input="\n".join(lines) + "\n").expect(0)
        texts = [m["text"] for m in device.poll(two)]
        self.assertEqual(texts, lines)

    def test_earlier_messages_are_shown_at_start(self):
        one, two = harness.unique("early"), harness.unique("early")
        device = self.device(one, two)
        device.send(one, two, "waiting since yesterday")
        chat = device.start("chat", two, one)
        chat.wait_for(arrived(one, "waiting since yesterday"))
        chat.close_input()
        chat.end().expect(0)

    def test_messages_of_others_are_not_lost(self):
        """Chatting with one friend leaves another one's message to poll."""
        one, two, other = (harness.unique("others") for _ in range(3))
        device = self.device(one, two, other)
        chat = device.start("chat", two, one)
        device.send(other, two, "from somebody else")
        device.send(one, two, "from the friend")
        chat.wait_for(arrived(one, "from the friend"))
        chat.close_input()
        ran = chat.end().expect(0)
        if "from somebody else" not in ran.out:
            texts = [m["text"] for m in device.poll(two)]
            self.assertEqual(texts, ["from somebody else"])

    def test_unknown_friend(self):
        device = self.device("lonely#1")
        ran = device.peyk("chat", "lonely#1", "nobody#77", input="hello\n")
        self.assertEqual(ran.code, 6, ran)
        self.assert_clear(ran, "nobody#77")

    def test_server_dies_and_comes_back(self):
        one, a, two, b, device = self.pair()
        a.type("before\n")
        b.wait_for(arrived(one, "before"))
        self.server.kill()
        a.type("meanwhile\n")
        self.server.start()
        b.wait_for(arrived(one, "meanwhile"))
        b.type("answer\n")
        a.wait_for(arrived(two, "answer"))
        for chat in (a, b):
            chat.close_input()
            chat.end().expect(0)
        texts = [m["text"] for m in device.history(one, two)]
        self.assertEqual(texts, ["before", "meanwhile", "answer"])


class OnATerminal(harness.PeykTest):
    """A pty: line editing, incoming messages above the prompt."""

    def spawn(self, device, name, friend, columns=80, **env):
        child = pexpect.spawn(
            str(harness.program("peyk")), ["chat", name, friend],
            env=device.environment(TERM="xterm", **env), encoding="utf-8",
            codec_errors="replace", timeout=harness.DEADLINE,
            dimensions=(24, columns), echo=False)
        self.addCleanup(child.close, True)
        # As every terminal emulator does, for what is typed before the
        # prompt: the kernel then erases whole letters.
        modes = termios.tcgetattr(child.child_fd)
        modes[0] |= 0o40000  # IUTF8
        termios.tcsetattr(child.child_fd, termios.TCSANOW, modes)
        return child

    def expect(self, child, text):
        """Waits for text, control sequences and line breaks aside."""
        wanted = re.sub(r"\s+", "", text)
        seen = getattr(child, "seen", "")

        def there():
            nonlocal seen
            try:
                seen += child.read_nonblocking(4096, timeout=0.05)
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                pass
            child.seen = seen
            plain = re.sub(r"\s+", "", ESCAPES.sub("", seen))
            return wanted in plain
        harness.poll_until(there, f"{text!r} on the terminal, which shows "
                           f"{seen[-500:]!r}")
        return seen

    def test_R29_conversation_on_two_terminals(self):
        device = self.device("tty#2", "tty#3")
        two = self.spawn(device, "tty#2", "tty#3")
        three = self.spawn(device, "tty#3", "tty#2")
        two.send("salam mashti\r")
        self.expect(three, arrived("tty#2", "salam mashti"))
        three.send("aleyk\r")
        self.expect(two, arrived("tty#3", "aleyk"))
        for child in (two, three):
            child.sendeof()
            child.expect(pexpect.EOF)
            child.close()
            self.assertEqual(child.exitstatus, 0)
        texts = [m["text"] for m in device.history("tty#3")]
        self.assertEqual(texts, ["salam mashti", "aleyk"])

    def test_incoming_leaves_the_unfinished_line_alone(self):
        """What is half typed when a message arrives is still sent whole."""
        device = self.device("half#1", "half#2")
        child = self.spawn(device, "half#1", "half#2")
        child.send("first\r")
        harness.poll_until(
            lambda: [m["text"] for m in device.poll("half#2")] == ["first"],
            "the chat to be ready")
        child.send("half of ")
        self.expect(child, "half of")
        device.send("half#2", "half#1", "an interruption")
        self.expect(child, arrived("half#2", "an interruption"))
        child.send("a line\r")
        got = []

        def one_arrived():
            got.extend(m["text"] for m in device.poll("half#2"))
            return got
        harness.poll_until(one_arrived, "the line that was interrupted")
        self.assertEqual(got, ["half of a line"])

    def test_line_editing(self):
        """Backspace, word delete, start of line; Persian letters whole."""
        device = self.device("edit#1", "edit#2")
        child = self.spawn(device, "edit#1", "edit#2")
        child.send("abX\x7fc\r")              # backspace
        child.send("world\x01hello \r")       # ctrl-A
        child.send("سلااا\x7f\x7fم\r")        # backspace on Persian
        child.send("nonsense\x15kept\r")      # ctrl-U
        got = []

        def all_arrived():
            got.extend(m["text"] for m in device.poll("edit#2"))
            return len(got) >= 4
        harness.poll_until(all_arrived, "four edited lines")
        self.assertEqual(got, ["abc", "hello world", "سلام", "kept"])

    def test_persian_and_a_line_longer_than_the_terminal(self):
        device = self.device("wide#1", "wide#2")
        one = self.spawn(device, "wide#1", "wide#2", columns=40)
        two = self.spawn(device, "wide#2", "wide#1", columns=40)
        one.send(PERSIAN + "\r")
        self.expect(two, PERSIAN)
        long = "twenty letters here " * 30 + "fin"
        one.send(long + "\r")
        self.expect(two, long)
        texts = [m["text"] for m in device.history("wide#2")]
        self.assertEqual(texts, [PERSIAN, long])

    def test_quit_and_empty_lines(self):
        device = self.device("quit#1", "quit#2")
        child = self.spawn(device, "quit#1", "quit#2")
        child.send("\r\r  hello\r\r/quit\r")
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual(child.exitstatus, 0)
        texts = [m["text"].strip() for m in device.poll("quit#2")]
        self.assertEqual(texts, ["hello"])

    def test_ctrl_c_ends_and_restores_the_terminal(self):
        device = self.device("ctrl#1", "ctrl#2")
        import os
        import pty
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        before = termios.tcgetattr(slave)
        import subprocess
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", str(harness.program("peyk")),
             "chat", "ctrl#1", "ctrl#2"], stdin=slave, stdout=slave,
            stderr=slave, env=device.environment(TERM="xterm"))
        self.addCleanup(process.kill)
        seen = b""

        def prompt():
            nonlocal seen
            seen += os.read(master, 4096)
            return len(seen) > 0 and termios.tcgetattr(slave) != before
        harness.poll_until(prompt, "a prompt with line editing")
        os.write(master, b"\x03")
        code = process.wait(harness.DEADLINE)
        self.assertIn(code, (0, 1, 130, -signal.SIGINT), seen)
        self.assertEqual(termios.tcgetattr(slave), before,
                         "expected the terminal as it was")


if __name__ == "__main__":
    harness.main()
