"""More slow requests than there is room for: the slowest gives way, who is quick is served."""
import select

import pytest

from authd import Authd
from wire import RECEIVE_MODES, Wire, head, until

LIVE = head("GET", "/health/live")
FIBERS = 4
PLACES = 2 * FIBERS   # requests in progress on a core


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


def given_way(slow):
    """Those that have been answered already; which one arrived first is the kernel's choice."""
    return [wire for wire in slow if select.select([wire.socket], [], [], 0)[0]]


def test_while_all_are_young_one_more_is_refused(daemon, slow):
    # On a machine so slow that they have grown old meanwhile one gives way.
    gone = {503: 0, 200: 1}[live(daemon)]
    assert len(given_way(slow)) == gone
    assert [wire.send(LIVE[10:]).answer().status for wire in slow].count(200) == PLACES - gone


def test_an_old_one_is_told_408_and_a_new_one_is_served(daemon, slow):
    until(lambda: live(daemon) == 200, "an old one gives way")
    gone = given_way(slow)
    assert len(gone) == 1
    answer = gone[0].answer()
    assert (answer.status, answer.error) == (408, "REQUEST_TIMEOUT")
    assert gone[0].ends()
    others = [wire for wire in slow if wire is not gone[0]]
    assert [wire.send(LIVE[10:]).answer().status for wire in others] == [200] * (PLACES - 1)


def test_many_quick_ones_cost_no_more_than_one_slow_one(daemon, slow):
    until(lambda: live(daemon) == 200, "an old one gives way")
    for _ in range(3 * PLACES):
        assert live(daemon) == 200
    assert len(given_way(slow)) == 1
