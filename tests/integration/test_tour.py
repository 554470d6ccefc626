#!/usr/bin/python3
"""docs/grpcurl.md: what it says to type is run, and prints what it shows.

All ```sh blocks run in order in one shell against a fresh server, which
stands at the place of localhost:8022. A ```text block is what the block before
it prints, on both outputs; "…" stands for what varies, on a line of its own
for any lines. A block that is marked ```sh NAME runs where that tool is there.
tools/install-tools alone, which has brought them, is not run again.
"""

import contextlib
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "support"))
import harness  # noqa: E402
import tools  # noqa: E402
from harness import PeykTest, ROOT, environment, new_dir, tied  # noqa: E402

DOCUMENT = ROOT / "docs/grpcurl.md"
BLOCK = re.compile(r"^```(sh|text)(?: (\w+))?\n(.*?)^```$", re.M | re.S)


class Step:
    def __init__(self, line, tool, commands):
        self.line, self.tool, self.commands = line, tool, commands
        self.expected = None  # text; None: anything


def read_steps(text):
    steps = []
    for block in BLOCK.finditer(text):
        kind, tool, content = block.groups()
        line = text.count("\n", 0, block.start()) + 1
        if kind == "sh":
            steps.append(Step(line, tool, content))
        else:
            assert steps and steps[-1].expected is None, f"line {line}: whose?"
            steps[-1].expected = content
    blocks = sum(1 + (step.expected is not None) for step in steps)
    assert text.count("```") == 2 * blocks, "a block that nobody runs"
    return steps


def pattern(expected):
    """What matches the output that a document shows."""
    lines = []
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("…"))) + "\n")
    return re.compile("".join(lines))


class Tour(PeykTest):
    def run_steps(self, steps):
        """(exit code, output) of each step, of one shell."""
        mark = secrets.token_hex(8)
        script = new_dir("tour") / "script"
        script.write_text("".join(
            f"{step.commands}printf '\\n%s %d\\n' {mark} $?\n"
            for step in steps))
        env = environment(
            TMPDIR=script.parent, PATH=":".join((
                str(harness.program("peyk").parent), str(tools.FOLDER),
                "/usr/bin", "/bin")))
        with open(script.parent / "out", "w+b") as out:
            shell = subprocess.Popen(
                tied() + ["bash", script], cwd=ROOT, env=env,
                stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True)
            try:
                shell.wait(180)
            finally:  # what it left in the background, too
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()
            out.seek(0)
            said = out.read().decode()
        harness.no_sanitizer_report(said, "peyk")
        parts = re.split(rf"\n{mark} (\d+)\n", said)
        self.assertEqual(len(parts), 2 * len(steps) + 1, said[-2000:])
        return [(int(code), output)
                for output, code in zip(parts[0::2], parts[1::2])]

    def test_every_command(self):
        steps = [step for step in read_steps(DOCUMENT.read_text())
                 if step.tool is None or tools.is_there(step.tool)]
        self.assertGreater(len(steps), 15)
        # This server, a free port, and the programs of this build.
        port = harness.free_port()
        places = (("localhost:8022", f"localhost:{self.server.port}"),
                  ("-port 8080", f"-port {port}"),
                  ("127.0.0.1:8080", f"127.0.0.1:{port}"),
                  ("$PWD/build/client:", ""), ("tools/install-tools", ""))
        for step in steps:
            for shown, real in places:
                step.commands = step.commands.replace(shown, real)
        for step, (code, output) in zip(steps, self.run_steps(steps)):
            for shown, real in places:
                output = output.replace(real, shown) if real else output
            with self.subTest(f"{DOCUMENT.name}:{step.line}"):
                self.assertEqual(code, 0, output)
                if step.expected is not None and not pattern(
                        step.expected).fullmatch(output.rstrip("\n") + "\n"):
                    self.fail(f"expected:\n{step.expected}\n"
                              f"got:\n{output}")


if __name__ == "__main__":
    tools.need("grpcurl", "buf")
    harness.main()
