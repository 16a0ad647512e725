"""What the scenarios rely on: that losses are noticed, and that CPU time and memory are read right."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "support")]
import authd as support  # noqa: E402
import measure  # noqa: E402
import systems.authd  # noqa: E402
from client import Client, Refused, register_many  # noqa: E402
from scenarios.durability import Writer, lost_of  # noqa: E402
from scenarios.restart import Managed, Upgrades, failures  # noqa: E402


@pytest.fixture(scope="module")
def authd():
    systems.authd.BUILD = support.BUILD
    with systems.authd.Authd(password__cost=4) as running:
        yield running


@pytest.fixture
def writer(authd, request):
    writer = Writer(authd, request.node.name)
    for number in range(4):
        writer.write(number)
    assert (len(writer.accounts), len(writer.live), len(writer.ended)) == (4, 2, 2)
    return writer


def test_nothing_is_lost_when_nothing_was(authd, writer):
    assert lost_of(authd, [writer]) == ([], 8)


def test_an_account_that_is_not_there_is_lost(authd, writer):
    writer.accounts.append("nobody@example.org")
    assert lost_of(authd, [writer]) == ([("account", "nobody@example.org")], 9)


def test_a_session_that_should_live_but_ended_is_lost(authd, writer):
    token = writer.ended.pop()
    writer.live.append(token)
    assert lost_of(authd, [writer])[0] == [("live", token)]


def test_a_session_that_should_have_ended_but_lives_is_lost(authd, writer):
    token = writer.live.pop()
    writer.ended.append(token)
    assert lost_of(authd, [writer])[0] == [("ended", token)]


def test_grants_come_in_the_order_of_the_accounts(authd):
    emails = [grant["user"]["email"] for grant in register_many(authd, 20, "ordered")]
    assert emails == [f"ordered{n}@example.org" for n in range(20)]


def test_what_is_refused_is_told(authd):
    with pytest.raises(Refused, match="login: 401"):
        Client(authd).login("nobody@example.org")


def test_an_unknown_option_is_left_out_and_a_known_one_kept(authd):
    assert authd._is_known("password.cost", "5")
    assert not authd._is_known("password.price", "5")
    assert not authd._is_known("password.cost", "99")
    authd._write(authd.options)


def child(code):
    return subprocess.Popen([sys.executable, "-c", code + "\nprint(flush=True); input()"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)


def test_cpu_time_of_several_processes_is_added():
    code = "import time\nwhile time.process_time() < 0.3: pass"
    children = [child(code), child(code)]
    try:
        for c in children:
            c.stdout.readline()
        assert measure.cpu_s([c.pid for c in children]) >= 0.56  # a tick less for each may show
    finally:
        for c in children:
            c.communicate(b"\n")


def test_the_peak_of_memory_is_kept_until_it_is_reset():
    c = child("b = bytearray(64 << 20)\nb[::4096] = b[::4096]\ndel b")
    try:
        c.stdout.readline()
        now, peak = measure.rss_mb([c.pid]), measure.rss_peak_mb([c.pid])
        assert peak >= now + 60
        measure.rss_peak_reset([c.pid])
        assert measure.rss_peak_mb([c.pid]) < peak - 60
    finally:
        c.communicate(b"\n")


@pytest.mark.parametrize("kind", [Upgrades, Managed])
def test_a_daemon_that_is_restarted_is_another_one_and_serves(kind):
    systems.authd.BUILD = support.BUILD
    authd = systems.authd.Authd(password__cost=4)
    authd.options |= {"control.audit_file": authd.folder / "audit.log", "metrics.listen": authd.folder / "metrics.sock"}
    authd.prepare()
    way = kind(authd)
    try:
        before = authd.process.pid
        way.restart()
        assert authd.process.pid != before
        assert Client(authd).call("GET", authd.paths["health"])[0] == 200
    finally:
        way.close()
        authd.close()


def test_what_was_not_sent_or_refused_has_failed():
    outcomes = {"ok": 7, "overloaded": 1, "broken": 2}
    assert failures({"a": {"sent": 10, "unsent": 1, "outcomes": outcomes}}) == 4
