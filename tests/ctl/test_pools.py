"""pool drain, mem pools, mem doctor: pools of the store that lend nothing for a while, and advice about memory."""
import concurrent.futures
import http.client
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import StuckThread, request  # noqa: E402
from wire import until  # noqa: E402

LOGIN = {"email": "pool@example.org", "password": "correct horse"}


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        assert request(daemon, "POST", "/v1/auth/register", {**LOGIN, "name": "P"})[0] == 201
        yield daemon


def shown(authd, *words):
    return json.loads(authd.ctl("-o", "json", *words, check=True).stdout)


def pool(authd, name):
    (row,) = [r for r in shown(authd, "pool", "list") if r["pool"] == name]
    return row


def login(authd):
    """Status, code of the problem, Retry-After."""
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    connection.request("POST", "/v1/auth/login", json.dumps(LOGIN), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body.get("error"), response.getheader("Retry-After")


def overrides(authd, kind):
    (row,) = [r for r in shown(authd, "metrics", "list", "authd_overrides_active") if kind in r["labels"]]
    return row["value"]


def test_a_drained_pool_refuses_as_a_breaker_does_until_it_is_resumed(authd):
    refused = authd.ctl("pool", "drain", "store-read", "--for", "1h")
    assert refused.returncode == 7
    dry = shown(authd, "--dry-run", "pool", "drain", "store-read", "--for", "1h")
    assert dry["done"] is False and dry["until"] == 3600
    assert login(authd)[0] == 200
    answer = authd.ctl("-o", "json", "--yes", "pool", "drain", "store-read", "--for", "1h", check=True)
    assert json.loads(answer.stdout)["done"] is True and "pool resume store-read" in answer.stderr
    try:
        for _ in range(30):  # more than a breaker needs to open, were they failures
            status, code, retry = login(authd)
            assert (status, code) == (503, "STORE_UNAVAILABLE") and int(retry) > 0
        assert {r["state"] for r in shown(authd, "breaker", "list")} == {"closed"}
        assert 3500 < pool(authd, "store-read")["drained"] <= 3600
        assert pool(authd, "store-write")["drained"] is None and pool(authd, "hash")["drained"] is None
        assert any(r["drained"] for r in shown(authd, "pool", "show", "store-read"))
        for words in (["list"], ["show", "store-read"]):
            assert "store-read is drained for" in authd.ctl("pool", *words).stderr
        assert "pool store-read drained" in shown(authd, "status")["overrides"]
        assert overrides(authd, "pool") == 1
        doctor = authd.ctl("doctor")
        assert doctor.returncode == 6 and "store-read is drained" in doctor.stdout
        assert request(authd, "GET", "/health")[1]["status"] != "healthy"
        assert authd.ctl("--timeout", "5", "wait", "pool", "store-read", "idle").returncode == 0
    finally:
        assert shown(authd, "pool", "resume", "store-read")["until"] is None
    assert login(authd)[0] == 200
    assert pool(authd, "store-read")["drained"] is None and overrides(authd, "pool") == 0
    assert authd.ctl("pool", "resume", "store-read").returncode == 1
    assert [r["result"] for r in shown(authd, "audit", "list", "--command", "pool.drain")][-1] == "ok"


def test_a_drain_ends_by_itself_and_the_log_tells(authd):
    shown(authd, "--yes", "pool", "drain", "store-write", "--for", "2s")
    assert login(authd)[0] == 503
    until(lambda: "pool.drained" in authd.log(), "its begin in the log")
    until(lambda: login(authd)[0] == 200, "a login")
    until(lambda: "pool.resumed" in authd.log(), "its end in the log")


def test_who_waits_for_a_connection_is_told_at_once_and_what_runs_ends(authd):
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        with StuckThread(authd, "store-write"):
            calls = [threads.submit(login, authd) for _ in range(6)]
            until(lambda: sum(pool(authd, "store-write")[key] for key in ("in_use", "waiting")) == 6, "all of them")
            running = pool(authd, "store-write")["in_use"]
            row = shown(authd, "--yes", "pool", "drain", "store-write", "--for", "1h")
            assert row["refused"] == 6 - running
            until(lambda: sum(call.done() for call in calls) == 6 - running, "answers to those that wait")
            assert {call.result()[0] for call in calls if call.done()} == {503}
        shown(authd, "pool", "resume", "store-write")
        assert sorted(call.result()[0] for call in calls) == [200] * running + [503] * (6 - running)


@pytest.mark.parametrize("words, code", [
    (["pool", "drain", "store-read"], 2), (["pool", "drain", "store-read", "--for", "25h", "--yes"], 2),
    (["pool", "drain", "hash", "--for", "1s", "--yes"], 1), (["pool", "drain", "x", "--for", "1s", "--yes"], 1),
    (["pool", "resume", "x"], 1), (["--as", "viewer", "pool", "drain", "store-read", "--for", "1s", "--yes"], 8),
])
def test_what_cannot_be_drained_is_told(authd, words, code):
    assert authd.ctl(*words).returncode == code


# --- memory ---

def test_pools_of_objects_add_up_to_what_mem_show_says(authd):
    rows = {r["pool"]: r for r in shown(authd, "mem", "pools")}
    listed = [r for r in shown(authd, "pool", "list") if r["bytes"] is not None]
    assert set(rows) == {r["pool"] for r in listed}
    for name, row in rows.items():
        assert row["max"] == sum(r["max"] for r in listed if r["pool"] == name)
        assert row["bytes"] == row["object"] * (row["in_use"] + row["free"])
        assert row["cores"] == len([r for r in listed if r["pool"] == name])


def test_memory_that_is_well_is_told_and_what_is_not_with_what_to_run():
    with Authd({"http.connections_max": 2, "core.threads": 1}) as authd:
        well = authd.ctl("mem", "doctor")
        assert well.returncode == 0 and "7 checks are well" in well.stdout
        assert all(r["ok"] and not r["next"] for r in shown(authd, "mem", "doctor"))
        held = [http.client.HTTPConnection("127.0.0.1", authd.port) for _ in range(4)]
        for connection in held:
            connection.connect()
        until(lambda: authd.ctl("mem", "doctor").returncode == 6, "advice")
        (bad,) = [r for r in json.loads(authd.ctl("-o", "json", "mem", "doctor").stdout) if not r["ok"]]
        assert bad["rule"] == "pools" and "was full" in bad["evidence"] and bad["meaning"]
        assert bad["next"] == "authctl mem pools" and authd.ctl("mem", "pools").returncode == 0
        for connection in held:
            connection.close()
