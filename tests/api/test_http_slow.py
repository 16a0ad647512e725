"""More slow requests than there is room for: who is quick is served, and the slowest gives way."""
import json
import select

import pytest

from tls import TlsAuthd, TlsWire
from wire import ENGINES, HOST, Wire, head, until

LIVE = head("GET", "/health/live")
FIBERS = 4
PLACES = 2 * FIBERS   # requests in progress on a core
CORES = 2


@pytest.fixture(scope="module", params=ENGINES)
def daemon(request, tmp_path_factory):
    with TlsAuthd(tmp_path_factory.mktemp("slow"), {"core.threads": CORES, "core.fibers_max": FIBERS,
                                                    **ENGINES[request.param]}) as authd:
        yield authd


@pytest.fixture(params=["plain", "tls"])
def connect(request, daemon):
    return (lambda: Wire(daemon.port)) if request.param == "plain" else (lambda: TlsWire(daemon.tls_port))


def conns(daemon):
    return json.loads(daemon.ctl("-o", "json", "conn", "list").stdout)


def by_core(daemon, wires):
    """The wires of each core: the kernel decides which one has whom."""
    port = {wire.socket.getsockname()[1]: wire for wire in wires}
    core = {}
    for row in conns(daemon):
        wire = port.get(int(row["peer"].split(":")[1]))
        if wire:
            core.setdefault(row["core"], []).append(wire)
    return list(core.values())


def live(wire):
    return wire.send(LIVE).answer().status


@pytest.fixture
def cores(daemon, connect):
    """For each core: connections whose requests go on arriving, as many as there is room for, and one that is idle."""
    wires, found = [], []
    while len(found) < CORES or min(map(len, found)) <= PLACES:
        assert len(wires) < 20 * CORES * PLACES, "the kernel gives all connections to one core"
        more = [connect() for _ in range(CORES * PLACES)]
        assert [live(wire) for wire in more] == [200] * len(more)  # it also reads the tickets of TLS
        wires += more
        found = by_core(daemon, wires)
    for core in found:
        for wire in core[:PLACES]:
            wire.send(LIVE[:10])
    until(lambda: sum(row["state"] == "receiving" for row in conns(daemon)) == CORES * PLACES, "all have begun")
    yield [(core[:PLACES], core[PLACES]) for core in found]
    for wire in wires:
        wire.socket.close()


def given_way(slow):
    """Those that have been answered already; which one arrived first is the kernel's choice."""
    return [wire for wire in slow if select.select([wire.socket], [], [], 0)[0]]


def finish(slow):
    """Those that were let alone are served when they are done."""
    return [wire.send(LIVE[10:]).answer().status for wire in slow]


def test_while_all_are_slow_who_is_quick_is_served_on_every_core(cores):
    for slow, quick in cores:
        assert [live(quick) for _ in range(3 * PLACES)] == [200] * 3 * PLACES
        body = b'{"refresh_token":"%s"}' % (b"a" * 500)
        fields = f"Content-Length: {len(body)}", "Content-Type: application/json"
        assert quick.send(head("POST", "/v1/auth/refresh", *fields) + body).answer().error == "INVALID_TOKEN"
        left = [wire for wire in slow if wire not in given_way(slow)]
        assert len(left) >= PLACES - 1  # one, if the machine is so slow that it has grown old meanwhile
        assert finish(left) == [200] * len(left)


def test_while_all_are_young_one_more_that_is_slow_is_refused(cores):
    for slow, quick in cores:
        quick.send(b"GET / HTTP/1.1\r\n" + HOST)
        ready, _, _ = select.select([wire.socket for wire in (quick, *slow)], [], [], 20)
        if ready == [quick.socket]:
            answer = quick.answer()
            assert (answer.status, answer.error) == (503, "SERVICE_UNAVAILABLE")
            assert answer.get("retry-after") and answer.closes and quick.ends()
        else:  # the machine is so slow that they have grown old
            assert len(given_way(slow)) == 1


def test_an_old_one_is_told_408_and_a_new_one_is_served(cores):
    for slow, quick in cores:
        until(lambda: live(quick) == 200 and given_way(slow), "an old one gives way")
        gone = given_way(slow)
        assert len(gone) == 1
        answer = gone[0].answer()
        assert (answer.status, answer.error) == (408, "REQUEST_TIMEOUT")
        assert gone[0].ends()
        assert finish(wire for wire in slow if wire is not gone[0]) == [200] * (PLACES - 1)


def test_many_quick_ones_cost_no_more_than_one_slow_one(cores):
    for slow, quick in cores:
        until(lambda: live(quick) == 200 and given_way(slow), "an old one gives way")
        assert [live(quick) for _ in range(3 * PLACES)] == [200] * 3 * PLACES
        assert len(given_way(slow)) == 1
