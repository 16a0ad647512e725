"""Clients that leave while their write is done: what it ended has ended everywhere."""
import json
import os
import pathlib
import socket
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402


class Faults:
    """The script that the store in memory reads; `held` calls wait until the script changes."""

    def __init__(self, folder):
        self.path = folder / "faults"
        self.write("")

    def write(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.rename(new, self.path)


@pytest.fixture
def scene(tmp_path):
    faults = Faults(tmp_path)
    with Authd({"store.backend": "memory", "store.path": faults.path}) as authd:
        yield faults, authd, Client(authd.port)


def send_and_leave(port, path, body=None, token=None):
    payload = json.dumps(body).encode() if body else b""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (f"POST /v1/auth{path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n{bearer}"
            f"Content-Length: {len(payload)}\r\n\r\n")
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(head.encode() + payload)
    return connection


def until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def running(authd, queue):
    pools = json.loads(authd.ctl("-o", "json", "pool", "list").stdout)
    return sum(p["in_use"] for p in pools if p["pool"] == queue)


def leave_in_the_middle(scene, call, path, body=None, token=None):
    """The write is held when its client goes, and done only when nobody waits for it."""
    faults, authd, _ = scene
    faults.write(f"run:{call} delay=held\n")
    connection = send_and_leave(authd.port, path, body, token)
    until(lambda: running(authd, "store-write") == 1, "the write has begun")
    connection.close()
    until(lambda: "handling" not in authd.ctl("conn", "list").stdout,
          "the daemon knows that the client has gone")
    faults.write("")


def test_a_logout_whose_client_left_still_reaches_verify(scene):
    _, _, client = scene
    token = client.register()["access_token"]
    assert client.verify(token).status == 204
    leave_in_the_middle(scene, "session_end", "/logout", token=token)
    until(lambda: client.verify(token).status == 401, "the token is refused")


def test_a_logout_by_refresh_token_whose_client_left_too(scene):
    _, _, client = scene
    grant = client.register()
    assert client.verify(grant["access_token"]).status == 204
    leave_in_the_middle(scene, "session_end_by_refresh", "/logout", {"refresh_token": grant["refresh_token"]})
    until(lambda: client.verify(grant["access_token"]).status == 401, "the token is refused")


def test_a_logout_of_all_sessions_whose_client_left_too(scene):
    _, _, client = scene
    first = client.register("left@example.org")
    second = client.post("/login", {"email": "left@example.org", "password": PASSWORD}).json["data"]
    for grant in (first, second):
        assert client.verify(grant["access_token"]).status == 204
    leave_in_the_middle(scene, "sessions_end", "/logout-all", token=first["access_token"])
    for grant in (first, second):
        until(lambda: client.verify(grant["access_token"]).status == 401, "both tokens are refused")
