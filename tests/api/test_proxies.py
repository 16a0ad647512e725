"""Who the client is: forwarded header fields and PROXY headers, from those who may say it and those who may not."""
import json
import socket
import struct
import subprocess
import time

import pytest

from authd import Authd, free_port
from conftest import Client

STRANGER, PROXY, INNER = "127.0.0.1", "127.9.0.1", "127.9.0.2"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REQUEST = b"POST /v1/auth/refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
LIMIT = {"limits.enabled": "yes", "limits.refresh": "2/1h", "http.trusted_proxies": "127.9.0.0/16, fd00::/8"}
_clients = iter(f"203.0.113.{i}" for i in range(1, 255))


def fresh():
    """A client that nobody was yet."""
    return next(_clients)


def counted_for(ask, *names):
    """ask(name) is refused at the third time: all names are the same client. Unique names: whose it is."""
    return [ask(name).status for name in names] == [422, 422, 429]


@pytest.fixture(scope="module")
def daemon():
    with Authd(LIMIT) as authd:
        yield authd


def asking(daemon, source, field="X-Forwarded-For"):
    def ask(value):
        return Client(daemon.port, source=source).post("/refresh", {}, headers={field: value})
    return ask


# --- header fields ---

def test_a_trusted_proxy_names_the_client(daemon):
    ask, client = asking(daemon, PROXY), fresh()
    assert counted_for(ask, client, client, client)
    assert ask(fresh()).status == 422


def test_what_the_client_itself_claims_is_cut_off(daemon):
    client = fresh()
    assert counted_for(asking(daemon, PROXY), *(f"{fresh()}, {client}" for _ in range(3)))


def test_the_walk_goes_over_trusted_hops_only(daemon):
    client = fresh()
    assert counted_for(asking(daemon, PROXY), f"{fresh()}, {client}, {INNER}", f"{client}, fd00::1", client)


def test_a_stranger_names_nobody(daemon):
    assert counted_for(asking(daemon, STRANGER), fresh(), fresh(), fresh())


def test_the_other_field_is_not_believed(daemon):
    assert counted_for(asking(daemon, "127.9.1.1", "Forwarded"), *(f"for={fresh()}" for _ in range(3)))


@pytest.mark.parametrize("number,value", [
    (1, "unknown"), (2, "x" * 5000), (3, "203.0.113.300"), (4, "\""), (5, ", ,")])
def test_what_cannot_be_read_leaves_the_proxy(daemon, number, value):
    assert counted_for(asking(daemon, f"127.9.2.{number}"), value, value, value)


def test_a_subscriber_is_one_ipv6_client(daemon):
    ask = asking(daemon, PROXY)
    assert counted_for(ask, "2001:db8:5::1", "[2001:db8:5::ffff:2]:80", "2001:db8:5::3")
    assert ask("2001:db8:6::1").status == 422


def test_a_mapped_address_is_its_ipv4_address(daemon):
    client = fresh()
    assert counted_for(asking(daemon, PROXY), client, f"::ffff:{client}", f"[::ffff:{client}]:9")


def test_forwarded_is_believed_where_it_is_configured():
    with Authd({**LIMIT, "http.forwarded": "forwarded"}) as authd:
        client = fresh()
        assert counted_for(asking(authd, PROXY, "Forwarded"), f"for={client}", f'For="{client}:80";proto=https',
                           f'for="{fresh()}, for={client};by={PROXY}')
        assert counted_for(asking(authd, "127.9.1.1"), fresh(), fresh(), fresh())


def test_networks_come_from_a_file_too(tmp_path):
    networks = tmp_path / "networks"
    networks.write_text("# theirs\n127.9.0.0/16\n")
    with Authd({**LIMIT, "http.trusted_proxies": f"10.0.0.0/8 @{networks}"}) as authd:
        client = fresh()
        assert counted_for(asking(authd, PROXY), client, client, client)
        assert asking(authd, PROXY)(fresh()).status == 422


@pytest.mark.parametrize("options,words", [
    ({"http.trusted_proxies": "10.0.0.0/33"}, "10.0.0.0/33: is no network"),
    ({"http.trusted_proxies": "10.0.0.1/8"}, "10.0.0.1/8: is no network"),
    ({"http.trusted_proxies": "@/nonexistent"}, "/nonexistent: "),
    ({"http.proxy_protocol": "yes"}, "http.proxy_protocol needs http.trusted_proxies"),
])
def test_a_wrong_configuration_is_explained(options, words):
    result = Authd(options).check()
    assert result.returncode == 78 and words in result.stderr


def test_a_socket_for_both_families_knows_ipv4_proxies_and_clients():
    with socket.socket(socket.AF_INET6) as s:  # free on every address
        s.bind(("::", 0))
        port = s.getsockname()[1]
    authd = Authd({**LIMIT, "http.listen": f"*:{port}"})
    authd.port = port
    with authd:
        client = fresh()
        assert counted_for(asking(authd, PROXY), client, client, f"::ffff:{client}")
        with connect(authd, STRANGER) as sock:
            sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            receive_head(sock)
            peer = "%s:%d" % sock.getsockname()
            assert peer in [row["peer"] for row in json.loads(authd.ctl("-o", "json", "conn", "list").stdout)]


# --- the PROXY protocol ---

@pytest.fixture(scope="module")
def balanced():
    with Authd({**LIMIT, "http.proxy_protocol": "yes"}) as authd:
        yield authd


def connect(daemon, source=PROXY):
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=10, source_address=(source, 0))


def receive_all(sock):
    answer = b""
    try:
        while part := sock.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def receive_head(sock):
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = sock.recv(65536)
        assert part, answer
        answer += part
    return answer


class Status:
    def __init__(self, answer):
        self.status = int(answer.split(b" ", 2)[1])


def v1(source):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {'::2' if ':' in source else '192.0.2.2'} 4711 443\r\n".encode()


def v2(source, command=0x21, extensions=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) * 2 + struct.pack(">HH", 4711, 443) + extensions
    return SIGNATURE + struct.pack(">BBH", command, 0x21 if ":" in source else 0x11, len(body)) + body


def balancing(daemon, make, pieces=1):
    def ask(client):
        with connect(daemon) as sock:
            data = make(client) + REQUEST
            if pieces == 1:
                sock.sendall(data)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(0, len(data), 7):
                    sock.sendall(data[i:i + 7])
            return Status(receive_head(sock))
    return ask


@pytest.mark.parametrize("make", [v1, v2, lambda c: v2(c, extensions=b"\x04\x00\x08" + b"\0" * 8 + b"junk" * 100)])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_proxy_header_names_the_client(balanced, make, pieces):
    ask, client = balancing(balanced, make, pieces), fresh()
    assert counted_for(ask, client, client, client)
    assert ask(fresh()).status == 422


def test_an_ipv6_client_is_named(balanced):
    assert counted_for(balancing(balanced, v1), "2001:db8:a::1", "2001:db8:a::2", "2001:db8:a::3")
    assert counted_for(balancing(balanced, v2), "2001:db8:b::1", "2001:db8:b::2", "2001:db8:b::3")


def test_a_balancer_that_speaks_for_itself_is_served(balanced):
    for header in (SIGNATURE + b"\x20\x00\x00\x00", v2("203.0.113.250", command=0x20), b"PROXY UNKNOWN\r\n",
                   SIGNATURE + b"\x21\x00\x00\x00"):
        with connect(balanced) as sock:
            sock.sendall(header + b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert receive_head(sock).startswith(b"HTTP/1.1 200 ")


def test_a_connection_keeps_its_client(balanced):
    with connect(balanced) as sock:
        sock.sendall(v1(fresh()))
        statuses = []
        for _ in range(3):
            sock.sendall(REQUEST)
            statuses.append(Status(receive_head(sock)).status)
    assert statuses == [422, 422, 429]


@pytest.mark.parametrize("bytes_", [
    b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 " + b"1" * 200,
    b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", b"\r\n\r\n\x00\r\nQUIP\n", SIGNATURE + b"\x31\x11\x00\x0c" + b"\0" * 12,
    SIGNATURE + b"\x21\x11\x00\x0b" + b"\0" * 11, SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x21\x99\x00\x00", b"\0",
])
def test_what_is_no_proxy_header_ends_the_connection(balanced, bytes_):
    with connect(balanced) as sock:  # which waits for ten seconds; the deadline would be thirty
        sock.sendall(bytes_)
        assert receive_all(sock) == b""


def test_a_proxy_header_that_does_not_come_has_a_deadline():
    """The edges of it are in tests/unit/conn.c, under a clock that is set by hand."""
    with Authd({**LIMIT, "http.proxy_protocol": "yes", "http.request_timeout": "1s"}) as authd:
        with connect(authd) as silent, connect(authd) as stuck:
            stuck.sendall(SIGNATURE + b"\x21\x11\x00\x0c\x01")
            assert receive_all(silent) == b"" and receive_all(stuck) == b""


def test_a_half_closed_header_ends_the_connection(balanced):
    with connect(balanced) as sock:
        sock.sendall(b"PROXY TCP4 ")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b""


def test_a_stranger_speaks_plain_http_and_is_not_believed(balanced):
    assert Client(balanced.port, source=STRANGER).get("/health/live").status == 200
    with connect(balanced, STRANGER) as sock:
        sock.sendall(v1(fresh()) + REQUEST)
        assert receive_all(sock).startswith(b"HTTP/1.1 400 ")


def test_a_proxy_behind_the_balancer_is_believed_when_it_is_trusted(balanced):
    client = fresh()

    def ask(peer):
        with connect(balanced) as sock:
            sock.sendall(v1(peer) + REQUEST.replace(b"\r\n", f"\r\nX-Forwarded-For: {client}\r\n".encode(), 1))
            return Status(receive_head(sock))
    assert counted_for(ask, INNER, INNER, "127.9.3.3")
    assert ask(fresh()).status == 422


def test_the_operator_sees_the_client(balanced):
    with connect(balanced) as sock:
        sock.sendall(v1("198.51.100.77") + b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        receive_head(sock)
        rows = json.loads(balanced.ctl("-o", "json", "conn", "list").stdout)
    assert any(row["peer"] == "198.51.100.77:4711" for row in rows)


def test_a_drain_does_not_wait_for_a_header():
    with Authd({**LIMIT, "http.proxy_protocol": "yes"}) as authd:
        with connect(authd):
            started = time.monotonic()
            authd.stop()
            assert time.monotonic() - started < 10  # not the request's thirty seconds


def test_a_session_remembers_the_client(balanced):
    """A refresh token that comes again is a lost answer only for the same client (a fingerprint has the address)."""
    def post(peer, path, body):
        data = json.dumps(body).encode()
        with connect(balanced) as sock:
            sock.sendall(v1(peer) + f"POST /v1/auth{path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                         f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
            head, _, body = receive_all(sock).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(body)
    status, answer = post("198.51.100.1", "/register", {"email": "fp@example.org", "password": "correct horse battery"})
    assert status == 201
    token = answer["data"]["refresh_token"]
    assert post("198.51.100.1", "/refresh", {"refresh_token": token})[0] == 200
    assert post("198.51.100.1", "/refresh", {"refresh_token": token})[0] == 200
    assert post("198.51.100.2", "/refresh", {"refresh_token": token})[0] == 401


# --- a real balancer ---

HAPROXY = """
defaults
    timeout connect 5s
    timeout client 10s
    timeout server 10s
listen balancer
    bind 127.0.0.1:{port}
    {mode}
    server authd 127.0.0.1:{authd} source {proxy} {options}
"""


@pytest.fixture
def haproxy(tmp_path):
    """haproxy(daemon, mode, options): the port of one that passes connections on to the daemon."""
    running = []

    def start(authd, mode, options=""):
        port = free_port()
        conf = tmp_path / "haproxy.conf"
        conf.write_text(HAPROXY.format(port=port, authd=authd.port, proxy=PROXY, mode=mode, options=options))
        running.append(subprocess.Popen(["haproxy", "-db", "-q", "-f", conf]))
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return port
            except ConnectionRefusedError:
                assert running[-1].poll() is None
                time.sleep(0.01)
        raise AssertionError("haproxy does not listen")
    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=20)


def counts_sources(port, first):
    def ask(source):
        return Client(port, source=source).post("/refresh", {})
    return counted_for(ask, first, first, first) and ask(first + "0").status == 422


@pytest.mark.parametrize("number,options", [(1, "send-proxy"), (2, "send-proxy-v2"),
                                            (3, "send-proxy-v2 proxy-v2-options unique-id,crc32c")])
def test_haproxy_names_its_clients_in_proxy_headers(balanced, haproxy, number, options):
    mode = "mode tcp\n    unique-id-format %ID" if "unique-id" in options else "mode tcp"
    assert counts_sources(haproxy(balanced, mode, options), f"127.6.{number}.1")


def test_haproxy_names_its_clients_in_header_fields(daemon, haproxy):
    assert counts_sources(haproxy(daemon, "mode http\n    option forwardfor"), "127.7.0.1")
