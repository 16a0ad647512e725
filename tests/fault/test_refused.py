"""Clients that ask again at once after each refusal: they are slowed down, others behind a proxy are not."""
import pathlib
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from wire import RECEIVE_MODES, Wire, head, post  # noqa: E402

LOGIN = post("/v1/auth/login", b'{"email":"a@example.org","password":"correct horse"}')
FREE = 3      # CONN_REFUSALS_FREE
REST_S = 0.1  # CONN_REST_MS


@pytest.fixture(params=RECEIVE_MODES)
def refusing(request):
    options = {"io.receive": request.param, "core.threads": 1, "limits.enabled": "yes", "limits.login": "1/1h"}

    def start(**more):
        authd = Authd({**options, **{k.replace("__", "."): v for k, v in more.items()}})
        started.append(authd)
        authd.start()
        with Wire(authd.port) as wire:
            assert wire.send(LOGIN).answer().status == 401  # the only one that is allowed
        return authd

    started = []
    yield start
    for authd in started:
        authd.__exit__()


def refusals(wire, count):
    """How long that many take, one after the other."""
    begin = time.monotonic()
    for _ in range(count):
        assert wire.send(LOGIN).answer().status == 429
    return time.monotonic() - begin


def test_after_a_few_refusals_a_connection_rests_after_each(refusing):
    with Wire(refusing().port) as wire:
        refusals(wire, FREE)
        assert refusals(wire, 6) >= 5 * REST_S


def test_what_comes_during_a_rest_is_answered_after_it(refusing):
    with Wire(refusing().port) as wire:
        wire.send(LOGIN * (FREE + 4))
        for _ in range(FREE + 4):
            assert wire.answer().status == 429
        assert wire.send(head("GET", "/health/live")).answer().status == 200


def test_an_answer_that_is_no_refusal_makes_good(refusing):
    with Wire(refusing().port) as wire:
        for _ in range(3):
            refusals(wire, FREE)
            assert wire.send(head("GET", "/health/live")).answer().status == 200


def test_a_trusted_proxy_never_rests(refusing):
    with Wire(refusing(http__trusted_proxies="127.0.0.1/32").port) as wire:
        assert refusals(wire, 100) < (100 - FREE - 1) * REST_S


def test_the_end_does_not_forget_who_rests(refusing):
    authd = refusing()
    with Wire(authd.port) as wire:
        refusals(wire, FREE + 1)
        wire.send(LOGIN)
        authd.process.terminate()
        assert wire.answer().status == 429
        assert authd.process.wait(timeout=40) == 0
