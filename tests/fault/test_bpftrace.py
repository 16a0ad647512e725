"""The bpftrace scripts, run against the real daemon: they attach, and tell what happened."""
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import ROOT, Authd, ask  # noqa: E402

SCRIPTS = ROOT / "packaging" / "bpftrace"
TRACER = shutil.which("bpftrace")


def can_trace():
    """Needs root, and a kernel that lets it: containers seldom do."""
    if not TRACER:
        return False
    tried = subprocess.run([TRACER, "-e", 'BEGIN { printf("seen\\n"); exit(); }'], capture_output=True, timeout=60)
    return b"seen" in tried.stdout


pytestmark = pytest.mark.skipif(not can_trace(), reason="bpftrace is not here, or may not trace")


@pytest.fixture(scope="module")
def authd():
    # A hash takes longer than slow-requests.bt lets pass in silence; each core has caches of its own.
    with Authd({"password.cost": "12", "core.threads": "1"}) as daemon:
        yield daemon


def traced(authd, script, work):
    """What it prints while that is done, and its maps: {(name, key): value}."""
    tracer = subprocess.Popen([TRACER, "-f", "json", "-p", str(authd.pid), SCRIPTS / script], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    said = []
    for line in tracer.stdout:
        said.append(json.loads(line))
        if said[-1]["type"] == "attached_probes":
            break
    assert said, tracer.stderr.read()
    work()
    tracer.send_signal(signal.SIGINT)
    said += [json.loads(line) for line in tracer.communicate(timeout=60)[0].splitlines() if line]
    maps = {(name, key): value for s in said if s["type"] in ("map", "hist") for name, keys in s["data"].items()
            for key, value in keys.items()}
    return "".join(s["data"] for s in said if s["type"] == "printf"), maps


def register_and_verify(authd, name):
    status, answer = ask(authd, "/v1/auth/register", {"email": f"{name}@example.org", "password": "a long enough one"})
    assert status == 201
    for _ in range(3):
        assert ask(authd, "/v1/auth/verify", headers=[("Authorization", f"Bearer {answer['data']['access_token']}")])[0] == 204


def test_slow_requests_are_printed_and_all_are_in_histograms(authd):
    printed, maps = traced(authd, "slow-requests.bt", lambda: register_and_verify(authd, "slow"))
    assert re.search(r"^POST +/v1/auth/register +201 +\d+ ms$", printed, flags=re.M)
    assert sum(bucket["count"] for bucket in maps["@us", "/v1/auth/verify"]) == 3


def test_calls_of_the_store_are_counted_and_timed(authd):
    _, maps = traced(authd, "store.bt", lambda: register_and_verify(authd, "store"))
    assert maps["@calls", "account_create"] == 1
    assert sum(bucket["count"] for bucket in maps["@us", "account_create"]) == 1
    assert sum(bucket["count"] for bucket in maps["@wait_us", "store-write"]) >= 1
    assert not [key for key in maps if key[0] == "@errors"]


def test_look_ups_in_caches_are_counted_by_how_they_ended(authd):
    _, maps = traced(authd, "stalls.bt", lambda: register_and_verify(authd, "cache"))
    seen = {key: value for (name, key), value in maps.items() if name == "@lookups"}
    assert seen == {"tokens,miss": 1, "tokens,hit": 2}
