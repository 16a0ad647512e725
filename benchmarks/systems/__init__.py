"""
What can be measured. A system is a class with

    name                  what tables call it
    install()             fetches and builds what it needs, once for a machine
    prepare()             makes what it needs, and installs it if that was not done; called once, before start()
    start(), stop()       the processes; start() returns when the first request was answered
    target                "127.0.0.1:PORT"
    paths                 {"verify": ..., "health": ..., "login": ..., ...}: those that it serves
    pids()                every process of it, for CPU and memory
    folder                its files; gone after close()

and for the comparison

    routes                {"login": Route, ...}: how it is asked (see routes.py)
    granted(headers, body)  the tokens in the answer to a registration or a login; None when there are none
    store_pids()          the processes of its store, if that is not itself
    is_sharing_hashes     whether equal logins under way cost one hash

Another authentication server is one more file here. install() raises Missing when it cannot be had on this machine.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

START_S = 60
TOKENS_S = 24 * 3600  # what access tokens are good for: a whole run is longer than the usual 15 minutes


class Missing(Exception):
    """What a system needs is not here: what, in words."""


def free_port():
    """
    One that nobody listens on, and that the kernel gives to no outgoing connection: thousands are made while a system
    is being started anew.
    """
    while True:
        port = random.randrange(10000, 32000)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            return port


class System:
    name = ""
    paths = {}
    routes = {}
    is_sharing_hashes = False
    start_s = START_S

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="authd-bench-"))
        self.port = free_port()
        self.process = None

    def install(self):
        pass

    def prepare(self):
        self.install()

    def command(self):
        """What start() executes, in the foreground."""
        raise NotImplementedError

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    def spawn(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, close_fds=False)

    def start(self):
        self.spawn()
        self.wait()
        return self

    def wait(self):
        """Until the first 200; when that was. A failure says what is in the log."""
        try:
            return wait_for_200(self.port, self.paths["health"], self.process, limit_s=self.start_s)
        except RuntimeError as error:
            raise RuntimeError(f"{self.name}: {error}\n{self.log()[-2000:]}") from None

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def kill(self):
        for pid in reversed(self.pids()):  # a script that waits for its program ends behind it
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        """The process and its children."""
        task = pathlib.Path(f"/proc/{self.process.pid}/task")
        children = [(t / "children").read_text().split() for t in task.iterdir()]
        return [self.process.pid, *(int(pid) for pids in children for pid in pids)]

    def store_pids(self):
        return []

    def __enter__(self):
        try:
            self.prepare()
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()


def call(system, method, path, body=None, content="application/json", token=""):
    """The JSON of an answer, for what is set up before a system is asked by load/."""
    request = urllib.request.Request(f"http://{system.target}{path}", body and body.encode(),
                                     {"Content-Type": content, "Authorization": token}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def wait_for_200(port, path, process=None, pause_s=0.0002, limit_s=START_S):
    """Connects until somebody answers 200; the time that was, on the monotonic clock."""
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(request)
            if s.recv(4096).startswith(b"HTTP/1.1 200"):
                return time.monotonic()
        if process and process.poll() is not None:
            raise RuntimeError(f"{os.path.basename(process.args[0])} ended with {process.returncode}")
        time.sleep(pause_s)
    raise RuntimeError(f"nobody answers {path} on port {port} with 200")
