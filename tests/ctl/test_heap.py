"""mem show, purge and profile: memory that adds up, with glibc's allocator and with jemalloc where it is installed."""
import ctypes.util
import json
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402

JEMALLOC = ctypes.util.find_library("jemalloc")


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def profiled():
    if not JEMALLOC:
        pytest.skip("no jemalloc here")
    if "asan" in os.environ.get("AUTHD_BUILD", ""):
        pytest.skip("the sanitizer is the allocator")
    before = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = JEMALLOC
    daemon = Authd()
    try:
        daemon.start()
    finally:
        os.environ.pop("LD_PRELOAD")
        if before:
            os.environ["LD_PRELOAD"] = before
    yield daemon
    daemon.__exit__()


def row(daemon, *words):
    result = daemon.ctl("-o", "json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_adds_up(daemon):
    parts = {r["part"]: r["bytes"] for r in row(daemon, "mem", "show")}
    total = parts.pop("total")
    assert abs(sum(parts.values()) - total) <= total * 0.05
    assert parts["program"] > 1 << 20
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
    assert abs(resident - total) <= total * 0.05


def test_the_parts_add_up_to_what_the_kernel_says(authd):
    assert_adds_up(authd)


def test_purge_tells_what_it_gained(authd):
    done = row(authd, "mem", "purge")
    assert done["done"] and done["after"] <= done["before"] * 1.05
    assert not row(authd, "--dry-run", "mem", "purge")["done"]


def test_a_profile_without_jemalloc_says_what_to_do(authd):
    result = authd.ctl("mem", "profile", "start", "--for", "1m")
    assert result.returncode == 1 and "keeps no profiles" in result.stderr and "jemalloc" in result.stderr


def test_a_profile_wants_a_time(authd):
    assert authd.ctl("mem", "profile", "start").returncode == 2
    assert authd.ctl("mem", "profile", "begin").returncode == 2


def test_the_parts_add_up_with_jemalloc_too(profiled):
    assert_adds_up(profiled)


def test_a_profile_is_started_dumped_and_stopped(profiled, tmp_path):
    started = row(profiled, "mem", "profile", "start", "--for", "1m")
    assert started["on"] and 0 < started["left"] <= 60
    file = tmp_path / "heap"
    assert profiled.ctl("mem", "profile", "dump", str(file)).returncode == 0
    assert file.read_text(errors="replace").startswith("heap_v2/")
    assert not row(profiled, "mem", "profile", "stop")["on"]


def test_purge_with_jemalloc(profiled):
    assert row(profiled, "mem", "purge")["done"]
