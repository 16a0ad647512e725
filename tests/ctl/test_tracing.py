"""trace list, show and sample: the last traces, also when no collector takes them."""
import json
import pathlib
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd, free_port  # noqa: E402
from control import request  # noqa: E402

KEPT = 256  # TRACE_RECENT_SPANS


@pytest.fixture(scope="module")
def authd():
    nobody = f"http://127.0.0.1:{free_port()}/v1/traces"
    with Authd({"trace.endpoint": nobody, "trace.sample": 100, "trace.slow": "0"}) as daemon:
        yield daemon


def shown(authd, *words):
    return json.loads(authd.ctl("-o", "json", *words, check=True).stdout)


def of_route(authd, route):
    """Its traces; one that was just answered comes in a moment."""
    end = time.monotonic() + 20
    while True:
        found = [row for row in shown(authd, "trace", "list", "--limit", "999") if row["route"] == route]
        if found or time.monotonic() > end:
            return found
        time.sleep(0.01)


def test_a_request_shows_its_steps_and_when_they_were(authd):
    status, _ = request(authd, "POST", "/v1/auth/register", {"email": "a@example.org", "password": "correct horse"})
    assert status == 201
    trace, = of_route(authd, "POST /v1/auth/register")
    assert trace["sampled"] and trace["spans"] >= 3 and trace["took"] > 0 and trace["error"] == ""
    spans = shown(authd, "trace", "show", trace["trace"])
    assert spans == shown(authd, "trace", "show", trace["trace"][:12])
    root, rest = spans[0], spans[1:]
    assert root["span"] == "POST /v1/auth/register" and root["start"] == 0 and set(root["bar"]) == {"#"}
    assert "http.response.status_code=201" in root["detail"]
    assert {"password.hash make", "account_create accounts"} <= {span["span"] for span in rest}
    for span in rest:
        assert 0 <= span["start"] and span["start"] + span["took"] <= root["took"] + 1e-6
        assert "#" in span["bar"] and len(span["bar"]) == len(root["bar"])
        assert span["inside"] in {other["span"] for other in spans}


def test_a_request_that_failed_says_why(authd):
    assert request(authd, "GET", "/v1/auth/me")[0] == 401
    authd.ctl("breaker", "open", "store-read", "--for", "1h", "--yes", check=True)
    assert request(authd, "POST", "/v1/auth/login", {"email": "a@example.org", "password": "correct horse"})[0] == 503
    authd.ctl("breaker", "auto", "store-read", check=True)
    trace = of_route(authd, "POST /v1/auth/login")[-1]
    assert trace["error"]
    assert shown(authd, "trace", "show", trace["trace"])[0]["error"] == trace["error"]


@pytest.mark.parametrize("id, code", [("0" * 32, 1), ("abc", 2), ("x" * 200, 1)])
def test_a_trace_that_is_not_there_is_not_found(authd, id, code):
    answer = authd.ctl("trace", "show", id)
    assert answer.returncode == code and (code == 2 or "trace list" in answer.stderr)


def test_sampling_is_changed_for_a_while(authd):
    assert authd.ctl("trace", "sample", "0").returncode == 2
    assert authd.ctl("trace", "sample", "101", "--for", "1h").returncode == 2
    assert shown(authd, "--dry-run", "trace", "sample", "0", "--for", "1h")["percent"] == 0
    assert shown(authd, "config", "get", "trace.sample")["value"] == "100"
    answer = authd.ctl("-o", "json", "trace", "sample", "0", "--for", "1h")
    assert json.loads(answer.stdout) == {"percent": 0, "until": 3600} and "undo: authctl config unset" in answer.stderr
    assert "trace.sample=0" in authd.ctl("status").stdout
    before = len(shown(authd, "trace", "list", "--limit", "999"))
    for _ in range(10):
        urllib.request.urlopen(f"http://127.0.0.1:{authd.port}/health/ready", timeout=20).read()
    assert len(shown(authd, "trace", "list", "--limit", "999")) <= before
    authd.ctl("config", "unset", "trace.sample", check=True)
    assert authd.ctl("--as", "viewer", "trace", "list").returncode == 8


def test_only_the_last_ones_are_kept_and_what_failed_for_longer(authd):
    for _ in range(KEPT + 10):
        urllib.request.urlopen(f"http://127.0.0.1:{authd.port}/health/live", timeout=20).read()
    rows = shown(authd, "trace", "list", "--limit", "999")
    well = [row for row in rows if not row["error"]]
    assert sum(row["spans"] for row in well) <= KEPT and len(well) > KEPT / 4
    assert {row["route"] for row in well} == {"GET /health/live"}
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert len(shown(authd, "trace", "list")) == 20 and len(shown(authd, "trace", "list", "--limit", "3")) == 3
    failed = shown(authd, "trace", "list", "--failed", "--limit", "999")
    assert failed == [row for row in rows if row["error"]] and "POST /v1/auth/login" in {r["route"] for r in failed}
    assert shown(authd, "trace", "list", "--slower", "1h") == []
    assert shown(authd, "trace", "show", failed[0]["trace"])[0]["error"] == failed[0]["error"]


def test_without_traces_it_says_what_to_set():
    with Authd() as authd:
        for words in (["list"], ["show", "abcdef"], ["sample", "1", "--for", "1m"]):
            answer = authd.ctl("trace", *words)
            assert answer.returncode == 1 and "trace.endpoint" in answer.stderr
