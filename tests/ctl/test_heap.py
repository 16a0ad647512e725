"""mem show, purge and profile: memory that adds up, with glibc's allocator and with jemalloc where it is installed."""
import concurrent.futures
import contextlib
import ctypes.util
import itertools
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402

JEMALLOC = ctypes.util.find_library("jemalloc")
unless_sanitized = pytest.mark.skipif("asan" in os.environ.get("AUTHD_BUILD", ""), reason="the sanitizer is the allocator")


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
    """Every part is measured; what none of them is may be a twentieth of what the kernel says."""
    parts = {r["part"]: r["bytes"] for r in row(daemon, "mem", "show")}
    total, unexplained = parts.pop("total"), parts.pop("unexplained")
    assert abs(sum(parts.values()) - total) <= total * 0.05, (parts, total, unexplained)
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
    assert abs(resident - total) <= total * 0.05
    return parts


@contextlib.contextmanager
def loaded(daemon, clients=24):
    """Registrations and tokens that are looked at, as fast as they go, from the first answer on."""
    answered, is_over = threading.Semaphore(0), threading.Event()

    def client(name):
        for n in itertools.count():
            if is_over.is_set():
                return
            _, answer = request(daemon, "POST", "/v1/auth/register",
                                {"email": f"{name}-{n}@example.org", "password": "correct horse battery"})
            bearer = {"Authorization": f"Bearer {answer['data']['access_token']}"}
            for _ in range(3):
                assert request(daemon, "GET", "/v1/auth/verify", headers=bearer)[0] == 204
            answered.release()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client, f"{time.time()}-{i}") for i in range(clients)]
        for _ in range(2 * clients):
            assert answered.acquire(timeout=60)
        try:
            yield
        finally:
            is_over.set()
        for one in running:
            one.result()


def request(daemon, method, path, body=None, headers=()):
    asked = urllib.request.Request(f"http://127.0.0.1:{daemon.port}{path}", json.dumps(body).encode() if body else None,
                                   {"Content-Type": "application/json", **dict(headers)}, method=method)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.status, json.loads(answer.read() or b"null")


@unless_sanitized
def test_the_parts_add_up_to_what_the_kernel_says(authd):
    parts = assert_adds_up(authd)
    assert parts["program"] > 1 << 19 and parts["libraries"] > 1 << 20 and parts["thread_stacks"] and parts["store"]


@unless_sanitized
def test_they_add_up_under_load_and_after_it(authd):
    before = assert_adds_up(authd)
    with loaded(authd):
        during = assert_adds_up(authd)
    for part in ("fiber_stacks", "pools", "caches", "digests", "metrics", "hashing"):
        assert during[part] > before[part] or part == "hashing" and during[part], part
    assert_adds_up(authd)
    assert row(authd, "mem", "purge")["done"]
    assert_adds_up(authd)


@unless_sanitized
def test_the_metrics_say_the_same(authd):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(authd.dir / "metrics.sock"))
        s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    parts = dict(re.findall(r'^authd_memory_bytes\{subsystem="(\w+)"\} (\d+)', text, flags=re.M))
    assert set(parts) == {r["part"] for r in row(authd, "mem", "show")} - {"total"}
    resident = int(re.search(r"^process_resident_memory_bytes (\d+)", text, flags=re.M)[1])
    assert abs(sum(map(int, parts.values())) - resident) <= resident * 0.05


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
    with loaded(profiled):
        assert_adds_up(profiled)
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
