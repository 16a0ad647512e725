"""Every limit of a request at its boundary and one past it, and clients that are slow or deaf."""
import pytest

from authd import Authd
from wire import HOST, RECEIVE_MODES, Wire, head, post, until

LIVE = head("GET", "/health/live")
REFRESH = "/v1/auth/refresh"
JSON = "Content-Type: application/json"
BODY_MAX = 8192    # of this route
TARGET_MAX = 8192
HEAD_MAX = 16384   # request line and empty line included
FIELDS_MAX = 100
CONNECTIONS_MAX = 40


@pytest.fixture(scope="module", params=RECEIVE_MODES)
def daemon(request):
    options = {"io.receive": request.param, "core.threads": 1, "http.request_timeout": "1s", "http.idle_timeout": "2s",
               "http.send_timeout": "1s", "http.connections_max": CONNECTIONS_MAX}
    with Authd(options) as authd:
        yield authd


@pytest.fixture
def wire(daemon):
    with Wire(daemon.port) as w:
        yield w


def check(wire, data, status, code=None, closes=True):
    answer = wire.send(data).answer()
    assert answer.status == status, answer.body
    if code:
        assert answer.error == code
    assert answer.closes == closes
    if closes:
        assert wire.ends()
    else:
        assert wire.send(LIVE).answer().status == 200


def test_the_longest_target_is_served(wire):
    check(wire, head("GET", "/" + "a" * (TARGET_MAX - 1)), 404, "NOT_FOUND", closes=False)


def test_one_byte_more_of_target_is_too_long(wire):
    check(wire, head("GET", "/" + "a" * TARGET_MAX), 414, "URI_TOO_LONG")


def padded(size):
    """A head of exactly that many bytes."""
    empty = head("GET", "/health/live", "X: ")
    return head("GET", "/health/live", "X: " + "a" * (size - len(empty)))


def test_the_largest_head_is_served(wire):
    check(wire, padded(HEAD_MAX), 200, closes=False)


def test_one_byte_more_of_head_is_too_large(wire):
    check(wire, padded(HEAD_MAX + 1), 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("step", [1, 4096])
def test_a_head_without_an_end_is_cut_off(daemon, step):
    with Wire(daemon.port) as wire:
        wire.drip(b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: " + b"a" * HEAD_MAX, step)
        assert wire.answer().error == "HEADERS_TOO_LARGE"


def test_a_hundred_fields_are_served(wire):
    check(wire, head("GET", "/health/live", *["X: 1"] * (FIELDS_MAX - 1)), 200, closes=False)


def test_one_field_more_is_too_many(wire):
    check(wire, head("GET", "/health/live", *["X: 1"] * FIELDS_MAX), 431, "HEADERS_TOO_LARGE")


def body_of(size):
    text = b'{"refresh_token":"%s"}'
    return text % (b"a" * (size - len(text) + 2))


def test_the_largest_body_is_read(wire):
    check(wire, post(REFRESH, body_of(BODY_MAX)), 401, "INVALID_TOKEN", closes=False)


def test_one_byte_more_of_body_is_too_large(wire):
    check(wire, head("POST", REFRESH, JSON, f"Content-Length: {BODY_MAX + 1}"), 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("length", [2**31, 2**32, 2**63, 2**64 - 1])
def test_enormous_lengths_are_only_too_large(wire, length):
    check(wire, head("POST", REFRESH, JSON, f"Content-Length: {length}"), 413, "BODY_TOO_LARGE")


def test_the_largest_body_in_chunks_is_read(wire):
    chunks = b"".join(b"400\r\n" + body_of(BODY_MAX)[i:i + 1024] + b"\r\n" for i in range(0, BODY_MAX, 1024))
    check(wire, head("POST", REFRESH, JSON, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n", 401,
          "INVALID_TOKEN", closes=False)


def test_one_byte_more_in_chunks_is_too_large(wire):
    request = head("POST", REFRESH, JSON, "Transfer-Encoding: chunked")
    check(wire, request + b"2000\r\n" + body_of(BODY_MAX) + b"\r\n1\r\n", 413, "BODY_TOO_LARGE")


def test_a_missing_length_is_asked_for(wire):
    check(wire, head("POST", REFRESH, JSON), 411, "LENGTH_REQUIRED", closes=False)


@pytest.mark.parametrize("type_,status", [
    (None, 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/jsonp", 415),
    ("application", 415), ("", 415), ("application/json", 401), ("Application/JSON", 401),
    ("application/json; charset=utf-8", 401), ("application/json;charset=latin1", 401), ("application/json ; a=b", 401),
])
def test_bodies_are_json(wire, type_, status):
    body = body_of(100)
    fields = [f"Content-Length: {len(body)}"] + ([f"Content-Type: {type_}"] if type_ is not None else [])
    answer = wire.send(head("POST", REFRESH, *fields) + body).answer()
    assert answer.status == status
    assert answer.error == ("UNSUPPORTED_MEDIA_TYPE" if status == 415 else "INVALID_TOKEN")
    assert wire.send(LIVE).answer().status == 200


# --- slow clients ---

@pytest.mark.parametrize("data", [b"G", LIVE[:-1], post(REFRESH, body_of(50))[:-1],
                                  head("POST", REFRESH, JSON, "Transfer-Encoding: chunked") + b"5\r\nhe"])
def test_a_request_that_does_not_end_is_told_408(wire, data):
    wire.send(data)
    answer = wire.answer()
    assert (answer.status, answer.error) == (408, "REQUEST_TIMEOUT")
    assert answer.json["message"] == "Request took too long to process"
    assert answer.closes and wire.ends()


def test_a_client_that_sends_byte_by_byte_gains_no_time(wire):
    """The deadline is of the request, not of each byte."""
    import time
    started = time.monotonic()
    wire.socket.settimeout(0.02)
    for byte in (LIVE[:-1] * 40):
        wire.socket.send(bytes([byte]))
        try:
            if wire._more():
                break
        except TimeoutError:
            pass
        assert time.monotonic() - started < 25
    wire.socket.settimeout(30)
    assert wire.answer().error in ("REQUEST_TIMEOUT", "MALFORMED_REQUEST")


def test_an_idle_connection_ends_without_a_word(wire):
    assert wire.send(LIVE).answer().status == 200
    assert wire.ends()


def test_a_connection_that_never_speaks_ends_without_a_word(wire):
    assert wire.ends()


# --- deaf clients ---

def memory(daemon):
    with open(f"/proc/{daemon.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def connections(daemon):
    with Wire(daemon.port) as w:  # this one too
        w.send(LIVE).answer()
        out = daemon.ctl("-o", "ndjson", "conn", "list")
        assert out.returncode == 0, out.stderr
        return sum('"peer"' in line for line in out.stdout.splitlines())


def test_clients_that_never_read_are_ended_and_cost_little(daemon):
    """Thirty clients ask for megabytes and read nothing: what waits for them is bounded."""
    before, deaf = memory(daemon), []
    try:
        for _ in range(CONNECTIONS_MAX - 10):
            w = Wire(daemon.port, receive_bytes=2048)
            deaf.append(w)
            w.socket.setblocking(False)
            for _ in range(50):
                try:
                    w.socket.send(head("GET", "/.well-known/jwks.json") * 100)
                except (BlockingIOError, ConnectionResetError, BrokenPipeError):
                    break
        # 64 KiB of answers in the kernel's hands, as much behind them, 16 KiB of requests, and the pools.
        grown = memory(daemon) - before
        assert grown < len(deaf) * 512 + 16 * 1024, f"{grown} KiB"
        until(lambda: connections(daemon) <= 2, "the send time-out ends them")
    finally:
        for w in deaf:
            w.socket.close()


# --- too many ---

def test_one_connection_too_many_is_closed_and_the_others_stay(daemon):
    until(lambda: connections(daemon) <= 1, "earlier tests' connections are gone")
    held = []
    try:
        for _ in range(CONNECTIONS_MAX):
            held.append(Wire(daemon.port))
        with Wire(daemon.port) as w:
            assert w.ends()
        assert held[0].send(LIVE).answer().status == 200
        held.pop().socket.close()
        until(lambda: served(daemon), "room again after one has gone")
    finally:
        for w in held:
            w.socket.close()


def served(daemon):
    try:
        with Wire(daemon.port) as w:
            return w.send(LIVE).answer().status == 200
    except (AssertionError, OSError):
        return False
