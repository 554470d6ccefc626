"""buf on the protocol's files, or on copies that something was done to."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import tools  # noqa: E402

FOUND_SOMETHING = 100  # buf's exit code for that


class BufCase(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="peyk-proto-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def buf(self, *args):
        """Runs buf: (exit code, everything it said)."""
        environment = dict(os.environ, BUF_CACHE_DIR=str(self.dir / "cache"))
        done = subprocess.run(
            [tools.tool("buf"), *map(str, args)], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout

    def changed(self, file, old, new):
        """A copy of proto/ with one text in one file replaced: its path."""
        copy = self.dir / "proto"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ROOT / "proto", copy)
        path = copy / "peyk/v1" / file
        text = path.read_text()
        self.assertEqual(text.count(old), 1, f"expected once in {file}: {old}")
        path.write_text(text.replace(old, new))
        return copy


def main():
    tools.need("buf")
    unittest.main(verbosity=2)
