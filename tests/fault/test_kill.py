"""kill -9 while clients write: what was acknowledged is there after the restart."""
import os
import pathlib
import random
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402

KILLS = int(os.environ.get("AUTHD_KILLS", 10))


class Writer(threading.Thread):
    """Registers, refreshes and logs out until told to stop; remembers what it was told was done."""

    def __init__(self, client, name):
        super().__init__()
        self.client, self.name = client, name
        self.stopped = False
        self.accounts, self.live, self.ended = [], [], []

    def run(self):
        number = 0
        while not self.stopped:
            number += 1
            email = f"{self.name}-{number}@example.org"
            try:
                grant = self.client.register(email)
                self.accounts.append(email)
                refreshed = self.client.post("/refresh", {"refresh_token": grant["refresh_token"]})
                token = refreshed.json["data"]["access_token"]
                if number % 2:
                    self.live.append(token)
                elif self.client.post("/logout", token=token).status == 204:
                    self.ended.append(token)
            except (OSError, AssertionError, ValueError, KeyError):
                time.sleep(0.005)  # killed: not acknowledged, so not counted


@pytest.mark.parametrize("round_number", range(KILLS))
def test_what_was_acknowledged_survives_kill_9(daemon, round_number):
    client = Client(daemon.port)
    writers = [Writer(client, f"kill{round_number}-{i}") for i in range(4)]
    for writer in writers:
        writer.start()
    wanted, end = random.randint(1, 40), time.monotonic() + 20
    while sum(len(w.accounts) for w in writers) < wanted and time.monotonic() < end:
        time.sleep(random.uniform(0, 0.01))
    daemon.kill()
    for writer in writers:
        writer.stopped = True
    for writer in writers:
        writer.join()
    daemon.start()
    assert sum(len(w.accounts) for w in writers) > 0
    for writer in writers:
        for token in writer.live:
            assert client.verify(token).status == 204
        for token in writer.ended:
            assert client.verify(token).status == 401
        for email in writer.accounts:
            assert client.post("/login", {"email": email, "password": PASSWORD}).status == 200


@pytest.fixture(scope="module")
def daemon():
    with Authd() as authd:
        yield authd
