"""A server that lacks a command, each that is needed in turn: told clearly at the start or when it is missed, never a crash."""
import json
import pathlib
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mongo_nodes import fresh, secantus  # noqa: E402
from replicas import COMMAND_NOT_FOUND, DRIVER_LEAKS, Replicas, refusal  # noqa: E402
from test_mongo import FAST, LOGIN  # noqa: E402


@pytest.fixture
def lacking(secantus):
    """lacking(command): a daemon of a server that says of this command what MongoDB says of those it does not know."""
    with Replicas(secantus.port, members=1) as line:
        def of(command):
            def hook(member, message):
                seen.add(message.name)
                if message.name == command:
                    return refusal(COMMAND_NOT_FOUND, "CommandNotFound", errmsg=f"no such command: '{command}'")
                return None
            line.hook = hook
            uri = f"mongodb://{line.members[0].name}/{fresh('lacking')}"
            return Authd({"store.backend": "mongodb", "store.uri": uri, **FAST}, environment=DRIVER_LEAKS)
        yield of


seen = set()  # every command that was asked for, by all of the tests below
AT_THE_START = ["ping", "find", "insert", "createIndexes"]
LATER = {"update": "/register", "delete": "/logout"}
NEVER = ["aggregate", "getMore", "listIndexes", "count", "killCursors", "endSessions"]
FOR_OPERATORS = {"explain": ("db", "explain"), "listIndexes": ("index", "check")}


@pytest.mark.parametrize("command", AT_THE_START)
def test_without_what_every_start_needs_it_ends_with_a_sentence(lacking, command):
    authd = lacking(command)
    done = subprocess.run([BUILD / "authd", "-c", authd.conf], capture_output=True, text=True, timeout=60)
    authd.__exit__()
    assert done.returncode == 1 and f"no such command: '{command}'" in done.stderr, done.stderr


@pytest.mark.parametrize("command", LATER)
def test_without_what_a_change_needs_that_change_is_503_and_why_is_told(lacking, command):
    with lacking(command) as authd:
        client = Client(authd.port)
        if command == "update":
            answer = client.post("/register", LOGIN)
        else:
            answer = client.post("/logout", token=client.register()["access_token"])
        assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
        assert command in authd.ctl("health").stdout + authd.ctl("doctor").stdout


@pytest.mark.parametrize("command", NEVER)
def test_without_what_makes_it_faster_or_tidier_it_serves(lacking, command):
    with lacking(command) as authd:
        client = Client(authd.port)
        grant = client.register("a@example.org")
        assert client.post("/login", LOGIN).status == 200
        assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 200
        assert client.post("/logout", token=grant["access_token"]).status == 204
        assert client.verify(grant["access_token"]).status == 401


@pytest.mark.parametrize("command", FOR_OPERATORS)
def test_an_operator_is_told_what_cannot_be_shown(lacking, command):
    with lacking(command) as authd:
        result = authd.ctl(*FOR_OPERATORS[command])
        assert result.returncode not in (0, 6) and result.stderr, result.stdout
        assert authd.ctl("status").returncode == 0


def test_these_are_all_commands_that_are_asked_for(lacking):
    with lacking("") as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        assert client.post("/login", {**LOGIN, "password": "wrong password"}).status == 401
        assert client.post("/login", {**LOGIN, "password": PASSWORD}).status == 200
        for words in (("db", "topology"), ("db", "explain"), ("index", "check"), ("adopt", "check")):
            assert json.loads(authd.ctl("-o", "json", *words).stdout)
    assert seen <= {*AT_THE_START, *LATER, *NEVER, *FOR_OPERATORS}, seen
