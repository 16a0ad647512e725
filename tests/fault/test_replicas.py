"""A replica set of three: elections that take their time, members that die or are cut off, and who follows them."""
import json
import pathlib
import random
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mongo_nodes import fresh, secantus  # noqa: E402
from mongo_wire import Commands  # noqa: E402
from replicas import DRIVER_LEAKS, READS, SILENCE, Replicas  # noqa: E402
from test_kill import Writer  # noqa: E402
from test_mongo import LOGIN, refuses, within_a_second  # noqa: E402
from test_store import health, is_healthy, until  # noqa: E402

SELECT_S, OP_S = 1, 2
FAST = {"store.connect_timeout": "1s", "store.op_timeout": f"{OP_S}s", "store.select_timeout": f"{SELECT_S}s"}


@pytest.fixture
def replicas(secantus):
    with Replicas(secantus.port) as started:
        yield started


def node(replicas, database=None, heartbeat_ms=10000, **config):
    """A daemon of the set, in a database of its own unless it shares one."""
    uri = replicas.uri(database or fresh("set"), heartbeatFrequencyMS=heartbeat_ms)
    return Authd({"store.backend": "mongodb", "store.uri": uri, **FAST, **config}, environment=DRIVER_LEAKS)


def topology(authd):
    """{member: (role, error)}"""
    result = authd.ctl("-o", "json", "db", "topology", "--timeout", "20")
    assert result.returncode == 0, result.stderr
    return {row["server"]: (row["role"], row["error"]) for row in json.loads(result.stdout)}


def roles(authd, replicas):
    """In the order of the members."""
    rows = topology(authd)
    assert sorted(rows) == sorted(m.name for m in replicas.members)
    return [rows[member.name][0] for member in replicas.members]


def login(client):
    return client.post("/login", LOGIN)


# --- roles ---

def test_operators_see_every_member_and_its_role_change(replicas):
    with node(replicas, heartbeat_ms=500) as authd:
        assert roles(authd, replicas) == ["primary", "secondary", "secondary"]
        replicas.step_down()
        until(lambda: roles(authd, replicas) == ["secondary"] * 3)
        replicas.elect(2)
        until(lambda: roles(authd, replicas) == ["secondary", "secondary", "primary"])
        replicas.vanish(2)
        replicas.elect(1)
        until(lambda: roles(authd, replicas) == ["secondary", "primary", "unknown"])
        assert topology(authd)[replicas.members[2].name][1]  # why
        replicas.come_back(2)
        until(lambda: roles(authd, replicas) == ["secondary", "primary", "secondary"])


# --- elections ---

def test_without_a_primary_it_is_503_in_time_and_served_again_once_there_is_one(replicas):
    with node(replicas) as authd:
        client = Client(authd.port)
        grant = client.register("a@example.org")
        for _ in range(20):  # until every core knows it
            assert client.verify(grant["access_token"]).status == 204
        replicas.step_down()
        for _ in range(3):
            answer = login(client)
            assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.verify(grant["access_token"]).status == 204  # from the cache
        until(lambda: not is_healthy(client))
        replicas.elect(1)
        assert login(client).status == 200
        until(lambda: is_healthy(client))
        assert "breaker.opened" not in authd.log()


def test_who_asks_while_an_election_goes_on_waits_for_its_end(replicas):
    with node(replicas, **{"store.select_timeout": "10s", "breaker.call_timeout": "10s"}) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        replicas.step_down()
        threading.Timer(0.5, replicas.elect, (2,)).start()
        assert login(client).status == 200


def test_a_long_time_without_a_primary_opens_the_breaker_and_its_end_closes_it(replicas):
    config = {"breaker.calls_min": 3, "breaker.open_time": "1s", "breaker.probes": 1}
    with node(replicas, **config) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        replicas.step_down()
        until(lambda: login(client).status == 503 and health(client)["database"]["status"] == "open", 60)
        assert "breaker.opened" in authd.log()
        answer = login(client)
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        replicas.elect(1)
        until(lambda: is_healthy(client), 60)
        assert login(client).status == 200
        assert authd.logged("breaker.closed")


def test_a_primary_that_dies_is_replaced_and_one_that_is_started_again_joins(replicas):
    with node(replicas) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        for dead, new in ((0, 1), (1, 2), (2, 0)):
            replicas.vanish(dead)
            assert login(client).status == 503
            replicas.elect(new)
            until(lambda: login(client).status == 200, 30)
            replicas.come_back(dead)
        until(lambda: is_healthy(client))


def test_a_daemon_starts_while_some_of_the_set_are_dead(replicas):
    replicas.vanish(0)
    replicas.elect(2)
    with node(replicas) as authd:
        Client(authd.port).register("a@example.org")
        assert roles(authd, replicas) == ["unknown", "secondary", "primary"]


# --- partitions ---

@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_primary_that_is_cut_off_in_the_middle_of_a_write_loses_nothing_and_does_nothing_twice(replicas, secantus, is_done):
    def event(member, message):
        replicas.cut_off(member)
        replicas.change_now(1)
        return SILENCE if is_done else None  # the write is held, and not passed on before it is healed

    database, commands = f"cut{is_done}", Commands(secantus.port)
    config = {"breaker.call_timeout": "20s", "http.request_timeout": "25s", "breaker.calls_min": 1000}
    with node(replicas, database, **config) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        happened = replicas.at(0, ("insert",), event)
        answer = client.post("/register", {"email": "b@example.org", "password": PASSWORD})
        replicas.hook = None
        assert happened and answer.status == 201, answer.raw
        (account,) = commands.find(database, "users", email="b@example.org")
        assert len(commands.find(database, "authd_sessions", user=account["_id"])) == 1
        replicas.heal(0)
        assert login(client).status == 200
        assert len(commands.find(database, "authd_sessions", user=account["_id"])) == 1
    commands.close()


def test_who_is_impatient_is_told_503_while_the_primary_is_cut_off(replicas):
    with node(replicas, **{"http.request_timeout": "3s", "breaker.call_timeout": "1s"}) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        replicas.cut_off(0)
        answer = login(client)
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        replicas.elect(1)
        until(lambda: login(client).status == 200, 30)


def test_one_that_still_believes_to_be_primary_is_not_believed(replicas):
    asked = []
    with node(replicas, heartbeat_ms=500) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        replicas.cut_off(0)
        replicas.elect(1)
        until(lambda: login(client).status == 200, 30)
        replicas.heal(0, is_stale=True)
        until(lambda: roles(authd, replicas)[1] == "primary" and roles(authd, replicas)[0] != "primary", 30)
        replicas.hook = lambda member, message: asked.append((member, message.name))
        for _ in range(5):
            assert login(client).status == 200
        replicas.hook = None
        assert {member for member, name in asked if name in ("update", "insert", *READS)} == {1}


# --- all at once ---

def test_what_was_acknowledged_while_primaries_came_and_went_is_there(replicas, secantus):
    database = "stormy"
    with node(replicas, database, **{"breaker.calls_min": 10000}) as authd:
        client = Client(authd.port)
        writers = [Writer(client, f"storm-{i}") for i in range(4)]
        for writer in writers:
            writer.start()
        chance = random.Random(7)
        for turn in range(1, 7):
            time.sleep(chance.uniform(0.1, 0.3))
            old, new = replicas.primary, turn % 3
            chance.choice((replicas.step_down, lambda: replicas.vanish(old), lambda: None))()
            time.sleep(chance.uniform(0, 0.3))
            replicas.elect(new)
            if replicas.members[old].server is None:
                replicas.come_back(old)
        until(lambda: client.get("/health/ready").status == 200, 30)
        for writer in writers:
            writer.stopped = True
        for writer in writers:
            writer.join()
        commands = Commands(secantus.port)
        there = {row["email"] for row in commands.find(database, "users")}
        commands.close()
        for writer in writers:
            assert writer.accounts and set(writer.accounts) <= there
            assert all(client.verify(token).status == 204 for token in writer.live)
            assert all(client.verify(token).status == 401 for token in writer.ended)
            for email in writer.accounts:
                assert client.post("/login", {"email": email, "password": PASSWORD}).status == 200
            unknown = {"email": f"{writer.name}-{len(writer.accounts) + 1}@example.org", "password": PASSWORD}
            assert client.post("/register", unknown).status in (201, 409)
            assert client.post("/login", unknown).status == 200


def test_nodes_tell_each_other_also_after_an_election(replicas):
    with node(replicas, "two") as first, node(replicas, "two") as second:
        here, there = Client(first.port), Client(second.port)
        grants = [here.register("a@example.org")] + [login(here).json["data"] for _ in range(2)]
        for end, grant in zip((replicas.step_down, lambda: replicas.vanish(1)), grants):
            for _ in range(10):
                assert there.verify(grant["access_token"]).status == 204
            end()
            replicas.elect(replicas.term)
            until(lambda: here.post("/logout", token=grant["access_token"]).status == 204)
            until(lambda: refuses(there, grant))  # its stream has to be found again first
        assert here.post("/logout", token=grants[2]["access_token"]).status == 204
        within_a_second(lambda: refuses(there, grants[2]))
