"""The store stops working and works again: the breaker opens, answers at once meanwhile, and closes by itself."""
import json
import pathlib
import sqlite3
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402

PATIENCE_S = 60  # for what must come, on a machine that is busy
CALLS_MIN = 5
PROBES = 2


class Lock:
    """Somebody else holds the database's write lock: every write waits, and fails in the end."""

    def __init__(self, daemon):
        self.path = daemon.options["store.path"]

    def __enter__(self):
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=PATIENCE_S)
        self.connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


@pytest.fixture(scope="module")
def daemon():
    with Authd({"breaker.call_timeout": "200ms", "breaker.calls_min": CALLS_MIN, "breaker.window": "60s",
                "breaker.failures": 30, "breaker.open_time": "2s", "breaker.probes": PROBES}) as authd:
        yield authd


def events(daemon, name):
    return daemon.log().count(f'"event.name":"{name}"')


def database(client):
    return client.get("/health").json["database"]


def until(what):
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def open_it(client):
    for i in range(2 * CALLS_MIN):
        answer = client.post("/register", {"email": f"late{i}-{time.monotonic_ns()}@example.org", "password": PASSWORD})
        assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
        assert answer.json["message"] == "Service temporarily unavailable"
        if database(client)["status"] == "open":
            return answer
    raise AssertionError("the breaker never opened")


def test_it_opens_and_closes_with_the_store(daemon):
    client = Client(daemon.port)
    grant = client.register("breaker@example.org")
    assert client.verify(grant["access_token"]).status == 204
    assert database(client)["status"] == "healthy"
    with Lock(daemon):
        open_it(client)
        opened = events(daemon, "breaker.opened")
        assert opened == 1
        health = client.get("/health")
        assert health.status == 200 and health.json["status"] == "degraded"
        assert health.json["database"]["breakers"] == {"read": "closed", "write": "open"}
        assert client.get("/health/ready").status == 503
        # What needs no writing goes on, from a cache or not.
        assert client.verify(grant["access_token"]).status == 204
        assert client.get("/v1/auth/me", token=grant["access_token"]).status == 200
        # What does is refused, and told for how long.
        for answer in (client.post("/login", {"email": "breaker@example.org", "password": PASSWORD}),
                       client.post("/refresh", {"refresh_token": grant["refresh_token"]})):
            assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
            assert 1 <= int(answer.headers["retry-after"]) <= 3
        # It tries again, and finds that nothing is better.
        until(lambda: database(client)["status"] != "open")
        open_it(client)
        assert events(daemon, "breaker.opened") > opened
    until(lambda: client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status in (200, 401))
    until(lambda: client.post("/login", {"email": "breaker@example.org", "password": PASSWORD}).status == 200)
    until(lambda: database(client)["status"] == "healthy")
    assert client.get("/health").json["status"] == "ok"
    assert client.get("/health/ready").status == 200
    assert events(daemon, "breaker.closed") >= 1


def writes_waiting(daemon):
    pools = json.loads(daemon.ctl("-o", "json", "pool", "list").stdout)
    return next(row["waiting"] for row in pools if row["pool"] == "store-write")


def test_nothing_is_queued_while_it_is_open(daemon):
    client = Client(daemon.port)
    until(lambda: database(client)["status"] == "healthy")
    body = {"refresh_token": client.register()["refresh_token"]}
    with Lock(daemon):
        open_it(client)
        waiting = writes_waiting(daemon)
        for _ in range(5 * CALLS_MIN):
            if database(client)["status"] == "open":
                assert client.post("/logout", body).status == 503
        assert writes_waiting(daemon) <= waiting + PROBES  # it may have tried meanwhile
    until(lambda: client.post("/logout", body).status == 204)


def test_the_answer_to_a_stranger_is_no_failure(daemon):
    client = Client(daemon.port)
    until(lambda: database(client)["status"] == "healthy")
    for i in range(4 * CALLS_MIN):
        answer = client.post("/login", {"email": f"nobody{i}@example.org", "password": PASSWORD})
        assert answer.status == 401
    assert database(client)["status"] == "healthy"


@pytest.mark.parametrize("fault", ["error=down", "delay=held"])
def test_lookups_that_fail_or_hang_open_it_too(tmp_path, fault):
    """The store in memory fails on demand; it closes again by the keeper's probes, without clients."""
    script = tmp_path / "faults"

    def faults(text):
        new = tmp_path / "new"
        new.write_text(text)
        new.rename(script)

    faults("")
    with Authd({"core.threads": 1, "store.backend": "memory", "store.path": script,
                "breaker.call_timeout": "200ms", "breaker.calls_min": CALLS_MIN, "breaker.window": "60s",
                "breaker.open_time": "1s", "breaker.probes": PROBES}) as authd:
        client = Client(authd.port)
        grant = client.register()
        assert client.verify(grant["access_token"]).status == 204
        faults(f"run:account_find {fault}\n")
        login = {"email": grant["user"]["email"], "password": PASSWORD}
        for _ in range(4 * CALLS_MIN):
            answer = client.post("/login", login)
            assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
            if database(client)["breakers"]["read"] == "open":
                break
        assert client.get("/health/ready").status == 503
        assert client.verify(grant["access_token"]).status == 204
        assert int(client.post("/login", login).headers["retry-after"]) >= 1
        faults("")
        until(lambda: database(client)["status"] == "healthy")
        assert client.post("/login", login).status == 200
