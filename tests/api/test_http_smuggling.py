"""Requests that two readers could read differently: refused, answered once, and the connection ends."""
import pytest

from authd import Authd
from wire import HOST, RECEIVE_MODES, Wire, head

REFRESH = "/v1/auth/refresh"
NEXT = head("GET", "/health/live", "X-Request-Id: smuggled")
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module", params=RECEIVE_MODES)
def daemon(request):
    with Authd({"io.receive": request.param, "core.threads": 1}) as authd:
        yield authd


def check_refused(daemon, data, statuses=(400,), step=None):
    with Wire(daemon.port) as wire:
        wire.drip(data, step) if step else wire.send(data)
        answer = wire.answer()
        assert answer.status in statuses, (answer.status, answer.body)
        assert answer.error in ("MALFORMED_REQUEST", "NOT_IMPLEMENTED", "BODY_TOO_LARGE")
        assert answer.closes
        assert answer.get("x-request-id") != "smuggled"
        assert wire.ends()  # and what follows was not served


FRAMINGS = {
    "length and coding": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "coding and length": ["Transfer-Encoding: chunked", "Content-Length: 4"],
    "two lengths": ["Content-Length: 4", "Content-Length: 5"],
    "two equal lengths": ["Content-Length: 4", "Content-Length: 4"],
    "list of lengths": ["Content-Length: 4, 4"],
    "negative length": ["Content-Length: -4"],
    "signed length": ["Content-Length: +4"],
    "hex length": ["Content-Length: 0x4"],
    "length with a unit": ["Content-Length: 4b"],
    "length with a fraction": ["Content-Length: 4.0"],
    "length in two parts": ["Content-Length: 4 4"],
    "empty length": ["Content-Length: "],
    "length past 64 bits": ["Content-Length: 18446744073709551616"],
    "length far past 64 bits": ["Content-Length: " + "9" * 40],
    "space before the colon": ["Content-Length : 4"],
    "tab before the colon": ["Content-Length\t: 4"],
    "space before the name": [" Content-Length: 4"],
    "coding twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "coding with a space before its colon": ["Transfer-Encoding : chunked"],
    "coding on a folded line": ["Transfer-Encoding:\r\n chunked"],
    "coding on a line folded with a tab": ["Transfer-Encoding:\r\n\tchunked"],
    "coding with a bare CR": ["Transfer-Encoding: chunked\rX: y"],
    "coding with a vertical tab": ["Transfer-Encoding: \x0bchunked"],
    "coding with a NUL": ["Transfer-Encoding: chunked\x00"],
    "name with a NUL": ["Transfer-Enc\x00oding: chunked"],
    "field without a colon": ["Transfer-Encoding chunked"],
    "field without a name": [": chunked"],
    "no host's second host": ["Host: b.example"],
    "two credentials": ["Authorization: Bearer a", "Authorization: Bearer b"],
    "name with a byte above ASCII": ["X-\xfc: 1"],
    "name with a slash": ["X/Y: 1"],
    "value with a NUL": ["X: a\x00b"],
    "value with a control": ["X: a\x01b"],
    "value with a delete": ["X: a\x7fb"],
}


@pytest.mark.parametrize("fields", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_head_with_two_meanings_is_refused(daemon, fields):
    check_refused(daemon, head("POST", REFRESH, JSON, *fields) + b"0\r\n\r\n" + NEXT)


@pytest.mark.parametrize("value", [
    "xchunked", "chunked, identity", "identity", "gzip, chunked", "chunked;x=1", '"chunked"', "chunked, chunked",
    "chun ked", "", "x", "cow",
])
def test_codings_but_chunked_are_refused(daemon, value):
    check_refused(daemon, head("POST", REFRESH, JSON, f"Transfer-Encoding: {value}") + b"0\r\n\r\n" + NEXT,
                  statuses=(400, 501))


CHUNKS = {
    "size past 64 bits": b"10000000000000000\r\n",
    "size of 64 bits": b"ffffffffffffffff\r\n",
    "size just past the body": b"ffffffff\r\n",
    "negative size": b"-1\r\n",
    "signed size": b"+5\r\n",
    "size with 0x": b"0x5\r\nhello\r\n",
    "empty size": b"\r\nhello\r\n",
    "space before the size": b" 5\r\nhello\r\n",
    "garbage behind the size": b"5 x\r\nhello\r\n",
    "size ends in LF": b"5\nhello\r\n",
    "size ends in CR": b"5\rhello\r\n",
    "data too long": b"2\r\n{}x\r\n",
    "data ends in LF": b"2\r\n{}\n0\r\n\r\n",
    "data without an end": b"2\r\n{}0\r\n\r\n",
    "last chunk ends in LF": b"2\r\n{}\r\n0\n\r\n",
    "trailer ends in LF": b"2\r\n{}\r\n0\r\nX: y\n\r\n",
    "folded trailer": b"2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n",
    "trailer with a space before the colon": b"2\r\n{}\r\n0\r\nX : y\r\n\r\n",
    "trailer with a NUL": b"2\r\n{}\r\n0\r\nX: \x00\r\n\r\n",
    "extension with a LF": b"2;a\n\r\n{}\r\n0\r\n\r\n",
    "extension with a CR": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
    "extension with a NUL": b"2;a=\x00\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_chunk_with_two_meanings_is_refused(daemon, chunks, step):
    request = head("POST", REFRESH, JSON, "Transfer-Encoding: chunked")
    check_refused(daemon, request + chunks + NEXT, statuses=(400, 413), step=step)


@pytest.mark.parametrize("data", [
    b"GET /health/live HTTP/1.1\n" + HOST + b"\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a\r\n\n",
    b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: a\r\r\n\r\n",
    b"GET /health/live HTTP/1.1\r" + HOST + b"\r\n",
    b"GET  /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health/live  HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\t/health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health/live HTTP/1.1 \r\n" + HOST + b"\r\n",
    b" GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health/live\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health/live HTTP/1.1\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a/b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a@b\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: a, b\r\n\r\n",
    b"\x00" + NEXT,
    b"\xff\xfe" + NEXT,
], ids=range(19))
def test_lines_are_read_strictly(daemon, data):
    with Wire(daemon.port) as wire:
        answer = wire.send(data + NEXT).answer()
        assert answer.status in (400, 505), answer.body
        assert answer.error and answer.closes and answer.get("x-request-id") != "smuggled"
        assert wire.ends()


def test_http_1_0_has_no_chunks(daemon):
    check_refused(daemon, head("POST", REFRESH, JSON, "Transfer-Encoding: chunked", "Connection: keep-alive",
                               version="HTTP/1.0") + b"0\r\n\r\n" + NEXT)


def test_a_body_on_get_is_not_the_next_request(daemon):
    """The body of a request that takes none is never looked at as a request."""
    with Wire(daemon.port) as wire:
        wire.send(head("GET", "/health/live", f"Content-Length: {len(NEXT)}") + NEXT)
        answer = wire.answer()
        assert answer.get("x-request-id") != "smuggled"
        assert answer.status == 413 and answer.closes
        assert wire.ends()


def test_an_upgrade_is_ignored(daemon):
    with Wire(daemon.port) as wire:
        wire.send(head("GET", "/health/live", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                       "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA") + head("GET", "/health/live"))
        assert [wire.answer().status for _ in range(2)] == [200, 200]
