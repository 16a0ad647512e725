"""Breakers, caches, limits and admission, as an operator sees and changes them."""
import http.client
import json
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import StuckThread, request  # noqa: E402
from wire import until  # noqa: E402


@pytest.fixture
def authd():
    with Authd({"limits.enabled": "yes"}) as daemon:
        yield daemon


def rows(authd, *words):
    return json.loads(authd.ctl("-o", "json", *words, check=True).stdout)


def register(authd, email="a@example.org"):
    status, body = request(authd, "POST", "/v1/auth/register", {"email": email, "password": "correct horse"})
    assert status == 201, body
    return body["data"]


def login(authd, email="a@example.org"):
    return request(authd, "POST", "/v1/auth/login", {"email": email, "password": "correct horse"})[0]


def test_a_breaker_forced_open_refuses_and_closes_by_itself(authd):
    register(authd)
    names = {r["breaker"] for r in rows(authd, "breaker", "list")}
    assert names == {"mail", "store-read", "store-write"}
    forced = rows(authd, "breaker", "open", "store-read", "--for", "1h", "--yes")
    assert forced["state"] == "open" and forced["mode"] == "forced open" and 0 < forced["forced"] <= 3600
    assert login(authd) == 503 and "store-read is forced open" in authd.ctl("status").stdout
    # Whoever sends clients and whoever looks are told the same.
    assert request(authd, "GET", "/health/ready")[0] == 503 and rows(authd, "status")["state"] == "NOT READY"
    assert "left alone" in authd.ctl("health").stdout and authd.ctl("health").returncode == 6
    assert authd.ctl("doctor").returncode == 6
    assert rows(authd, "breaker", "open", "store-read", "--for", "1s", "--yes")["forced"] <= 1
    deadline = time.monotonic() + 10
    while login(authd) != 200:
        assert time.monotonic() < deadline
    shown = rows(authd, "breaker", "show", "store-read")
    assert shown["mode"] == "auto" and "closed->open" in shown["history"] and "open->closed" in shown["history"]


@pytest.mark.parametrize("words, code", [
    (["open", "store-read", "--yes"], 2), (["open", "store-read", "--for", "25h", "--yes"], 2),
    (["open", "nope", "--for", "1s", "--yes"], 1), (["show", "nope"], 1), (["open", "store-read", "--for", "1s"], 7),
])
def test_a_force_needs_a_name_a_time_and_a_yes(authd, words, code):
    assert authd.ctl("breaker", *words).returncode == code
    assert all(r["mode"] == "auto" for r in rows(authd, "breaker", "list"))


def test_a_force_can_be_ended_before_its_time(authd):
    authd.ctl("breaker", "open", "store-write", "--for", "1h", "--yes", check=True)
    assert rows(authd, "breaker", "auto", "store-write")["state"] == "closed"


def test_flushing_a_cache_empties_it_on_every_core(authd):
    token = register(authd)["access_token"]
    for _ in range(8):
        assert request(authd, "GET", "/v1/auth/me", token=token)[0] == 200
    before = [r for r in rows(authd, "cache", "list") if r["cache"] == "tokens"]
    held = sum(r["entries"] for r in before)
    assert held > 0 and sum(r["hits"] + r["misses"] for r in before) >= 8
    assert rows(authd, "--dry-run", "cache", "flush", "tokens")["entries"] == held
    assert sum(r["entries"] for r in rows(authd, "cache", "show", "tokens")) == held
    assert authd.ctl("cache", "flush", "tokens").returncode == 7
    assert rows(authd, "cache", "flush", "tokens", "--yes")["cores"] == 2
    assert sum(r["entries"] for r in rows(authd, "cache", "show", "tokens")) == 0
    assert request(authd, "GET", "/v1/auth/me", token=token)[0] == 200
    assert authd.ctl("cache", "flush", "nope", "--yes").returncode == 1


def test_limits_are_listed_changed_and_forgiven(authd):
    register(authd)
    authd.ctl("config", "set", "limits.login", "3/1h", "--for", "1h", check=True)
    assert [login(authd) for _ in range(5)][-1] == 429
    limit = next(r for r in rows(authd, "limit", "list") if r["limit"] == "login")
    assert limit["on"] and limit["count"] == 3 and limit["window"] == 3600 and limit["refused"] >= 1
    masked = json.loads(authd.ctl("--as", "viewer", "-o", "json", "limit", "top").stdout)
    assert {r["subject"] for r in masked if not r["subject"].startswith("account:")} == {"127.0.0.0/24"}
    worst = rows(authd, "limit", "top")[0]
    assert worst["limit"] == "login" and worst["subject"] == "127.0.0.1" and worst["refused"] >= 1
    assert rows(authd, "--dry-run", "limit", "clear", "127.0.0.1")["done"] is False and login(authd) == 429
    assert rows(authd, "limit", "clear", "127.0.0.1")["done"] is True
    assert login(authd) == 200
    assert authd.ctl("limit", "clear", "nobody").returncode == 2
    assert rows(authd, "limit", "clear", "A@Example.org")["done"] is True
    authd.ctl("config", "set", "limits.enabled", "no", "--for", "1h", check=True)
    assert not any(r["on"] for r in rows(authd, "limit", "list"))
    assert {login(authd) for _ in range(6)} == {200}


def test_admission_counts_what_it_lets_in(authd):
    before = rows(authd, "admission", "show")["admitted"]
    register(authd)
    after = rows(authd, "admission", "show")
    assert after["admitted"] == before + 1 and after["in_progress"] == 0 and after["refused"] == 0


def test_memory_adds_up(authd):
    parts = {r["part"]: r["bytes"] for r in rows(authd, "mem", "show")}
    assert sum(parts.values()) == 2 * parts["total"] and parts["total"] > 0


def test_op_list_and_kill_see_a_request_that_waits():
    # Its hash is not done before the thread is let go: so it waits for certain, however slow this machine is.
    with Authd({"password.threads": 1}) as authd, StuckThread(authd, "hash"):
        connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=60)
        connection.request("POST", "/v1/auth/register",
                           json.dumps({"email": "a@example.org", "password": "correct horse"}),
                           {"Content-Type": "application/json"})
        found = []
        deadline = time.monotonic() + 20
        while not found and time.monotonic() < deadline:
            found = rows(authd, "op", "list")
        assert found[0]["path"] == "/v1/auth/register" and found[0]["method"] == "POST" and found[0]["left"] > 0
        assert found[0]["peer"].startswith("127.0.0.1:")
        viewer = json.loads(authd.ctl("--as", "viewer", "-o", "json", "op", "list").stdout)
        assert [r["peer"] for r in viewer] == ["127.0.0.0/24"]
        assert rows(authd, "op", "list", "--slower", "1h") == []
        assert rows(authd, "op", "kill", str(found[0]["id"]))["done"] is True
        assert connection.getresponse().status >= 500
        assert authd.ctl("op", "kill", str(found[0]["id"])).returncode == 1


def test_a_drain_with_a_time_tells_what_still_runs_when_it_is_over_and_goes_on(authd):
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=60)
    with StuckThread(authd, "store-write"):
        connection.request("POST", "/v1/auth/register", json.dumps({"email": "d@example.org", "password": "correct horse"}),
                           {"Content-Type": "application/json"})
        until(lambda: rows(authd, "op", "list"), "the request")
        assert rows(authd, "--dry-run", "drain", "--timeout", "1s")["done"] is False
        late = authd.ctl("--timeout", "500ms", "drain", "--yes")
        assert late.returncode == 9 and "1 connections are left" in late.stderr
        assert "POST /v1/auth/register for " in late.stderr and "op list" in late.stderr
        assert "DRAINING" in authd.ctl("status").stdout
    assert connection.getresponse().status == 201
    answer = authd.ctl("-o", "json", "drain", "--yes", "--timeout", "20s")
    assert answer.returncode == 0 and json.loads(answer.stdout)["done"] is True
    assert "DRAINED" in authd.ctl("status").stdout


def test_drain_then_shutdown_ends_the_process(authd):
    assert authd.ctl("drain", "--yes").returncode == 0
    assert authd.ctl("--timeout", "20", "wait", "drained").returncode == 0
    assert "DRAINED" in authd.ctl("status").stdout
    assert authd.ctl("health").returncode == 6
    assert authd.ctl("conn", "list").returncode == 0
    refused = authd.ctl("user", "show", "a@example.org")
    assert refused.returncode == 1 and "shutting down" in refused.stderr
    assert authd.ctl("shutdown", "--yes").returncode == 0
    assert authd.process.wait(timeout=30) == 0


def test_routes_and_metrics_agree_on_what_was_served(authd):
    register(authd)
    for _ in range(5):
        assert login(authd) == 200
    route = next(r for r in rows(authd, "route", "list") if "login" in r["route"] and r["method"] == "POST")
    assert route["requests"] == 5 and route["errors"] == 0 and 0 < route["p50"] <= route["p99"] <= route["max"]
    series = [r for r in rows(authd, "metrics", "list", "authd_http_requests_total") if "login" in r["labels"]]
    assert sum(r["value"] for r in series) == 5
    assert authd.ctl("metrics", "list", "nope").returncode == 1
    assert rows(authd, "metrics", "authd_draining") == rows(authd, "metrics", "list", "authd_draining")
    assert len(rows(authd, "metrics", "list")) > 50
