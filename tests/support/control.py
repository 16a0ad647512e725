"""authctl's socket, raw; requests over HTTP beside it; and ways to make a daemon behave badly."""
import ctypes
import http.client
import json
import os
import pathlib
import socket

from wire import until


def request(authd, method, path, body=None, token=None):
    """Over HTTP: the status and the JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    headers = {"Content-Type": "application/json"} if body else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, json.dumps(body) if body else None, headers)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, json.loads(data) if data else None


class Raw:
    """One connection that says and hears lines; hello is heard already."""

    def __init__(self, authd):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(authd.socket))
        self.file = self.socket.makefile("rb")
        self.hello = self.hear()
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def say(self, line):
        self.socket.sendall((json.dumps(line).encode() if isinstance(line, dict) else line) + b"\n")

    def hear(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def send(self, cmd, args=None, **more):
        self.last_id += 1
        self.say({"t": "req", "id": self.last_id, "cmd": cmd, "args": args or {}, **more})
        return self.last_id

    def until_end(self, id):
        """The frames of one request, up to and with its end."""
        frames = []
        while True:
            frame = self.hear()
            assert frame is not None, "the connection ended"
            if frame["id"] == id:
                frames.append(frame)
                if frame["t"] == "end":
                    return frames

    def ask(self, cmd, args=None, **more):
        """Rows and the end."""
        frames = self.until_end(self.send(cmd, args, **more))
        return [f["d"] for f in frames if f["t"] == "row"], frames[-1]


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


class StuckThread:
    """with StuckThread(authd, "core-1"): that thread runs no more; the others go on."""

    def __init__(self, authd, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        tasks = pathlib.Path(f"/proc/{authd.pid}/task")

        def find():
            return [int(t.name) for t in tasks.iterdir() if (t / "comm").read_text().strip() == name]
        # The last thread of a start may come after the socket that tells us of it.
        self.tid = until(find, f"a thread {name}")[0]

    def ptrace(self, request):
        if self.libc.ptrace(request, self.tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        self.ptrace(PTRACE_SEIZE)
        self.ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL: until it has stopped
        return self

    def __exit__(self, *_):
        self.ptrace(PTRACE_DETACH)
