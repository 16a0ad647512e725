"""authctl upgrade: another daemon takes over, nobody notices; and when it cannot, this one serves on."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd, free_port  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from control import Raw, StuckThread  # noqa: E402
from manager import Manager, Process, adopt_orphans  # noqa: E402
from tls import TlsAuthd, TlsWire, context  # noqa: E402
from wire import Wire, head, post, until  # noqa: E402

LIVE = head("GET", "/health/live")
LAST = head("GET", "/health/live", "Connection: close")
ENDS_S = 40
ENGINES = ["auto", "epoll"]
BUSY, REFUSED, USAGE, FORBIDDEN = 1, 1, 2, 8


@pytest.fixture(params=ENGINES)
def authd(request):
    with Authd({"io.engine": request.param, "core.drain_timeout": "300s", "http.request_timeout": "200s"}) as made:
        yield made


def gone(process):
    assert process.wait(timeout=ENDS_S) == 0
    return True


def status(authd):
    return json.loads(authd.ctl("status", "-o", "json").stdout)


def ready(authd):
    """Nothing of the daemon before this one is left."""
    until(lambda: not status(authd)["predecessor"], "the one before has ended")


def serves(port, count=8):
    for _ in range(count):
        with Wire(port) as w:
            assert w.send(LAST).answer().status == 200
    return True


# --- under load ---

class Caller(threading.Thread):
    """One client: keeps its connection as long as it may, sends, waits, sends. It repeats nothing."""

    def __init__(self, authd, number, end):
        super().__init__()
        self.port, self.number, self.end = authd.port, number, end
        self.answered, self.failure = 0, None

    def run(self):
        body = b'{"email":"load%d@example.org","password":"%s"}' % (self.number, PASSWORD.encode())
        wire = None
        try:
            while not self.end.is_set():
                wire = wire or Wire(self.port)
                is_login = self.answered % (10 + self.number) == 0
                answer = wire.send(post("/v1/auth/login", body) if is_login else LIVE).answer()
                assert answer.status == 200, answer.body
                self.answered += 1
                if answer.closes or self.answered % (6 + 3 * self.number) == 0:
                    wire.socket.close()
                    wire = None
        except (OSError, AssertionError) as error:
            self.failure = repr(error)


def under_load(authd, work):
    """Runs work() while callers call; none of their requests may fail."""
    end = threading.Event()
    callers = [Caller(authd, i, end) for i in range(8)]
    for i in range(len(callers)):
        Client(authd.port).register(f"load{i}@example.org")
    for caller in callers:
        caller.start()
    try:
        until(lambda: all(c.answered > 5 for c in callers), "there is some load")
        work()
        before = [c.answered for c in callers]
        until(lambda: all(c.answered > n for c, n in zip(callers, before)) or any(c.failure for c in callers),
              "everybody is served afterwards")
    finally:
        end.set()
        for caller in callers:
            caller.join(timeout=ENDS_S)
    assert [c.failure for c in callers] == [None] * len(callers), authd.log()


def test_upgrades_under_load_lose_nothing(authd):
    def upgrades():
        for _ in range(4):
            before = authd.pid
            assert gone(authd.upgrade())
            assert authd.pid != before
            ready(authd)
    under_load(authd, upgrades)
    assert status(authd)["upgrades"] == 4
    assert authd.ctl("audit", "verify").returncode == 0


def test_another_engine_takes_over_the_same_sockets(authd):
    def upgrades():
        for engine in ("epoll", "auto", "epoll"):
            authd.configure({"io.engine": engine})
            assert gone(authd.upgrade())
            ready(authd)
    under_load(authd, upgrades)


def test_other_numbers_of_cores_serve_the_same_address(authd):
    def upgrades():
        for cores in (4, 1, 3):
            authd.configure({"core.threads": cores})
            assert gone(authd.upgrade())
            assert status(authd)["cores"] == cores
            ready(authd)
    under_load(authd, upgrades)


def test_another_address_is_served_and_the_old_one_ends_when_all_are_served(authd):
    other = free_port()
    waiting = Wire(authd.port)
    authd.configure({"http.listen": f"127.0.0.1:{other}"})
    before = authd.upgrade()
    assert serves(other)
    assert waiting.send(LIVE).answer().closes
    assert gone(before)

    def is_refused():
        try:
            Wire(authd.port).socket.close()
        except ConnectionRefusedError:
            return True
    until(is_refused, "the old address is given up")
    authd.port = other
    assert serves(other)


# --- what is in progress ---

def test_a_request_that_has_begun_is_finished_by_the_old_one(authd):
    with Wire(authd.port) as w:
        w.send(LIVE[:10])
        until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
        before = authd.upgrade()
        assert serves(authd.port)
        assert before.poll() is None
        answer = w.send(LIVE[10:]).answer()
        assert answer.status == 200 and answer.closes and w.ends()
    assert gone(before)


def test_logins_that_wait_for_their_hash_are_finished():
    config = {"password.threads": 1, "password.cost": 9, "admission.queue_time_max": "60s",
              "admission.queue_time_standing": "60s"}
    with Authd(config) as authd:
        waiting = [Wire(authd.port) for _ in range(8)]
        for i, w in enumerate(waiting):
            Client(authd.port).register(f"queue{i}@example.org")
        for i, w in enumerate(waiting):  # not equal ones, which would share a hash
            w.send(post("/v1/auth/login", b'{"email":"queue%d@example.org","password":"%s"}' % (i, PASSWORD.encode())))
        before = authd.upgrade()
        for w in waiting:
            answer = w.answer()
            assert answer.status == 200, answer.body
            w.socket.close()
        assert gone(before)


def test_an_idle_connection_may_bring_one_more_request(authd):
    with Wire(authd.port) as w:
        assert w.send(LIVE).answer().status == 200
        before = authd.upgrade()
        answer = w.send(LIVE).answer()
        assert answer.status == 200 and answer.closes and w.ends()
    assert gone(before)


def test_what_one_revokes_the_other_does_not_accept_for_long(authd):
    grant = Client(authd.port).register()
    bearer = f"Authorization: Bearer {grant['access_token']}"
    verify = head("GET", "/v1/auth/verify", bearer)
    old = [Wire(authd.port) for _ in range(40)]
    for w in old:
        assert w.send(verify).answer().status == 204  # every core has it in its cache
    before = authd.upgrade()
    assert Client(authd.port).post("/logout", token=grant["access_token"]).status in (200, 204)

    def is_refused():
        time.sleep(0.05)  # each connection has one more request
        w = old.pop()
        answer = w.send(verify).answer()
        w.socket.close()
        return answer.status == 401
    until(is_refused, "the old one has forgotten it")
    for w in old:
        w.socket.close()
    assert gone(before)


# --- what does not come to pass ---

@pytest.fixture
def copied(tmp_path):
    """A daemon whose program may be replaced."""
    program = tmp_path / "authd"
    shutil.copy(BUILD / "authd", program)
    with Authd(program=program) as made:
        yield made


def replace(authd, text, mode=0o755):
    new = authd.program.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    os.replace(new, authd.program)


def refused(authd, *words, code=REFUSED, options=()):
    """authctl upgrade says why, and the same daemon serves."""
    pid = authd.pid
    done = authd.ctl(*options, "upgrade")
    assert done.returncode == code, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert serves(authd.port)
    assert status(authd)["pid"] == pid
    return done


def test_a_wrong_configuration_is_told_with_its_line_and_nothing_happens(authd):
    good = authd.conf.read_text()
    authd.conf.write_text(good + "[token]\nttl = soon\n")
    refused(authd, "authd.conf:", "ttl", "soon", code=USAGE)
    authd.conf.write_text(good)
    assert gone(authd.upgrade())


def test_what_only_shows_at_the_start_is_told(authd):
    authd.configure({"http.listen": "192.0.2.1:80"})
    refused(authd, "192.0.2.1:80", "Cannot assign")


def test_a_program_that_is_missing_is_told(copied):
    copied.program.unlink()
    refused(copied, "No such file")


def test_a_program_that_cannot_be_executed_is_told(copied):
    replace(copied, "#!/bin/sh\n", mode=0o644)
    refused(copied, "ermission")


def test_a_program_that_crashes_is_told_with_its_last_words(copied):
    replace(copied, "#!/bin/sh\necho out of luck >&2\nkill -SEGV $$\n")
    refused(copied, "killed by signal 11", "out of luck")


def test_a_program_that_ends_is_told_with_its_code(copied):
    replace(copied, "#!/bin/sh\nexit 3\n")
    refused(copied, "code 3")


def test_a_program_that_is_never_ready_is_ended(copied):
    pid_file = copied.dir / "pid"
    replace(copied, f"#!/bin/sh\necho $$ > {pid_file}\nexec sleep 1000\n")
    refused(copied, "not ready in time", options=("--timeout", "2"))
    until(lambda: not pathlib.Path(f"/proc/{pid_file.read_text().strip()}").exists(), "it was ended")
    shutil.copy(BUILD / "authd", copied.program.with_suffix(".new"))
    os.replace(copied.program.with_suffix(".new"), copied.program)
    assert gone(copied.upgrade())


HALF = """#!{python}
import os, signal, socket, sys
channel = socket.socket(fileno=int(os.environ["AUTHD_HANDOVER"].split(":")[0]))
channel.sendall(b"R")
assert channel.recv(1) == b"G"
{then}
"""


@pytest.mark.parametrize("then, says", [("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
                                        ("sys.exit('lost its nerve')", "lost its nerve"),
                                        ("signal.pause()", "not serving in time")])
def test_one_that_is_lost_when_it_is_its_turn_is_replaced_by_the_old_one(copied, then, says):
    """No core accepts at that moment: who connects then is served by the old one after all."""
    replace(copied, HALF.format(python=sys.executable, then=then))
    under_load(copied, lambda: refused(copied, says))


def test_the_next_one_killed_while_it_starts_is_told(copied):
    pid_file = copied.dir / "pid"
    replace(copied, f"#!/bin/sh\necho $$ > {pid_file}.new; mv {pid_file}.new {pid_file}\nexec sleep 1000\n")
    asking = threading.Thread(target=lambda: (until(pid_file.exists, "it starts"),
                                              os.kill(int(pid_file.read_text()), signal.SIGKILL)))
    asking.start()
    refused(copied, "killed by signal 9")
    asking.join()


def test_a_second_upgrade_is_refused_while_the_first_is_under_way(copied):
    pid_file = copied.dir / "pid"
    replace(copied, f"#!/bin/sh\necho $$ > {pid_file}\nexec sleep 1000\n")
    with Raw(copied) as raw:
        first = raw.send("upgrade", deadline_ms=20000)
        until(pid_file.exists, "it starts")
        refused(copied, "under way", code=BUSY)
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        assert raw.until_end(first)[-1]["error"]["code"] == "failed"


def test_a_second_upgrade_is_refused_while_the_daemon_before_finishes(authd):
    with Wire(authd.port) as w:
        w.send(LIVE[:10])
        until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
        before = authd.upgrade()
        assert status(authd)["predecessor"] is True
        refused(authd, "under way", code=BUSY)
        assert w.send(LIVE[10:]).answer().status == 200
    assert gone(before)
    ready(authd)
    assert gone(authd.upgrade())


def test_an_end_while_the_next_one_starts_ends_both(copied):
    pid_file = copied.dir / "pid"
    replace(copied, f"#!/bin/sh\necho $$ > {pid_file}\nexec sleep 1000\n")
    with Raw(copied) as raw:
        raw.send("upgrade", deadline_ms=60000)
        until(lambda: pid_file.exists() and pid_file.read_text().strip(), "it starts")
        copied.stop()
    assert not pathlib.Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_a_core_that_hangs_is_named_and_nothing_happens(copied):
    with StuckThread(copied, "core-1"):
        done = copied.ctl("--timeout", "60", "upgrade")
        assert done.returncode == REFUSED and "core 1 of this daemon does not answer" in done.stderr
    assert serves(copied.port)
    assert gone(copied.upgrade())


def test_the_next_one_goes_on_when_the_one_before_is_killed(authd):
    with Wire(authd.port) as w:
        w.send(LIVE[:10])
        until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
        before = authd.upgrade()
        before.kill()
        before.wait()
    ready(authd)
    assert serves(authd.port)
    assert gone(authd.upgrade())


def test_process_1_of_a_container_refuses(tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec unshare --pid --fork {BUILD / "authd"} "$@"\n')
    wrapper.chmod(0o755)
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("this user may make no namespace of processes")
    with Authd(program=wrapper) as authd:
        inside = int(pathlib.Path(f"/proc/{authd.pid}/task/{authd.pid}/children").read_text())
        done = authd.ctl("upgrade")
        assert done.returncode == REFUSED and "process 1" in done.stderr
        assert serves(authd.port)
        os.kill(inside, signal.SIGTERM)
        assert gone(authd.process)


def test_tls_is_served_on_by_the_next_one(tmp_path):
    with TlsAuthd(tmp_path) as authd:
        waiting = TlsWire(authd.tls_port)
        assert waiting.send(LIVE).answer().status == 200
        before = authd.upgrade()
        with TlsWire(authd.tls_port) as w:
            assert w.send(LAST).answer().status == 200
        answer = waiting.send(LIVE).answer()
        assert answer.status == 200 and answer.closes and waiting.ends()
        assert gone(before)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_sessions_of_tls_go_on_with_the_next_one(tmp_path, version):
    with TlsAuthd(tmp_path) as authd:
        tls = context(version)
        with TlsWire(authd.tls_port, tls=tls) as w:
            assert w.send(LAST).answer().status == 200
            session = w.socket.session
        for _ in range(2):  # and with the one after that
            assert gone(authd.upgrade())
            ready(authd)
            with TlsWire(authd.tls_port, tls=tls, session=session) as w:
                assert w.socket.session_reused
                assert w.send(LAST).answer().status == 200
        assert "upgrade.tickets" not in authd.log()


def test_a_client_that_asks_and_leaves_changes_nothing(authd):
    adopt_orphans()
    pid = authd.pid
    with Raw(authd) as raw:
        raw.send("upgrade")
    until(lambda: status(authd)["pid"] != pid, "the next one serves")
    assert gone(authd.process)
    authd.process = Process(status(authd)["pid"])


# --- who may, what is written down, what moves along ---

def test_only_administrators_upgrade_and_a_dry_run_does_nothing(authd):
    refused(authd, "admin", code=FORBIDDEN, options=("--as", "operator"))
    dry = authd.ctl("upgrade", "--dry-run")
    assert dry.returncode == 0 and "would start" in dry.stdout
    assert status(authd)["upgrades"] == 0


def test_the_audit_chain_goes_through_upgrades(authd):
    assert gone(authd.upgrade())
    ready(authd)
    authd.configure({"password.cost": 99})
    assert authd.ctl("upgrade").returncode == USAGE
    rows = [json.loads(line) for line in authd.ctl("audit", "list", "-o", "ndjson").stdout.splitlines()]
    assert [r["result"] for r in rows if r["command"] == "upgrade"] == ["ok", "bad_config"]
    assert authd.ctl("audit", "verify").returncode == 0


def test_metrics_and_the_operators_socket_are_never_away(authd):
    import http.client
    import socket as sockets

    def scrape():
        with sockets.socket(sockets.AF_UNIX) as s:
            s.connect(str(authd.dir / "metrics.sock"))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = http.client.HTTPResponse(s)
            answer.begin()
            return answer.read()
    for _ in range(3):
        before = authd.upgrade()
        assert authd.ctl("status").returncode == 0
        assert b"authd_build_info" in scrape()
        assert gone(before)
        ready(authd)


def test_the_service_manager_follows_the_main_process(tmp_path):
    authd = Authd({"core.threads": 2})
    with Manager(tmp_path) as manager:
        try:
            authd.process = manager.start([BUILD / "authd", "-c", authd.conf], authd.dir / "log",
                                          {"WATCHDOG_USEC": "400000"})
            for _ in range(2):
                before = authd.upgrade()
                manager.until(lambda: manager.main.pid == authd.pid, "it is told who is the main process")
                seen = len(manager.messages)
                manager.until(lambda: any("WATCHDOG" in m for m in manager.messages[seen:]), "the next one answers")
                assert gone(before)
                ready(authd)
            assert manager.refused == [], "only the main process speaks"
            assert manager.names() == ["http-00", "http-01"]
            assert manager.end() == 0
            authd.process = manager.start([BUILD / "authd", "-c", authd.conf], authd.dir / "log")
            assert serves(authd.port)
            assert manager.end() == 0
        finally:
            authd.__exit__()
