"""
The applications that authd is compared with keep the contract, in every phase: a comparison with something that does
less would be none. What each phase of the plan adds is there, too. Needs node with npm, and SecantusDB.
"""
import contextlib
import http.client
import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "support")]
from client import PASSWORD  # noqa: E402
from routes import NAMES, Unexpected, accounts_make, ask  # noqa: E402
from systems import Missing  # noqa: E402
from systems.better_auth import BetterAuth  # noqa: E402
from systems.express import Express  # noqa: E402
from mongo import Proxy  # noqa: E402

AUTH = "/api/auth"


@contextlib.contextmanager
def running(system):
    try:
        system.__enter__()
    except Missing as missing:
        pytest.skip(f"needs {missing}")
    try:
        yield system
    finally:
        system.close()


@pytest.fixture(scope="module", params=[0, 1, 2, 3, "cluster"])
def express(request):
    phase, processes = (3, 2) if request.param == "cluster" else (request.param, 1)
    with running(Express(phase, cost=4, processes=processes)) as system:
        yield system


class Client:
    def __init__(self, system):
        self.connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)

    def call(self, method, path, body=None, token=None):
        """Status, headers, body."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.connection.request(method, AUTH + path, body and json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, response.headers, json.loads(text) if text else None

    def register(self, email):
        status, _, body = self.call("POST", "/register", {"email": email, "password": PASSWORD})
        assert status == 201, body
        return body["data"]


@pytest.fixture
def client(express):
    return Client(express)


def test_who_registered_can_log_in_and_is_known(client):
    grant = client.register("Me@example.org")
    assert grant["user"]["email"] == "me@example.org" and "password" not in grant["user"]
    status, _, body = client.call("POST", "/login", {"email": "me@example.org", "password": PASSWORD})
    assert status == 200
    token = body["data"]["access_token"]
    status, _, body = client.call("GET", "/me", token=token)
    assert status == 200 and body["data"]["user"]["id"] == grant["user"]["id"]
    status, headers, body = client.call("GET", "/verify", token=token)
    assert (status, headers["X-Auth-User"], headers["X-Auth-Roles"], body) == (204, grant["user"]["id"], "user", None)


def test_an_address_has_one_account(client):
    client.register("twice@example.org")
    status, _, body = client.call("POST", "/register", {"email": "twice@example.org", "password": PASSWORD})
    assert status == 409 and body["error"] == "EMAIL_TAKEN"


@pytest.mark.parametrize("email, password", [("known@example.org", "not the right one"), ("nobody@example.org", PASSWORD)])
def test_a_wrong_login_is_refused(client, email, password):
    with contextlib.suppress(AssertionError):  # it is there since the run before this one
        client.register("known@example.org")
    status, _, body = client.call("POST", "/login", {"email": email, "password": password})
    assert status == 401 and body["error"] == "INVALID_CREDENTIALS"


@pytest.mark.parametrize("body", [{}, {"email": "a@example.org", "password": "short"}, {"email": {"$gt": ""}, "password": PASSWORD}])
def test_what_is_no_address_or_password_is_refused(client, body):
    assert client.call("POST", "/register", body)[0] == client.call("POST", "/login", body)[0] == 422


def test_a_refresh_token_is_good_for_one_use(client):
    first = client.register("refreshing@example.org")
    status, _, body = client.call("POST", "/refresh", {"refresh_token": first["refresh_token"]})
    assert status == 200 and body["data"]["refresh_token"] != first["refresh_token"]
    assert client.call("GET", "/verify", token=body["data"]["access_token"])[0] == 204
    assert client.call("POST", "/refresh", {"refresh_token": first["refresh_token"]})[0] == 401
    assert client.call("POST", "/refresh", {"refresh_token": body["data"]["refresh_token"]})[0] == 200


@pytest.mark.parametrize("token", [None, "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
def test_without_a_valid_token_nobody_is_known(client, token):
    assert client.call("GET", "/me", token=token)[0] == client.call("GET", "/verify", token=token)[0] == 401


def test_who_logged_out_gets_no_new_tokens(client):
    grant = client.register("leaving@example.org")
    assert client.call("POST", "/logout", token=grant["access_token"])[0] == 204
    assert client.call("POST", "/refresh", {"refresh_token": grant["refresh_token"]})[0] == 401


def test_every_route_of_the_comparison_is_answered(express):
    every_route_is_answered(express)


def test_better_auth_answers_every_route_of_the_comparison():
    with running(BetterAuth(cost=4)) as system:
        every_route_is_answered(system)
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
        with pytest.raises(Unexpected) as refused:
            ask(connection, system.routes["login"], "nobody@example.org")
        assert refused.value.status == 401


def every_route_is_answered(system):
    account = accounts_make(system, 2, "every")[1]
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    for name in NAMES:
        route = system.routes[name]
        headers, _ = ask(connection, route, account.get(route.line, "another"), 7)
        assert headers is not None


class BehindProxy(Express):
    """Its store can be made to hang."""

    def store_start(self):
        uri = super().store_start()
        self.proxy = Proxy(self.store.port)
        return uri.replace(f":{self.store.port}", f":{self.proxy.port}") + "?directConnection=true"


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_a_request_that_takes_too_long_is_answered(phase):
    with running(BehindProxy(phase, cost=4, time_limit_s=0.5)) as system:
        client = Client(system)
        client.register("slow@example.org")
        system.proxy.stall()
        status, _, body = client.call("POST", "/login", {"email": "slow@example.org", "password": PASSWORD})
        assert (status, body["error"]) in ((408, "REQUEST_TIMEOUT"), (503, "SERVICE_UNAVAILABLE"))
        system.proxy.close()


def health(system):
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
    return ask(connection, system.routes["health"])[1]


def test_health_tells_of_memory_and_store_in_the_last_phase(express):
    details = {"database", "memory", "timestamp"}
    assert set(health(express)) & details == (details if express.environment["PHASE"] == 3 else set())
