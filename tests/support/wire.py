"""HTTP/1.1 by hand: raw bytes out, answers taken apart as RFC 9112 says, nothing forgiven."""
import json
import os
import re
import socket
import time

WAIT_S = int(os.environ.get("AUTHD_WAIT_S", 30))  # for an answer, on a machine as busy as it may be
HOST = b"Host: a.example\r\n"
RECEIVE_MODES = ["multishot", "oneshot"]
ENGINES = {"multishot": {"io.receive": "multishot"}, "oneshot": {"io.receive": "oneshot"}, "epoll": {"io.engine": "epoll"}}
DATE = re.compile(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")


def head(method, path, *fields, version="HTTP/1.1"):
    """A request head with a Host field; fields are bytes or text, without their line ends."""
    lines = [f"{method} {path} {version}".encode("latin-1"), HOST[:-2]]
    lines += [f.encode("latin-1") if isinstance(f, str) else f for f in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path, body, *fields):
    return head("POST", path, "Content-Type: application/json", f"Content-Length: {len(body)}", *fields) + body


class WireAnswer:
    def __init__(self, status, reason, fields, body):
        self.status, self.reason, self.fields, self.body = status, reason, fields, body

    def get(self, name):
        values = [v for k, v in self.fields if k == name.lower()]
        assert len(values) <= 1, f"{name} was said {len(values)} times"
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        return (self.get("connection") or "").lower() == "close"

    def check(self):
        """What every answer must have, and no answer may."""
        assert DATE.match(self.get("date")), self.fields
        assert self.get("x-request-id")
        assert self.get("server") is None
        assert self.get("x-content-type-options") == "nosniff"
        return self

    @property
    def error(self):
        """The stable code of an error, whose envelope must be whole."""
        self.check()
        assert self.status >= 400
        body = self.json
        assert set(body) - {"fields"} == {"success", "error", "message", "request_id"}, body
        assert body["success"] is False and body["message"]
        assert body["request_id"] == self.get("x-request-id")
        assert self.get("content-type") == "application/json"
        return body["error"]


class Wire:
    def __init__(self, port, host="127.0.0.1", receive_bytes=None):
        self.socket = socket.socket(socket.AF_INET)
        if receive_bytes:  # before connect(): it decides the window
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def drip(self, data, size=1):
        for i in range(0, len(data), size):
            self.socket.sendall(data[i:i + size])
        return self

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            assert self._more(), f"the connection ended in {self.buffer[:300]!r}"
        taken, self.buffer = self.buffer.split(mark, 1)
        return taken

    def _exactly(self, n):
        while len(self.buffer) < n:
            assert self._more(), f"the connection ended in a body: {self.buffer[:300]!r}"
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def answer(self, method="GET"):
        """The next final answer."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) ([^\r\n]*)", lines[0])
        assert match, lines
        status, fields = int(match[1]), []
        for line in lines[1:]:
            name, value = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)", line).groups()
            fields.append((name.lower(), value))
        answer = WireAnswer(status, match[2], fields, b"")
        length = answer.get("content-length")
        assert answer.get("transfer-encoding") is None
        if status == 100:
            return answer
        assert (length is None) == (status == 204), fields
        if method != "HEAD" and length:
            answer.body = self._exactly(int(length))
        return answer

    def ends(self):
        """The server closes, and says nothing more."""
        while self._more():
            pass
        assert self.buffer == b"", self.buffer[:300]
        return True

    def is_quiet(self, seconds=0.15):
        """Nothing comes for a moment. May be right by chance, is never wrong by it."""
        self.socket.settimeout(seconds)
        try:
            return not self._more() and False
        except TimeoutError:
            return self.buffer == b""
        finally:
            self.socket.settimeout(WAIT_S)


def until(condition, what, seconds=WAIT_S):
    """Polls: no test waits for an amount of time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")
