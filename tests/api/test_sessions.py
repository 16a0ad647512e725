"""One's own sessions: what is listed of them, and ending one."""
import time

import pytest

from authd import Authd
from conftest import PASSWORD, Client
from test_accounts import claims


def login(client, email, agent="agent", **kw):
    answer = client.post("/login", {"email": email, "password": PASSWORD}, headers={"User-Agent": agent, **kw})
    assert answer.status == 200, answer.raw
    return answer.json["data"]["access_token"]


def sessions(client, token):
    answer = client.get("/v1/auth/sessions", token=token)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    return answer.json["data"]["sessions"]


def end(client, id, token):
    return client.call("DELETE", f"/v1/auth/sessions/{id}", token=token)


def test_sessions_are_listed_the_latest_used_first(client):
    grant = client.register("list@example.org")
    second = login(client, "list@example.org", 'Browser "1"')
    rows = sessions(client, second)
    assert [r["id"] for r in rows] == [claims(second)["sid"], claims(grant["access_token"])["sid"]]
    assert [r["current"] for r in rows] == [True, False]
    assert [r["current"] for r in sessions(client, grant["access_token"])] == [False, True]
    assert rows[0]["user_agent"] == 'Browser "1"'
    assert rows[0]["address"] == "127.0.0.0/24"
    for row in rows:
        assert set(row) == {"id", "created_at", "last_used_at", "address", "user_agent", "current"}
        assert time.strptime(row["created_at"][:19], "%Y-%m-%dT%H:%M:%S")


def test_an_ipv6_client_is_shown_by_its_48():
    with Authd({"http.trusted_proxies": "127.0.0.0/8"}) as authd:
        client = Client(authd.port)
        client.register("six@example.org")
        token = login(client, "six@example.org", **{"X-Forwarded-For": "2001:db8:1:2:3:4:5:6"})
        assert sessions(client, token)[0]["address"] == "2001:db8:1::/48"


def test_one_of_ones_own_sessions_can_be_ended(client):
    first = client.register("end@example.org")["access_token"]
    second = login(client, "end@example.org")
    assert client.verify(first).status == 204
    answer = end(client, claims(first)["sid"], second)
    assert (answer.status, answer.raw) == (204, b"")
    for _ in range(6):  # on every core
        assert client.verify(first).status == 401
    assert client.verify(second).status == 204
    assert [r["current"] for r in sessions(client, second)] == [True]
    assert end(client, claims(first)["sid"], second).status == 404


def test_the_present_session_can_be_ended_too(client):
    token = client.register("self@example.org")["access_token"]
    assert end(client, claims(token)["sid"], token).status == 204
    assert client.verify(token).status == 401


def test_the_session_of_somebody_else_is_not_found_and_goes_on(client):
    mine, other = (client.register()["access_token"] for _ in range(2))
    answer = end(client, claims(other)["sid"], mine)
    assert (answer.status, answer.error) == (404, "NOT_FOUND")
    assert client.verify(other).status == 204


@pytest.mark.parametrize("id", ["", "x" * 65, "a/b", "a%2fb", "%00", "a%20b", "*"])
def test_what_is_no_id_is_no_path(client, id):
    token = client.register()["access_token"]
    answer = end(client, id, token)
    assert (answer.status, answer.error) == (404, "NOT_FOUND")


def test_methods_of_a_path_with_an_id_are_told(client):
    answer = client.get("/v1/auth/sessions/abc")
    assert (answer.status, answer.error, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "DELETE")


@pytest.mark.parametrize("method,path", [("GET", "/v1/auth/sessions"), ("DELETE", "/v1/auth/sessions/abc")])
def test_a_token_is_needed(client, method, path):
    answer = client.call(method, path)
    assert (answer.status, answer.error) == (401, "INVALID_TOKEN")
    assert answer.headers["www-authenticate"].startswith("Bearer")
