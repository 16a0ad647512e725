"""latency show, hist, reset: how long requests took lately."""
import json
import pathlib
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402

REQUESTS = 20


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        for _ in range(REQUESTS):
            urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/health", timeout=20).read()
        yield daemon


def rows(authd, *words):
    result = authd.ctl("-o", "json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def windows(authd, *words):
    """Waits for the control thread's next second."""
    end = time.monotonic() + 20
    while True:
        found = {row["window"]: row for row in rows(authd, "latency", "show", *words)}
        if found["1h"]["requests"] >= REQUESTS:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_latencies_by_window(authd):
    found = windows(authd, "--route", "/health")
    assert list(found) == ["1s", "10s", "1m", "10m", "1h"]
    row = found["1h"]
    assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["p999"] <= row["max"]
    assert row["route"] == "/health" and row["stage"] == "whole"
    assert found["10m"]["requests"] == row["requests"]


def test_latencies_by_stage(authd):
    windows(authd)
    found = {row["stage"]: row for row in rows(authd, "latency", "show", "--stage", "--window", "1h")}
    assert set(found) == {"queue", "parse", "db", "hash", "whole"}
    assert found["whole"]["share"] == 1
    assert 0 < found["parse"]["share"] < 1 and found["parse"]["requests"] >= REQUESTS
    assert found["hash"]["requests"] == 0


def test_a_histogram_to_look_at(authd):
    windows(authd, "--route", "/health")
    found = rows(authd, "latency", "hist", "--route", "/health", "--window", "1h")
    assert len(found) == 16 and found[-1]["up_to"] is None
    assert sum(row["requests"] for row in found) >= REQUESTS
    assert all(bool(row["bar"]) == bool(row["requests"]) for row in found)
    assert abs(sum(row["share"] for row in found) - 1) < 1e-9


@pytest.mark.parametrize("verb", ["show", "hist"])
def test_an_unknown_route_is_not_found(authd, verb):
    result = authd.ctl("latency", verb, "--route", "/nowhere")
    assert result.returncode == 1 and "no route named '/nowhere'" in result.stderr


def test_an_unknown_window_is_a_usage_error(authd):
    assert authd.ctl("latency", "show", "--window", "2h").returncode == 2


def test_reset_forgets(authd):
    windows(authd, "--route", "/health")
    assert authd.ctl("latency", "reset").returncode == 0
    assert rows(authd, "latency", "show", "--route", "/health", "--window", "1h")[0]["requests"] == 0
