"""The real daemon for tests: a free port, a folder of its own, its log kept for when something fails."""
import atexit
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from manager import Process, adopt_orphans
from ports import free_port

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("AUTHD_BUILD", ROOT / "build" / "gcc"))
START_S = 20  # sanitizers and a busy machine


@functools.cache
def for_everybody(name):
    """A copy of a program where other users can run it: the checkout may be in a folder of root's."""
    folder = tempfile.mkdtemp(prefix="authd-programs-")
    atexit.register(shutil.rmtree, folder)
    os.chmod(folder, 0o755)
    return shutil.copy(BUILD / name, folder)


def ask(authd, path, body=None, headers=()):
    """POSTs the body, or GETs without one: (status, what the JSON says)."""
    request = urllib.request.Request(f"http://127.0.0.1:{authd.port}{path}", json.dumps(body).encode() if body else None,
                                     {"Content-Type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


class Authd:
    """with Authd(config={"password.cost": 5}) as authd: ..."""

    def __init__(self, config=None, user=None, environment=None, program=None):
        """user: the uid and gid it runs as, with no other groups; needs root. environment: what it has beside ours.
        program: instead of the one that was built."""
        self.environment = {**os.environ, **(environment or {})}
        self.program = program
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="authd-"))
        self.user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        if user is not None:
            os.chown(self.dir, user, user)
        self.port = free_port()
        self.socket = self.dir / "authctl.sock"
        self.process = None
        self.options = {
            "http.listen": f"127.0.0.1:{self.port}", "core.threads": 2, "password.cost": 4,
            "store.path": self.dir / "authd.db", "control.socket": self.socket,
            "control.audit_file": self.dir / "audit.log",
            "metrics.listen": self.dir / "metrics.sock",
            # Every test is the same client: test_limits.py has daemons of its own with limits.
            "limits.enabled": "no", **(config or {}),
        }
        self.conf = self.dir / "authd.conf"
        self.configure({})

    def configure(self, changes):
        """Writes the configuration with these options set otherwise."""
        self.options |= changes
        sections = {}
        for name, value in self.options.items():
            section, key = name.split(".")
            sections.setdefault(section, []).append(f"{key} = {value}\n")
        self.conf.write_text("".join(f"[{s}]\n{''.join(keys)}" for s, keys in sections.items()))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.dir)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def logged(self, *texts):
        """Waits until the log has them all: it is written by a thread of its own."""
        end = time.monotonic() + START_S
        while not all(text in self.log() for text in texts):
            assert time.monotonic() < end, f"{texts} not in\n{self.log()}"
            time.sleep(0.01)
        return True

    def start(self):
        with open(self.dir / "log", "ab") as log:
            program = self.program or (for_everybody("authd") if self.user else BUILD / "authd")
            self.process = subprocess.Popen([program, "-c", self.conf], stdout=log, stderr=log, env=self.environment, **self.user)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/live", timeout=2).read()
                with socket.socket(socket.AF_UNIX) as control:  # the cores are first
                    control.connect(str(self.options["control.socket"]))  # a file alone: nobody listens yet
                return
            except OSError:
                time.sleep(0.01)
        self.process.kill()
        raise AssertionError("authd does not answer\n" + self.log())

    def check(self):
        """authd --check of this configuration."""
        result = subprocess.run([BUILD / "authd", "-c", self.conf, "--check"], capture_output=True, text=True, timeout=20)
        shutil.rmtree(self.dir)
        return result

    def stop(self):
        """SIGTERM: everything in progress finishes and the exit code is 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=40)
        log = self.log()
        assert code == 0, f"exit {code}\n{log}"
        assert "ERROR: AddressSanitizer" not in log and "runtime error:" not in log, log
        assert "LeakSanitizer" not in log, log
        assert "request.undocumented" not in log, log  # an answer that server/api/routes.c does not know

    def kill(self):
        self.process.kill()
        self.process.wait()

    def upgrade(self, *words):
        """authctl upgrade, which must be done: the process that was, which may still have something to finish."""
        adopt_orphans()
        done = self.ctl("upgrade", "-o", "ndjson", *words)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        before, self.process = self.process, Process(json.loads(done.stdout.splitlines()[-1])["pid"])
        return before

    @property
    def pid(self):
        return self.process.pid

    def ctl(self, *words, **kw):
        return subprocess.run([BUILD / "authctl", "--socket", self.socket, *words], capture_output=True,
                              text=True, timeout=30, **kw)
