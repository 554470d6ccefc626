"""An installation of the library in a folder of its own, and its example."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))

from harness import (DEADLINE, ROOT, environment, new_dir, no_sanitizer_report,
                     poll_until, run, tied)

BUILD = pathlib.Path(os.environ.get("PEYK_BIN_DIR", ROOT / "build-asan"))
SANITIZE = os.environ.get("PEYK_SANITIZE", "")
CC = os.environ.get("CC", "cc")
EXAMPLE = ROOT / "rpc/example"

# What stands between the library and its users is warnings, too.
WARNINGS = "-Wall -Wextra -Werror"
FLAGS = WARNINGS + (f" -fsanitize={SANITIZE} -g" if SANITIZE else "")


def install(component):
    """Installs with DESTDIR, then moves the tree: the prefix it is in now."""
    place = new_dir("install")
    run(["cmake", "--install", BUILD, "--component", component,
         "--prefix", "/opt/first"],
        env=environment(DESTDIR=place)).expect(0)
    assert os.listdir(place) == ["opt"], os.listdir(place)
    prefix = place / "second"
    (place / "opt/first").rename(prefix)
    return prefix


def libdir(prefix):
    return next(prefix.glob("**/libgrpc_c.a")).parent


def pkg_config(prefix, *args):
    return run(["pkg-config", *args, "grpc_c"],
               env=pkg_environment(prefix)).expect(0).out.split()


def pkg_environment(prefix, **changes):
    return environment(PKG_CONFIG_PATH=libdir(prefix) / "pkgconfig",
                       **changes)


def tells(prefix, *places, binary=not SANITIZE):
    """Which installed files contain the name of one of these places."""
    found = []
    for path in prefix.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            # Sanitizers put the names of sources into what they compile.
            if not binary and b"\0" in content:
                continue
            found += [f"{path}: {place}" for place in places
                      if str(place).encode() in content]
    return found


def copy_example():
    """The example's files in a new folder, and nothing of the tree's."""
    folder = new_dir("hello") / "hello"
    shutil.copytree(EXAMPLE, folder)
    return folder


def build_with_cmake(folder, prefix, *options):
    build = folder / "build"
    run(["cmake", "-S", folder, "-B", build, "-G", "Ninja",
         f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={CC}",
         f"-DCMAKE_C_FLAGS={FLAGS}", *options]).expect(0)
    run(["cmake", "--build", build], timeout=2 * DEADLINE).expect(0)
    return build


@contextlib.contextmanager
def serving(program, **env):
    """A hello_server on a free port: the port. It has to end well."""
    process = subprocess.Popen(
        tied() + [str(program), "127.0.0.1:0"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment(**env))
    try:
        line = process.stdout.readline()
        found = re.match(r"listening on port (\d+)$", line)
        assert found, f"expected a port: {line!r} {process.stderr.read()}"
        yield int(found[1])
        process.terminate()
        out, err = process.communicate(timeout=DEADLINE)
        no_sanitizer_report(err, str(program))
        assert process.returncode == 0, (process.returncode, err)
    finally:
        process.kill()
        process.wait()
