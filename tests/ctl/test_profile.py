"""prof cpu: what real load spends its time on, on both engines, and that nothing is left of a profile."""
import collections
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import BUILD, Authd, ask  # noqa: E402

WHO = {"email": "profiled@example.org", "password": "correct horse battery"}
ENGINES = ["io_uring", "epoll"]
VERIFY, LOGIN = "GET /v1/auth/verify", "POST /v1/auth/login"
LINE = re.compile(r"[^ ;]+(;(GET|POST) [^ ;]+)?(;[^; ]+)+ \d+")


@pytest.fixture(scope="module", params=ENGINES)
def authd(request):
    with Authd({"io.engine": request.param, "password.cost": 8}) as daemon:
        assert ask(daemon, "/v1/auth/register", WHO)[0] == 201
        yield daemon


@contextlib.contextmanager
def loaded(authd):
    """Logins, and tokens that are looked at; every request has its answer, or this fails."""
    # Of somebody else: an account's oldest session ends when it has too many.
    other = {**WHO, "email": f"{time.time()}@example.org"}
    token = ask(authd, "/v1/auth/register", other)[1]["data"]["access_token"]
    is_over, answers, failures = threading.Event(), collections.Counter(), []

    def again(path, *rest):
        try:
            while not is_over.is_set():
                answers[path, ask(authd, path, *rest)[0]] += 1
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)
    verify = threading.Thread(target=again, args=("/v1/auth/verify", None, {"Authorization": f"Bearer {token}"}))
    threads = [verify, *(threading.Thread(target=again, args=("/v1/auth/login", WHO)) for _ in range(2))]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert set(answers) == {("/v1/auth/verify", 204), ("/v1/auth/login", 200)}, answers


def timers(authd):
    return pathlib.Path(f"/proc/{authd.pid}/timers").read_text().count("ID:")


def until(holds):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def profiling(authd, *words):
    """authctl prof cpu, which has begun."""
    started = subprocess.Popen([BUILD / "authctl", "--socket", authd.socket, "prof", "cpu", *words], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until(lambda: timers(authd) > 0)
        yield started
    finally:
        started.kill()
        started.communicate()


def functions_of(archive):
    said = subprocess.run(["nm", BUILD / archive], capture_output=True, text=True, check=True).stdout
    return {line.split()[2] for line in said.splitlines() if re.match(r"[0-9a-f]+ [tT] ", line)}


def has_frame_pointers():
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == "frame_pointers")


def test_it_names_routes_and_functions_and_no_request_is_lost(authd, tmp_path):
    with loaded(authd) as answers:
        for attempt in range(8):  # samples are few where others want the processors, too
            folded = tmp_path / f"folded-{attempt}"
            result = authd.ctl("-o", "json", "prof", "cpu", str(folded), "--for", "3s", "--rate", "199")
            assert result.returncode == 0, result.stderr
            rows = json.loads(result.stdout)
            by_work = {(r["thread"], r["route"]): r for r in rows}
            if set(by_work) >= {("core", VERIFY), ("core", LOGIN), ("core", None), ("hash", None)}:
                break
        else:
            pytest.fail(f"not everything that was done was seen: {rows}")
    assert sum(answers.values()) > 20
    assert [r["share"] for r in rows] == sorted((r["share"] for r in rows), reverse=True)
    assert abs(sum(r["share"] for r in rows) - 1) < 0.001
    hashing = by_work["hash", None]
    assert re.match(r"(\w+) \d+ %", hashing["functions"])[1] in functions_of("libbcrypt-kernel.a"), hashing
    total = sum(r["samples"] for r in rows)
    said = re.search(r"(\d+) samples of \d+ threads; ([\d.]+) s on processors in ([\d.]+) s", result.stderr)
    assert int(said[1]) == total and 3 <= float(said[3]) < 8
    # Other threads than ours are a small part of it, and the kernel counts in ticks.
    assert 0.7 * 199 * float(said[2]) < total < 1.2 * 199 * float(said[2])

    lines = folded.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == total
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"core;{VERIFY};")) == \
        by_work["core", VERIFY]["samples"]
    if has_frame_pointers():
        assert any(";fiber_main;handler_main;handle;" in line for line in lines)
    assert timers(authd) == 0


def test_it_is_the_only_one_and_status_tells_of_it(authd):
    with profiling(authd, "--for", "20s"):
        second = authd.ctl("prof", "cpu", "--for", "1s")
        assert second.returncode == 1 and "another profile is being taken" in second.stderr
        assert re.search(r"prof cpu \(\d+ s left\)", json.loads(authd.ctl("-o", "json", "status").stdout)["overrides"])
    until(lambda: timers(authd) == 0)
    assert not json.loads(authd.ctl("-o", "json", "status").stdout)["overrides"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_client(authd, number):
    with loaded(authd), profiling(authd, "--for", "5m") as client:
        client.send_signal(number)
        client.wait(timeout=10)
        until(lambda: timers(authd) == 0)
        assert authd.ctl("prof", "cpu", "--for", "1s").returncode == 0


def test_a_daemon_that_ends_does_not_wait_for_it(authd):
    with Authd() as other, profiling(other, "--for", "5m"):
        other.stop()


def test_who_may_and_what_is_asked_for_is_checked(authd, tmp_path):
    viewer = authd.ctl("--as", "viewer", "prof", "cpu", "--for", "1s")
    assert viewer.returncode == 8 and "operator" in viewer.stderr
    for words in ([], ["--for", "999ms"], ["--for", "301s"], ["--for", "1s", "--rate", "0"], ["--for", "1s", "--rate", "1000"]):
        assert authd.ctl("prof", "cpu", *words).returncode == 2, words
    there = tmp_path / "there"
    there.write_text("mine")
    started = time.monotonic()
    refused = authd.ctl("prof", "cpu", str(there), "--for", "1m")
    assert refused.returncode == 1 and "exists" in refused.stderr and time.monotonic() - started < 20
    assert there.read_text() == "mine" and timers(authd) == 0


def test_a_dry_run_takes_no_sample_and_a_real_one_is_written_down(authd):
    tried = authd.ctl("--dry-run", "prof", "cpu", "--for", "5m")
    assert tried.returncode == 0 and "would take 99 samples" in tried.stderr and "for 300 s" in tried.stderr
    assert timers(authd) == 0
    assert authd.ctl("prof", "cpu", "--for", "1s").returncode == 0
    records = json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "prof.cpu").stdout)
    assert any(r["result"] == "ok" and "1s" in r["args"] for r in records), records


def test_without_timers_it_says_what_to_allow(tmp_path):
    program = tmp_path / "authd"
    program.write_text(f'#!/bin/sh\nexec "{BUILD}/tests/forbid" timers "{BUILD}/authd" "$@"\n')
    program.chmod(0o755)
    with Authd(program=program) as authd:
        for words in ([], ["--dry-run"]):
            refused = authd.ctl(*words, "prof", "cpu", "--for", "1s")
            assert refused.returncode == 1 and "Operation not permitted" in refused.stderr, refused
            assert "timer_create" in refused.stderr
