"""What the comparison concludes from what it saw: what a time-out is, which target is reached, who is left out."""
import http.client
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "support")]
import authd as support  # noqa: E402
import routes  # noqa: E402
import systems.authd  # noqa: E402
from bench import Bench  # noqa: E402
from generator import run_load  # noqa: E402
from loads import DAY, shares, stream  # noqa: E402
from routes import NAMES, accounts_make, granted  # noqa: E402
from scenarios import comparison  # noqa: E402
from systems.pocketbase import PocketBase  # noqa: E402

S = 10 ** 9


def seen(ok=0, late=(), unsent=0, **outcomes):
    """What load/ says of a stream; `late`: (nanoseconds, count) of errors that the server answered with."""
    all_outcomes = {name: outcomes.get(name, 0) for name in ("timeout", "unconnected", "broken", "overloaded", "client_error")}
    all_outcomes["ok"] = ok
    return {"sent": sum(all_outcomes.values()), "unsent": unsent, "outcomes": all_outcomes,
            "latency_ms": {"refused": {"buckets": [list(bucket) for bucket in late]}}}


def test_a_time_out_is_no_answer_or_an_error_that_took_the_servers_whole_limit():
    result = shares([seen(ok=50, timeout=10, unconnected=3, broken=2, overloaded=15, late=[(S, 5), (5 * S, 10)]),
                     seen(ok=10, unsent=10)], limit_s=5)
    assert result == {"due": 100, "success": 0.6, "timeouts": 0.25}


def test_a_refusal_at_once_is_no_time_out():
    assert shares([seen(overloaded=10, late=[(S // 100, 10)])], 5)["timeouts"] == 0


class Known:
    """A contender with a day that was measured before."""

    def __init__(self, name, **days):
        self.name, self.days = name, {int(rate[1:]): day for rate, day in days.items()}


def result(success, timeouts, rss=50):
    return {"success": success, "timeouts": timeouts, "rss_peak_mb": rss}


def test_each_target_of_each_phase_is_reached_or_not(capsys):
    bench = Bench("comparison", "", light=False)
    comparison.targets(bench, [
        Known("good", r50=result(1, 0), r100=result(0.99, 0), r200=result(0.96, 0.01), r400=result(0.5, 0.1)),
        Known("middling", r25=result(0.99, 0), r50=result(0.97, 0.02), r100=result(0.6, 0.4, rss=600)),
        Known("bad", r100=result(0.077, 0.923, rss=1200))])
    row = {cells[0]: cells[4:] for cells in bench.tables[0]["rows"]}
    assert row["good"] == ["200 /s", "pass", "pass", "pass"]
    assert row["middling"] == ["50 /s", "pass", "FAIL 2 of 3", "FAIL 4 of 4"]
    assert row["bad"] == ["0 /s", "FAIL 3 of 3", "FAIL 3 of 3", "FAIL 4 of 4"]
    assert len(bench.targets) == 30 and all(t["reached"] for t in bench.targets if t["system"] == "good")
    assert "middling" in capsys.readouterr().out


def test_another_server_that_fails_is_left_out_and_authd_that_fails_is_told(capsys):
    bench = Bench("comparison", "", light=False)

    def work(one):
        if one.name != "fine":
            raise RuntimeError("no more")
        return one.name

    contenders = [Known("broken"), Known("fine")]
    assert comparison.each(bench, "trying", contenders, work) == ["fine"]
    assert [c.name for c in contenders] == ["fine"]
    assert "LEFT OUT: broken: no more" in capsys.readouterr().out
    with pytest.raises(RuntimeError):
        comparison.each(bench, "trying", [Known(comparison.OURS)], work)


class Measured(comparison.Contender):
    """One of which everything is known; `cost` times as dear as another."""

    def __init__(self, name, cost, days):
        histogram = {"count": 1, "buckets": [[S, 1]]}
        self.name, self.start_ms, self.rss = name, [cost * 10.0], {"idle": 9, "loaded": 10, "peak at 20x": 10 * cost}
        self.closed = {route: [{"cpu_us": 5.0 * cost, "store_us": 0, "per_s": 1000 / cost, "p50_ms": 1.0}] * 5 for route in NAMES}
        login = {"rate": 20, "goodput": 1, "success": 0.5, "timeouts": 0.5, "unsent": 0, "ok_p50_ms": 1, "all_p99_ms": 2,
                 "verify_p99_ms": 3, "rss_peak_mb": 10 * cost, "streams": {"login": {"latency_ms": {"all": histogram}}}}
        self.logins = {1: login, 20: login}
        self.days = {rate: {**day, "p99_ms": dict.fromkeys(DAY, 1), "rss_after_mb": 10} for rate, day in days.items()}
        self.idle = {"count": 1000, "before_mb": 10, "rss_mb": 10 * cost, "kept": 990, "health": {"cpu_us": 5 * cost}}


def test_everything_that_was_measured_is_shown(capsys):
    bench = Bench("comparison", "", light=False)
    contenders = [Measured(comparison.OURS, 1, {100: result(0.99, 0)}), Measured(comparison.ALONE, 1, {100: result(1, 0)}),
                  Measured(comparison.THEIRS, 40, {50: result(1, 0), 100: result(0.5, 0.5)})]
    comparison.show_rounds(bench, contenders, {"nginx": contenders[0].closed["verify"]}, 12)
    for show in (comparison.show_overload, comparison.show_days, comparison.show_idle, comparison.targets, comparison.show_memory):
        show(bench, contenders)
    comparison.show_summary(bench, contenders, 12)
    comparison.numbers(bench, {c.name: c for c in contenders})
    medians = {name: m["median"] for name, m in bench.measurements.items()}
    assert medians["plan_verify"] == medians["plan_verify_per_s"] == medians["plan_rss"] == medians["plan_idle_rss"] == 40
    assert medians["day_success"] == 0.99
    assert [t["title"].split(",")[0] for t in bench.tables if t.get("readme")] == [
        "1", "The targets of the optimization plan: a mixed day of 100/s", "Side by side"]
    assert "990" in capsys.readouterr().out


@pytest.mark.parametrize("most, rates", [(300, [100, 200, 400]), (500, [100, 200, 400]), (100, [100, 200]), (30, [25, 50, 100])])
def test_a_day_is_tried_at_more_while_it_is_handled_and_at_less_until_it_is(monkeypatch, tmp_path, most, rates):
    def one_day(_bench, c, rate):
        c.days[rate] = result(1, 0) if rate <= most else result(0.5, 0.5)
    c = Known("one")
    c.system, c.accounts, c.refresh_tokens = None, [], tmp_path / "tokens"
    c.refresh_tokens.write_text("")
    monkeypatch.setattr(comparison, "one_day", one_day)
    monkeypatch.setattr(comparison, "restart", lambda _system: None)
    comparison.days(Bench("comparison", "", light=False), c)
    assert list(c.days) == rates and comparison.handled(c) == max(rate for rate in rates if rate <= most)


def test_a_day_has_a_hundred_requests_of_known_routes():
    assert sum(DAY.values()) == 100 and set(DAY) <= set(NAMES)


@pytest.fixture(scope="module")
def authd():
    systems.authd.BUILD = support.BUILD
    with systems.authd.Authd(password__cost=4) as running:
        yield running


def test_every_route_is_loaded_without_a_failure_and_refreshes_chain(authd):
    accounts = accounts_make(authd, 8, "loaded")
    assert [a["email"] for a in accounts] == [f"loaded{n}@example.org" for n in range(8)]
    for turn in range(2):  # the second run goes on with the newest refresh tokens
        for name in NAMES:
            made = run_load(authd.target, [stream(authd, name, accounts, f"turn{turn}-", kind="closed", connections=2)], 0.3)
            assert made[name]["outcomes"]["ok"] == made[name]["sent"] > 0, (name, made[name]["outcomes"])


def test_a_registration_whose_answer_was_late_is_followed_by_a_login(authd, monkeypatch):
    asked, real = [], routes.ask

    def late_once(*args):
        answer = real(*args)
        asked.append(args)
        if len(asked) == 1:
            raise routes.Unexpected(503, "it was done, and nobody heard of it")
        return answer

    monkeypatch.setattr(routes, "ask", late_once)
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    assert granted(authd, connection, "register", "late", 1) is None
    assert granted(authd, connection, "login", "late1@example.org")["access_token"]


def test_an_answer_of_pocketbase_has_a_token_or_none():
    assert PocketBase.granted(None, None, {"token": "a", "record": {}}) == {"token": "a"}
    assert PocketBase.granted(None, None, {"id": "b"}) is None
