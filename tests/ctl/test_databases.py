"""Servers, indexes and plans of the store through authctl, on SQLite; MongoDB's are in tests/fault/test_mongo.py."""
import json
import pathlib
import sqlite3
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import Raw, StuckThread, request  # noqa: E402


@pytest.fixture
def authd():
    with Authd() as daemon:
        yield daemon


def shown(authd, *words, code=0):
    result = authd.ctl("-o", "json", *words)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def in_database(authd, sql):
    database = sqlite3.connect(authd.options["store.path"], timeout=20)
    database.execute(sql)
    database.commit()
    database.close()


def test_the_store_answers_a_ping(authd):
    (row,) = shown(authd, "db", "ping")
    assert row["store"] == "sqlite" and row["ok"] and 0 < row["time"] < 20
    (row,) = shown(authd, "db", "topology")
    assert row["role"] == "local" and row["lag"] is None


def test_every_index_is_there_after_the_start(authd):
    rows = shown(authd, "index", "check")
    assert len(rows) >= 8 and all(r["ok"] and r["state"] == "present" for r in rows)
    assert next(r for r in rows if r["index"] == "sessions_idle")["key"] == "sessions(idle_until)"


def test_a_dropped_index_is_missed_and_built_again(authd):
    in_database(authd, "DROP INDEX sessions_idle")
    bad = [r for r in shown(authd, "index", "check", code=6) if not r["ok"]]
    assert [(r["index"], r["state"]) for r in bad] == [("sessions_idle", "missing")]
    assert shown(authd, "--dry-run", "index", "create", "sessions_idle")[0]["state"] == "missing"
    shown(authd, "index", "check", code=6)
    assert shown(authd, "index", "create", "sessions_idle")[-1]["state"] == "built"
    assert shown(authd, "index", "create", "sessions_idle")[-1]["state"] == "present"
    shown(authd, "index", "check")


def test_an_index_is_built_while_nobody_waits(authd):
    in_database(authd, "DROP INDEX sessions_idle")
    (row,) = shown(authd, "index", "create", "sessions_idle", "--background")
    assert row["state"] in ("building", "built")
    end = time.monotonic() + 20
    while authd.ctl("index", "check").returncode:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_another_index_of_that_name_is_told_and_kept(authd):
    in_database(authd, "DROP INDEX sessions_idle")
    in_database(authd, "CREATE INDEX sessions_idle ON sessions(used)")
    in_database(authd, "CREATE INDEX theirs ON accounts(name)")
    (bad,) = [r for r in shown(authd, "index", "check", code=6) if not r["ok"]]
    assert bad["state"] == "different" and bad["detail"] == "sessions(used)"
    states = {r["index"]: r["state"] for r in shown(authd, "index", "list")}
    assert states["theirs"] == "extra" and states["sessions_idle"] == "different"
    assert authd.ctl("index", "create", "sessions_idle").returncode == 1
    for name in ("theirs", "nothing", "x" * 4000):
        assert authd.ctl("index", "create", name).returncode == 1
    assert authd.ctl("--as", "operator", "index", "create", "sessions_idle").returncode == 8


def test_an_index_is_dropped_when_its_name_is_typed(authd):
    refused = authd.ctl("index", "drop", "sessions_idle")
    assert refused.returncode == 7 and "--yes=sessions_idle" in refused.stderr
    with Raw(authd) as raw:
        end = raw.ask("index.drop", {"name": "sessions_idle"})[1]["error"]
    assert end["code"] == "unconfirmed" and "index create" in end["msg"] and "undone" not in end["msg"]
    assert "index create" in authd.ctl("help", "index", "drop").stdout
    assert authd.ctl("index", "drop", "sessions_idle", "--yes").returncode == 7
    assert shown(authd, "--dry-run", "index", "drop", "sessions_idle")["done"] is False
    shown(authd, "index", "check")
    answer = authd.ctl("-o", "json", "index", "drop", "sessions_idle", "--yes=sessions_idle")
    row = json.loads(answer.stdout)
    assert row["state"] == "present" and row["key"] == "sessions(idle_until)" and row["done"] is True
    assert "undo: authctl index create sessions_idle" in answer.stderr
    assert authd.ctl("index", "drop", "sessions_idle", "--yes=sessions_idle").returncode == 1
    shown(authd, "index", "check", code=6)
    shown(authd, "index", "create", "sessions_idle")
    shown(authd, "index", "check")


def test_what_is_not_ours_is_dropped_too_unless_it_keeps_something_unique(authd):
    in_database(authd, 'CREATE INDEX "their""s" ON accounts(name)')
    in_database(authd, "CREATE UNIQUE INDEX only_once ON accounts(created)")
    assert shown(authd, "index", "drop", 'their"s', '--yes=their"s')["state"] == "extra"
    refused = authd.ctl("index", "drop", "only_once", "--yes=only_once")
    assert refused.returncode == 1 and "keeps something unique" in refused.stderr
    assert {r["index"] for r in shown(authd, "index", "list") if r["state"] == "extra"} == {"only_once"}
    for name in ("nothing", "x" * 4000, "sqlite_autoindex_accounts_1"):
        assert authd.ctl("index", "drop", name, f"--yes={name}").returncode == 1
    assert authd.ctl("--as", "operator", "index", "drop", "only_once", "--yes=only_once").returncode == 8


def test_plans_use_indexes_and_a_scan_is_told(authd):
    plans = {r["statement"]: r for r in shown(authd, "db", "explain")}
    assert all(r["ok"] and r["verdict"] == "good" for r in plans.values())
    assert len(plans) > 50 and {"mail_take", "tickets_trim", "accounts_list", "key_remove", "session_put"} <= set(plans)
    # What has none inserts, or reads a table of a few keys.
    assert all(r["index"] for name, r in plans.items() if not name.endswith(("insert", "put")) and not name.startswith("key"))
    assert plans["sweep_sessions"]["index"] == "sessions_idle" and plans["account_get"]["examined"] is None
    in_database(authd, "DROP INDEX sessions_idle")
    (row,) = shown(authd, "db", "explain", "--name", "sweep_sessions", code=6)
    assert row["verdict"] == "scans the table" and not row["ok"]
    assert shown(authd, "db", "explain", "--name", "account_find")[0]["ok"]
    assert authd.ctl("db", "explain", "--name", "nothing").returncode == 1
    assert authd.ctl("--as", "viewer", "db", "explain").returncode == 8


def test_only_stores_of_applications_have_accounts_to_adopt(authd):
    result = authd.ctl("adopt", "check")
    assert result.returncode == 1 and "the store sqlite has no such thing" in result.stderr


def test_only_pools_of_connections_to_a_server_change_their_size(authd):
    for name in ("store-read", "hash", "nope"):
        refused = authd.ctl("pool", "resize", name, "20", "--for", "1h")
        assert refused.returncode == 1 and "only pools of connections to a server" in refused.stderr
    assert authd.ctl("pool", "resize", "store-read", "20").returncode == 2


def test_each_connection_of_the_store_is_shown(authd):
    request(authd, "POST", "/v1/auth/register", {"email": "a@example.org", "password": "correct horse"})
    rows = shown(authd, "pool", "show", "store-write")
    assert rows[0]["connection"] is None and rows[0]["done"] >= 1
    assert [r["connection"] for r in rows[1:]] == [0]
    assert rows[1]["state"] in ("idle", "busy") and rows[1]["done"] >= 1 and rows[1]["failures"] == 0
    assert len(shown(authd, "pool", "show", "store-read")) >= 2
    assert "connection" not in shown(authd, "pool", "list")[0]


def test_a_store_that_hangs_holds_up_only_those_who_ask_it(authd):
    with Raw(authd) as raw, StuckThread(authd, "control-block"):
        waiting = [raw.send("db.ping", deadline_ms=300), raw.send("index.check", deadline_ms=300)]
        canceled = raw.send("db.explain")
        assert raw.ask("meta.version")[1]["status"] == "ok"
        raw.say({"t": "cancel", "id": canceled})
        assert raw.until_end(canceled)[-1]["error"]["code"] == "canceled"
        for id in waiting:
            assert raw.until_end(id)[-1]["error"]["code"] == "timeout"
        assert request(authd, "GET", "/health/live")[0] == 200
    assert authd.ctl("db", "ping").returncode == 0


def test_so_many_may_wait_for_the_store_and_no_more(authd):
    with StuckThread(authd, "control-block"):
        connections = [Raw(authd) for _ in range(5)]
        asked = [(raw, raw.send("db.ping", deadline_ms=2000)) for raw in connections for _ in range(2)]
        ends = [raw.until_end(id)[-1]["error"]["code"] for raw, id in asked]
        for raw in connections:
            raw.close()
        # A stuck thread may have taken the first of them.
        assert ends.count("busy") in (1, 2) and ends.count("timeout") == 10 - ends.count("busy")
    rows = shown(authd, "pool", "show", "control-block")
    assert rows[0]["refused"] == ends.count("busy") and rows[0]["max"] == 8
