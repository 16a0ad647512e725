"""Servers that speak MongoDB's protocol, and a proxy between them and the daemon that cuts or stalls the line."""
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from authd import ROOT, free_port

BUILD = pathlib.Path(os.environ.get("AUTHD_MONGO", ROOT / "build"))  # where ./dev installed them
START_S = 60


class Server:
    """A server of a process of its own. `with Secantus() as server: server.uri`"""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="authd-mongo-"))
        self.port = free_port()
        self.process = None

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.dir / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Secantus(Server):
    """Has nearly everything: a replica set of one with change streams, sessions, explain, fail points."""

    def __init__(self, *options):
        super().__init__()
        self.options = options

    def command(self):
        return [BUILD / "venv/bin/secantusd-py", "--port", str(self.port), "--storage-path", self.dir / "data",
                "--log-level", "WARNING", "--enable-test-commands", *self.options]


class Java(Server):
    """Lacks much: no sessions, hello, explain, change streams. In memory."""

    def command(self):
        return ["java", "-Xmx128m", "-cp", f"{BUILD}/mongo-java/*", ROOT / "tests/support/mongo-java/Main.java", str(self.port)]


class Proxy:
    """A line to 127.0.0.1:port. cut() ends every connection now; stall() holds the bytes; drop_after(n)
    ends a connection once n more bytes have come from the client (or the server), in the middle of whatever it says."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs, self.lock = [], threading.Lock()
        self.is_stalled = self.is_closed = self.is_refusing = False
        self.bytes_left, self.is_client_cut = None, True
        self.most = 0  # connections at a time
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.port}"

    def close(self):
        self.is_closed = True
        self.thread.join()
        self.cut()
        self.listener.close()

    def stall(self, is_stalled=True):
        self.is_stalled = is_stalled

    def refuse(self, is_refusing=True):
        self.is_refusing = is_refusing
        if is_refusing:
            self.cut()

    def drop_after(self, count, is_client=True):
        self.bytes_left, self.is_client_cut = count, is_client

    def cut(self):
        with self.lock:
            for pair in self.pairs:
                self.end(pair)
            self.pairs = []

    @staticmethod
    def end(pair):
        for s in pair:
            s.close()

    def accept(self):
        client, _ = self.listener.accept()
        if self.is_refusing:
            client.close()
            return
        try:
            self.pairs.append((client, socket.create_connection(("127.0.0.1", self.to))))
            self.most = max(self.most, len(self.pairs))
        except OSError:
            client.close()

    def move(self, pair, source):
        is_client = source is pair[0]
        data = source.recv(65536)
        is_cut = is_client == self.is_client_cut
        if is_cut and self.bytes_left is not None:
            data, self.bytes_left = data[:self.bytes_left], max(self.bytes_left - len(data), 0)
        if data:
            pair[1 if is_client else 0].sendall(data)
        if not data or (is_cut and self.bytes_left == 0):
            self.bytes_left = None if self.bytes_left == 0 else self.bytes_left
            raise OSError("the end")

    def run(self):
        while not self.is_closed:
            with self.lock:
                by_socket = {s: pair for pair in self.pairs for s in pair if s.fileno() >= 0}
            wanted = [self.listener] + ([] if self.is_stalled else list(by_socket))
            try:
                readable, _, _ = select.select(wanted, [], [], 0.02)
            except (OSError, ValueError):
                continue
            with self.lock:
                for s in readable:
                    if s is self.listener:
                        self.accept()
                        continue
                    pair = by_socket[s]
                    try:
                        self.move(pair, s)
                    except (OSError, ValueError):
                        self.end(pair)
                        self.pairs = [p for p in self.pairs if p is not pair]
