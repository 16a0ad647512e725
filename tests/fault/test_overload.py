"""More logins than can be hashed: some are served, the rest is refused at once, and everything else goes on."""
import json
import pathlib
import select
import socket
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402

PATIENCE_S = 60  # for what must come, on a machine that is busy


class Raw:
    """A connection on which requests are sent without waiting for their answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def send(self, method, path, body=None, token=None):
        text = json.dumps(body) if body else ""
        self.socket.sendall((f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                             + (f"Authorization: Bearer {token}\r\n" if token else "")
                             + f"Content-Length: {len(text)}\r\n\r\n{text}").encode())

    def login(self, email):
        self.send("POST", "/v1/auth/login", {"email": email, "password": PASSWORD})

    def answer(self):
        """(status, fields, body)"""
        status = int(self.file.readline().split()[1])
        fields = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode().split(":", 1)
            fields[name.lower()] = value.strip()
        body = self.file.read(int(fields.get("content-length", 0)))
        return status, fields, json.loads(body) if body else None

    def is_answered(self, wait_s=0.0):
        return bool(select.select([self.socket], [], [], wait_s)[0])

    def close(self):
        self.file.close()
        self.socket.close()


def options(**more):
    return {"core.threads": 1, "password.threads": 1, "password.cost": 12, **{k.replace("__", "."): v
            for k, v in more.items()}}


def stranger(number):
    """Nobody's address: it costs a hash like any other, and no two share one."""
    return f"stranger{number}-{time.monotonic_ns()}@example.org"


def refused(answer):
    status, fields, body = answer
    if status != 503:
        return None
    assert body["error"] == "SERVICE_UNAVAILABLE" and body["message"] == "Server is overloaded"
    return int(fields["retry-after"])


@pytest.fixture(scope="module")
def daemon():
    """About four hashes a second, and a second of waiting at most: some five logins of a burst are served."""
    with Authd(options(admission__queue_time_max="1s", admission__queue_time_standing="500ms")) as authd:
        yield authd


@pytest.fixture(scope="module")
def token(daemon):
    return Client(daemon.port).register("token@example.org")["access_token"]


def burst(port, count):
    """Logins sent at the same time: [(answer)] in the order in which the answers came."""
    connections = [Raw(port) for _ in range(count)]
    answers, lock = [], threading.Lock()

    def wait(connection):
        answer = connection.answer()
        with lock:
            answers.append(answer)
        connection.close()

    for i, connection in enumerate(connections):
        connection.login(stranger(i))
    threads = [threading.Thread(target=wait, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    return answers


def test_a_burst_is_served_in_part_and_the_rest_refused_at_once(daemon, token):
    answers = burst(daemon.port, 40)
    assert len(answers) == 40
    statuses = [status for status, _, _ in answers]
    assert set(statuses) == {401, 503}  # served or refused, nothing else
    served = statuses.count(401)
    assert 2 <= served <= 20
    # Whoever is refused learns it before those that were let in are done.
    assert statuses[-1] == 401 and statuses[0] == 503
    assert all(1 <= refused(a) <= 60 for a in answers if a[0] == 503)


def test_who_waits_as_long_as_it_was_told_is_served(daemon, token):
    retry_s = min(refused(a) for a in burst(daemon.port, 40) if a[0] == 503)
    time.sleep(retry_s)
    connection = Raw(daemon.port)
    connection.login(stranger(0))
    assert connection.answer()[0] == 401
    connection.close()


def test_everything_else_is_answered_meanwhile(daemon, token):
    client = Client(daemon.port)
    fresh = client.post("/login", {"email": "token@example.org", "password": PASSWORD}).json["data"]
    logins = [Raw(daemon.port) for _ in range(4)]
    for i, login in enumerate(logins):
        login.login(stranger(i))
    assert client.verify(token).status == 204
    assert client.verify(fresh["access_token"]).status == 204  # not in a cache yet
    assert client.get("/v1/auth/me", token=token).status == 200
    assert client.get("/health").status == 200
    refreshed = client.post("/refresh", {"refresh_token": fresh["refresh_token"]})
    assert refreshed.status == 200
    assert not logins[-1].is_answered(), "the logins should still be waiting"
    assert {login.answer()[0] for login in logins} <= {401, 503}
    for login in logins:
        login.close()


@pytest.fixture(scope="module")
def narrow():
    """Two places, and hashes that take long enough for whatever a test does meanwhile."""
    with Authd(options(password__cost=16, admission__concurrent_max=2, admission__queue_time_max="60s",
                       admission__queue_time_standing="60s")) as authd:
        yield authd


@pytest.fixture
def full(narrow):
    """Logins that have both places."""
    logins = [Raw(narrow.port), Raw(narrow.port)]
    for i, login in enumerate(logins):
        login.login(stranger(i))
    yield logins
    for login in logins:
        login.close()


def retry_until_let_in(connection):
    """Tries again until there is a place: the answer would take seconds then."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        connection.login(stranger(3))
        if not connection.is_answered(0.2):
            return
        assert refused(connection.answer())
    raise AssertionError("there never was a place")


def test_a_refusal_does_not_cost_the_connection(narrow, full):
    one = Raw(narrow.port)
    for i in range(3):
        one.login(stranger(i))
        answer = one.answer()
        assert refused(answer) and "connection" not in answer[1]
    one.send("GET", "/health/live")
    assert one.answer()[0] == 200
    assert not full[0].is_answered() and not full[1].is_answered()
    one.close()


def test_whoever_leaves_frees_its_place(narrow, full):
    full[0].close()
    third = Raw(narrow.port)
    retry_until_let_in(third)
    assert not full[1].is_answered(), "the place must be free before a login is done"
    third.close()


def test_a_client_that_is_late_is_told_408():
    with Authd(options(password__cost=4, http__request_timeout="1s")) as authd:
        slow = Raw(authd.port)
        slow.socket.sendall(b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{")
        status, fields, body = slow.answer()
        assert (status, body["error"], fields["connection"]) == (408, "REQUEST_TIMEOUT", "close")
        assert body["message"] == "Request took too long to process"
        slow.close()


def test_when_we_are_late_it_is_503():
    with Authd(options(password__cost=16, http__request_timeout="1s")) as authd:
        login = Raw(authd.port)
        login.login(stranger(1))
        assert refused(login.answer())
        # The connection is good for the next request.
        login.send("GET", "/health/live")
        assert login.answer()[0] == 200
        login.close()
