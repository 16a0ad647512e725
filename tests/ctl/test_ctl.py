"""authctl against the real daemon: answers, formats, exit codes; and the socket's framing rules, raw."""
import csv
import io
import json
import pathlib
import socket
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import Raw  # noqa: E402


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        yield daemon


def test_status_is_one_screen(authd):
    answer = authd.ctl("status")
    assert answer.returncode == 0, answer.stderr
    assert "READY" in answer.stdout and str(authd.pid) in answer.stdout
    assert len(answer.stdout.splitlines()) <= 24


def test_status_counts_up_to_this_moment(authd):
    def counted():
        return json.loads(authd.ctl("-o", "json", "status").stdout)["requests"]

    before = counted()
    for i in range(1, 4):
        urllib.request.urlopen(f"http://127.0.0.1:{authd.port}/health/live", timeout=20).read()
        assert counted() == before + i


def test_a_core_is_as_busy_as_the_kernel_says(authd):
    task, = [t for t in pathlib.Path(f"/proc/{authd.pid}/task").iterdir() if (t / "comm").read_text().strip() == "core-0"]

    def ran():
        return int((task / "schedstat").read_text().split()[0]) / 1e9

    def told():
        rows = json.loads(authd.ctl("-o", "json", "metrics", "list", "authd_core_busy_seconds_total").stdout)
        return next(r["value"] for r in rows if '"0"' in r["labels"] or "=0" in r["labels"])

    before, value, after = ran(), told(), ran()
    assert before <= value + 1e-3 and value <= after + 1e-3 and value > 0


def test_status_has_the_last_minutes_times_and_the_breakers(authd):
    urllib.request.urlopen(f"http://127.0.0.1:{authd.port}/health/live", timeout=20).read()
    end = time.monotonic() + 20
    while (status := json.loads(authd.ctl("-o", "json", "status").stdout))["p99"] is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert 0 < status["p50"] <= status["p99"]
    assert set(status["breakers"].split("   ")) == {"store-read closed", "store-write closed", "mail closed"}
    authd.ctl("breaker", "open", "mail", "--for", "1h", "--yes", check=True)
    assert "mail OPEN (tries again in 3" in authd.ctl("status").stdout
    authd.ctl("breaker", "auto", "mail", check=True)


def test_single_answers_are_objects_and_lists_are_arrays(authd):
    status = json.loads(authd.ctl("-o", "json", "status").stdout)
    assert status["pid"] == authd.pid and status["store"] == "up" and status["cores_answering"] == 2
    cores = json.loads(authd.ctl("-o", "json", "core", "list").stdout)
    assert [c["core"] for c in cores] == [0, 1] and all(c["answers"] for c in cores)


def test_ndjson_csv_and_value_have_the_same_rows(authd):
    rows = [json.loads(line) for line in authd.ctl("-o", "ndjson", "pool", "list").stdout.splitlines()]
    table = list(csv.DictReader(io.StringIO(authd.ctl("-o", "csv", "pool", "list").stdout)))
    names = authd.ctl("-o", "value", "-F", "pool", "pool", "list").stdout.split()
    assert [r["pool"] for r in rows] == [r["pool"] for r in table] == names
    assert {"exchanges", "connections", "hash", "store-read", "store-write"} <= set(names)


def test_conn_list_shows_an_open_connection(authd):
    with socket.create_connection(("127.0.0.1", authd.port)) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in client.recv(4096)
        rows = json.loads(authd.ctl("-o", "json", "conn", "list").stdout)
        mine = [r for r in rows if r["peer"].endswith(f":{client.getsockname()[1]}")]
        assert len(mine) == 1 and mine[0]["requests"] == 1 and mine[0]["state"] == "idle"


def test_health_is_good(authd):
    assert authd.ctl("health").returncode == 0


@pytest.mark.parametrize("words", [
    ["statsu"], ["pool"], ["pool", "list", "--nope", "1"], ["conn", "list", "--core", "x"], ["conn", "list", "--core"],
    ["-o", "yaml", "status"], ["-o", "value", "status"], ["--timeout", "never", "status"], ["--nope"],
])
def test_wrong_usage_is_2(authd, words):
    answer = authd.ctl(*words)
    assert answer.returncode == 2 and answer.stderr and not answer.stdout


def test_an_unknown_command_names_the_nearest(authd):
    assert "did you mean 'status'" in authd.ctl("stat").stderr


def test_no_daemon_is_3(authd, tmp_path):
    answer = authd.ctl("--socket", str(tmp_path / "none"), "status")
    assert answer.returncode == 3 and "is authd running?" in answer.stderr


def fake_daemon(tmp_path, lines):
    """A socket that says these lines to the first client and then stays silent or closes."""
    import threading

    path = tmp_path / "fake.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        client, _ = server.accept()
        for line in lines:
            if line is None:
                client.recv(65536)
            else:
                client.sendall(json.dumps(line).encode() + b"\n")
        while client.recv(65536):
            pass
        client.close()

    threading.Thread(target=serve, daemon=True).start()
    return path


HELLO = {"t": "hello", "proto": [1, 1], "server": "authd"}


def test_another_protocol_is_4(authd, tmp_path):
    path = fake_daemon(tmp_path, [{**HELLO, "proto": [7, 9]}])
    answer = authd.ctl("--socket", str(path), "status")
    assert answer.returncode == 4 and "upgrade the package authctl" in answer.stderr


def test_a_partial_answer_is_5(authd, tmp_path):
    path = fake_daemon(tmp_path, [HELLO, None, {"t": "end", "id": 1, "status": "ok", "rows": 0, "partial": [1]}])
    assert authd.ctl("--socket", str(path), "core", "list").returncode == 5


def test_a_bad_check_is_6(authd, tmp_path):
    path = fake_daemon(tmp_path, [HELLO, None, {"t": "row", "id": 1, "d": {"check": "store", "ok": False}},
                                  {"t": "end", "id": 1, "status": "ok", "rows": 1, "partial": []}])
    assert authd.ctl("--socket", str(path), "health").returncode == 6


def test_a_silent_daemon_is_9(authd, tmp_path):
    path = fake_daemon(tmp_path, [HELLO])
    assert authd.ctl("--socket", str(path), "--timeout", "0.3", "status").returncode == 9


def test_what_came_from_outside_is_escaped(authd, tmp_path):
    path = fake_daemon(tmp_path, [HELLO, None, {"t": "row", "id": 1, "d": {"check": "\x1b[31m", "ok": True,
                                                                           "detail": "a\u202eb\u009b"}},
                                  {"t": "end", "id": 1, "status": "ok", "rows": 1, "partial": []}])
    out = authd.ctl("--socket", str(path), "health").stdout
    assert "\\x1b[31m" in out and "\x1b" not in out and "\u202e" not in out and "\u009b" not in out


def test_hello_comes_first(authd):
    with Raw(authd) as raw:
        assert raw.hello["t"] == "hello" and raw.hello["pid"] == authd.pid and raw.hello["proto"] == [1, 1]
        assert raw.hello["gen"] == 1 and raw.hello["level"] == "admin" and len(raw.hello["boot"]) == 36
        assert raw.hello["limits"]["req"] == 65536 and "dry_run" in raw.hello["features"]


@pytest.mark.parametrize("line", [
    b"nonsense", b"[]", b"{}", b'{"t":"nope","id":1}', b'{"t":"req","id":0,"cmd":"status"}', b'{"t":"req","id":1}',
    b'{"t":"req","id":1,"id":2,"cmd":"status"}', b'{"t":"req","id":1,"cmd":"status","args":[]}',
    b'{"t":"req","id":1,"cmd":"status","args":' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}",
])
def test_a_bad_line_gets_one_error_and_the_end(authd, line):
    raw = Raw(authd)
    raw.say(line)
    end = raw.hear()
    assert end["t"] == "end" and end["id"] is None and end["status"] == "error"
    assert raw.hear() is None


def test_an_unknown_command_is_an_error_of_its_request(authd):
    raw = Raw(authd)
    raw.say(b'{"t":"req","id":7,"cmd":"no.such"}')
    end = raw.hear()
    assert (end["t"], end["id"], end["status"]) == ("end", 7, "error")
    raw.say(b'{"t":"req","id":8,"cmd":"meta.version"}')
    assert [raw.hear()["t"] for _ in range(3)] == ["head", "row", "end"]


def test_a_ninth_connection_of_one_user_is_refused(authd):
    held = [Raw(authd) for _ in range(8)]
    assert all(raw.hello["t"] == "hello" for raw in held)
    with Raw(authd) as ninth:
        end = ninth.hear()
        assert end["t"] == "end" and end["id"] is None and end["error"]["code"] == "busy"
    for raw in held:
        raw.close()
