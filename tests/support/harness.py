"""What every integration test stands on.

Private PostgreSQL clusters, `peykd` and `peyk` processes, and one way to wait:
poll_until(). Nothing here sleeps to synchronise, everything that is started
dies with the test, and what fails says what was expected.

The programs are found in $PEYK_BIN_DIR (a build directory; ctest sets it).
"""

import atexit
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
DEADLINE = 60.0  # seconds; generous, because CI runs this under sanitizers
SANITIZER_EXIT = 86  # no exit code of ours: tells a report from a failure
PASSWORD = "correct horse battery"

sys.path.insert(0, str(ROOT / "tests/support"))


# --- waiting ---------------------------------------------------------------

def poll_until(condition, what, deadline=DEADLINE):
    """Returns condition()'s first true result, or fails with `what`.

    An exception of the condition counts as “not yet” and is told at the end.
    """
    end = time.monotonic() + deadline
    last = None
    while True:
        try:
            result = condition()
            if result:
                return result
            last = None
        except (AssertionError, OSError, ValueError, LookupError,
                subprocess.SubprocessError) as error:
            last = error
        if time.monotonic() > end:
            hint = f"; the last look failed: {last}" if last else ""
            raise AssertionError(
                f"expected within {deadline:.0f} s: {what}{hint}")
        time.sleep(0.01)


# --- places ----------------------------------------------------------------

_work = None
_at_exit = contextlib.ExitStack()
atexit.register(_at_exit.close)


def work_dir():
    """One directory for everything of this process, deleted at its end.

    $PEYK_KEEP set keeps it, for a look after a failure.
    """
    global _work
    if _work is None:
        _work = pathlib.Path(tempfile.mkdtemp(prefix="peyk-test-"))
        _work.chmod(0o711)  # PostgreSQL's user has to pass through
        if os.environ.get("PEYK_KEEP"):
            print(f"keeping {_work}", file=sys.stderr)
        else:
            _at_exit.callback(shutil.rmtree, _work, ignore_errors=True)
    return _work


def new_dir(prefix):
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix + "-",
                                         dir=work_dir()))


def program(name):
    """The path of a built program, or fails."""
    given = os.environ.get("PEYK_BIN_DIR")
    bases = [pathlib.Path(given)] if given else [
        ROOT / "build-asan", ROOT / "build-dev", ROOT / "build"]
    folder = {"peykd": "server", "peyk": "client"}[name]
    for base in bases:
        for path in (base / folder / name, base / name):
            if path.is_file() and os.access(path, os.X_OK):
                return path
    raise FileNotFoundError(
        f"{name} is not built: looked below {', '.join(map(str, bases))}; "
        "set PEYK_BIN_DIR to a build directory")


def free_port():
    """A TCP port of the loopback that nobody uses now.

    From below the range that the kernel hands to clients, so that a server
    that is killed finds its port again.
    """
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("expected a free port on 127.0.0.1")


# --- processes -------------------------------------------------------------

def tied(signal_name="KILL"):
    """A command prefix: the process dies with the thread that started it."""
    return ["setpriv", "--pdeathsig", signal_name]


def environment(**changes):
    """This process's environment without PEYK_*, plus changes.

    A value of None removes a variable.
    """
    env = {key: value for key, value in os.environ.items()
           if not key.startswith("PEYK_")}
    suppressions = ROOT / "tests/support/lsan.supp"
    env.update(
        LC_ALL="C.UTF-8", TZ="UTC", HOME=str(work_dir()),
        ASAN_OPTIONS=f"exitcode={SANITIZER_EXIT}:detect_leaks=1:"
                     "allocator_may_return_null=1",
        UBSAN_OPTIONS=f"exitcode={SANITIZER_EXIT}:print_stacktrace=1:"
                      "halt_on_error=1",
        TSAN_OPTIONS=f"exitcode={SANITIZER_EXIT}:halt_on_error=1",
        LSAN_OPTIONS=f"exitcode={SANITIZER_EXIT}:print_suppressions=0" + (
            f":suppressions={suppressions}" if suppressions.exists()
            else ""))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GRPC_VERBOSITY",
                 "GRPC_TRACE", "https_proxy", "http_proxy", "grpc_proxy"):
        env.pop(name, None)
    for key, value in changes.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = str(value)
    return env


def no_sanitizer_report(text, who):
    for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                 "runtime error:", "WARNING: ThreadSanitizer"):
        if mark in text:
            raise AssertionError(
                f"expected no sanitizer report of {who}, got:\n"
                + text[max(0, text.index(mark) - 500):][:8000])


@dataclasses.dataclass
class Ran:
    """What a program that ended left behind."""
    args: list
    code: int  # negative: the signal that killed it
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def objects(self):
        """Standard output as one JSON object per line."""
        out = []
        for line in self.lines:
            try:
                value = json.loads(line)
            except ValueError:
                raise AssertionError("expected one JSON object per line, got "
                                     f"{line!r}\n{self}") from None
            if not isinstance(value, dict):
                raise AssertionError(f"expected an object, got {line!r}")
            out.append(value)
        return out

    def __str__(self):
        return (f"{' '.join(map(str, self.args))}\n  exit code {self.code}\n"
                f"  stdout: {self.out[-3000:]}\n  stderr: {self.err[-3000:]}")

    def expect(self, *codes):
        """Itself, if it ended with one of these codes; else fails."""
        if self.code not in codes:
            raise AssertionError(
                f"expected exit code {' or '.join(map(str, codes))}: {self}")
        return self


def run(args, input=None, timeout=DEADLINE, env=None, cwd=None, pass_fds=()):
    """Runs a program to its end. Text in, text out."""
    args = [str(arg) for arg in args]
    if isinstance(input, str):
        input = input.encode()
    try:
        done = subprocess.run(
            tied() + args, env=env or environment(), cwd=cwd,
            capture_output=True, timeout=timeout, pass_fds=pass_fds,
            **({"stdin": subprocess.DEVNULL} if input is None
               else {"input": input}))
    except subprocess.TimeoutExpired as late:
        raise AssertionError(
            f"expected to end within {timeout} s: {' '.join(args)}\n"
            f"stdout: {(late.stdout or b'').decode(errors='replace')[-2000:]}"
            f"\nstderr: {(late.stderr or b'').decode(errors='replace')}"
        ) from None
    ran = Ran(args, done.returncode, done.stdout.decode(errors="replace"),
              done.stderr.decode(errors="replace"))
    if ran.code == SANITIZER_EXIT:
        raise AssertionError(f"expected no sanitizer report: {ran}")
    no_sanitizer_report(ran.err, args[0])
    return ran


# --- PostgreSQL ------------------------------------------------------------

class Cluster:
    """A private PostgreSQL on a Unix socket, and nothing on TCP."""

    def __init__(self):
        self.dir = new_dir("pg")
        self.data = self.dir / "data"
        self.log = self.dir / "log"
        self.process = None
        self.as_user = []
        self.count = 0
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
            self.as_user = ["--reuid", "postgres", "--regid", "postgres",
                            "--clear-groups"]
        self._run_pg("initdb", "-D", self.data, "-U", "postgres", "-A",
                     "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N",
                     "--no-instructions")
        with open(self.data / "postgresql.conf", "a") as conf:
            # The machine stays up, so a killed server loses nothing without
            # fsync; commits still have to leave the process.
            conf.write("\nlisten_addresses = ''\nfsync = off\n"
                       f"unix_socket_directories = '{self.dir}'\n"
                       "shared_buffers = 32MB\nmax_connections = 50\n"
                       "log_min_messages = warning\n")

    def _run_pg(self, name, *args):
        return subprocess.run(
            ["setpriv", *self.as_user, "--pdeathsig", "KILL",
             str(PG_BIN / name), *map(str, args)],
            check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd="/", env=environment())

    def start(self, wait=True):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", *self.as_user, "--pdeathsig", "QUIT",
                 str(PG_BIN / "postgres"), "-D", str(self.data)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=environment())
        if wait:
            poll_until(self.is_ready, "PostgreSQL answers (its log: "
                       f"{self.log})")
        return self

    def is_ready(self):
        return subprocess.run(
            [str(PG_BIN / "pg_isready"), "-q", "-h", str(self.dir)],
            env=environment()).returncode == 0

    def _end(self, number):
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(DEADLINE)
        self.process = None

    def stop(self):
        """Orderly and at once: clients are disconnected."""
        self._end(signal.SIGINT)

    def kill(self):
        """Like a crash: every process ends, recovery at the next start."""
        self._end(signal.SIGQUIT)

    def conninfo(self, database):
        return f"host={self.dir} user=postgres dbname={database}"

    def create_database(self):
        """A new empty database: its name."""
        self.count += 1
        name = f"test{self.count}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return name

    def sql(self, database, statement):
        """Rows of text columns (bytea as hex); fails on an SQL error."""
        done = subprocess.run(
            ["psql", "-h", str(self.dir), "-U", "postgres", "-d", database,
             "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1",
             "-c", statement], capture_output=True, text=True,
            env=environment())
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def dump(self, database):
        """The database's data, in a form that compares equal if it is."""
        done = subprocess.run(
            ["pg_dump", "-h", str(self.dir), "-U", "postgres", "-d",
             database, "--data-only", "--inserts", "--no-comments"],
            capture_output=True, text=True, check=True, env=environment())
        return sorted(line for line in done.stdout.splitlines()
                      if line.startswith("INSERT"))

    def connections(self, database):
        """Process ids of the backends that serve programs, not this test."""
        return [int(row[0]) for row in self.sql(
            "postgres", "SELECT pid FROM pg_stat_activity WHERE datname = "
            f"'{database}' AND pid <> pg_backend_pid()")]

    def terminate_backends(self, database):
        self.sql("postgres", "SELECT pg_terminate_backend(pid) FROM "
                 f"pg_stat_activity WHERE datname = '{database}'")


_cluster = None


def cluster():
    """The cluster that this process's tests share."""
    global _cluster
    if _cluster is None:
        _cluster = Cluster()
        _at_exit.callback(_cluster.kill)
        _cluster.start()
    return _cluster


# --- peykd -----------------------------------------------------------------

class Peykd:
    """One server: its data directory, database, port, and process."""

    def __init__(self, pg=None, database=None, data=None, port=None,
                 tls=True):
        self.pg = pg or cluster()
        self.database = database or self.pg.create_database()
        self.conninfo = self.pg.conninfo(self.database)
        self.data = data or new_dir("peykd") / "data"
        self.port = port or free_port()
        self.tls = tls
        self.process = None
        self.address = None
        self.log = new_dir("log") / "peykd.log"

    def command(self, verb, *args, timeout=DEADLINE, env=None):
        """Runs a command that ends, with --data and --database."""
        return run([program("peykd"), *verb.split(), "--data", self.data,
                    "--database", self.conninfo, *args], timeout=timeout,
                   env=env)

    def prepare(self):
        self.command("init").expect(0)
        self.command("migrate up").expect(0)
        return self

    def serve_args(self, *extra):
        return [str(program("peykd")), "serve", "--data", str(self.data),
                "--database", self.conninfo, "--listen",
                f"127.0.0.1:{self.port}",
                *([] if self.tls else ["--plaintext"]), *extra]

    def start(self, *extra, wait=True, **env):
        """Starts the server; with `wait`, until it says its address."""
        assert self.process is None, "it runs already"
        self.mark = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                tied() + self.serve_args(*extra), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment(**env))
        if wait:
            self.wait_ready()
        return self

    def read_log(self, all=False):
        text = self.log.read_bytes()
        return (text if all else text[self.mark:]).decode(errors="replace")

    def wait_ready(self):
        """Waits for the line peyk://HOST:PORT#FINGERPRINT."""
        def ready():
            found = re.search(r"^(peyk://\S+#[0-9a-f]{64})\s*$",
                              self.read_log(), re.M)
            if found:
                return found.group(1)
            if self.process.poll() is not None:
                raise SystemError
            return None
        try:
            self.address = poll_until(
                ready, "peykd prints its address peyk://host:port#fingerprint")
        except (SystemError, AssertionError) as error:
            raise AssertionError(
                f"expected peykd to listen; exit code {self.process.poll()}, "
                f"{error}, it said:\n{self.read_log()[-4000:]}") from None
        return self.address

    @property
    def fingerprint(self):
        return self.address.rsplit("#", 1)[1]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_end(self, timeout=DEADLINE):
        """Waits for the process's own end: its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("expected peykd to end within "
                                 f"{timeout} s; it said:\n"
                                 f"{self.read_log()[-4000:]}") from None
        self.process = None
        no_sanitizer_report(self.read_log(), "peykd")
        return code

    def stop(self, expect=0):
        """SIGTERM; fails unless it ends with this code, without a report."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_end()
        if code != expect:
            raise AssertionError(
                f"expected peykd to end with {expect} on SIGTERM, got {code};"
                f" it said:\n{self.read_log()[-4000:]}")

    def kill(self):
        """SIGKILL, at whatever it was doing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE)
            self.process = None
            no_sanitizer_report(self.read_log(), "peykd")

    def sql(self, statement):
        return self.pg.sql(self.database, statement)

    def dump(self):
        return self.pg.dump(self.database)


# --- peyk ------------------------------------------------------------------

class Device:
    """One device: a PEYK_HOME, a password file, a server to talk to."""

    def __init__(self, server, password=PASSWORD, address=None):
        self.server = server
        self.address = address
        self.root = new_dir("device")
        self.home = self.root / "home"
        self.password_file = self.root / "password"
        self.set_password(password)

    def set_password(self, password):
        self.password_file.write_text(password + "\n")
        self.password_file.chmod(0o600)

    def environment(self, **changes):
        address = self.address or self.server.address
        base = dict(PEYK_HOME=self.home, PEYK_SERVER=address,
                    PEYK_PASSWORD_FILE=self.password_file)
        base.update(changes)
        return environment(**base)

    def peyk(self, *args, input=None, timeout=DEADLINE, pass_fds=(), cwd=None,
             **env):
        return run([program("peyk"), *self.plain(), *args], input=input,
                   timeout=timeout, env=self.environment(**env),
                   pass_fds=pass_fds, cwd=cwd)

    def plain(self):
        """Plaintext is asked for, never guessed."""
        return [] if self.server is None or self.server.tls else [
            "--plaintext"]

    def start(self, *args, stdin=subprocess.PIPE, **env):
        """Starts a peyk that goes on; standard output and error are files."""
        return Running(self, args, stdin, env)

    # --- what tests do most

    def signup(self, name, **options):
        return self.peyk("signup", name, **options).expect(0)

    def send(self, name, to, *text, **options):
        return self.peyk("send", "--as", name, to, *text,
                         **options).expect(0)

    def poll(self, name, *args, **options):
        """Polls once: the received messages as objects."""
        return self.peyk("--json", "poll", "--as", name, *args,
                         **options).expect(0).objects

    def history(self, name, *friend, **options):
        return self.peyk("--json", "history", "--as", name, *friend,
                         **options).expect(0).objects

    def user_dir(self, name=None):
        """The directory that holds identity.key (of the only user)."""
        found = sorted(self.home.rglob("identity.key"))
        if name is not None:
            found = [p for p in found if p.parent.name == name] or found
        if len(found) != 1:
            raise AssertionError("expected one identity.key below "
                                 f"{self.home}, found {found}")
        return found[0].parent


class Running:
    """A `peyk` that runs on while the test looks at it."""

    def __init__(self, device, args, stdin, env):
        place = new_dir("peyk")
        self.out_path, self.err_path = place / "out", place / "err"
        self.args = [str(program("peyk")), *device.plain(),
                     *map(str, args)]
        with open(self.out_path, "wb") as out, \
                open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                tied() + self.args, stdin=stdin, stdout=out, stderr=err,
                env=device.environment(**env))
        _at_exit.callback(self.kill)

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def close_input(self):
        self.process.stdin.close()

    def wait_for(self, text, deadline=DEADLINE):
        def seen():
            if text in self.out:
                return True
            if self.process.poll() is not None and text not in self.out:
                raise AssertionError(f"it ended with {self.process.poll()}")
            return False
        try:
            poll_until(seen, f"{text!r} on the output of "
                       f"{' '.join(self.args)}", deadline)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstdout: {self.out[-3000:]}\n"
                                 f"stderr: {self.err[-3000:]}") from None

    def end(self, timeout=DEADLINE):
        """Waits for its own end: what it left behind."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"expected to end within {timeout} s: {' '.join(self.args)}"
                f"\nstdout: {self.out[-3000:]}\nstderr: {self.err[-3000:]}"
            ) from None
        ran = Ran(self.args, code, self.out, self.err)
        if code == SANITIZER_EXIT:
            raise AssertionError(f"expected no sanitizer report: {ran}")
        no_sanitizer_report(ran.err, self.args[0])
        return ran

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


# --- a TCP proxy -----------------------------------------------------------

class Proxy:
    """A TCP proxy on the loopback: records, and can cut connections."""

    def __init__(self, target_port, record=False):
        self.target = target_port
        self.recorded = bytearray() if record else None
        self.lock = threading.Lock()
        self.pairs = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.pairs |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other),
                                 daemon=True).start()

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.recorded is not None:
                    with self.lock:
                        self.recorded += data
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self.pairs.discard(source)
        source.close()  # the other pump closes the target

    def cut(self):
        """Breaks every connection."""
        with self.lock:
            pairs = list(self.pairs)
        for end in pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


# --- test cases ------------------------------------------------------------

class PeykTest(unittest.TestCase):
    """A class of tests around one server on a database of its own."""

    tls = True
    serve = True
    server = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.serve:
            cls.server = Peykd(tls=cls.tls).prepare().start()
            cls.addClassCleanup(cls.server.kill)

    @classmethod
    def tearDownClass(cls):
        if cls.server is not None and cls.server.is_running():
            cls.server.stop()  # a leak or a bad exit fails the class
        super().tearDownClass()

    def tearDown(self):
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        failed = result is not None and any(
            test is self for test, _ in result.failures + result.errors)
        if failed and self.server is not None and self.server.log.exists():
            tail = self.server.read_log()[-3000:]
            print(f"\n--- {self.id()}: the server's log ends with\n{tail}",
                  file=sys.stderr)
        super().tearDown()

    def ensure_server(self):
        """A running server, whatever the test before did to it."""
        if not self.server.is_running():
            self.server.process = None
            self.server.start()

    def device(self, *names, password=PASSWORD):
        """A fresh device on which these names sign up."""
        device = Device(self.server, password)
        for name in names:
            device.signup(name)
        return device

    def client(self):
        """The independent client's view of the server, connected."""
        import peyk_client
        server = peyk_client.Server(self.server.address, tls=self.server.tls)
        self.addCleanup(server.close)
        return server.connect()

    def account(self, name=None, server=None):
        """A fresh account of the independent client, signed up."""
        import peyk_client
        account = peyk_client.Account(server or self.client(),
                                      name or unique("py"))
        account.sign_up()
        return account

    def assert_clear(self, ran, *words):
        """R9/“bad input”: a person is told what happened, in a sentence."""
        text = ran.err.strip()
        self.assertTrue(text, f"expected an explanation on stderr: {ran}")
        self.assertRegex(text, r"[A-Za-z]{3,}[^\n]* [A-Za-z]{2,}",
                         f"expected a sentence, not a bare number: {ran}")
        for raw in ("grpc_status", "SQLITE_", "sqlite3_", "EVP_", "errno",
                    "error:0", "STATUS_", "(null)", "SQLSTATE", "PQ"):
            self.assertNotIn(raw, text,
                             f"expected no library's raw error: {ran}")
        for word in words:
            self.assertRegex(text.lower(), word.lower(),
                             f"expected {word!r} in the explanation: {ran}")


_unique = 0


def unique(prefix):
    """A username that this process has not used."""
    global _unique
    _unique += 1
    return f"{prefix}#{_unique}"


def crash_points(*folders):
    """The names of all crash_point("name") calls below these folders."""
    names = set()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.c")):
            names.update(re.findall(r'crash_point\("([^"]+)"\)',
                                    path.read_text()))
    return sorted(names)


def main():
    """What every test file ends with."""
    unittest.main(verbosity=2)
