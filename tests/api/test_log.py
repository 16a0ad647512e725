"""The log of the real daemon: access records, what they hold, levels, rotation, readable lines."""
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from authd import BUILD, Authd, ask


def records(authd, event=None, count=1, path=None):
    """Those that are there once `count` are: the writer is a moment behind."""
    end = time.monotonic() + 10
    while True:
        lines = (path or authd.dir / "log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        found = [r for r in found if event in (None, r["event.name"])]
        if len(found) >= count or time.monotonic() > end:
            return found
        time.sleep(0.01)


def test_each_request_has_a_record_when_access_is_on():
    with Authd({"log.access": "yes"}) as authd:
        status, answer = ask(authd, "/v1/auth/register", {"email": "log@example.org", "password": "a long enough one"},
                             [("X-Request-Id", "my-own-id")])
        assert status == 201
        token = answer["data"]["tokens"]["access_token"] if "tokens" in answer["data"] else answer["data"]["access_token"]
        ask(authd, "/v1/auth/me?secret=1", headers=[("Authorization", f"Bearer {token}")])
        ask(authd, "/v1/auth/login", {"email": "log@example.org", "password": "wrong"})
        ask(authd, "/nothing/here")
        end = time.monotonic() + 10
        found = []
        while len(found) < 4 and time.monotonic() < end:  # how often the start was probed does not matter
            found = [r for r in records(authd, "http.access") if r["http.route"] != "/health/live"]
    assert [(r["http.request.method"], r["http.route"], r["http.response.status_code"]) for r in found] == [
        ("POST", "/v1/auth/register", 201), ("GET", "/v1/auth/me", 200), ("POST", "/v1/auth/login", 401), ("GET", "", 404)]
    assert found[0]["request.id"] == "my-own-id" and len(found[1]["request.id"]) == 36
    assert found[1]["user.id"] == answer["data"]["user"]["id"] and "user.id" not in found[3]
    assert found[2]["error.type"] == "INVALID_CREDENTIALS" and "error.type" not in found[1]
    for record in found:
        assert record["client.address"] == "127.0.0.0" and record["network.protocol.version"] == "1.1"
        assert 0 < record["duration_s"] < 30 and record["authd.generation"] == 1 and record["authd.core"] in (0, 1)
        assert record["severity_text"] == "INFO" and record["severity_number"] == 9
        assert record["timestamp"].endswith("Z") and len(record["service.instance.id"]) == 36


def test_a_record_says_where_the_time_went():
    with Authd({"log.access": "yes", "password.cost": 7}) as authd:
        account = {"email": "stages@example.org", "password": "a long enough one"}
        ask(authd, "/v1/auth/register", account)
        ask(authd, "/v1/auth/login", account)
        ask(authd, "/health/live")
        found = {}
        end = time.monotonic() + 10
        while len(found) < 3 and time.monotonic() < end:
            found = {r["http.route"]: r for r in records(authd, "http.access")}
    stages = {route: {k: v for k, v in r.items() if k.startswith("authd.stage.")} for route, r in found.items()}
    for route in ("/v1/auth/register", "/v1/auth/login"):
        assert stages[route]["authd.stage.hash_s"] > 0 and stages[route]["authd.stage.db_s"] > 0, stages
        assert sum(stages[route].values()) <= found[route]["duration_s"] + 1e-5  # each is cut to microseconds
    assert "authd.stage.hash_s" not in stages["/health/live"] and "authd.stage.db_s" not in stages["/health/live"]


def test_a_failed_login_is_told_without_the_address_that_was_typed():
    with Authd({"limits.enabled": "no"}) as authd:
        account = {"email": "somebody@example.org", "password": "a long enough one"}
        _, answer = ask(authd, "/v1/auth/register", account)
        ask(authd, "/v1/auth/login", account)
        ask(authd, "/v1/auth/login", {**account, "password": "another long one"})
        ask(authd, "/v1/auth/login", {**account, "email": "hunter2@example.org"})  # a password in the wrong field
        first, second = records(authd, "login.failed", 2)
        assert (first["error.type"], first["user.id"]) == ("bad_secret", answer["data"]["user"]["id"])
        assert second["error.type"] == "unknown" and "user.id" not in second
        for record in (first, second):
            assert record["client.address"] == "127.0.0.0" and record["severity_text"] == "INFO"
        assert "example.org" not in authd.log()


def test_a_reused_refresh_token_is_told():
    with Authd({"session.grace": "0s"}) as authd:
        _, answer = ask(authd, "/v1/auth/register", {"email": "twice@example.org", "password": "a long enough one"})
        for status in (200, 401):
            assert ask(authd, "/v1/auth/refresh", {"refresh_token": answer["data"]["refresh_token"]})[0] == status
        record, = records(authd, "session.refresh_reused")
        assert record["client.address"] == "127.0.0.0" and record["session.id"] and record["severity_text"] == "WARN"


@pytest.mark.parametrize("kept, count", [("no", 0), ("slow", 0)])
def test_ordinary_requests_have_none_otherwise(kept, count):
    with Authd({"log.access": kept}) as authd:
        for _ in range(20):
            ask(authd, "/health/live")
        authd.stop()
        assert len(records(authd, "http.access", 0)) == count


def test_slow_ones_are_told_and_the_address_may_be_shown():
    with Authd({"log.slow": "1ms", "log.client_address": "full", "password.cost": 8}) as authd:
        ask(authd, "/v1/auth/login", {"email": "nobody@example.org", "password": "long enough"})
        end = time.monotonic() + 10
        found = []
        while not found and time.monotonic() < end:  # the start may have been slow, too
            found = [r for r in records(authd, "http.access") if r["http.route"] == "/v1/auth/login"]
        record, = found
        assert record["client.address"] == "127.0.0.1" and record["duration_s"] > 0.001


def test_one_module_can_be_told_more_for_a_while():
    with Authd({"log.level": "warn", "log.access": "yes"}) as authd:
        ask(authd, "/health/live")
        rows = json.loads(authd.ctl("-o", "json", "log", "level", "debug", "--module", "http", "--for", "1h").stdout)
        assert [(r["module"], r["level"]) for r in rows] == [("all", "warn"), ("http", "debug")]
        assert 3590 < rows[1]["until"] <= 3600 and rows[0]["until"] is None
        ask(authd, "/health/ready")
        found = records(authd, "http.access")
        assert [r["http.route"] for r in found] == ["/health/ready"], found
        assert authd.ctl("log", "level", "debug", "--module", "a.b").returncode == 2
        assert authd.ctl("log", "level", "debug", "--module", "http", "--for", "25h").returncode == 2


@pytest.mark.parametrize("how", ["SIGHUP", "SIGUSR1", "authctl"])
def test_a_rotated_file_is_opened_again(how, tmp_path):
    path = tmp_path / "authd.log"
    with Authd({"log.file": path, "log.access": "yes"}) as authd:
        path.rename(tmp_path / "old")
        if how == "authctl":
            assert authd.ctl("log", "reopen").returncode == 0
        else:
            os.kill(authd.pid, getattr(signal, how))
        end = time.monotonic() + 10
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        ask(authd, "/health/ready")
        while "/health/ready" not in [r["http.route"] for r in records(authd, "http.access", path=path)]:
            assert time.monotonic() < end


def test_on_a_terminal_people_can_read_it(tmp_path):
    """./dev run: the daemon's standard error is a terminal."""
    with Authd() as authd:
        authd.stop()
        ours, theirs = pty.openpty()
        authd.process = subprocess.Popen([BUILD / "authd", "-c", authd.conf], stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        while b"server.started" not in seen or not seen.endswith(b"\n"):
            seen += os.read(ours, 4096)
        line = [text for text in seen.decode().splitlines() if "server.started" in text][0]
        assert " info  server.started  serving  server.address=127.0.0.1:" in line and "{" not in line
        authd.stop()
        os.close(ours)
