"""The front page of the library: its commands, and its code.

The commands run as they stand, as an unprivileged user, on a copy of what the
library is made of, with an empty home for a prefix.
"""

import os
import re
import shutil
import subprocess
import unittest

from installed import EXAMPLE, ROOT, environment, new_dir, run, tells
from harness import free_port

README = (ROOT / "rpc/README.md").read_text()
# All that the library is built from; the messenger is not there.
PARTS = ["CMakeLists.txt", "base", "cmake", "gen/CMakeLists.txt",
         "gen/google", "gen/grpc", "proto", "rpc",
         "tools/protoc-gen-grpc-c"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


class QuickStart(unittest.TestCase):
    def test_code_is_the_examples(self):
        sources = "".join(path.read_text()
                          for path in sorted(EXAMPLE.glob("*.c")))
        hello = README[README.index("## Hello"):README.index("## Headers")]
        shown = re.findall(r"^```c\n(.*?)^```$", hello, re.M | re.S)
        self.assertEqual(len(shown), 3)
        for code in shown:
            self.assertIn(code, sources)

    def test_packages_are_those_that_tools_install_packages_knows(self):
        known = (ROOT / "tools/install-packages").read_text().split()
        line = re.search(r"^sudo apt-get install (.*?)[^\\]\n", README,
                         re.M | re.S)[0].replace("\\", " ").split()
        self.assertGreater(len(line), 10)
        for package in line[3:]:
            self.assertIn(package, known)

    def test_commands(self):
        home = new_dir("home")
        tree = home / "tree"
        for part in PARTS:
            target = tree / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, target)
            else:
                shutil.copy(ROOT / part, target)
        as_user = []
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "nobody:nogroup", home],
                           check=True)
            home.parent.chmod(0o711)
            as_user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup",
                       "--clear-groups"]

        install, example = blocks("sh")[:2]
        install = re.sub(r"^sudo (.*\\\n)*.*\n", "", install)
        # Whatever else runs on this machine has the same right to a port.
        port = str(free_port())
        self.assertEqual(example.count("50051"), 2)
        example = example.replace("50051", port)
        server = re.search(r"^(build/hello_server.*) &$", example, re.M)
        script = (f"set -eu\ncd {tree}\n{install}"
                  + example.replace(server[0], server[0] + "\nserver=$!")
                  + "kill $server\nwait $server\n")
        ran = run([*as_user, "bash", "-c", script], timeout=800,
                  env=environment(HOME=home, CCACHE_DISABLE="1"))
        ran.expect(0)
        self.assertTrue(ran.out.endswith("Hello, you!\n" * 4), ran)
        self.assertEqual(sorted(os.listdir(home / ".local")),
                         ["bin", "include", "lib", "share"])
        self.assertEqual(tells(home / ".local", tree, binary=True), [])


if __name__ == "__main__":
    unittest.main()
