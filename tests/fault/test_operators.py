"""What operators ask of MongoDB through authctl: its servers, indexes and plans, accounts to adopt."""
import contextlib
import http.client
import json
import pathlib
import sys
import threading

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from conftest import Client  # noqa: E402
from mongo import Proxy  # noqa: E402
from mongo_nodes import node, secantus  # noqa: E402
from test_mongo import FAST, mongo  # noqa: E402
from test_store import until  # noqa: E402


def shown(authd, *words, code=0):
    result = authd.ctl("-o", "json", *words)
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def test_servers_are_asked_and_one_that_is_gone_is_told(secantus):
    proxy = Proxy(secantus.port)
    with node(proxy.uri, **FAST) as authd:
        (row,) = shown(authd, "db", "ping")
        assert row["store"] == "mongodb" and row["server"].endswith(str(proxy.port)) and row["ok"] and row["time"] > 0
        (row,) = shown(authd, "db", "topology")
        assert row["role"] in ("primary", "standalone") and row["error"] == ""
        proxy.refuse()
        result = authd.ctl("-o", "json", "db", "ping", "--timeout", "20")
        assert result.returncode == 6, result.stderr
        assert not json.loads(result.stdout)[0]["ok"] and json.loads(result.stdout)[0]["error"]
    proxy.close()


def test_a_missing_index_is_told_and_built_by_an_operator(secantus):
    with node(secantus.uri, database := "indexed") as authd:
        assert all(r["ok"] for r in shown(authd, "index", "check"))
        mongo(secantus, f"c.{database}.users.drop_index('users.email')")
        assert [r["index"] for r in shown(authd, "index", "check", code=6) if not r["ok"]] == ["users.email"]
        assert authd.ctl("db", "explain", "--name", "account_find").returncode == 6
        assert shown(authd, "index", "create", "users.email", "--background")[-1]["state"] in ("building", "built")
        until(lambda: authd.ctl("index", "check").returncode == 0)
        assert shown(authd, "index", "create", "users.email")[-1]["state"] == "present"


# As it is written in server/store/indexes.c: what is slow without the index.
WITHOUT = {"users.email": {"account_find", "accounts_prefix"}, "sessions.tokens": {"refresh"}, "sessions.user": {"sessions_list", "sessions_end"},
           "sessions.idleUntil": {"sweep_sessions"}, "strangers.seenAt": {"strangers_trim", "sweep_strangers"},
           "tickets.user": {"tickets_delete", "tickets_trim"}, "tickets.expiresAt": {"sweep_tickets"},
           "mails.nextAt": {"mails_view", "mail_take"}}
COLLECTIONS = {"users": "users", **{name: f"authd_{name}" for name in ("sessions", "strangers", "tickets", "mails")}}


def test_a_statement_that_has_lost_its_index_is_told(secantus):
    def scanning():
        rows = json.loads(authd.ctl("-o", "json", "db", "explain").stdout)
        return {r["statement"] for r in rows if r["verdict"] == "scans the collection"}
    with node(secantus.uri, database := "explained") as authd:
        Client(authd.port).register("a@example.org")
        # This server walks no index of ids for their order; MongoDB does.
        always = scanning()
        assert all(name.startswith(("accounts_list", "sessions_scan", "sessions_end_some")) for name in always)
        for index, statements in WITHOUT.items():
            mongo(secantus, f"c[{database!r}][{COLLECTIONS[index.split('.')[0]]!r}].drop_index({index!r})")
            assert scanning() - always == statements, index
            assert authd.ctl("index", "create", index).returncode == 0


def test_a_pool_grows_and_shrinks_while_calls_wait_for_connections(secantus):
    proxy = Proxy(secantus.port)
    with node(proxy.uri, **{"store.pool_min": 2, "store.pool_max": 8}) as authd:  # six of which are for other work
        def connections():
            return len([r for r in shown(authd, "pool", "show", "store-read") if r["connection"] is not None])

        def call():
            with contextlib.suppress(OSError, http.client.HTTPException):
                Client(authd.port).post("/login", {"email": f"{threading.get_ident()}@example.org", "password": "correct horse"})

        def calls(count):
            """So many at a time, none of which is answered before the line goes on."""
            proxy.stall()
            threads = [threading.Thread(target=call) for _ in range(count)]
            for thread in threads:
                thread.start()
            until(lambda: shown(authd, "pool", "list")[0] and sum(
                r["in_use"] + r["waiting"] for r in shown(authd, "pool", "list") if r["pool"] == "store-read") >= count)
            seen = connections()
            proxy.stall(False)
            for thread in threads:
                thread.join()
            return seen

        assert calls(12) == 2
        for wrong in ("1", "59", "x"):
            assert authd.ctl("pool", "resize", "store-read", wrong, "--for", "1h").returncode == 2
        assert shown(authd, "--dry-run", "pool", "resize", "store-read", "10", "--for", "1h")["connections"] == 2
        row = shown(authd, "pool", "resize", "store-read", "10", "--for", "1h")
        assert (row["connections"], row["until"], row["done"]) == (10, 3600, True)
        assert "store.pool_max=16" in authd.ctl("status").stdout
        assert 2 < calls(12) <= 10
        assert shown(authd, "pool", "resize", "store-read", "3", "--for", "1h")["connections"] == 3
        until(lambda: connections() <= 3)
        authd.ctl("config", "unset", "store.pool_max", check=True)
        until(lambda: connections() == 2)
    proxy.close()


def test_an_operator_drops_an_index_but_none_that_keeps_addresses_apart(secantus):
    with node(secantus.uri, database := "dropped") as authd:
        mongo(secantus, f"c.{database}.users.create_index('name', name='theirs')")
        refused = authd.ctl("index", "drop", "users.email", "--yes=users.email")
        assert refused.returncode == 1 and "keeps something unique" in refused.stderr
        assert authd.ctl("index", "drop", "users._id_", "--yes=users._id_").returncode == 1
        assert shown(authd, "index", "drop", "users.theirs", "--yes=users.theirs")["state"] == "extra"
        assert shown(authd, "index", "drop", "mails.nextAt", "--yes=mails.nextAt")["state"] == "present"
        assert [r["index"] for r in shown(authd, "index", "check", code=6) if not r["ok"]] == ["mails.nextAt"]
        assert not [r for r in shown(authd, "index", "list") if r["state"] == "extra"]


def test_accounts_to_adopt_are_looked_at_while_the_daemon_serves(secantus):
    with node(secantus.uri, database := "looked_at") as authd:
        Client(authd.port).register("a@example.org")
        assert all(r["ok"] for r in shown(authd, "adopt", "check"))
        mongo(secantus, f"c.{database}.users.insert_one({{'name': 'no address'}})")
        bad = [r for r in shown(authd, "adopt", "check", code=6) if not r["ok"]]
        assert bad and bad[0]["accounts"] == 1 and bad[0]["examples"]
        masked = shown(authd, "--as", "operator", "adopt", "check", code=6)
        assert [r["accounts"] for r in masked if not r["ok"]] == [1] and not any(r["examples"] for r in masked)
        assert authd.ctl("--as", "viewer", "adopt", "check").returncode == 8


def test_a_server_that_stalls_holds_up_neither_authctl_nor_the_daemon(secantus):
    proxy = Proxy(secantus.port)
    with node(proxy.uri, **FAST) as authd:
        proxy.stall()
        result = authd.ctl("--timeout", "0.5", "index", "check")
        assert result.returncode == 9 and "did not answer in time" in result.stderr
        assert authd.ctl("core", "list").returncode == 0
        proxy.stall(False)
        until(lambda: authd.ctl("index", "check").returncode == 0)
    proxy.close()
