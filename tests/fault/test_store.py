"""The daemon over a store that is full, failing, slow or wrong from the start."""
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from wire import Wire, head  # noqa: E402

KIB = 1024


def until(condition, seconds=20):
    """Waits for what happens by itself, as the probe every few seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def health(client):
    answer = client.get("/health")
    assert answer.status == 200
    return answer.json


def is_healthy(client):
    body = health(client)
    assert (body["status"] == "ok") == (body["database"]["status"] == "healthy")
    return body["status"] == "ok"


def test_a_full_disk_loses_nothing_acknowledged_is_told_and_ends_when_there_is_room():
    with Authd() as authd:
        client = Client(authd.port)
        resource.prlimit(authd.pid, resource.RLIMIT_FSIZE, (256 * KIB, resource.RLIM_INFINITY))
        acknowledged, refused = [], None
        for number in range(2000):
            email = f"full{number}@example.org"
            answer = client.post("/register", {"email": email, "password": PASSWORD, "name": "x" * 60})
            if answer.status != 201:
                refused = answer
                break
            acknowledged.append(email)
        assert refused and refused.status == 503, "a limit of 256 KiB was never reached"
        assert refused.error in ("STORE_UNAVAILABLE", "SERVICE_UNAVAILABLE")
        assert not is_healthy(client)
        assert client.get("/health/ready").status == 503
        resource.prlimit(authd.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: is_healthy(client), 60)
        until(lambda: client.post("/register", {"email": "again@example.org", "password": PASSWORD}).status == 201, 60)
        acknowledged.append("again@example.org")
        authd.stop()
        authd.start()
        for email in acknowledged:
            assert client.post("/login", {"email": email, "password": PASSWORD}).status == 200


class Faults:
    """The script of the store in memory: faults("commit error=down"); faults() for none."""

    def __init__(self, authd):
        self.path = pathlib.Path(authd.options["store.path"])

    def __call__(self, *lines):
        new = self.path.with_suffix(".new")
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.path)


@pytest.fixture
def memory():
    with Authd({"store.backend": "memory"}) as authd:
        yield authd


def test_the_store_in_memory_serves_and_says_that_it_forgets(memory):
    client = Client(memory.port)
    grant = client.register("a@example.org")
    assert client.verify(grant["access_token"]).status == 204
    assert memory.logged("store.memory")
    memory.stop()
    memory.start()
    assert client.verify(grant["access_token"]).status == 401


def test_writes_that_fail_are_answered_503_and_reading_goes_on(memory):
    client, faults = Client(memory.port), Faults(memory)
    grant = client.register("a@example.org")
    faults("commit error=down")
    answer = client.post("/register", {"email": "b@example.org", "password": PASSWORD})
    assert (answer.status, answer.error) == (503, "STORE_UNAVAILABLE")
    assert client.verify(grant["access_token"]).status == 204
    assert not is_healthy(client)
    faults()
    until(lambda: is_healthy(client), 60)
    until(lambda: client.post("/register", {"email": "b@example.org", "password": PASSWORD}).status == 201, 60)


def test_a_login_that_fails_half_way_leaves_no_session(memory):
    client, faults = Client(memory.port), Faults(memory)
    client.register("a@example.org")
    faults("ran:login times=1 error=down")
    login = {"email": "a@example.org", "password": PASSWORD}
    assert client.post("/login", login).status == 503
    assert client.post("/login", login).status == 200


def test_a_store_that_hangs_ends_in_503_and_verify_goes_on():
    with Authd({"store.backend": "memory", "http.request_timeout": "2s"}) as authd:
        client, faults = Client(authd.port), Faults(authd)
        grant = client.register("a@example.org")
        assert client.verify(grant["access_token"]).status == 204
        faults("run:account_find delay=held", "run:account_create delay=held")
        started = time.monotonic()
        assert client.post("/login", {"email": "z@example.org", "password": PASSWORD}).status == 503
        assert time.monotonic() - started < 15
        assert client.verify(grant["access_token"]).status == 204
        faults()
        until(lambda: client.post("/login", {"email": "a@example.org", "password": PASSWORD}).status == 200, 60)


@pytest.mark.parametrize("fibers", [8, 64])
def test_a_flood_of_one_token_waits_for_one_load_and_leaves_room_for_others(fibers):
    """While the store hangs three quarters of a core's fibers may wait for it, and then all are answered."""
    places = fibers - fibers // 4
    with Authd({"store.backend": "memory", "core.threads": 1, "core.fibers_max": fibers}) as authd:
        client, faults = Client(authd.port), Faults(authd)
        token = client.register("a@example.org")["access_token"]
        assert authd.ctl("cache", "flush", "tokens", "--yes").returncode == 0
        faults("run delay=held")
        wires = [Wire(authd.port) for _ in range(places)]
        for wire in wires:
            wire.send(head("GET", "/v1/auth/verify", "Authorization: Bearer " + token))
        until(lambda: authd.ctl("-o", "json", "conn", "list").stdout.count('"handling"') == places)
        refused = client.verify(token)
        assert (refused.status, refused.error) == (503, "SERVICE_UNAVAILABLE") and refused.headers["retry-after"]
        assert client.get("/health/live").status == 200
        faults()
        assert [wire.answer().status for wire in wires] == [204] * places
        assert client.verify(token).status == 204
        for wire in wires:
            wire.socket.close()


@pytest.mark.parametrize("spoil, says", [
    (lambda path: path.write_text("These are my recipes. " * 50), "restore a backup"),
    (lambda path: path.mkdir(), "unable to open"),
])
def test_a_store_that_cannot_be_opened_ends_the_start_with_a_sentence(spoil, says):
    authd = Authd()
    path = pathlib.Path(authd.options["store.path"])
    spoil(path)
    refused(authd, says)


def test_a_missing_folder_ends_the_start_with_a_sentence():
    refused(Authd({"store.path": "/nonexistent/authd.db"}), "does the folder exist")


def refused(authd, says):
    done = subprocess.run([BUILD / "authd", "-c", authd.conf], capture_output=True, text=True, timeout=30)
    shutil.rmtree(authd.dir)
    assert done.returncode == 1
    assert says in done.stderr and str(authd.options["store.path"]) in done.stderr
