"""TLS of the real daemon over real sockets: what a client gets, what it is refused, and what an operator sees."""
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

from authd import BUILD, ROOT, Authd, free_port
from conftest import PASSWORD, Client
from tls import HandWire, Revocations, TlsAuthd, TlsWire, certificate, context, refused, tcp
from wire import ENGINES, Wire, head, post, until

LIVE = head("GET", "/health/live")
HANDSHAKES_MAX = int(re.search(r"HTTP_HANDSHAKES_MAX (\d+)", (ROOT / "server/http/server.h").read_text())[1])
CLIENT_HELLO = bytes.fromhex("160301")  # as every client begins


@pytest.fixture(scope="module", params=ENGINES)
def daemon(request, tmp_path_factory):
    """On every engine: what a connection does."""
    with TlsAuthd(tmp_path_factory.mktemp("tls"), {"core.threads": 1, **ENGINES[request.param]}) as authd:
        yield authd


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """On the usual engine: what has nothing to do with sockets."""
    config = {"log.access": "yes", "tls.redirect_listen": f"127.0.0.1:{free_port()}"}
    with TlsAuthd(tmp_path_factory.mktemp("tls"), config) as authd:
        authd.redirect_port = int(config["tls.redirect_listen"].split(":")[1])
        yield authd


def live(authd, **kw):
    with TlsWire(authd.tls_port, **kw) as wire:
        return wire.send(LIVE).answer().check().status


def rows(authd, *words):
    result = authd.ctl("-o", "json", *words)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def metric(authd, metric, **labels):
    """The value of one series."""
    text = subprocess.run(["curl", "-s", "--unix-socket", str(authd.options["metrics.listen"]), "http://m/metrics"],
                          capture_output=True, text=True, check=True, timeout=30).stdout
    wanted = ",".join(f'{k}="{v}"' for k, v in labels.items())
    braces = f"{{{wanted}}}" if labels else ""
    found = re.search(rf"^{metric}{re.escape(braces)} (\S+)$", text, re.M)
    return float(found[1]) if found else 0


def handshakes(authd, version, resumed, result):
    return metric(authd, "authd_tls_handshakes_total", version=version, resumed=resumed, result=result)


# --- requests, on every engine ---

@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_request_is_answered(daemon, version):
    with TlsWire(daemon.tls_port, tls=context(version)) as wire:
        assert wire.socket.version() == "TLSv" + version
        for _ in range(3):
            assert wire.send(LIVE).answer().check().status == 200


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_may_drip(daemon, version):
    with TlsWire(daemon.tls_port, tls=context(version)) as wire:
        assert wire.drip(LIVE).answer().status == 200


def test_records_may_come_in_any_pieces(daemon):
    with HandWire(daemon.tls_port, step=1) as wire:
        wire.send(wire.say(LIVE))
        assert wire.hear().startswith(b"HTTP/1.1 200 OK\r\n")


def test_pipelined_requests_are_answered_in_order(daemon):
    with TlsWire(daemon.tls_port) as wire:
        ids = [f"request-{i}" for i in range(200)]
        wire.send(b"".join(head("GET", "/health/live", f"X-Request-Id: {i}") for i in ids))
        assert [wire.answer().get("x-request-id") for _ in ids] == ids


def test_a_large_body_is_read_and_a_large_document_is_sent(daemon):
    body = json.dumps({"email": "a" * 3900, "password": PASSWORD}).encode()
    with TlsWire(daemon.tls_port) as wire:
        assert wire.send(post("/v1/auth/login", body)).answer().status == 422
        document = wire.send(head("GET", "/openapi.json")).answer()
        assert len(document.body) > 30000 and document.json["openapi"]


def test_a_body_that_is_too_large_is_told(daemon):
    with TlsWire(daemon.tls_port) as wire:
        wire.send(head("POST", "/v1/auth/login", "Content-Type: application/json", "Content-Length: 9000000"))
        assert wire.answer().error == "BODY_TOO_LARGE"
        assert wire.ends()


def test_a_login_travels(daemon):
    grant = Client(daemon.port).register()
    with TlsWire(daemon.tls_port) as wire:
        wire.send(post("/v1/auth/login", json.dumps({"email": grant["user"]["email"], "password": PASSWORD}).encode()))
        token = wire.answer().json["data"]["access_token"]
        verify = head("GET", "/v1/auth/verify", f"Authorization: Bearer {token}")
        assert wire.send(verify * 20).answer().status == 204


def test_the_last_answer_is_followed_by_close_notify(daemon):
    with TlsWire(daemon.tls_port) as wire:  # ends() fails without it: no end is taken that is only TCP's
        assert wire.send(head("GET", "/health/live", "Connection: close")).answer().closes
        assert wire.ends()


def test_a_client_that_says_it_has_finished_is_answered_so(daemon):
    with TlsWire(daemon.tls_port) as wire:
        assert wire.send(LIVE).answer().status == 200
        wire.socket.unwrap()  # sends close_notify and waits for the other one
        assert wire.plain is not None


def test_half_a_request_and_the_end(daemon):
    with TlsWire(daemon.tls_port) as wire:
        wire.send(LIVE[:20])
        try:
            wire.socket.unwrap()
        except ssl.SSLError as error:  # what was still on its way
            assert "application data after close notify" in str(error).lower()


def test_an_end_without_close_notify_is_an_end(daemon):
    with HandWire(daemon.tls_port) as wire:
        wire.send(wire.say(LIVE))
        assert wire.hear().startswith(b"HTTP/1.1 200 OK\r\n")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.hear() == b""  # ours comes all the same, or this would raise


def test_half_a_record_and_the_end(daemon):
    with HandWire(daemon.tls_port) as wire:
        wire.send(wire.say(LIVE)[:-5])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.hear() == b""


def test_the_server_outlives_garbage(daemon):
    for junk in (b"\x00" * 300, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\xff" * 70000,
                 CLIENT_HELLO + b"\x00\x00", b"\x15\x03\x03\x00\x02\x02\x28", b"SSH-2.0-x\r\n", b"\x80\x2e\x01\x00\x02"):
        with tcp(daemon.tls_port) as s:
            try:
                s.sendall(junk)
                s.shutdown(1)
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
    assert live(daemon) == 200


def test_plain_http_is_told_in_plain_words(daemon):
    with tcp(daemon.tls_port) as s:
        s.sendall(LIVE)
        assert s.recv(4096).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_record_that_was_changed_ends_the_connection(daemon):
    with HandWire(daemon.tls_port, tls=context("1.3")) as wire:
        record = bytearray(wire.say(LIVE))
        record[-1] ^= 1
        wire.send(bytes(record))
        with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
            wire.hear()
    assert daemon.logged("tls.broken")
    assert live(daemon) == 200


def test_a_client_that_does_not_read_is_cut_and_others_are_served(daemon):
    with TlsWire(daemon.tls_port, receive_bytes=4096) as wire:
        wire.socket.setblocking(False)
        try:
            for _ in range(3000):
                wire.socket.send(head("GET", "/openapi.json") * 10)
        except (ssl.SSLWantWriteError, BlockingIOError):
            pass
        assert live(daemon) == 200


def test_many_connections_at_once(daemon):
    """More handshakes than one pass of the loop begins: those that stand in line are served, too."""
    with_each = []
    for _ in range(60):
        wire = Wire(daemon.tls_port)
        tls = context()
        wire.tls = tls.wrap_socket(wire.socket, server_hostname="a.example", do_handshake_on_connect=False)
        wire.tls.setblocking(False)
        with_each.append(wire)

    def step(wire):
        try:
            wire.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
    for wire in with_each:
        step(wire)  # all of them have said hello before one is answered
    until(lambda: all([step(wire) for wire in with_each]), "every handshake is done")
    for wire in with_each:
        wire.tls.setblocking(True)
        wire.tls.sendall(LIVE)
        assert wire.tls.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        wire.tls.close()


def test_slow_handshakes_give_way(daemon):
    """More than there are places for (server/http/secured.h): the slowest is cut for one that waits."""
    before = handshakes(daemon, "none", "no", "timeout")
    slow = []
    try:
        for _ in range(HANDSHAKES_MAX + 1):
            slow.append(socket.create_connection(("127.0.0.1", daemon.tls_port), timeout=30))
            slow[-1].sendall(CLIENT_HELLO)
        until(lambda: sum(r["received"] == len(CLIENT_HELLO) for r in rows(daemon, "conn", "list")) > HANDSHAKES_MAX,
              "all have begun")
        assert live(daemon) == 200
        assert handshakes(daemon, "none", "no", "timeout") > before
    finally:
        for s in slow:
            s.close()
    assert live(daemon) == 200


def test_handshakes_that_wait_for_a_place_are_seen(daemon):
    """For a second: then the first of those in progress gives way to them."""
    def handshakes_open():
        return [metric(daemon, "authd_tls_handshakes_open", state=state) for state in ("in_progress", "waiting")]
    assert metric(daemon, "authd_tls_handshakes_in_progress_max") == HANDSHAKES_MAX
    for attempt in range(5):  # until this machine is fast enough
        with contextlib.ExitStack() as stack:
            for _ in range(HANDSHAKES_MAX + 100):
                stack.enter_context(tcp(daemon.tls_port)).sendall(CLIENT_HELLO)
            until(lambda: handshakes_open()[0] == HANDSHAKES_MAX, "all places are taken")  # some in each pass of the loop
            in_progress, waiting = handshakes_open()
            listed = rows(daemon, "conn", "list", "--state", "waiting")
        until(lambda: handshakes_open() == [0, 0], "they are gone")
        assert in_progress <= HANDSHAKES_MAX
        if waiting and listed:
            break
    assert in_progress == HANDSHAKES_MAX and 0 < waiting <= 100 and 0 < len(listed) <= 100
    assert {r["received"] for r in listed} == {len(CLIENT_HELLO)}


# --- handshakes that come to nothing ---

@pytest.fixture(scope="module", params=ENGINES)
def impatient(request, tmp_path_factory):
    config = {"core.threads": 1, "tls.handshake_timeout": "1s", "http.idle_timeout": "1s", **ENGINES[request.param]}
    with TlsAuthd(tmp_path_factory.mktemp("tls"), config) as authd:
        yield authd


@pytest.mark.parametrize("said", [b"", CLIENT_HELLO])
def test_who_stops_in_the_handshake_is_cut(impatient, said):
    before = handshakes(impatient, "none", "no", "timeout")
    with tcp(impatient.tls_port) as s:
        s.sendall(said)
        assert s.recv(1) == b""
    assert handshakes(impatient, "none", "no", "timeout") == before + 1


def test_who_drips_in_the_handshake_is_cut(impatient):
    wire = HandWire(impatient.tls_port)
    with pytest.raises(ssl.SSLWantReadError):
        wire.tls.do_handshake()
    hello = wire.records()
    with wire.socket, pytest.raises(ConnectionError):
        for byte in hello[:-1]:
            wire.socket.sendall(bytes([byte]))
            time.sleep(0.05)  # never silent for the time of the whole handshake
        wire.socket.sendall(hello[-1:])
        raise ConnectionResetError if wire.socket.recv(1) == b"" else AssertionError("served")


def test_who_is_idle_is_told_that_it_is_over(impatient):
    with TlsWire(impatient.tls_port) as wire:
        assert wire.send(LIVE).answer().status == 200
        assert wire.ends()


def test_handshakes_in_progress_are_seen(one):
    with tcp(one.tls_port):
        until(lambda: [r for r in rows(one, "conn", "list") if r["state"] == "handshaking" and r["tls"] is None],
              "it is in the list")
        assert metric(one, "authd_connections_open", state="tls_handshake") >= 1
    until(lambda: not [r for r in rows(one, "conn", "list", "--state", "handshaking")], "it is gone")


# --- which certificate ---

@pytest.mark.parametrize("name, common", [("a.example", "a"), ("www.a.example", "a"), ("b.example", "b"),
                                          ("B.EXAMPLE", "b"), ("c.example", "a"), (None, "a")])
def test_a_name_chooses_its_certificate(one, name, common):
    with TlsWire(one.tls_port, name=name) as wire:
        assert wire.shown == common


def test_the_list_of_certificates(one):
    live(one, name="b.example")
    first, second = rows(one, "tls", "list")
    assert (first["name"], first["names"], first["key"]) == ("a.example", "a.example *.a.example", "EC P-256")
    assert (second["name"], second["key"], second["default"]) == ("b.example", "RSA 2048", False)
    assert first["file"] == str(one.first[0]) and first["issuer"] == "CN=a,O=Tests" and first["default"]
    assert 28 <= first["days_left"] <= 30 and second["served"] >= 1
    ends = metric(one, "authd_tls_certificate_expiry_timestamp_seconds", name="a.example")
    assert abs(ends - time.time() - 30 * 86400) < 86400


# --- what is seen of it ---

def test_versions_and_resumption_are_counted_and_sessions_go_on(one):
    for version in ("1.2", "1.3"):
        before = handshakes(one, version, "yes", "ok"), handshakes(one, version, "no", "ok")
        tls = context(version)
        with TlsWire(one.tls_port, tls=tls) as wire:
            assert wire.send(LIVE).answer().status == 200
            session = wire.socket.session
        with TlsWire(one.tls_port, tls=tls, session=session) as wire:
            assert wire.socket.session_reused
            assert wire.send(LIVE).answer().status == 200
            row = next(r for r in rows(one, "conn", "list") if r["tls"])
            assert row["tls"] == version and row["requests"] == 1
        assert (handshakes(one, version, "yes", "ok"), handshakes(one, version, "no", "ok")) == (before[0] + 1, before[1] + 1)


def test_a_session_goes_on_on_any_core(one):
    """Two cores, one set of keys: whichever the kernel gives the connection to."""
    tls = context("1.2")
    with TlsWire(one.tls_port, tls=tls) as wire:
        session = wire.socket.session
    for _ in range(12):
        with TlsWire(one.tls_port, tls=tls, session=session) as wire:
            assert wire.socket.session_reused


def test_the_access_log_says_it(one):
    with TlsWire(one.tls_port, tls=context("1.3")) as wire:
        wire.send(head("GET", "/health/live", "X-Request-Id: over-tls")).answer()
    until(lambda: '"over-tls"' in one.log(), "it is written")
    line = json.loads(next(x for x in one.log().splitlines() if '"over-tls"' in x))
    assert (line["url.scheme"], line["tls.protocol.version"]) == ("https", "1.3")
    assert "tls.client.subject" not in line


def test_failures_are_told_and_not_all_of_them(one):
    before = handshakes(one, "none", "no", "failed")
    for _ in range(30):
        with tcp(one.tls_port) as s:
            s.sendall(b"SSH-2.0-x\r\n")
            while s.recv(4096):
                pass
    assert handshakes(one, "none", "no", "failed") == before + 30
    assert one.logged("tls.handshake_failed")
    assert one.log().count("tls.handshake_failed") < 30


def test_memory_of_sessions_is_counted(one):
    wires = [TlsWire(one.tls_port) for _ in range(20)]
    held = next(r["bytes"] for r in rows(one, "mem", "show") if r["part"] == "tls")
    pools = [r for r in rows(one, "pool", "list") if r["pool"] == "tls"]
    assert 20 * 4096 < held < 40 * 65536
    assert sum(r["in_use"] for r in pools) >= 20
    for wire in wires:
        wire.socket.close()


# --- HSTS, and the port that sends everybody elsewhere ---

def test_answers_over_tls_ask_for_tls(one):
    with TlsWire(one.tls_port) as wire:
        for path in ("/health/live", "/nothing"):
            assert wire.send(head("GET", path)).answer().get("strict-transport-security") == "max-age=31536000"
    with Wire(one.port) as wire:
        assert wire.send(LIVE).answer().get("strict-transport-security") is None


@pytest.mark.parametrize("host, target, expected", [
    ("a.example", "/x?y=1", "https://a.example:{}/x?y=1"), ("A.example:80", "/", "https://A.example:{}/"),
    ("[::1]:80", "//e.example/", "https://[::1]:{}//e.example/"), ("127.0.0.1", "/%0d%0a", "https://127.0.0.1:{}/%0d%0a")])
def test_the_redirect_keeps_host_and_target(one, host, target, expected):
    with Wire(one.redirect_port) as wire:
        wire.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = wire.answer().check()
        assert (answer.status, answer.get("location")) == (308, expected.format(one.tls_port))
        assert answer.get("strict-transport-security") is None
        assert wire.send(LIVE).answer().status == 308  # the connection stays


def test_a_redirected_body_is_not_read(one):
    with Wire(one.redirect_port) as wire:
        assert wire.send(post("/v1/auth/login", b"{}")).answer().status == 308
        assert wire.ends()


@pytest.mark.parametrize("host", ["a.example/x", "a@b.example", "", "[::1", "a b", "é.example"])
def test_a_host_that_is_none_is_not_repeated(one, host):
    with Wire(one.redirect_port) as wire:
        wire.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = wire.answer()
        assert (answer.status, answer.get("location")) in [(400, None)] + [(308, f"https://[::1:{one.tls_port}/")] * (host == "[::1")


def test_the_port_of_the_redirect_can_be_told(tmp_path):
    port = free_port()
    with TlsAuthd(tmp_path, {"tls.redirect_listen": f"127.0.0.1:{port}", "tls.redirect_port": 443, "tls.hsts": "0"}) as authd:
        with Wire(port) as wire:
            assert wire.send(LIVE).answer().get("location") == "https://a.example/health/live"
        with TlsWire(authd.tls_port) as wire:
            assert wire.send(LIVE).answer().get("strict-transport-security") is None


# --- clients that show a certificate ---

@pytest.fixture(scope="module", params=["optional", "required"])
def asking(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    robot = certificate(folder, "robot")
    config = {"tls.client_certificate": request.param, "tls.client_ca_file": robot[0], "log.access": "yes"}
    with TlsAuthd(folder, config) as authd:
        authd.robot, authd.is_required = robot, request.param == "required"
        authd.stranger = certificate(folder, "stranger")
        yield authd


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_with_a_certificate_is_named_in_the_log(asking, version):
    name = f"robot-{version}"
    with TlsWire(asking.tls_port, tls=context(version, shows=asking.robot)) as wire:
        wire.send(head("GET", "/health/live", f"X-Request-Id: {name}")).answer()
    until(lambda: f'"{name}"' in asking.log(), "it is written")
    line = json.loads(next(x for x in asking.log().splitlines() if f'"{name}"' in x))
    assert line["tls.client.subject"] == "CN=robot,O=Tests"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_stranger_is_refused_and_nobody_as_it_is_set(asking, version):
    assert refused(asking.tls_port, tls=context(version, shows=asking.stranger))
    assert bool(refused(asking.tls_port, tls=context(version))) == asking.is_required


class Register(Revocations):
    """An authority with clients, and the configuration that asks them."""

    def __init__(self, folder):
        super().__init__(folder, certificate(folder, "ca"))
        self.robot, self.thief = (certificate(folder, name, ca=self.ca) for name in ("robot", "thief"))
        self.options = {"tls.client_certificate": "required", "tls.client_ca_file": self.ca[0], "tls.client_crl_files": self.path}


@pytest.fixture
def register(tmp_path):
    return Register(tmp_path)


def checked(authd):
    """Would a daemon start with these files?"""
    return subprocess.run([BUILD / "authd", "-c", authd.conf, "--check"], capture_output=True, text=True, timeout=60)


def crl_of(authd):
    return next(r for r in rows(authd, "tls", "list") if r["kind"] == "crl")


def certificates_finding(authd):
    return next(r for r in json.loads(authd.ctl("-o", "json", "doctor").stdout) if r["rule"] == "certificates")


def test_a_client_that_was_revoked_is_refused(tmp_path, register):
    register.revoke(register.thief).write()
    with TlsAuthd(tmp_path, register.options) as authd:
        for version in ("1.2", "1.3"):
            assert live(authd, tls=context(version, shows=register.robot)) == 200
            assert "revoked" in refused(authd.tls_port, tls=context(version, shows=register.thief)).lower()
        assert authd.logged("certificate_revoked")
        row = crl_of(authd)
        assert (row["name"], row["revoked"], row["days_left"]) == ("CN=ca,O=Tests", 1, 0)
        ends = metric(authd, "authd_tls_crl_expiry_timestamp_seconds", issuer="CN=ca,O=Tests")
        assert abs(ends - time.time() - 86400) < 600
        assert certificates_finding(authd)["verdict"] == "ok"


def test_a_new_list_is_taken_over_and_tickets_from_before_it_are_not(tmp_path, register):
    register.write()
    with TlsAuthd(tmp_path, register.options) as authd:
        thief = context("1.2", shows=register.thief)
        with TlsWire(authd.tls_port, tls=thief) as wire:
            assert wire.send(LIVE).answer().status == 200
            session = wire.socket.session
        with TlsWire(authd.tls_port, tls=thief, session=session) as wire:
            assert wire.socket.session_reused
        register.revoke(register.thief).write()
        assert authd.ctl("tls", "reload").returncode == 0
        assert "revoked" in refused(authd.tls_port, tls=thief, session=session).lower()
        assert live(authd, tls=context(shows=register.robot)) == 200


def test_a_list_that_has_ended_refuses_everybody_and_is_told(tmp_path, register):
    register.write(hours=10, since_hours=9.5)
    with TlsAuthd(tmp_path, register.options) as authd:
        finding = certificates_finding(authd)
        assert finding["verdict"] == "warn" and "CN=ca,O=Tests ends in 0 hours" in finding["evidence"]
        assert live(authd, tls=context(shows=register.robot)) == 200
        register.write(hours=10, since_hours=11)
        assert authd.ctl("tls", "reload").returncode == 0  # what has ended is a fact, no mistake of the file's
        assert refused(authd.tls_port, tls=context(shows=register.robot))
        assert authd.logged("crl_has_expired")
        finding = certificates_finding(authd)
        assert finding["verdict"] == "bad" and "its clients are refused" in finding["evidence"]
        assert crl_of(authd)["days_left"] == -1
        register.write()
        assert authd.ctl("tls", "reload").returncode == 0
        assert live(authd, tls=context(shows=register.robot)) == 200
        assert certificates_finding(authd)["verdict"] == "ok"
        register.write(hours=10, since_hours=11)
        assert authd.ctl("config", "reload").returncode == 0
        assert authd.logged("tls.revocations_ended")


def test_a_list_that_cannot_be_used_changes_nothing(tmp_path, register):
    good = register.revoke(register.thief).write().read_bytes()
    (tmp_path / "other").mkdir()
    forged = Revocations(tmp_path / "other", certificate(tmp_path / "other", "ca")).write().read_bytes()
    der = subprocess.run(["openssl", "crl", "-outform", "der"], input=good, capture_output=True, check=True, timeout=60).stdout
    with TlsAuthd(tmp_path, register.options) as authd:
        for wrong, why in [(None, "No such file"), (b"", "no revocation list in PEM"), (der, "-inform der"),
                           (forged, "not signed by whom it names"), (good[:100] + b"!" + good[101:], "is wrong"),
                           (b"-" * 9000000, "larger than such files are")]:
            register.path.unlink(missing_ok=True)
            if wrong is not None:
                register.path.write_bytes(wrong)
            result = authd.ctl("tls", "reload")
            assert result.returncode != 0 and str(register.path) in result.stderr and why in result.stderr, (why, result.stderr)
            assert refused(authd.tls_port, tls=context(shows=register.thief))
            assert live(authd, tls=context(shows=register.robot)) == 200
        assert checked(authd).returncode == 78  # it would not start with it
        register.path.write_bytes(good)
        assert authd.ctl("tls", "reload").returncode == 0


def test_an_authority_without_a_list_is_told(tmp_path, register):
    other = certificate(tmp_path, "other")
    register.write()
    both = tmp_path / "both.crt"
    both.write_bytes(register.ca[0].read_bytes() + other[0].read_bytes())
    with TlsAuthd(tmp_path, register.options) as authd:
        authd.configure({"tls.client_ca_file": both})
        result = checked(authd)
        assert result.returncode == 78 and "no revocation list of CN=other,O=Tests" in result.stderr, result.stderr
        register.path.write_bytes(register.path.read_bytes() + Revocations(tmp_path, other, "other").write().read_bytes())
        assert checked(authd).returncode == 0  # two lists in a file


# --- tickets that nodes share ---

def ticket_key(folder, name, count=80):
    path = folder / f"{name}.ticketkey"
    path.write_bytes(os.urandom(count))
    path.chmod(0o640)
    return path


def goes_on(port, session, tls):
    """Does it, with this ticket?"""
    with TlsWire(port, tls=tls, session=session) as wire:
        assert wire.send(LIVE).answer().status == 200
        return wire.socket.session_reused


def session_of(port, tls):
    with TlsWire(port, tls=tls) as wire:
        assert wire.send(LIVE).answer().status == 200
        return wire.socket.session


@pytest.mark.parametrize("count", [80, 48])
def test_a_session_goes_on_on_another_node(tmp_path, count):
    folders = tmp_path / "1", tmp_path / "2"
    for folder in folders:
        folder.mkdir()
    key, stranger = ticket_key(tmp_path, "key", count), ticket_key(tmp_path, "stranger", count)
    with TlsAuthd(folders[0], {"tls.ticket_key_files": key}) as first, TlsAuthd(folders[1], {"tls.ticket_key_files": key}) as other:
        for version in ("1.2", "1.3"):
            tls = context(version)
            session = session_of(first.tls_port, tls)
            assert goes_on(other.tls_port, session, tls) and goes_on(first.tls_port, session, tls)
        other.configure({"tls.ticket_key_files": stranger})
        assert other.ctl("config", "reload").returncode == 0
        assert not goes_on(other.tls_port, session_of(first.tls_port, tls), tls)


def test_keys_of_tickets_are_replaced_without_losing_a_session(tmp_path):
    old, new = ticket_key(tmp_path, "old"), ticket_key(tmp_path, "new")
    with TlsAuthd(tmp_path, {"core.threads": 1}) as authd:
        tls = context("1.2")
        drawn = session_of(authd.tls_port, tls)
        authd.configure({"tls.ticket_key_files": old})
        assert authd.ctl("config", "reload").returncode == 0
        assert goes_on(authd.tls_port, drawn, tls)  # from before there were files
        with_old = session_of(authd.tls_port, tls)
        for files, is_known in [(f"{old} {new}", True), (f"{new} {old}", True), (new, False)]:
            authd.configure({"tls.ticket_key_files": files})
            assert authd.ctl("config", "reload").returncode == 0
            assert goes_on(authd.tls_port, with_old, tls) == is_known
        with_new = session_of(authd.tls_port, tls)
        new.write_bytes(os.urandom(80))
        assert authd.ctl("tls", "reload").returncode == 0  # the same name, another key
        assert not goes_on(authd.tls_port, with_new, tls)


def test_a_key_of_tickets_that_cannot_be_used_changes_nothing(tmp_path):
    key, same = ticket_key(tmp_path, "key"), ticket_key(tmp_path, "same")
    with TlsAuthd(tmp_path, {"tls.ticket_key_files": key}) as authd:
        tls = context("1.2")
        session = session_of(authd.tls_port, tls)
        same.write_bytes(key.read_bytes())
        for change, why in [(lambda: key.chmod(0o644), "chmod o="), (lambda: key.write_bytes(b"x" * 79), "openssl rand 80"),
                            (lambda: key.write_bytes(b""), "openssl rand 80"), (key.unlink, "No such file"),
                            (lambda: authd.configure({"tls.ticket_key_files": f"{same} {same}"}), "another of these files")]:
            change()
            result = authd.ctl("config", "reload")
            if key.exists():
                key.chmod(0o640)
            assert result.returncode != 0 and why in result.stderr, (why, result.stderr)
            assert goes_on(authd.tls_port, session, tls)
        authd.configure({"tls.ticket_key_files": same})
        assert authd.ctl("config", "reload").returncode == 0 and goes_on(authd.tls_port, session, tls)


# --- what is offered: in the manner of testssl.sh ---

@pytest.mark.parametrize("version", ["1.1", "1"])
def test_old_versions_are_refused(one, version):
    assert refused(one.tls_port, tls=context(version, ciphers="ALL:@SECLEVEL=0"))


@pytest.mark.parametrize("ciphers", ["aNULL", "eNULL", "3DES", "RC4", "EXPORT", "kRSA", "SHA1", "SHA256", "DES", "SEED", "PSK",
                                     "CAMELLIA", "ARIA", "AESCCM", "kDHE"])
def test_weak_ciphers_are_refused(one, ciphers):
    try:
        tls = context("1.2", ciphers=f"{ciphers}:@SECLEVEL=0")
    except ssl.SSLError:
        pytest.skip("this OpenSSL has none of them to offer")
    offered = {c["name"] for c in tls.get_ciphers() if c["protocol"] != "TLSv1.3"}
    if not offered:
        pytest.skip("this OpenSSL has none of them to offer")
    for name in ("a.example", "b.example"):
        assert refused(one.tls_port, tls=tls, name=name), offered


def test_what_is_offered_has_forward_secrecy_and_authenticated_encryption(one):
    taken = set()
    everything = [c["name"] for c in context("1.2", ciphers="ALL:@SECLEVEL=0").get_ciphers() if c["protocol"] != "TLSv1.3"]
    for cipher in everything:
        for name in ("a.example", "b.example"):
            if not refused(one.tls_port, tls=context("1.2", ciphers=f"{cipher}:@SECLEVEL=0"), name=name):
                taken.add(cipher)
    assert taken == {f"ECDHE-{kind}-{cipher}" for kind in ("ECDSA", "RSA")
                     for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


def s_client(port, *words, said=b""):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", *words],
                          input=said, capture_output=True, timeout=60)


def test_no_compression_and_no_early_data(one):
    said = s_client(one.tls_port, "-tls1_2", "-comp", said=b"Q\n").stdout.decode()
    assert "Compression: NONE" in said and "Secure Renegotiation IS supported" in said
    assert "Max Early Data: 0" in s_client(one.tls_port, "-tls1_3", "-ign_eof", said=LIVE[:-2] + b"Connection: close\r\n\r\n").stdout.decode()


def test_a_renegotiation_is_refused(one):
    before = handshakes(one, "1.2", "no", "ok")
    said = s_client(one.tls_port, "-tls1_2", said=b"R\n")
    assert "no renegotiation" in said.stderr.decode().lower()
    assert handshakes(one, "1.2", "no", "ok") == before + 1
    assert live(one) == 200


def test_only_http_1_1_is_agreed_on(one):
    with TlsWire(one.tls_port, tls=context(alpn=["h2", "http/1.1"])) as wire:
        assert wire.socket.selected_alpn_protocol() == "http/1.1"
    assert "application protocol" in refused(one.tls_port, tls=context(alpn=["h2"])).lower().replace("_", " ")


# --- files ---

def test_new_files_are_taken_without_dropping_a_connection(tmp_path):
    with TlsAuthd(tmp_path, {"core.threads": 2}) as authd:
        wires = [TlsWire(authd.tls_port) for _ in range(8)]
        for wire in wires:
            assert wire.send(LIVE).answer().status == 200
        for verb in (["tls", "reload"], ["config", "reload"]):
            certificate(tmp_path, "new", ["a.example"])
            for ending in ("crt", "key"):
                (tmp_path / f"new.{ending}").replace(tmp_path / f"a.{ending}")
            old = rows(authd, "tls", "list")[0]["not_after"]
            time.sleep(1.1)  # the new one says another second
            assert authd.ctl(*verb).returncode == 0
            with TlsWire(authd.tls_port) as wire:
                assert wire.shown == "new"
            assert rows(authd, "tls", "list")[0]["served"] == 1
            assert old
        for wire in wires:
            assert wire.send(LIVE).answer().status == 200
            wire.socket.close()


def test_wrong_files_change_nothing(tmp_path):
    with TlsAuthd(tmp_path) as authd:
        good = authd.first[0].read_text()
        authd.first[0].write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        for verb in (["tls", "reload"], ["tls", "reload", "--dry-run"], ["config", "reload"], ["config", "check"]):
            result = authd.ctl(*verb)
            assert result.returncode != 0 and str(authd.first[0]) in result.stderr, result
        assert authd.ctl("config", "set", "log.level", "debug", "--for", "1m").returncode == 0  # has nothing to do with it
        with TlsWire(authd.tls_port) as wire:
            assert wire.shown == "a" and wire.send(LIVE).answer().status == 200
        authd.first[0].write_text(good)
        assert authd.ctl("tls", "reload").returncode == 0
        authd.first[1].chmod(0o644)
        result = authd.ctl("tls", "reload")
        assert result.returncode != 0 and "chmod o=" in result.stderr
        assert "PRIVATE KEY" not in authd.log()


def test_without_certificates_there_is_nothing_to_reload():
    with Authd() as authd:
        assert rows(authd, "tls", "list") == []
        result = authd.ctl("tls", "reload")
        assert result.returncode != 0 and "no certificates are configured" in result.stderr
        assert "authd_tls_handshakes_total{" not in authd.ctl("metrics", "list").stdout


@pytest.mark.parametrize("config, why", [
    ({"tls.listen": "127.0.0.1:1"}, "needs tls.certificate_files"),
    ({"tls.redirect_listen": "127.0.0.1:1"}, "tls.redirect_listen needs tls.listen"),
    ({"http.listen": ""}, "both empty"),
    ({"http.listen": "127.0.0.1:1", "tls.listen": "127.0.0.1:1", "tls.certificate_files": "/x"}, "with TLS and without"),
    ({"tls.listen": "nowhere", "tls.certificate_files": "/x"}, "tls.listen: 'nowhere' is no address"),
    ({"tls.certificate_files": "/nowhere/x.crt"}, "/nowhere/x.crt: No such file"),
    ({"tls.certificate_files": "a b", "tls.key_files": "a"}, "as many as"),
    ({"tls.client_certificate": "required"}, "needs tls.client_ca_file"),
    ({"tls.client_crl_files": "/x"}, "tls.client_crl_files needs tls.client_certificate"),
    ({"tls.tickets": "no", "tls.ticket_key_files": "/x"}, "tls.ticket_key_files needs tls.tickets")])
def test_a_configuration_that_cannot_work_is_refused(config, why):
    result = Authd(config).check()
    assert result.returncode == 78 and why in result.stderr, result.stderr


def test_it_runs_without_a_plain_port(tmp_path):
    authd = TlsAuthd(tmp_path, {"http.listen": ""})
    try:
        with open(authd.dir / "log", "ab") as log:
            authd.process = subprocess.Popen([BUILD / "authd", "-c", authd.conf], stdout=log, stderr=log)
        until(authd.socket.exists, "it is there")
        assert live(authd) == 200
    finally:
        authd.__exit__()


def test_a_certificate_that_ends_soon_is_told(tmp_path):
    soon = certificate(tmp_path, "soon", ["soon.example"], days=3)
    port = free_port()
    with Authd({"tls.listen": f"127.0.0.1:{port}", "tls.certificate_files": soon[0], "tls.key_files": soon[1]}) as authd:
        assert authd.logged("tls.certificate_ends")
        finding = next(r for r in json.loads(authd.ctl("-o", "json", "doctor").stdout) if r["rule"] == "certificates")
        assert finding["verdict"] == "warn" and "soon.example ends in 2 days" in finding["evidence"]


# --- draining, and PROXY headers ---

def test_a_drain_finishes_what_is_in_progress(tmp_path):
    with TlsAuthd(tmp_path, {"password.cost": 12}) as authd:
        grant = Client(authd.port).register()
        idle, busy = TlsWire(authd.tls_port), TlsWire(authd.tls_port)
        assert idle.send(LIVE).answer().status == 200
        body = json.dumps({"email": grant["user"]["email"], "password": PASSWORD}).encode()
        busy.send(post("/v1/auth/login", body))
        until(lambda: rows(authd, "op", "list"), "it waits for its hash")
        authd.process.terminate()
        answer = busy.answer()
        assert answer.status == 200 and answer.closes and busy.ends() and idle.ends()
        authd.process.wait(timeout=40)
        authd.process = None


def test_a_proxy_header_comes_before_the_handshake(tmp_path):
    config = {"http.trusted_proxies": "127.0.0.0/8", "http.proxy_protocol": "yes", "log.access": "yes",
              "log.client_address": "full", "core.threads": 1}
    authd = TlsAuthd(tmp_path, config)
    try:
        with open(authd.dir / "log", "ab") as log:
            authd.process = subprocess.Popen([BUILD / "authd", "-c", authd.conf], stdout=log, stderr=log)
        until(authd.socket.exists, "it is there")
        front = b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n"
        for is_alone in (False, True):  # together with the first record, or before it
            wire = HandWire(authd.tls_port, first=b"" if is_alone else front)
            wire.socket.sendall(front if is_alone else b"")
            with wire:
                wire.send(wire.say(LIVE))
                assert wire.hear().startswith(b"HTTP/1.1 200 OK\r\n")
        assert authd.logged('"client.address":"203.0.113.9"')
    finally:
        authd.__exit__()
