"""HTTP/1.1 on the wire, with both ways of receiving: framing, pipelining, bodies, closing."""
import re
import subprocess

import pytest

from authd import Authd
from wire import HOST, RECEIVE_MODES, Wire, head, post

LIVE = head("GET", "/health/live")
REFRESH = "/v1/auth/refresh"
UNKNOWN = b'{"refresh_token":"unknown"}'  # a body that is right, for an answer of 401


@pytest.fixture(scope="module", params=RECEIVE_MODES)
def daemon(request):
    with Authd({"io.receive": request.param, "core.threads": 1}) as authd:
        yield authd


@pytest.fixture
def wire(daemon):
    with Wire(daemon.port) as w:
        yield w


def is_alive(wire):
    return wire.send(LIVE).answer().status == 200


def test_a_connection_serves_many_requests(wire):
    ids = set()
    for _ in range(20):
        answer = wire.send(LIVE).answer().check()
        assert answer.status == 200 and answer.json == {"status": "live"}
        assert not answer.closes
        ids.add(answer.get("x-request-id"))
    assert len(ids) == 20


def test_a_decent_request_id_comes_back_and_another_does_not(wire):
    for good in ("a", "A-z_0.9", "x" * 128):
        assert wire.send(head("GET", "/health/live", f"X-Request-Id: {good}")).answer().get("x-request-id") == good
    for bad in ("", "a b", "a/b", "x" * 129, "\xfc", '"'):
        answer = wire.send(head("GET", "/health/live", f"X-Request-Id: {bad}")).answer()
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.get("x-request-id"))


def test_sixteen_requests_in_one_write_give_sixteen_ordered_answers(wire):
    for _ in range(3):
        wire.send(b"".join(head("GET", "/health/live", f"X-Request-Id: n{i}") for i in range(16)))
        assert [wire.answer().get("x-request-id") for _ in range(16)] == [f"n{i}" for i in range(16)]


def test_a_batch_is_answered_with_one_send(wire):
    """All sixteen answers come in one segment: nothing else would fill one receive."""
    wire.send(LIVE * 16)
    first = wire.socket.recv(65536)
    assert first.count(b"HTTP/1.1 200 OK") == 16


def test_pipelined_answers_keep_their_order_when_some_must_wait(wire):
    wire.send(LIVE + post(REFRESH, UNKNOWN) + head("GET", "/nothing") + post(REFRESH, UNKNOWN) + LIVE)
    assert [wire.answer().status for _ in range(5)] == [200, 401, 404, 401, 200]


def test_a_thousand_pipelined_requests_are_all_answered(wire):
    wire.send(LIVE * 1000)
    for _ in range(1000):
        assert wire.answer().status == 200


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_requests_in_any_pieces_are_the_same_requests(wire, size):
    wire.drip(post(REFRESH, UNKNOWN) + LIVE, size)
    assert wire.answer().error == "INVALID_TOKEN"
    assert wire.answer().status == 200


def chunked(body, sizes, extension=b"", trailer=b""):
    out, at = b"", 0
    for size in sizes:
        piece = body[at:at + size]
        if piece:
            out += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
        at += size
    assert at >= len(body)
    return out + b"0" + extension + b"\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("sizes", [[100], [1] * 30, [5, 1, 30], [26, 1]])
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_chunked_bodies_in_odd_pieces_are_joined(wire, sizes, step):
    request = head("POST", REFRESH, "Content-Type: application/json", "Transfer-Encoding: chunked")
    wire.drip(request + chunked(UNKNOWN, sizes) + LIVE, step)
    assert wire.answer().error == "INVALID_TOKEN"
    assert wire.answer().status == 200


def test_chunk_extensions_and_trailers_are_read_and_ignored(wire):
    request = head("POST", REFRESH, "Content-Type: application/json", "Transfer-Encoding: Chunked")
    wire.send(request + chunked(UNKNOWN, [9, 90], b';a="b";c', b"X-Trailer: 1\r\nContent-Length: 7\r\n") + LIVE)
    assert wire.answer().error == "INVALID_TOKEN"
    assert wire.answer().status == 200


def test_continue_is_said_when_it_is_asked_for(wire):
    wire.send(head("POST", REFRESH, "Content-Type: application/json", "Expect: 100-continue",
                   f"Content-Length: {len(UNKNOWN)}"))
    assert wire.answer().status == 100
    assert wire.send(UNKNOWN).answer().error == "INVALID_TOKEN"
    assert is_alive(wire)


@pytest.mark.parametrize("path,length,status", [("/nothing", 5, 404), (REFRESH, 100000, 413), ("/health", 5, 405)])
def test_a_body_that_will_not_be_read_is_not_asked_for(wire, path, length, status):
    wire.send(head("POST", path, "Content-Type: application/json", "Expect: 100-continue",
                   f"Content-Length: {length}"))
    answer = wire.answer()
    assert answer.status == status and answer.closes and answer.error
    assert wire.ends()


def test_another_expectation_fails(wire):
    wire.send(head("POST", REFRESH, "Expect: 200-ok", "Content-Length: 2") + b"{}")
    answer = wire.answer()
    assert (answer.status, answer.error) == (417, "EXPECTATION_FAILED")
    assert wire.ends()


@pytest.mark.parametrize("path", ["/health/live", "/.well-known/jwks.json", "/nothing", "/v1/auth/me"])
def test_head_is_get_without_the_body(wire, path):
    get = wire.send(head("GET", path)).answer()
    answer = wire.send(head("HEAD", path)).answer("HEAD")
    assert answer.status == get.status
    assert answer.get("content-length") == get.get("content-length")
    assert answer.get("content-type") == get.get("content-type")
    assert is_alive(wire)


def test_an_error_that_keeps_the_framing_keeps_the_connection(wire):
    assert wire.send(head("GET", "/nothing")).answer().error == "NOT_FOUND"
    assert wire.send(head("GET", "/v1/auth/me")).answer().error == "INVALID_TOKEN"
    assert wire.send(post(REFRESH, b"{")).answer().error == "MALFORMED_JSON"
    assert is_alive(wire)


def test_close_is_obeyed_and_nothing_behind_it_is_served(wire):
    wire.send(head("GET", "/health/live", "Connection: close") + LIVE)
    assert wire.answer().closes
    assert wire.ends()


@pytest.mark.parametrize("fields,keeps", [
    ([], False), (["Connection: keep-alive"], True), (["Connection: close"], False),
    (["Connection: Keep-Alive, x"], True),
])
def test_http_1_0_is_kept_only_when_asked(wire, fields, keeps):
    wire.send(head("GET", "/health/live", *fields, version="HTTP/1.0"))
    answer = wire.answer()
    assert answer.status == 200
    assert (answer.get("connection") or "").lower() == ("keep-alive" if keeps else "close")
    assert is_alive(wire) if keeps else wire.ends()


def test_http_1_0_needs_no_host(wire):
    assert wire.send(b"GET /health/live HTTP/1.0\r\n\r\n").answer().status == 200


def test_empty_lines_before_a_request_are_skipped(wire):
    wire.send(b"\r\n\r\n" + LIVE + b"\r\n" + LIVE)
    assert [wire.answer().status for _ in range(2)] == [200, 200]


def test_a_client_that_says_it_is_done_still_gets_its_answers(wire):
    wire.send(LIVE * 5).finish()
    for _ in range(5):
        assert wire.answer().status == 200
    assert wire.ends()


def test_half_a_request_and_an_end_is_no_request(wire):
    wire.send(LIVE[:-2]).finish()
    assert wire.ends()


def test_an_end_without_a_request_is_silent(wire):
    wire.finish()
    assert wire.ends()


@pytest.mark.parametrize("path,allow", [
    ("/v1/auth/me", {"GET", "HEAD", "PATCH"}), ("/v1/auth/login", {"POST"}), ("/health/live", {"GET", "HEAD"}),
])
def test_another_method_is_told_which_are_right(wire, path, allow):
    for method in ("DELETE", "PUT", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        answer = wire.send(head(method, path)).answer()
        assert (answer.status, answer.error) == (405, "METHOD_NOT_ALLOWED")
        assert set(answer.get("allow").split(", ")) == allow


@pytest.mark.parametrize("method,status,code", [
    ("FROB", 501, "NOT_IMPLEMENTED"), ("get", 501, "NOT_IMPLEMENTED"), ("GETS", 501, "NOT_IMPLEMENTED"),
    ("PLAY", 501, "NOT_IMPLEMENTED"), ("X" * 8000, 501, "NOT_IMPLEMENTED"), ("X" * 17000, 431, "HEADERS_TOO_LARGE"),
    ("G<T", 400, "MALFORMED_REQUEST"), ("", 400, "MALFORMED_REQUEST"), ("GET,", 400, "MALFORMED_REQUEST"),
    ("FR\xd6B", 400, "MALFORMED_REQUEST"),
])
@pytest.mark.parametrize("path", ["/health/live", "/nothing"])
def test_an_unknown_method_is_not_implemented_and_what_is_none_malformed(wire, path, method, status, code):
    answer = wire.send(head(method, path)).answer()
    assert (answer.status, answer.error) == (status, code)
    assert answer.closes and wire.ends()


@pytest.mark.parametrize("target,status", [
    ("http://a.example/health/live", 200), ("HTTP://other/health/live?x=1", 200), ("https://a/health/live", 200),
    ("/health/live?x", 200), ("/health/live?", 200), ("/health/live/", 404), ("//health/live", 404),
    ("/health/../health/live", 404), ("/./health/live", 404), ("/health/%6cive", 404), ("/health%2flive", 404),
    ("/health/live%00", 404), ("/HEALTH/LIVE", 404), ("http://a.example", 404), ("/", 404),
    ("*", 400), ("a.example:80", 400), ("health/live", 400), ("/health/live#x", 400), ("", 400),
    ("http:///health/live", 400), ("ftp://a/health/live", 400), ("http://u@a/health/live", 400),
    ("/health/\xfc", 400), ("/health/\x7f", 400),
])
def test_targets_mean_one_thing(wire, target, status):
    answer = wire.send(head("GET", target)).answer()
    assert answer.status == status, answer.body
    assert status == 200 or answer.error
    assert wire.ends() if status == 400 else is_alive(wire)


def test_options_for_the_whole_server_is_a_request_like_others(wire):
    assert wire.send(head("OPTIONS", "*")).answer().error == "NOT_FOUND"
    assert is_alive(wire)


@pytest.mark.parametrize("version,status", [
    ("HTTP/2.0", 505), ("HTTP/1.2", 505), ("HTTP/0.9", 505), ("HTTP/3.0", 505), ("HTTP/9.9", 505),
    ("http/1.1", 400), ("HTTP/1", 400), ("HTTP/1.10", 400), ("HTTP/01.1", 400), ("HTTP/1,1", 400), ("ICE/1.0", 400),
])
def test_other_versions_are_refused(wire, version, status):
    answer = wire.send(head("GET", "/health/live", version=version)).answer()
    assert answer.status in (400, 505) and (status == 400 or answer.status == 505)
    assert answer.error in ("VERSION_NOT_SUPPORTED", "MALFORMED_REQUEST") and answer.closes
    assert wire.ends()


@pytest.mark.parametrize("bytes_", [b"GET /health/live\r\n\r\n", b"GET\r\n\r\n"])
def test_http_0_9_is_no_http(wire, bytes_):
    assert wire.send(bytes_).answer().status in (400, 505)
    assert wire.ends()


def test_the_preface_of_http_2_is_refused(wire):
    assert wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").answer().error == "VERSION_NOT_SUPPORTED"
    assert wire.ends()


def test_tls_to_a_plain_port_is_answered_and_ended(wire):
    hello = bytes.fromhex("160301003d010000390303") + b"r" * 50
    assert wire.send(hello).answer().error == "MALFORMED_REQUEST"
    assert wire.ends()


def test_a_big_answer_to_a_slow_reader_arrives_whole(daemon):
    with Wire(daemon.port, receive_bytes=2048) as w:
        w.send(head("GET", "/.well-known/jwks.json") * 200)
        for _ in range(200):
            assert w.answer().json["keys"]


def test_counters_agree_with_what_was_done(daemon, wire):
    """One core and one client: what authctl shows is what was asked."""
    def requests():
        out = daemon.ctl("-o", "json", "conn", "list")
        assert out.returncode == 0, out.stderr
        return out.stdout
    wire.send(LIVE * 3)
    for _ in range(3):
        wire.answer()
    port = wire.socket.getsockname()[1]
    assert f'127.0.0.1:{port}' in requests()


def test_curl_is_content(daemon):
    out = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}",
                          f"http://127.0.0.1:{daemon.port}/health/live"], capture_output=True, text=True, timeout=30)
    assert out.stdout == "200 1.1", out
