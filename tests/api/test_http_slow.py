"""More slow requests than there is room for: the slowest gives way, who is quick is served."""
import time

import pytest

from authd import Authd
from wire import RECEIVE_MODES, Wire, head, until

LIVE = head("GET", "/health/live")
FIBERS = 4
PLACES = 2 * FIBERS   # requests in progress on a core
GIVES_WAY_S = 1       # EXCHANGE_GIVES_WAY_MS


@pytest.fixture(scope="module", params=RECEIVE_MODES)
def daemon(request):
    with Authd({"io.receive": request.param, "core.threads": 1, "core.fibers_max": FIBERS}) as authd:
        yield authd


@pytest.fixture
def slow(daemon):
    wires = [Wire(daemon.port) for _ in range(PLACES)]
    for wire in wires:
        wire.send(LIVE[:10])
    until(lambda: daemon.ctl("-o", "json", "conn", "list").stdout.count('"receiving"') == PLACES,
          "all have begun")
    yield wires
    for wire in wires:
        wire.socket.close()


def live(daemon):
    with Wire(daemon.port) as wire:
        return wire.send(LIVE).answer().status


def test_while_all_are_young_one_more_is_refused(daemon, slow):
    # On a machine so slow that they have grown old meanwhile the first gives way.
    first = {503: 200, 200: 408}[live(daemon)]
    assert slow[0].send(LIVE[10:]).answer().status == first
    for wire in slow[1:]:
        assert wire.send(LIVE[10:]).answer().status == 200


def test_an_old_one_is_told_408_and_a_new_one_is_served(daemon, slow):
    end = time.monotonic() + 30
    while live(daemon) != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    answer = slow[0].answer()
    assert (answer.status, answer.error) == (408, "REQUEST_TIMEOUT")
    assert slow[0].ends()
    assert all(wire.send(LIVE[10:]).answer().status == 200 for wire in slow[1:])


def test_many_quick_ones_cost_one_slow_one_each_at_most(daemon, slow):
    until(lambda: live(daemon) == 200, "the slowest gives way")
    for _ in range(3 * PLACES):
        assert live(daemon) == 200
    assert slow[-1].send(LIVE[10:]).answer().status == 200
