"""The load generator against the real daemon: what it says must add up. No claim about time is made here."""
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import BUILD, Authd, free_port  # noqa: E402

JSON = ["Content-Type: application/json"]
ACCOUNT = json.dumps({"email": "user{n}@example.org", "password": "correct horse battery"})


def load(tmp_path, target, *streams, seconds=1.0, **more):
    """Runs the generator; the results by the names of the streams."""
    plan, output = tmp_path / "plan.json", tmp_path / "results.json"
    plan.write_text(json.dumps({"target": target, "seconds": seconds, "streams": streams, **more}))
    run = subprocess.run([BUILD / "benchmarks/load", "-o", output, plan], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return {s["name"]: s for s in json.loads(output.read_text())["streams"]}


def check_sums(stream):
    assert stream["sent"] == sum(stream["outcomes"].values())
    assert stream["sent"] == stream["latency_ms"]["all"]["count"] == stream["late_ms"]["count"]
    for histogram in stream["latency_ms"].values():
        assert histogram["count"] == sum(count for _, count in histogram["buckets"])


def post(daemon, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


@pytest.fixture(scope="module")
def daemon():
    with Authd() as authd:
        yield authd


def test_every_request_is_counted_once_whatever_became_of_it(daemon, tmp_path):
    target = f"127.0.0.1:{daemon.port}"
    results = load(
        tmp_path, target,
        {"name": "register", "rate": 50, "method": "POST", "path": "/v1/auth/register", "headers": JSON, "body": ACCOUNT},
        {"name": "again", "rate": 20, "method": "POST", "path": "/v1/auth/register", "headers": JSON, "body": ACCOUNT,
         "numbers": 1},
        {"name": "churn", "rate": 50, "reuse": False, "path": "/health"},
        {"name": "head", "rate": 20, "method": "HEAD", "path": "/v1/auth/verify", "arrivals": "constant"},
        {"name": "closed", "kind": "closed", "connections": 3, "path": "/health/live"},
        {"name": "slow", "kind": "slow", "connections": 20, "interval": 0.1, "path": "/health"},
        seconds=2, warmup=0.2)
    for name in ("register", "again", "churn", "head", "closed"):
        check_sums(results[name])
        assert results[name]["sent"] > 0
    assert results["register"]["outcomes"]["ok"] > 0
    assert results["again"]["outcomes"]["ok"] <= 1
    assert results["again"]["outcomes"]["client_error"] > 0
    assert results["head"]["outcomes"]["client_error"] == results["head"]["sent"] == 40  # 401, on the schedule
    assert results["churn"]["connections"] >= results["churn"]["sent"]
    assert results["closed"]["connections"] == 3
    assert results["slow"]["connections"] == 20


def test_a_refused_connection_is_counted_as_such(tmp_path):
    results = load(tmp_path, f"127.0.0.1:{free_port()}", {"name": "a", "rate": 50, "arrivals": "constant"},
                   {"name": "b", "kind": "closed", "connections": 2})
    for stream in results.values():
        check_sums(stream)
        assert stream["outcomes"]["unconnected"] == stream["sent"] > 0


def test_a_seed_gives_the_same_arrivals_each_time_and_the_rate_on_average(tmp_path):
    target = f"127.0.0.1:{free_port()}"
    streams = [{"name": "a", "rate": 2000}, {"name": "b", "rate": 2000}]
    first, second, other = (load(tmp_path, target, *streams, seed=seed) for seed in (1, 1, 2))
    sent = [run[name]["sent"] for run in (first, other) for name in "ab"]
    assert all(abs(n - 2000) < 5 * 2000 ** 0.5 for n in sent)  # five standard deviations
    assert len(set(sent)) > 1
    assert [first[n]["sent"] for n in "ab"] == [second[n]["sent"] for n in "ab"]


class Mute(threading.Thread):
    """A server that answers some connections, breaks some, and never answers the others."""

    def __init__(self, behaviours):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.behaviours, self.kept, self.first_lines = behaviours, [], []

    def run(self):
        for behaviour in self.behaviours:
            connection, _ = self.listener.accept()
            self.first_lines.append(connection.recv(65536).split(b"\r\n")[0])
            if behaviour != "mute":
                connection.sendall(behaviour)
                connection.close()
            self.kept.append(connection)


def test_time_outs_and_broken_answers_are_told_apart(tmp_path):
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    server = Mute([ok, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"nonsense\r\n", "mute",
                   b"HTTP/1.1 503 No\r\n\r\nuntil the end", b"HTTP/1.1 429 No\r\n\r\n"])
    server.start()
    stream = load(tmp_path, server.target, {"name": "a", "rate": 6.5, "arrivals": "constant", "timeout": 0.5})["a"]
    server.join(10)
    assert not server.is_alive()
    check_sums(stream)
    assert stream["outcomes"] == {"ok": 1, "client_error": 0, "limited": 1, "overloaded": 1, "other": 0, "timeout": 1,
                                  "unconnected": 0, "broken": 2}


def test_a_server_that_stands_still_is_charged_for_every_request_it_delayed(tmp_path):
    """No coordinated omission: requests are started on their schedule though no earlier one was answered."""
    server = Mute(["mute"] * 20)
    server.start()
    stream = load(tmp_path, server.target,
                  {"name": "a", "rate": 20.5, "arrivals": "constant", "timeout": 2, "outstanding_max": 15})["a"]
    check_sums(stream)
    assert stream["sent"] == stream["outcomes"]["timeout"] == 15
    assert stream["unsent"] == 5
    assert stream["latency_ms"]["all"]["p50"] >= 2000


def test_an_exclusive_line_is_in_one_request_at_a_time(tmp_path):
    server = Mute(["mute"] * 3)
    server.start()
    (tmp_path / "lines").write_text("a\nb\nc\n")
    stream = load(tmp_path, server.target, {"name": "a", "rate": 10.5, "arrivals": "constant", "timeout": 2,
                                            "path": "/{line}", "lines": str(tmp_path / "lines"), "exclusive": True})["a"]
    server.join(10)
    check_sums(stream)
    assert stream["sent"] == 3 and stream["unsent"] == 7
    assert sorted(server.first_lines) == [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1", b"GET /c HTTP/1.1"]


def test_a_token_that_is_good_for_one_use_is_renewed_from_each_answer(daemon, tmp_path):
    """Two accounts are enough for any number of refreshes: a token that came twice, late, would end its session."""
    grants = [json.loads(post(daemon, "/v1/auth/register", ACCOUNT.replace("{n}", name))[1])["data"]["refresh_token"]
              for name in ("renewed1", "renewed2")]
    (tmp_path / "tokens").write_text("".join(token + "\n" for token in grants))
    stream = load(tmp_path, f"127.0.0.1:{daemon.port}",
                  {"name": "a", "kind": "closed", "connections": 2, "method": "POST", "path": "/v1/auth/refresh",
                   "headers": JSON, "body": '{"refresh_token":"{line}"}', "lines": str(tmp_path / "tokens"),
                   "renew": "refresh_token"})["a"]
    check_sums(stream)
    assert stream["outcomes"]["ok"] == stream["sent"] > 4
    newest = (tmp_path / "tokens").read_text().split()
    assert len(newest) == 2 and not set(newest) & set(grants)
    assert post(daemon, "/v1/auth/refresh", json.dumps({"refresh_token": newest[0]}))[0] == 200


def test_a_line_whose_renewal_failed_is_not_used_again(tmp_path):
    server = Mute([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{\"t\":\"b\"}",
                   b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
    server.start()
    (tmp_path / "lines").write_text("a\n")
    stream = load(tmp_path, server.target, {"name": "a", "rate": 10.5, "arrivals": "constant", "timeout": 2,
                                            "path": "/{line}", "lines": str(tmp_path / "lines"), "renew": "t"})["a"]
    server.join(10)
    assert server.first_lines == [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1"]
    assert stream["sent"] == 2 and stream["unsent"] == 8
    assert (tmp_path / "lines").read_text() == ""


def test_another_machine_is_never_a_target(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"target": "192.0.2.1:80", "streams": [{"rate": 1}]}))
    run = subprocess.run([BUILD / "benchmarks/load", plan], capture_output=True, text=True, timeout=10)
    assert run.returncode == 1 and "only loopback" in run.stderr


def test_more_connections_than_descriptors_are_refused_at_once(tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"target": "127.0.0.1:1", "streams": [{"rate": 1, "outstanding_max": 100}]}))
    run = subprocess.run(f"ulimit -n 64; exec {BUILD / 'benchmarks/load'} {plan}", shell=True, capture_output=True, text=True,
                         timeout=10)
    assert run.returncode == 1 and "load: the load:" in run.stderr
