"""Traces of the real daemon, received by a real OTLP decoder; and collectors that fail in every way they can."""
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import ROOT, Authd, free_port, ask  # noqa: E402
from mongo import Java, Secantus  # noqa: E402

PYTHON = ROOT / "build" / "venv" / "bin" / "python"  # ./dev puts opentelemetry-proto there
QUEUE = 2048  # TRACE_QUEUE_SPANS
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{THEIRS[0]}-{THEIRS[1]}-01"


class Collector:
    def __init__(self, mode="ok"):
        self.process = subprocess.Popen([PYTHON, ROOT / "tests/support/collector.py", mode], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"
        self.requests, self.queue = [], queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def next(self, timeout=15):
        self.requests.append(self.queue.get(timeout=timeout))
        return self.requests[-1]

    def traces(self, name, count=1):
        """{trace id: spans} of those whose root has this name, once there are so many."""
        while True:
            spans = [span for request in self.requests if request["status"] == 200 for span in request["spans"]]
            ids = [span["trace"] for span in spans if span["name"] == name and span["kind"] == 2]
            if len(ids) >= count:
                return [[span for span in spans if span["trace"] == id] for id in ids]
            self.next()


def register(authd, headers=()):
    status, answer = ask(authd, "/v1/auth/register", {"email": "trace@example.org", "password": "a long enough one"}, headers)
    assert status == 201
    return answer["data"]["access_token"]


def root_of(spans):
    root, = [span for span in spans if span["kind"] == 2]
    return root


@pytest.mark.parametrize("protocol", ["protobuf", "json"])
def test_a_request_is_a_trace_of_its_steps(protocol):
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100,
                                          "trace.protocol": protocol, "log.access": "yes", "core.threads": 1}) as authd:
        before = time.time_ns()
        token = register(authd, [("traceparent", PARENT), ("tracestate", "vendor=secret"), ("X-Request-Id", "mine")])
        spans, = collector.traces("POST /v1/auth/register")
        root = root_of(spans)
        names = [span["name"] for span in spans]
        assert {"password.hash make", "account_create accounts", "token.sign"} <= set(names), names
        assert root["attributes"] == {
            "http.request.method": "POST", "http.route": "/v1/auth/register", "http.response.status_code": 201,
            "url.scheme": "http", "authd.core": root["attributes"]["authd.core"], "authd.request.id": "mine"}
        # A stranger's trace is not continued: a new one begins and links to it.
        assert root["trace"] != THEIRS[0] and root["parent"] == "" and root["links"] == [list(THEIRS)]
        for span in spans:
            assert before <= root["start"] <= span["start"] <= span["end"] <= root["end"] <= time.time_ns()
            assert span is root or span["parent"] in [other["id"] for other in spans]
            assert span["flags"] & 1 and span["status"] == 0
        assert len({span["id"] for span in spans}) == len(spans)
        resource = collector.requests[0]["resource"]
        assert resource["service.name"] == "authd" and resource["service.version"]
        assert "secret" not in json.dumps(spans)
        # Logs say which trace they belong to.
        logged = [json.loads(line) for line in authd.log().splitlines() if '"http.route":"/v1/auth/register"' in line]
        assert logged[0]["trace_id"] == root["trace"] and logged[0]["span_id"] == root["id"]

        for _ in range(2):
            ask(authd, "/v1/auth/verify", headers=[("Authorization", f"Bearer {token}")])
        traces = collector.traces("GET /v1/auth/verify", 2)
        first, second = [sorted(s["name"] for s in trace) for trace in traces]
        assert span_of(traces[1], "auth.verify")["attributes"] == {"authd.verify.result": "valid"}
        assert second == ["GET /v1/auth/verify", "auth.verify", "cache get tokens"], second
        assert "session_find sessions" in first and "pool.acquire" in first


CREATE = {"db.operation.name": "account_create", "db.collection.name": "accounts"}


def span_of(spans, name):
    return next(span for span in spans if span["name"] == name)


def test_a_call_of_sqlite_says_which_database_it_went_to():
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100}) as authd:
        register(authd)
        span = span_of(collector.traces("POST /v1/auth/register")[0], "account_create accounts")
        database, = (path.name for path in authd.dir.glob("*.db"))
        assert span["kind"] == 3
        assert span["attributes"] == {"db.system.name": "sqlite", "db.namespace": database, **CREATE}


@pytest.mark.parametrize("server", [Secantus, Java])  # a replica set's primary; a standalone one
def test_a_call_of_mongodb_says_which_server_it_went_to(server):
    with server() as started, Collector() as collector, \
            Authd({"trace.endpoint": collector.url, "trace.sample": 100, "store.backend": "mongodb",
                   "store.uri": f"{started.uri}/traced", "store.select_timeout": "3s"}) as authd:
        register(authd)
        place = {"db.system.name": "mongodb", "db.namespace": "traced", "server.address": "127.0.0.1",
                 "server.port": started.port}
        span = span_of(collector.traces("POST /v1/auth/register")[0], "account_create accounts")
        assert span["kind"] == 3 and span["attributes"] == {**place, **CREATE}
        # Nobody takes writes any more: where the call would have gone is not known then.
        started.kill()
        status, _ = ask(authd, "/v1/auth/login", {"email": "trace@example.org", "password": "a long enough one"})
        assert status == 503
        span = span_of(collector.traces("POST /v1/auth/login")[0], "account_find accounts")
        assert span["status"] == 2 and span["attributes"]["error.type"] == "ERR_STORE_DOWN"
        assert span["attributes"]["db.namespace"] == "traced"


def test_what_an_operator_changes_is_a_trace_too():
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 0}) as authd:
        assert authd.ctl("config", "reload").returncode == 0
        assert authd.ctl("status").returncode == 0  # changes nothing
        assert authd.ctl("session", "revoke", "nobodys", "--yes").returncode != 0
        spans = []
        while len(spans) < 2:
            spans += collector.next()["spans"]
    done, failed = spans
    assert (done["name"], done["kind"], done["parent"], done["status"]) == ("ctl config.reload", 1, "", 0)
    assert done["attributes"] == {"user.uid": os.getuid(), "authd.ctl.result": "ok", "authd.generation": 2}
    assert done["start"] < done["end"] and done["trace"] != failed["trace"]
    assert failed["status"] == 2 and failed["attributes"]["error.type"] == failed["attributes"]["authd.ctl.result"] != "ok"


def test_a_trusted_caller_continues_its_trace_and_decides():
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 0,
                                          "trace.trust_traceparent": "127.0.0.0/8"}) as authd:
        ask(authd, "/health/ready", headers=[("traceparent", PARENT[:-1] + "0")])
        ask(authd, "/health/ready", headers=[("traceparent", PARENT)])
        spans, = collector.traces("GET /health/ready")
        root = root_of(spans)
        assert (root["trace"], root["parent"], root["links"]) == (*THEIRS, [])
        assert root["flags"] & 0x300 == 0x300  # its parent is in another process


@pytest.mark.parametrize("header", ["", "00-" + THEIRS[0].upper() + "-" + THEIRS[1] + "-01", PARENT + "x", PARENT[:-1],
                                    "ff" + PARENT[2:], f"00-{'0' * 32}-{THEIRS[1]}-01"])
def test_a_wrong_traceparent_is_as_none(header):
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100,
                                          "trace.trust_traceparent": "127.0.0.0/8"}) as authd:
        ask(authd, "/health/ready", headers=[("traceparent", header)])
        spans, = collector.traces("GET /health/ready")
        assert root_of(spans)["trace"] != THEIRS[0] and root_of(spans)["links"] == []


def test_what_is_slow_or_fails_is_traced_though_nothing_is_sampled():
    with Collector() as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 0, "trace.slow": "20ms",
                                          "password.cost": 11}) as authd:
        ask(authd, "/health/ready")
        ask(authd, "/v1/auth/login", {"email": "nobody@example.org", "password": "long enough"})
        spans, = collector.traces("POST /v1/auth/login")
        assert not root_of(spans)["flags"] & 1
        assert "password.hash check" in [span["name"] for span in spans]
    assert [s["name"] for r in collector.requests for s in r["spans"] if s["kind"] == 2] == ["POST /v1/auth/login"]


def test_the_environment_of_opentelemetry_is_heeded(monkeypatch):
    with Collector() as collector:
        for name, value in {"ENDPOINT": collector.url[:-len("/v1/traces")], "HEADERS": "x-key=a%20b,other=1",
                            "PROTOCOL": "http/json"}.items():
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_" + name, value)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "the-name")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=not-this")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
        with Authd({"trace.sample": 0}) as authd:
            ask(authd, "/health/ready")
            collector.traces("GET /health/ready")
        request = collector.requests[0]
        assert request["key"] == "a b" and request["path"] == "/v1/traces" and request["type"] == "application/json"
        assert request["resource"]["service.name"] == "the-name"
        assert request["resource"]["deployment.environment.name"] == "test"


@pytest.mark.parametrize("name, value", [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_SAMPLER", "jaeger_remote"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "secret-without-a-name"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")])
def test_an_environment_that_cannot_be_heeded_ends_the_start(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    authd = Authd({"trace.endpoint": "http://127.0.0.1:1/v1/traces"})
    result = subprocess.run([*authd_command(authd)], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1 and name in result.stderr and "secret" not in result.stderr


def authd_command(authd):
    from authd import BUILD
    return [BUILD / "authd", "-c", authd.conf]


def counted(authd):
    """{result: spans} of /metrics, which listens on a socket in tests."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(authd.dir / "metrics.sock"))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return {result: float(n) for result, n in re.findall(r'authd_trace_spans_total\{result="(\w+)"\} (\S+)', text)}


def quick(authd, count=300):
    """Requests are as fast as ever: the slowest of some hundred."""
    slowest = 0
    for _ in range(count):
        start = time.monotonic()
        assert ask(authd, "/health/ready")[0] == 200
        slowest = max(slowest, time.monotonic() - start)
    return slowest


def stopped_quickly(authd):
    start = time.monotonic()
    authd.stop()
    return time.monotonic() - start


def test_a_collector_that_hangs_slows_nobody_and_the_end_is_prompt():
    with Collector("hang") as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100}) as authd:
        ask(authd, "/health/ready")
        collector.next()  # it has the first batch and says nothing
        # More than the queue holds: what does not fit is dropped and counted.
        assert quick(authd, 2 * QUEUE) < 2
        assert 0 < counted(authd)["dropped"] < 2 * QUEUE and counted(authd)["exported"] == 0
        assert stopped_quickly(authd) < 8


def test_nobody_listens():
    with Authd({"trace.endpoint": f"http://127.0.0.1:{free_port()}/v1/traces", "trace.sample": 100}) as authd:
        assert quick(authd) < 2
        wait_for(authd, "trace.export_failed")
        assert stopped_quickly(authd) < 8


def test_a_connection_that_is_accepted_by_nobody():
    """A listening socket whose owner never accepts: the kernel takes our bytes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
        with Authd({"trace.endpoint": url, "trace.sample": 100}) as authd:
            assert quick(authd) < 2
            assert stopped_quickly(authd) < 8


def wait_for(authd, text):
    end = time.monotonic() + 15
    while text not in authd.log():
        assert time.monotonic() < end, authd.log()
        time.sleep(0.05)


def test_one_that_refuses_is_not_asked_again_about_the_same():
    with Collector("refuse") as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100}) as authd:
        ask(authd, "/health/ready", headers=[("X-Request-Id", "first")])
        while "first" not in json.dumps(collector.next()):
            pass
        wait_for(authd, "the collector refuses spans")
        ask(authd, "/health/ready", headers=[("X-Request-Id", "second")])
        assert "first" not in json.dumps(collector.next())
        assert counted(authd)["rejected"] > 0


@pytest.mark.parametrize("protocol", ["protobuf", "json"])
def test_what_it_rejects_of_a_batch_is_counted_and_not_sent_again(protocol):
    with Collector("partial") as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100,
                                                   "trace.protocol": protocol}) as authd:
        ask(authd, "/health/ready")
        spans = len(collector.next()["spans"])
        end = time.monotonic() + 15
        while sum(counted(authd).values()) < spans:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert counted(authd)["rejected"] >= 1 and counted(authd)["dropped"] == 0
        ids = [span["id"] for request in collector.requests for span in request["spans"]]
        assert len(set(ids)) == len(ids)


def test_one_that_is_busy_is_asked_again_when_it_says():
    with Collector("busy") as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100}) as authd:
        ask(authd, "/health/ready")
        first, second, third = collector.next(), collector.next(), collector.next()
        assert [r["status"] for r in (first, second, third)] == [503, 503, 200]
        assert first["body"] == second["body"] == third["body"]
        assert second["at"] - first["at"] > 0.9 and third["at"] - second["at"] > 0.9


def test_a_slow_one_gets_batches_and_what_is_too_much_is_dropped():
    with Collector("slow") as collector, Authd({"trace.endpoint": collector.url, "trace.sample": 100}) as authd:
        assert quick(authd, 600) < 2
        while len([s for r in collector.requests for s in r["spans"]]) < 600:
            collector.next()
        assert any(len(r["spans"]) > 100 for r in collector.requests)
        authd.stop()
