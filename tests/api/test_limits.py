"""Rate limits of the real daemon: what is refused and how, and whom it counts for."""
import concurrent.futures
import http.client
import json
import re

import pytest

from authd import Authd
from conftest import PASSWORD, Client

RATES = {
    "limits.enabled": "yes", "limits.login": "6/1h", "limits.register": "4/1h", "limits.refresh": "3/1h",
    "limits.other": "3/1h", "limits.verify": "5/1h", "limits.account": "3/1h", "limits.failures": "4/1h",
    "lockout.free": 100,
}
_addresses = iter(f"127.1.{i}.1" for i in range(1, 255))


@pytest.fixture(scope="module")
def daemon():
    with Authd(RATES) as authd:
        yield authd


@pytest.fixture
def client(daemon):
    """Everyone of them comes from a network of his own."""
    return Client(daemon.port, source=next(_addresses))


def other(client, source=None):
    return Client(client.port, source=source or next(_addresses))


def login(client, email, password=PASSWORD):
    return client.post("/login", {"email": email, "password": password})


def refused(answer, policy):
    """A 429 that says which limit it was and when to come again."""
    assert (answer.status, answer.error) == (429, "RATE_LIMITED"), answer.raw
    name, quota, window = policy
    assert answer.headers["ratelimit-policy"] == f'"{name}";q={quota};w={window}'
    match = re.fullmatch(rf'"{name}";r=0;t=(\d+)', answer.headers["ratelimit"])
    assert match and 1 <= int(match[1]) <= window / quota
    assert answer.headers["retry-after"] == match[1]
    assert answer.headers["cache-control"] == "no-store"
    return True


def test_an_address_may_log_in_so_often(client):
    register = other(client)
    for i in range(3):
        register.register(f"one{i}@example.org")
    for i in range(6):
        answer = login(client, f"one{i % 3}@example.org")
        assert answer.status == 200
        assert answer.headers["ratelimit-policy"] == '"login";q=6;w=3600'
        assert re.fullmatch(rf'"login";r={5 - i};t=\d+', answer.headers["ratelimit"])
    assert refused(login(client, "one0@example.org"), ("login", 6, 3600))
    # Nobody else is kept out by it, and he himself may still do other things.
    assert login(other(client), "one0@example.org").status == 200
    assert client.post("/refresh", {"refresh_token": "x"}).status == 401


def test_registrations_are_limited_whatever_they_answer(client):
    for _ in range(4):
        assert client.post("/register", {"email": "no address", "password": PASSWORD}).status == 422
    body = {"email": "late@example.org", "password": PASSWORD}
    assert refused(client.post("/register", body), ("register", 4, 3600))
    assert other(client).post("/register", body).status == 201


def test_a_refusal_keeps_the_connection(client):
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=15, source_address=(client.source, 0))
    statuses = []
    for _ in range(6):
        connection.request("POST", "/v1/auth/register", b"{}", {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        assert connection.sock  # http.client drops it when the server closes
    assert statuses == [422, 422, 422, 422, 429, 429]
    connection.close()


def test_refreshing_is_limited(client):
    token = client.register()["refresh_token"]
    for _ in range(3):
        answer = client.post("/refresh", {"refresh_token": token})
        assert answer.status == 200 and '"refresh";r=' in answer.headers["ratelimit"]
        token = answer.json["data"]["refresh_token"]
    assert refused(client.post("/refresh", {"refresh_token": token}), ("refresh", 3, 3600))


def test_other_routes_share_a_limit(client):
    token = client.register()["access_token"]
    assert client.get("/v1/auth/me", token=token).status == 200
    assert client.call("PATCH", "/v1/auth/me", {"name": "N"}, token=token).status == 200
    assert client.get("/.well-known/jwks.json").status == 200
    assert refused(client.get("/v1/auth/me", token=token), ("other", 3, 3600))


def test_verify_has_its_own_limit_and_says_nothing_of_it_before(client):
    token = client.register()["access_token"]
    for _ in range(5):
        answer = client.verify(token)
        assert answer.status == 204 and "ratelimit" not in answer.headers
    assert refused(client.verify(token), ("verify", 5, 3600))


def test_health_is_never_limited(client):
    for _ in range(30):
        assert client.get("/health/live").status == 200
        assert client.get("/health/ready").status == 200


def test_an_account_is_limited_from_all_addresses_together(client):
    client.register("popular@example.org")
    for _ in range(3):
        assert login(other(client), " Popular@EXAMPLE.org").status == 200
    assert refused(login(other(client), "popular@example.org"), ("account", 3, 3600))
    # An address that nobody owns is limited alike.
    for _ in range(3):
        assert login(other(client), "ghost@example.org").status == 401
    assert refused(login(other(client), "ghost@example.org"), ("account", 3, 3600))


def test_wrong_passwords_are_limited_for_a_network_over_all_accounts(client):
    client.register("right@example.org")
    network = client.source.rsplit(".", 1)[0]
    # A right password counts for nothing, however often.
    for i in range(2):
        assert login(other(client, f"{network}.{10 + i}"), "right@example.org").status == 200
    for i in range(4):
        answer = login(other(client, f"{network}.{20 + i}"), f"guess{i}@example.org", "wrong password")
        assert answer.status == 401
    answer = login(other(client, f"{network}.30"), "guess9@example.org", "wrong password")
    assert (answer.status, answer.error) == (429, "TOO_MANY_ATTEMPTS")
    assert 1 <= int(answer.headers["retry-after"]) <= 900
    # From elsewhere the account is open.
    assert login(other(client), "right@example.org").status == 200


def test_guesses_at_the_same_time_are_no_more_than_one_by_one(client):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        def guess(i):
            return login(other(client, f"{client.source.rsplit('.', 1)[0]}.{50 + i}"),
                         f"parallel{i}@example.org", "wrong password").status
        statuses = list(pool.map(guess, range(12)))
    assert statuses.count(401) == 4 and statuses.count(429) == 8


def test_cores_share_a_limit(client):
    """The kernel spreads connections over both cores; a limit of six is six."""
    registrars = other(client), other(client)
    emails = [f"core{i}@example.org" for i in range(8)]  # three logins into each: as many as an account may have
    for i, email in enumerate(emails):
        registrars[i % 2].register(email)

    def ask(i):
        return login(client, emails[i % 8]).status
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(24)))
    assert statuses.count(200) == 6 and statuses.count(429) == 18


def test_a_spoofed_client_is_not_believed(client):
    for i in range(6):
        forged = {"X-Forwarded-For": f"203.0.113.{i}", "Forwarded": f"for=203.0.113.{i}"}
        assert client.post("/login", {"email": "x", "password": "y"}, headers=forged).status == 401
    assert refused(client.post("/login", {"email": "x", "password": "y"},
                               headers={"X-Forwarded-For": "203.0.113.99"}), ("login", 6, 3600))


def test_a_proxy_that_nobody_named_is_found():
    with Authd({**RATES, "limits.refresh": "1/1h"}) as authd:
        for source in ("127.2.0.1", "127.2.0.2"):
            for field in ("X-Other", "X-Forwarded-For", "Forwarded"):
                Client(authd.port, source=source).post("/refresh", {}, headers={field: "203.0.113.1"})
        authd.stop()
        lines = [json.loads(line) for line in authd.log().splitlines() if "limits.unknown_proxy" in line]
    assert len(lines) == 1 and lines[0]["client.address"] == "127.2.0.0/24"


def test_everything_can_be_switched_off():
    with Authd({**RATES, "limits.enabled": "no"}) as authd:
        client = Client(authd.port)
        client.register("free@example.org")
        for _ in range(10):
            answer = login(client, "free@example.org")
            assert answer.status == 200 and "ratelimit" not in answer.headers


@pytest.mark.parametrize("value", ["5", "5/", "/1m", "0/1m", "5/500ms", "5/1500ms", "5/2d", "-1/1m", "5/1x"])
def test_a_rate_that_is_none_is_explained(value):
    authd = Authd({"limits.login": value})
    result = authd.check()
    assert result.returncode == 78
    assert "limits.login" in result.stderr and "allowed 1/1s" in result.stderr
