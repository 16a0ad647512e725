"""A primary of MongoDB that steps down at any command of a call: done once, told right, and not noticed by clients.

By the server's own fail points, as the drivers' specifications use them; and by a set of three whose primary hands over.
"""
import pathlib
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mongo_nodes import secantus  # noqa: E402
from mongo_wire import Commands  # noqa: E402
from replicas import DRIVER_LEAKS, DROP, LOSE, Replicas  # noqa: E402
from test_store import is_healthy, until  # noqa: E402

DATABASE = "stepdown"
STEPS_DOWN = {"NotWritablePrimary": 10107, "PrimarySteppedDown": 189, "InterruptedDueToReplStateChange": 11602,
              "ShutdownInProgress": 91}
COMMANDS = ["find", "insert", "update", "delete"]
DEADLINE_S = 20  # far more than any of it takes; a test for "never" needs an end


@pytest.fixture(scope="module")
def database(secantus):
    commands = Commands(secantus.port)
    yield commands
    commands.close()


_numbers = iter(range(1000000))


def address():
    return f"step{next(_numbers)}@example.org"


class Register:
    good, commands = 201, 3

    def __init__(self, client):
        self.client, self.email = client, address()

    def call(self):
        return self.client.post("/register", {"email": self.email, "password": PASSWORD})

    def check(self, database, is_told):
        """Told or not: one account, or none."""
        accounts = database.find(DATABASE, "users", email=self.email)
        assert len(accounts) == 1 if is_told else len(accounts) <= 1
        if is_told:
            assert len(database.find(DATABASE, "authd_sessions", user=accounts[0]["_id"])) == 1


class Login:
    good, commands = 200, 5

    def __init__(self, client):
        self.client, self.email = client, address()
        self.user = client.register(self.email)["user"]["id"]

    def call(self):
        return self.client.post("/login", {"email": self.email, "password": PASSWORD})

    def check(self, database, is_told):
        sessions = len(database.find(DATABASE, "authd_sessions", user=self.user))
        assert sessions == 2 if is_told else sessions in (1, 2)


class Refresh:
    good, commands = 200, 3

    def __init__(self, client):
        self.client, self.email = client, address()
        grant = client.register(self.email)
        self.user, self.token = grant["user"]["id"], grant["refresh_token"]

    def call(self):
        return self.client.post("/refresh", {"refresh_token": self.token})

    def check(self, database, is_told):
        (session,) = database.find(DATABASE, "authd_sessions", user=self.user)
        assert len(session["tokens"]) == 2 if is_told else len(session["tokens"]) in (1, 2)


class Logout:
    good, commands = 204, 3

    def __init__(self, client):
        self.client = client
        grant = client.register(address())
        self.user, self.token = grant["user"]["id"], grant["access_token"]

    def call(self):
        return self.client.post("/logout", token=self.token)

    def check(self, database, is_told):
        sessions = database.find(DATABASE, "authd_sessions", user=self.user)
        assert not sessions if is_told else len(sessions) <= 1


class Wrong:
    """A wrong password is counted once."""

    good, commands = 401, 3

    def __init__(self, client):
        self.client, self.email = client, address()
        client.register(self.email)

    def call(self):
        return self.client.post("/login", {"email": self.email, "password": "wrong password"})

    def check(self, database, is_told):
        (account,) = database.find(DATABASE, "users", email=self.email)
        count = account["loginAttempts"]["count"]
        assert count == 1 if is_told else count <= 1


CALLS = [Register, Login, Refresh, Logout, Wrong]


def answered(call):
    started = time.monotonic()
    answer = call.call()
    assert time.monotonic() - started < DEADLINE_S
    return answer


# --- by fail points ---

FAIL_POINTS = {**{name: {"errorCode": code} for name, code in STEPS_DOWN.items()}, "connection": {"closeConnection": True}}


@pytest.fixture(scope="module")
def daemon(secantus):
    # A fail point changes no topologyVersion, so the driver learns only by its next hello that nothing has changed.
    with Authd({"store.backend": "mongodb", "store.uri": f"{secantus.uri}/{DATABASE}?heartbeatFrequencyMS=500"}) as authd:
        yield authd


@pytest.fixture
def client(daemon, database):
    yield Client(daemon.port)
    database.fail(0)


@pytest.mark.parametrize("how", FAIL_POINTS)
@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__.lower())
def test_a_command_that_fails_once_is_tried_again_and_nobody_notices(daemon, client, database, kind, how):
    call = kind(client)
    database.fail(1, list(FAIL_POINTS).index(how) % kind.commands, failCommands=COMMANDS, **FAIL_POINTS[how])
    assert answered(call).status == kind.good
    call.check(database, True)
    assert is_healthy(client) and "breaker.opened" not in daemon.log()


@pytest.mark.parametrize("kind", [Register, Login, Refresh, Logout, Wrong], ids=lambda kind: kind.__name__.lower())
def test_a_write_whose_acknowledgement_is_interrupted_is_done_once(client, database, kind):
    call = kind(client)
    database.fail(1, failCommands=["insert", "update", "delete"], errorLabels=["RetryableWriteError"],
                  writeConcernError={"code": STEPS_DOWN["ShutdownInProgress"], "errmsg": "shutting down"})
    assert answered(call).status == kind.good
    call.check(database, True)


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__.lower())
def test_commands_that_go_on_failing_are_told_and_may_be_done_again(daemon, client, database, kind):
    call = kind(client)
    database.fail(2, failCommands=["insert", "update", "delete"], **FAIL_POINTS["NotWritablePrimary"])
    answer = answered(call)
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    database.fail(0)
    call.check(database, False)
    assert answered(call).status == kind.good
    call.check(database, True)
    assert "breaker.opened" not in daemon.log()


# --- by a set whose primary hands over ---

def begin(kind, client):
    """The call with the account that it needs, once the daemon knows the primary that was elected last."""
    until(lambda: client.post("/register", {"email": address(), "password": PASSWORD}).status == 201)
    return kind(client)


@pytest.fixture(scope="module")
def replicas(secantus):
    with Replicas(secantus.port) as started:
        yield started


@pytest.fixture(scope="module")
def follower(replicas):
    """A daemon of the set."""
    with Authd({"store.backend": "mongodb", "store.uri": replicas.uri(DATABASE)}) as authd:
        yield authd


def refuses(replicas, code, name):
    def event(member, message):
        replicas.hand_over(member)
        return replicas.step_down_answer(replicas.members[member], message, code, name)
    return event


def breaks(replicas, how):
    def event(member, message):
        replicas.hand_over(member)
        return how
    return event


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__.lower())
@pytest.mark.parametrize("how", [*STEPS_DOWN, DROP, LOSE])
def test_a_primary_that_hands_over_at_any_command_is_followed(follower, replicas, database, kind, how):
    client = Client(follower.port)
    event = refuses(replicas, STEPS_DOWN[how], how) if how in STEPS_DOWN else breaks(replicas, how)
    for position in range(kind.commands + 1):
        call = begin(kind, client)
        happened = replicas.at(position, COMMANDS, event)
        assert answered(call).status == kind.good, position
        replicas.hook = None
        call.check(database, True)
        assert len(happened) == (position < kind.commands)
    assert is_healthy(client) and "breaker.opened" not in follower.log()


@pytest.fixture(scope="module")
def impatient(replicas):
    """A daemon of the set that looks for a primary no longer than it must."""
    config = {"store.select_timeout": "200ms", "breaker.calls_min": 1000}
    with Authd({"store.backend": "mongodb", "store.uri": replicas.uri(DATABASE), **config}, environment=DRIVER_LEAKS) as authd:
        yield authd


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__.lower())
@pytest.mark.parametrize("how", ["NotWritablePrimary", DROP, LOSE])
def test_a_primary_without_successor_is_told_at_any_command_and_nothing_is_half_done(impatient, replicas, database, kind, how):
    def event(member, message):
        replicas.change_now(None)
        return how if how in (DROP, LOSE) else replicas.step_down_answer(replicas.members[member], message, STEPS_DOWN[how], how)

    client = Client(impatient.port)
    for position in range(kind.commands):
        replicas.elect(position % 3)
        call = begin(kind, client)
        happened = replicas.at(position, COMMANDS, event)
        answer = answered(call)
        replicas.hook = None
        # Nobody asks for the failures of an address that has an account now: they may stay.
        assert answer.status == 503 or (kind, happened) == (Register, ["delete"]), position
        replicas.elect(position % 3)
        call.check(database, answer.status != 503)
    replicas.elect(0)
