"""GET /metrics of the real daemon, on its own listener: the format, the numbers, the bounds."""
import http.client
import json
import os
import re
import socket
import subprocess
import time

import pytest

from authd import BUILD, Authd, free_port
from tls import TlsAuthd
from wire import Wire, head


class Unix(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def scrape(authd, accept=None, method="GET", path="/metrics"):
    connection = Unix(authd.dir / "metrics.sock")
    connection.request(method, path, headers={"Accept": accept} if accept else {})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response, body


def samples(body):
    """{'name{a="b"}': value} of the text format."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in body.splitlines()
            if line and not line.startswith("#")}


def value(authd, series):
    return samples(scrape(authd)[1]).get(series)


def post(authd, path, body, expect):
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    assert response.status == expect, text
    return json.loads(text) if text else None


@pytest.fixture(scope="module")
def authd(tmp_path_factory):
    with TlsAuthd(tmp_path_factory.mktemp("tls")) as daemon:
        account = {"email": "meter@example.org", "password": "correct horse battery"}
        post(daemon, "/v1/auth/register", account, 201)
        post(daemon, "/v1/auth/login", account, 200)
        post(daemon, "/v1/auth/login", {**account, "password": "wrong horse battery"}, 401)
        post(daemon, "/v1/auth/login", {**account, "email": "nobody@example.org"}, 401)
        post(daemon, "/v1/auth/refresh", {"refresh_token": "junk"}, 401)
        yield daemon


def test_the_text_format_is_the_default(authd):
    response, body = scrape(authd)
    assert response.status == 200
    assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith("\n") and "# EOF" not in body


def test_every_family_has_help_and_type_before_its_samples(authd):
    _, body = scrape(authd)
    family, seen = None, set()
    for line in body.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in seen, f"{family} is there twice"
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family
        else:
            assert line.startswith(family), line
    assert len(seen) > 50


def test_the_table_and_the_scrape_name_the_same_metrics(authd):
    table = subprocess.run([BUILD / "authd", "--metrics-table"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^\| `(\w+)` \|", table, flags=re.M)
    assert re.findall(r"^# HELP (\w+)", scrape(authd)[1], flags=re.M) == names


def test_requests_are_counted_by_route_method_and_class(authd):
    found = samples(scrape(authd)[1])
    login = 'authd_http_requests_total{route="/v1/auth/login",method="POST",status_class="%s"}'
    assert found[login % "2xx"] == 1
    assert found[login % "4xx"] == 2
    assert found['authd_logins_total{method="password",result="success"}'] == 1
    assert found['authd_logins_total{method="password",result="bad_secret"}'] == 1
    assert found['authd_logins_total{method="password",result="unknown"}'] == 1
    assert found['authd_tokens_issued_total{grant="register",kind="access"}'] == 1
    assert found['authd_tokens_issued_total{grant="password",kind="refresh"}'] == 1


def test_methods_that_nobody_knows_are_counted_as_one(authd):
    for method in ("FROB", "frob", "X" * 1000):
        with Wire(authd.port) as wire:
            assert wire.send(head(method, "/v1/auth/login")).answer().status == 501
    found = samples(scrape(authd)[1])
    assert found['authd_http_requests_total{route="unmatched",method="_OTHER",status_class="5xx"}'] == 3
    assert not [series for series in found if "frob" in series.lower() or "XXX" in series]


def test_the_build_says_what_it_was_built_from(authd):
    line, = re.findall(r"^authd_build_info\{.*\} 1$", scrape(authd)[1], flags=re.M)
    assert re.search(r'version="[\d.]+",commit="([0-9a-f]{12}|unknown)",compiler="[^"]+",allocator="\w+"', line), line


def eventually(authd, series, wanted):
    end = time.monotonic() + 20
    while (found := value(authd, series)) != wanted:
        assert time.monotonic() < end, f"{series} is {found}"
        time.sleep(0.05)


def test_open_descriptors_are_those_that_there_are(authd):
    found = value(authd, "process_open_fds")
    assert abs(found - len(os.listdir(f"/proc/{authd.pid}/fd"))) <= 2  # the scrape itself is one


def test_sessions_are_counted_in_the_store():
    with Authd() as daemon:
        for i in range(3):
            post(daemon, "/v1/auth/register", {"email": f"{i}@example.org", "password": "correct horse battery"}, 201)
        daemon.stop()
        daemon.start()  # a count is ten seconds old at most, and the first one comes with the start
        eventually(daemon, "authd_sessions_active", 3)


def test_who_leaves_before_the_answer_is_counted_as_aborted():
    with Authd({"password.cost": 10}) as daemon:
        body = json.dumps({"email": "nobody@example.org", "password": "correct horse battery"})
        with socket.create_connection(("127.0.0.1", daemon.port)) as s:
            s.sendall(f"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            eventually(daemon, "authd_http_requests_in_flight", 1)
        eventually(daemon, 'authd_http_request_errors_total{reason="aborted"}', 1)


def test_buckets_of_openmetrics_lead_to_a_trace():
    """That is where the request was: its access record has the same trace."""
    with Authd({"trace.endpoint": "http://127.0.0.1:1/v1/traces", "trace.sample": 100, "log.access": "yes"}) as daemon:
        post(daemon, "/v1/auth/login", {"email": "nobody@example.org", "password": "correct horse battery"}, 401)
        daemon.logged("/v1/auth/login")
        record, = [r for r in map(json.loads, daemon.log().splitlines()) if r.get("http.route") == "/v1/auth/login"
                   and r["event.name"] == "http.access"]
        _, body = scrape(daemon, "application/openmetrics-text")
        found = re.findall(r'^authd_http_request_duration_seconds_bucket\{route="/v1/auth/login",.*le="(.+?)"\} 1'
                           r' # \{trace_id="([0-9a-f]{32})"\} (\S+) (\S+)$', body, flags=re.M)
        assert len(found) == 1, "in the one bucket that it belongs to"
        (edge, trace, took, when), = found
        assert trace == record["trace_id"] and abs(float(took) - record["duration_s"]) < 1e-6
        assert float(took) <= float(edge) and abs(float(when) - time.time()) < 60
        assert " # {" not in scrape(daemon)[1], "the older format has no place for them"
        parser = pytest.importorskip("prometheus_client.openmetrics.parser")
        exemplars = [s.exemplar for f in parser.text_string_to_metric_families(body) for s in f.samples if s.exemplar]
        assert trace in [e.labels["trace_id"] for e in exemplars]


def test_what_never_happened_is_there_at_zero(authd):
    found = samples(scrape(authd)[1])
    assert found['authd_breaker_transitions_total{breaker="store-read",to="open"}'] == 0
    assert found['authd_breaker_state{breaker="store-read",state="closed"}'] == 1
    assert found['authd_breaker_state{breaker="store-read",state="forced"}'] == 0
    assert found['authd_http_request_errors_total{reason="internal"}'] == 0
    assert found['authd_config_reloads_total{result="invalid"}'] == 0


def test_the_stages_of_logins_are_told_apart(authd):
    found = samples(scrape(authd)[1])
    for stage in ("queue", "parse", "db", "hash"):
        assert found[f'authd_http_stage_duration_seconds_count{{stage="{stage}"}}'] > 0, stage
    assert found['authd_password_hash_duration_seconds_count{algorithm="bcrypt"}'] == 4
    assert found['authd_db_operation_duration_seconds_count{operation="account_create",collection="accounts"}'] == 1
    stages = sum(found[f'authd_http_stage_duration_seconds_sum{{stage="{s}"}}'] for s in ("queue", "parse", "db", "hash"))
    whole = sum(v for k, v in found.items() if k.startswith("authd_http_request_duration_seconds_sum"))
    assert 0 < stages <= whole


def test_histograms_are_cumulative_and_end_at_their_count(authd):
    found = samples(scrape(authd)[1])
    buckets = {}
    for name, count in found.items():
        match = re.fullmatch(r'(\w+)_bucket\{(.*?),?le="([^"]+)"\}', name)
        if match:
            buckets.setdefault((match[1], match[2]), []).append((float(match[3]), count))
    assert len(buckets) > 5
    for (name, labels), counts in buckets.items():
        assert [edge for edge, _ in counts] == sorted(edge for edge, _ in counts)
        assert [count for _, count in counts] == sorted(count for _, count in counts), name
        assert len(counts) == 16
        whole = f"{name}_count{{{labels}}}" if labels else f"{name}_count"
        assert counts[-1] == (float("inf"), found[whole])


def test_labels_never_carry_what_a_client_sent(authd):
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    for path in ("/canary-path", "/v1/auth/login?canary=1", "/canary%22}"):
        connection.request("BREW" if path.startswith("/canary-") else "GET", path)
        connection.getresponse().read()
    connection.close()
    _, body = scrape(authd)
    assert "canary" not in body and "BREW" not in body and "example.org" not in body
    assert 'route="unmatched"' in body


def test_openmetrics_for_those_who_accept_it(authd):
    response, body = scrape(authd, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert response.getheader("Content-Type").startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith("# EOF\n")
    assert "# TYPE authd_http_requests counter" in body
    assert "authd_http_requests_total{" in body
    assert "# UNIT authd_http_request_duration_seconds seconds" in body


def test_official_parsers_accept_both_formats(authd):
    client = pytest.importorskip("prometheus_client")
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
    from prometheus_client.parser import text_string_to_metric_families as parse_text
    assert client
    text = {f.name for f in parse_text(scrape(authd)[1])}
    assert "authd_http_requests" in text
    assert {f.name for f in parse_open(scrape(authd, "application/openmetrics-text")[1])} >= {"authd_http_requests", "authd_build"}


def test_the_series_are_counted_and_few(authd):
    _, body = scrape(authd)
    found = samples(body)
    assert found["authd_metrics_series"] == len(found)
    assert len(found) < 2000


def test_a_scrape_is_not_seen_by_the_cores(authd):
    before = value(authd, 'authd_connections_accepted_total{listener="http"}')
    assert before > 0
    for _ in range(5):
        scrape(authd)
    assert value(authd, 'authd_connections_accepted_total{listener="http"}') == before
    scrapes = value(authd, 'authd_metrics_scrapes_total{result="ok"}')
    assert scrapes >= 6


@pytest.mark.parametrize("method,path,status", [
    ("HEAD", "/metrics", 200), ("GET", "/metrics?x=1", 200), ("GET", "/", 404), ("GET", "/metrics/", 404),
    ("POST", "/metrics", 405), ("DELETE", "/metrics", 405)])
def test_only_reading_metrics_is_served(authd, method, path, status):
    response, body = scrape(authd, method=method, path=path)
    assert response.status == status
    assert method != "HEAD" or body == ""


def test_junk_is_answered_and_closed(authd):
    for junk in (b"\r\n\r\n", b"hello\r\n\r\n", b"GET /metrics\r\n\r\n", b"\0" * 100 + b"\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(authd.dir / "metrics.sock"))
            s.sendall(junk)
            assert s.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


def test_a_request_without_end_is_refused_when_it_is_too_long(authd):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(authd.dir / "metrics.sock"))
        s.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 2000)
        assert s.makefile("rb").read().startswith(b"HTTP/1.1 431 ")


def test_clients_above_the_maximum_are_turned_away_and_the_silent_time_out(authd):
    silent = []
    try:
        for _ in range(8):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(str(authd.dir / "metrics.sock"))
            silent.append(s)
        with socket.socket(socket.AF_UNIX) as late:
            late.settimeout(20)
            late.connect(str(authd.dir / "metrics.sock"))
            assert late.recv(1) == b""
        assert all(s.recv(1) == b"" for s in silent), "closed without an answer"
    finally:
        for s in silent:
            s.close()
    found = samples(scrape(authd)[1])
    assert found['authd_metrics_scrapes_total{result="refused"}'] >= 1
    assert found['authd_metrics_scrapes_total{result="timeout"}'] == 8


def test_reloads_and_commands_are_counted(authd):
    assert authd.ctl("config", "reload").returncode == 0
    good = authd.conf.read_text()
    authd.conf.write_text(good + "[core]\nfibers_max = none\n")
    assert authd.ctl("config", "reload").returncode == 2
    authd.conf.write_text(good)
    found = samples(scrape(authd)[1])
    assert found['authd_config_reloads_total{result="ok"}'] == 1
    assert found['authd_config_reloads_total{result="invalid"}'] == 1
    assert found['authd_ctl_commands_total{command="config.reload",result="ok"}'] == 1
    assert found["authd_config_generation"] == 2


def test_a_tcp_listener_that_is_taken_is_said_and_does_not_stop_the_daemon():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with Authd({"metrics.listen": f"127.0.0.1:{taken.getsockname()[1]}"}) as daemon:
            deadline = time.monotonic() + 20
            while "metrics.unavailable" not in daemon.log():
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_a_tcp_listener():
    port = free_port()
    with Authd({"metrics.listen": f"127.0.0.1:{port}"}):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        assert "authd_ready 1" in connection.getresponse().read().decode()
        connection.close()


def test_nothing_listens_and_nothing_is_recorded_when_it_is_off():
    with Authd({"metrics.listen": "", "metrics.record": "no"}) as daemon:
        assert not (daemon.dir / "metrics.sock").exists()
        assert daemon.ctl("status").returncode == 0


def test_a_listener_that_is_no_address_is_refused():
    result = Authd({"metrics.listen": "nowhere"}).check()
    assert result.returncode == 78 and "metrics.listen" in result.stderr
