"""mem show, purge and profile: memory that adds up, with glibc's allocator and with jemalloc where it is installed."""
import concurrent.futures
import contextlib
import ctypes.util
import itertools
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import BUILD, Authd  # noqa: E402

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
    for words in (["mem", "profile", "start", "--for", "1m"], ["--dry-run", "mem", "profile", "start", "--for", "1m"]):
        result = authd.ctl(*words)
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


# --- mem diff: dumps as jemalloc writes them, with addresses of the real program ---

PERIOD = 524288


@pytest.fixture(scope="module")
def addresses(authd):
    """Where functions of the running daemon are, and its memory map."""
    maps = pathlib.Path(f"/proc/{authd.pid}/maps").read_text()
    base = next(int(line.split("-")[0], 16) for line in maps.splitlines() if line.endswith(str(BUILD / "authd")))
    symbols = {}
    for line in subprocess.run(["nm", BUILD / "authd"], capture_output=True, text=True, check=True).stdout.splitlines():
        value, kind, name = line.rsplit(maxsplit=2) if line[0] != " " else ("0", "U", "")
        if kind in "Tt":
            symbols[name] = base + int(value, 16)
    return symbols, maps


def dump(path, addresses, sites):
    """sites: {(function, ...): (objects, bytes)}"""
    symbols, maps = addresses
    text = f"heap_v2/{PERIOD}\n  t*: 9: 999 [0: 0]\n  t0: 9: 999 [0: 0]\n"
    for stack, (objects, size) in sites.items():
        # Return addresses: one byte behind the call is enough.
        frames = " ".join(hex(symbols[name] + 2 if isinstance(name, str) else name) for name in stack)
        text += f"@ {frames}\n  t*: {objects}: {size} [0: 0]\n  t1: {objects}: {size} [0: 0]\n"
    path.write_text(text + "\nMAPPED_LIBRARIES:\n" + maps)
    return str(path)


def test_what_has_grown_is_named_with_who_asked_for_it(authd, addresses, tmp_path):
    before = dump(tmp_path / "a", addresses, {("pool_get", "conn_open"): (1, PERIOD), ("arena_alloc", "json_parse"): (4, 4 * PERIOD),
                                              ("buf_reserve",): (1, PERIOD)})
    after = dump(tmp_path / "b", addresses, {("pool_get", "conn_open"): (3, 3 * PERIOD), ("arena_alloc", "json_parse"): (1, PERIOD),
                                             (16, "buf_reserve"): (2, 2 * PERIOD)})
    answer = authd.ctl("-o", "json", "mem", "diff", before, after)
    rows = {r["stack"]: r for r in json.loads(answer.stdout)}
    scale = 1 / (1 - math.exp(-1))  # of an allocation as large as the period
    assert list(rows)[0] == "arena_alloc < json_parse", "the largest difference first, either way"
    assert {stack: (r["objects"], round(r["growth"] / PERIOD / scale, 3)) for stack, r in rows.items()} == {
        "arena_alloc < json_parse": (-round(3 * scale), -3), "pool_get < conn_open": (round(2 * scale), 2),
        "0xf < buf_reserve": (round(2 * scale), 2), "buf_reserve": (-round(scale), -1)}
    assert "MiB in all, of 4 places" in answer.stderr
    assert "-2.4 MiB" in authd.ctl("mem", "diff", before, after).stdout
    assert authd.ctl("-o", "json", "mem", "profile", "diff", before, after).stdout == answer.stdout


def test_it_needs_no_daemon_and_believes_no_file(authd, addresses, tmp_path):
    good = dump(tmp_path / "a", addresses, {("pool_get",): (1, PERIOD)})
    assert subprocess.run([BUILD / "authctl", "--socket", "/nonexistent", "mem", "diff", good, good]).returncode == 0
    moved = tmp_path / "moved"
    moved.write_text(pathlib.Path(good).read_text().replace("MAPPED_LIBRARIES:\n", "MAPPED_LIBRARIES:\n1000-2000 r-xp 0 0:0 1 /x\n"))
    assert "of another process" in authd.ctl("mem", "diff", good, str(moved)).stderr
    for text in ("", "heap_v2/", "heap_v2/0\n", "heap_v2/1\n@ 1\n  t*: -1: 9\n  t*: x\n", "heap_v2/9\n@\n@ zz 7f\n  t*: 1: 1\n"):
        bad = tmp_path / "bad"
        bad.write_text(text)
        assert authd.ctl("mem", "diff", str(bad), str(bad)).returncode in (0, 2)
    assert authd.ctl("mem", "diff", good, "/nonexistent").returncode == 2
    assert authd.ctl("mem", "diff", good).returncode == 2


def test_a_program_that_is_no_elf_any_more_is_told_by_its_offset(authd, addresses, tmp_path):
    symbols, maps = addresses
    for content in (b"", b"\x7fELF", b"\x7fELF\x02" + b"\xff" * 4096, (BUILD / "authd").read_bytes()[:5000]):
        program = tmp_path / "authd"
        program.write_bytes(content)
        changed = (symbols, maps.replace(str(BUILD / "authd"), str(program)))
        file = dump(tmp_path / "a", changed, {("pool_get",): (1, PERIOD)})
        rows = json.loads(authd.ctl("-o", "json", "mem", "diff", file, dump(tmp_path / "b", changed, {})).stdout)
        assert rows[0]["stack"].startswith("authd+0x") and rows[0]["growth"] < 0


def test_real_dumps_are_compared(profiled, tmp_path):
    assert row(profiled, "mem", "profile", "start", "--for", "1m")["on"]
    for name in ("a", "b"):
        assert profiled.ctl("mem", "profile", "dump", str(tmp_path / name)).returncode == 0
    answer = profiled.ctl("mem", "diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert answer.returncode == 0 and "in all, of" in answer.stderr
