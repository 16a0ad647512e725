"""What the daemon promises on authctl's socket: levels, audit, limits, partial answers, changes done once."""
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tarfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd, for_everybody  # noqa: E402
from control import Raw, StuckThread  # noqa: E402

GROUPS = {"viewer": "daemon", "operator": "bin", "admin": "sys"}  # exist on every Debian
GID = {"daemon": 1, "bin": 2, "sys": 3}
NOBODY = 65534


@pytest.fixture(scope="module")
def authd():
    with Authd({"control.viewer_group": GROUPS["viewer"], "control.operator_group": GROUPS["operator"],
                "control.admin_group": GROUPS["admin"]}) as daemon:
        os.chmod(daemon.dir, 0o755)
        os.chmod(daemon.socket, 0o666)  # the levels are what is tested, not the file's mode
        yield daemon


def as_level(authd, level, *words):
    """authctl as nobody, in the groups of that level and below."""
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    order = ["viewer", "operator", "admin"]
    groups = [GID[GROUPS[name]] for name in order[:order.index(level) + 1]] if level else []
    return subprocess.run([for_everybody("authctl"), "--socket", authd.socket, *words], capture_output=True, text=True,
                          timeout=30, user=NOBODY, group=NOBODY, extra_groups=groups)


def client_of(authd):
    """An idle HTTP connection and its id."""
    client = socket.create_connection(("127.0.0.1", authd.port))
    client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in client.recv(4096)
    rows = json.loads(authd.ctl("-o", "json", "conn", "list").stdout)
    return client, next(r["id"] for r in rows if r["peer"].endswith(f":{client.getsockname()[1]}"))


# --- who may what ---

def test_nobody_is_refused_and_told_which_group_helps(authd):
    answer = as_level(authd, None, "status")
    assert answer.returncode == 8 and "membership in group 'daemon'" in answer.stderr


def test_a_socket_that_may_not_be_opened_is_a_lack_of_permission(authd):
    os.chmod(authd.socket, 0o660)
    try:
        answer = as_level(authd, None, "status")
    finally:
        os.chmod(authd.socket, 0o666)
    assert answer.returncode == 8 and "group authctl" in answer.stderr



@pytest.mark.parametrize("level", ["viewer", "operator", "admin"])
def test_every_command_is_refused_below_its_level(authd, level):
    order = ["viewer", "operator", "admin"]
    rows = json.loads(authd.ctl("-o", "json", "meta", "commands").stdout)
    above = [r for r in rows if order.index(r["level"]) > order.index(level)]
    for row in above:
        # dry: what is wrongly allowed must not end the daemon
        answer = as_level(authd, level, "--dry-run", "--yes", *row["command"].split("."), *arguments_for(row))
        assert answer.returncode == 8 and f"needs the level {row['level']}" in answer.stderr, row["command"]


def arguments_for(row):
    """Something for each argument that is required."""
    given = []
    for word in row["arguments"].split():
        if word.startswith("--"):
            given += [word, "10m"]
        elif not word.startswith("["):
            given.append("1")
    return given


def test_a_level_allows_what_it_says(authd):
    assert as_level(authd, "viewer", "status").returncode == 0
    assert as_level(authd, "operator", "log", "level").returncode == 0
    assert as_level(authd, "admin", "config", "set", "log.level", "debug", "--for", "1s").returncode == 0


def test_viewers_see_networks_where_others_see_addresses(authd):
    with socket.create_connection(("127.0.0.1", authd.port)) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in client.recv(4096)
        peers = {level: {r["peer"] for r in json.loads(as_level(authd, level, "-o", "json", "conn", "list").stdout)}
                 for level in ("viewer", "operator")}
    assert peers["viewer"] == {"127.0.0.0/24"}
    assert peers["operator"] and all(peer.startswith("127.0.0.1:") for peer in peers["operator"])


def test_a_level_can_be_given_away_and_not_taken_back(authd):
    with Raw(authd) as raw:
        assert raw.ask("meta.level", {"level": "viewer"})[0] == [{"level": "viewer"}]
        assert raw.ask("meta.level", {"level": "admin"})[1]["error"]["code"] == "forbidden"
        assert raw.ask("log.level")[1]["error"]["need"] == "operator"
    assert authd.ctl("--as", "viewer", "log", "level").returncode == 8
    assert authd.ctl("log", "level").returncode == 0


def test_the_daemons_own_user_may_reload_and_nothing_else():
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    with Authd({"control.viewer_group": GROUPS["viewer"]}, user=NOBODY) as authd:
        # as ExecReload= of a unit runs it
        assert as_level(authd, None, "config", "reload").returncode == 0
        for words in [["status"], ["config", "show"], ["config", "undo"], ["drain", "--yes"]]:
            assert as_level(authd, None, *words).returncode == 8, words


class As:
    """Within it this process is somebody else, as the kernel tells the peer of a socket."""

    def __init__(self, uid, gids):
        self.uid, self.gids = uid, gids

    def __enter__(self):
        self.before = os.getgroups()
        os.setgroups(self.gids)
        os.seteuid(self.uid)

    def __exit__(self, *_):
        os.seteuid(0)
        os.setgroups(self.before)


def test_thirty_two_connections_and_two_of_them_are_roots(authd):
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    held = []
    for i in range(30):
        with As(20000 + i // 8, [GID[GROUPS["viewer"]]]):
            held.append(Raw(authd))
    assert all(raw.hello["level"] == "viewer" for raw in held)
    with As(20009, [GID[GROUPS["viewer"]]]), Raw(authd) as refused:
        assert refused.hear()["error"]["code"] == "busy"
    held += [Raw(authd), Raw(authd)]
    assert held[-1].ask("meta.version")[1]["status"] == "ok"
    with Raw(authd) as refused:
        assert refused.hear()["error"]["code"] == "busy"
    for raw in held:
        raw.close()
    assert authd.ctl("status").returncode == 0


# --- audit ---

def test_a_change_is_written_down_before_and_after_and_listed_once(authd):
    authd.ctl("config", "set", "http.idle_timeout", "80s", "--for", "1s", check=True)
    lines = [json.loads(line) for line in (authd.dir / "audit.log").read_text().splitlines()]
    mine = [r for r in lines if r["command"] == "config.set" and r["args"].get("value") == "80s"]
    assert [r["result"] for r in mine] == ["started", "ok"] and mine[1]["of"] == mine[0]["seq"]
    assert mine[0]["uid"] == os.getuid() and mine[0]["exe"].endswith("authctl")
    rows = json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "config.set").stdout)
    assert [r["result"] for r in rows if "80s" in r["args"]] == ["ok"]
    again = json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "config.set").stdout)
    assert {r["command"] for r in again} == {"config.set"}  # not who has asked for them


def test_a_refusal_is_written_down(authd):
    authd.ctl("--as", "viewer", "log", "level", "debug")
    rows = json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "log.level").stdout)
    assert rows[-1]["result"] == "forbidden" and rows[-1]["level"] == "viewer"


def test_the_chain_shows_what_was_changed():
    with Authd() as authd:
        for _ in range(3):
            authd.ctl("log", "level", "info", "--for", "1s", check=True)
        assert authd.ctl("audit", "verify").returncode == 0
        log = authd.dir / "audit.log"
        good = log.read_text()
        lines = good.splitlines(keepends=True)
        for bad, why in [(good.replace('"level":"info"', '"level":"warn"', 1), "was changed"),
                         ("".join(lines[:2] + lines[3:]), "missing"), ("".join(lines[:-1]), "missing at the end")]:
            log.write_text(bad)
            answer = authd.ctl("audit", "verify")
            assert answer.returncode == 6 and why in answer.stdout, answer.stdout


def test_the_chain_goes_on_after_a_restart():
    with Authd() as authd:
        authd.ctl("log", "level", "info", "--for", "1s", check=True)
        authd.stop()
        authd.start()
        authd.ctl("log", "level", "info", "--for", "1s", check=True)
        verdict = json.loads(authd.ctl("-o", "json", "audit", "verify").stdout)
        assert verdict["ok"] and verdict["first"] == 1 and verdict["records"] == 4


def test_without_a_record_nothing_is_changed_until_it_can_be_written():
    with Authd({"control.audit_file": "/nonexistent/audit.log"}) as authd:
        refused = authd.ctl("config", "set", "log.level", "debug", "--for", "1m")
        assert refused.returncode == 1 and "audit record cannot be written" in refused.stderr
        assert json.loads(authd.ctl("-o", "json", "config", "get", "log.level").stdout)["value"] == "info"
        assert authd.ctl("status").returncode == 0
        assert authd.ctl("doctor").returncode == 6


# --- changes: done once, tried, confirmed ---

def test_a_change_with_the_same_key_is_done_once(authd):
    client, id = client_of(authd)
    with Raw(authd) as raw:
        first = raw.ask("conn.kill", {"id": id}, req_key="k1")
        again = raw.ask("conn.kill", {"id": id}, req_key="k1")
        other = raw.ask("conn.kill", {"id": id + 1}, req_key="k1")
        new = raw.ask("conn.kill", {"id": id}, req_key="k2")
    assert first[0] == again[0] == [{"id": id, "core": first[0][0]["core"], "done": True}]
    assert again[1]["id"] == first[1]["id"] + 1 and again[1]["status"] == "ok"
    assert other[1]["error"]["code"] == "conflict" and new[1]["error"]["code"] == "not_found"
    client.close()


def test_any_number_of_changes_may_follow_each_other():
    with Authd() as authd, Raw(authd) as raw:
        for i in range(300):  # REPLAY_ENTRIES_MAX is 256
            assert raw.ask("log.level", {"level": "info", "for": "1h"}, req_key=f"key {i}")[1]["status"] == "ok", i
        assert raw.ask("log.level", {"level": "warn", "for": "1h"}, req_key="key 299")[1]["error"]["code"] == "conflict"
        assert raw.ask("log.level", {"level": "warn", "for": "1h"}, req_key="key 0")[1]["status"] == "ok", "forgotten"


def test_a_dry_run_checks_and_changes_nothing(authd):
    client, id = client_of(authd)
    assert json.loads(authd.ctl("-o", "json", "--dry-run", "conn", "kill", str(id)).stdout)["done"] is False
    client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in client.recv(4096)
    assert authd.ctl("--dry-run", "conn", "kill", "999999999").returncode == 1
    client.close()


def test_conn_kill_closes_the_connection(authd):
    client, id = client_of(authd)
    assert authd.ctl("conn", "kill", str(id)).returncode == 0
    client.settimeout(10)
    assert client.recv(1) == b""
    client.close()


def test_a_wide_change_wants_confirmation(authd):
    with Raw(authd) as raw:
        assert raw.ask("drain")[1]["error"]["code"] == "unconfirmed"
    answer = authd.ctl("drain", stdin=subprocess.DEVNULL)
    assert answer.returncode == 7 and "--yes" in answer.stderr
    assert authd.ctl("status").returncode == 0


def test_another_generation_than_expected_is_a_conflict_that_names_who_made_it():
    with Authd() as authd:
        answer = authd.ctl("--if-gen", "99", "config", "set", "log.level", "debug", "--for", "1s")
        assert answer.returncode == 1 and "is generation 1 now\n" in answer.stderr
        authd.ctl("--if-gen", "1", "config", "reload", check=True)
        answer = authd.ctl("--if-gen", "1", "config", "reload")
        assert answer.returncode == 1 and f"is generation 2 now, by uid {os.getuid()}\n" in answer.stderr


# --- a core that is stuck ---

def test_a_stuck_core_is_named_and_nothing_hangs(authd):
    with StuckThread(authd, "core-1"):
        answer = authd.ctl("-o", "json", "core", "list")
        assert answer.returncode == 5 and "from core 1" in answer.stderr
        assert [c["answers"] for c in json.loads(answer.stdout)] == [True, False]
        assert authd.ctl("status").returncode == 5
        health = authd.ctl("health")
        assert health.returncode == 5 and "1 of 2 answer" in health.stdout
        assert authd.ctl("conn", "list").returncode == 5
        assert authd.ctl("pool", "list").returncode == 0
    assert authd.ctl("core", "list").returncode == 0


def test_a_reload_says_which_cores_have_it():
    with Authd() as authd:
        with StuckThread(authd, "core-0"):
            answer = authd.ctl("config", "reload")
            assert answer.returncode == 5 and "active on 1 of 2 cores" in answer.stderr
        assert authd.ctl("config", "reload").returncode == 0


# --- frames ---

def test_four_requests_at_a_time_and_no_more(authd):
    with Raw(authd) as raw:
        ids = [raw.send("wait", {"condition": "drained"}) for _ in range(5)]
        end = raw.until_end(ids[4])[-1]
        assert end["error"]["code"] == "busy"
        for id in ids[:4]:
            raw.say({"t": "cancel", "id": id})
            assert raw.until_end(id)[-1]["error"]["code"] == "canceled"


def test_a_deadline_ends_a_wait(authd):
    with Raw(authd) as raw:
        assert raw.ask("wait", {"condition": "drained"}, deadline_ms=100)[1]["error"]["code"] == "timeout"
    assert authd.ctl("--timeout", "0.2", "wait", "drained").returncode == 9
    assert authd.ctl("wait", "ready").returncode == 0
    assert authd.ctl("wait", "pool", "hash", "idle").returncode == 0
    assert authd.ctl("wait", "pool", "nope", "idle").returncode == 1
    assert authd.ctl("wait", "for", "it").returncode == 2


def test_what_is_waited_for_may_be_a_breaker_or_an_index(authd):
    assert authd.ctl("wait", "breaker", "store-read", "closed").returncode == 0
    assert authd.ctl("--timeout", "0.2", "wait", "breaker", "store-read", "half-open").returncode == 9
    assert authd.ctl("wait", "breaker", "nope", "open").returncode == 1
    assert authd.ctl("wait", "breaker", "store-read", "ajar").returncode == 2
    assert authd.ctl("wait", "index", "sessions_idle", "built").returncode == 0
    assert authd.ctl("wait", "index", "nope", "built").returncode == 1
    with Raw(authd) as raw:
        wait = raw.send("wait", {"condition": "breaker store-write open"})
        authd.ctl("breaker", "open", "store-write", "--for", "1h", "--yes", check=True)
        assert raw.until_end(wait)[-1]["status"] == "ok"
    authd.ctl("breaker", "auto", "store-write", check=True)
    assert authd.ctl("wait", "breaker", "store-write", "closed").returncode == 0


def test_waiting_for_an_index_that_is_built_later():
    with Authd() as authd:
        database = sqlite3.connect(authd.options["store.path"], timeout=20)
        database.execute("DROP INDEX sessions_idle")
        database.commit()
        database.close()
        assert authd.ctl("--timeout", "0.3", "wait", "index", "sessions_idle", "built").returncode == 9
        wait = subprocess.Popen([for_everybody("authctl"), "--socket", authd.socket, "wait", "index", "sessions_idle", "built"],
                                stdout=subprocess.PIPE)
        authd.ctl("index", "create", "sessions_idle", check=True)
        assert wait.wait(timeout=20) == 0
        wait.stdout.close()


def test_a_wait_outlasts_a_daemon_that_is_not_there_yet_and_a_restart():
    authd = Authd()
    ctl = [for_everybody("authctl"), "--socket", authd.socket]
    early = subprocess.run([*ctl, "--timeout", "0.3", "wait", "ready"], capture_output=True, text=True)
    assert early.returncode == 9 and "not there in time" in early.stderr
    wait = subprocess.Popen([*ctl, "-o", "json", "wait", "ready"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with authd:
        out, said = wait.communicate(timeout=20)
        assert wait.returncode == 0 and json.loads(out)["condition"] == "ready" and said.count("\n") <= 1
        wait = subprocess.Popen([*ctl, "wait", "generation", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        authd.ctl("wait", "ready", check=True)
        authd.stop()
        drained = subprocess.run([*ctl, "wait", "drained"], capture_output=True)
        assert drained.returncode == 3, "nobody will be drained who is gone"
        authd.start()
        authd.ctl("config", "reload", check=True)
        assert wait.communicate(timeout=20) and wait.returncode == 0


def test_a_line_of_64_kib_is_read_and_one_more_byte_is_not(authd):
    empty = len(json.dumps({"t": "req", "id": 1, "cmd": "status", "args": {"x": ""}}))
    for extra, is_good in [(0, True), (1, False)]:
        with Raw(authd) as raw:
            raw.say({"t": "req", "id": 1, "cmd": "status", "args": {"x": "a" * (65536 - empty + extra)}})
            frame = raw.hear()
            assert (frame["t"] == "head") == is_good


def test_a_second_request_with_a_running_id_ends_the_connection(authd):
    with Raw(authd) as raw:
        raw.say({"t": "req", "id": 1, "cmd": "wait", "args": {"condition": "drained"}})
        raw.say({"t": "req", "id": 1, "cmd": "status"})
        assert raw.hear()["error"]["code"] == "bad_frame"
        assert raw.hear() is None


def test_a_slow_reader_of_a_long_list_is_waited_for(authd):
    clients = [socket.create_connection(("127.0.0.1", authd.port)) for _ in range(700)]
    with Raw(authd) as raw:
        ids = [raw.send("conn.list") for _ in range(4)]
        frames = {id: [] for id in ids}
        ends = 0
        while ends < 4:
            frame = raw.hear()
            frames[frame["id"]].append(frame)
            ends += frame["t"] == "end"
        for id in ids:
            rows = [f["d"]["id"] for f in frames[id] if f["t"] == "row"]
            assert len(rows) == len(set(rows)) >= 700 and frames[id][-1]["rows"] == len(rows)
    for client in clients:
        client.close()


# --- streams ---

def test_log_tail_shows_what_is_logged(authd):
    with Raw(authd) as raw:
        id = raw.send("log.tail", {"filter": "log.level"})
        assert raw.hear()["t"] == "head"
        authd.ctl("log", "level", check=True)
        event = raw.hear()
        assert event["t"] == "evt" and event["seq"] == 1 and event["lost"] == 0
        assert event["d"]["event"] == "ctl.command" and "log.level" in event["d"]["body"]
        raw.say({"t": "cancel", "id": id})
        assert raw.until_end(id)[-1]["error"]["code"] == "canceled"


def test_a_reader_that_is_too_slow_is_told_how_much_it_has_missed(authd):
    with Raw(authd) as slow, Raw(authd) as busy:
        tail = slow.send("log.tail", {"filter": "log.level"})
        assert slow.hear()["t"] == "head"
        for i in range(2500):  # some MiB of records, and the reader holds still
            busy.ask("log.level")
        busy.ask("log.level", {"level": "info", "for": "7s"})
        seen = lost = 0
        while True:
            event = slow.hear()
            if event["t"] != "evt":
                continue
            lost += event["d"] is not None and event["lost"]
            seen += 1
            assert event["seq"] == seen + lost, "a gap that nobody told of"
            if '"for":"7s"' in event["d"]["fields"].replace("\\", ""):
                break
        assert lost > 0 and seen > 100
        slow.say({"t": "cancel", "id": tail})
        assert slow.until_end(tail)[-1]["error"]["code"] == "canceled"


def test_a_stream_that_is_silent_has_a_heartbeat(authd):
    with Raw(authd) as raw:
        raw.send("wait", {"condition": "drained"})
        assert raw.hear() == {"t": "hb", "id": 1}


# --- a file comes as a descriptor ---

def test_report_is_an_archive_without_secrets_or_addresses(authd, tmp_path):
    file = tmp_path / "report.tar"
    assert authd.ctl("report", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        names = {m.name.split("/")[1] for m in tar.getmembers()}
        manifest = tar.extractfile("authd-report/MANIFEST").read().decode()
        status = json.loads(tar.extractfile("authd-report/status.jsonl").read())
    assert names == {"MANIFEST"} | {line.split()[0] for line in manifest.splitlines()}
    assert status["d"]["pid"] == authd.pid
    assert authd.ctl("report", str(file)).returncode == 1  # never over an existing file


def test_every_command_has_a_schema(authd):
    for row in json.loads(authd.ctl("-o", "json", "meta", "commands").stdout):
        answer = authd.ctl("-o", "json", "schema", *row["command"].split("."))
        assert answer.returncode == 0 and json.loads(answer.stdout), row["command"]
