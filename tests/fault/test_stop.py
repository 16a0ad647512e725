"""Ending and rotating: nothing in flight is lost, idle clients hold nothing up, a log without room stops nobody."""
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from wire import RECEIVE_MODES, Wire, head, post, until  # noqa: E402

LIVE = head("GET", "/health/live")
ENDS_S = 40  # sanitizers and a busy machine; far below drain_timeout in what it tells


@pytest.fixture(params=RECEIVE_MODES)
def authd(request):
    with Authd({"io.receive": request.param, "core.drain_timeout": "300s", "http.idle_timeout": "300s",
                "http.request_timeout": "200s"}) as made:
        yield made


def end(authd, how=signal.SIGTERM):
    authd.process.send_signal(how)
    assert authd.process.wait(timeout=ENDS_S) == 0, authd.log()
    assert "server.stopped" in authd.log() and "Sanitizer" not in authd.log()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_daemon_ends_at_once(authd, how):
    started = time.monotonic()
    end(authd, how)
    assert time.monotonic() - started < ENDS_S


def test_it_ends_at_once_again_and_again():
    """What wakes a core at its end must never come too late for its sleep."""
    with Authd({"core.threads": 2, "core.drain_timeout": "300s"}) as authd:
        for _ in range(10):
            end(authd)
            authd.start()


def test_idle_connections_do_not_hold_the_end_up(authd):
    held = [Wire(authd.port) for _ in range(20)]
    for w in held[:10]:
        assert w.send(LIVE).answer().status == 200
    end(authd)
    for w in held:
        assert w.ends()


def is_refused(authd):
    try:
        Wire(authd.port).socket.close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it was queued when the socket was closed: the next one tells


def test_an_idle_connection_may_bring_its_next_request_while_it_ends(authd):
    with Wire(authd.port) as w, Wire(authd.port) as held:
        assert w.send(LIVE).answer().status == 200 and held.send(LIVE).answer().status == 200
        authd.process.send_signal(signal.SIGTERM)
        until(lambda: "server.draining" in authd.log(), "it drains")
        answer = w.send(LIVE).answer()
        assert answer.status == 200
        if answer.closes:
            assert w.ends()
        assert held.ends()
    assert authd.process.wait(timeout=ENDS_S) == 0


def test_a_request_that_has_begun_is_answered(authd):
    with Wire(authd.port) as w:
        w.send(LIVE[:10])
        until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
        authd.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(authd), "every core drains")
        answer = w.send(LIVE[10:]).answer()
        assert answer.status == 200 and answer.closes
        assert w.ends()
    assert authd.process.wait(timeout=ENDS_S) == 0


def test_nobody_new_is_served_while_it_ends(authd):
    with Wire(authd.port) as w:
        w.send(LIVE[:10])
        until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
        authd.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(authd), "the listening sockets are closed")
        assert w.send(LIVE[10:]).answer().status == 200
    assert authd.process.wait(timeout=ENDS_S) == 0


class Caller(threading.Thread):
    """One keep-alive connection: sends, waits, sends. `lost`: sent while it listened, and not answered."""

    def __init__(self, authd, number, listening):
        super().__init__()
        self.authd, self.number, self.listening = authd, number, listening
        self.answered, self.lost, self.logins = 0, [], 0

    def run(self):
        wire, closes = None, True
        for turn in itertools.count(self.number):
            if closes:
                if wire:
                    wire.socket.close()
                if not self.listening.is_set():
                    return
                try:
                    wire, closes = Wire(self.authd.port), False
                except ConnectionRefusedError:
                    return
            was_listening = self.listening.is_set()
            try:
                body = b'{"email":"stop@example.org","password":"%s"}' % PASSWORD.encode()
                is_login = turn % 5 == 0
                wire.send(post("/v1/auth/login", body) if is_login else LIVE)
                answer = wire.answer()
            except (OSError, AssertionError) as error:
                if was_listening:
                    self.lost.append(repr(error))
                return
            assert answer.status == 200, answer.body
            self.answered += 1
            self.logins += is_login
            closes = answer.closes


def test_an_end_under_load_loses_nothing_that_was_sent_before(authd):
    Client(authd.port).register("stop@example.org")
    listening = threading.Event()
    listening.set()
    callers = [Caller(authd, i, listening) for i in range(8)]
    for caller in callers:
        caller.start()
    until(lambda: sum(c.logins for c in callers) > 20, "there is some load")
    listening.clear()  # what is sent from now on may meet a closed door
    authd.process.send_signal(signal.SIGTERM)
    for caller in callers:
        caller.join(timeout=ENDS_S)
        assert not caller.is_alive()
    assert authd.process.wait(timeout=ENDS_S) == 0
    assert [c.lost for c in callers] == [[]] * len(callers)


def test_a_second_signal_does_not_break_the_end(authd):
    authd.process.send_signal(signal.SIGTERM)
    authd.process.send_signal(signal.SIGTERM)
    authd.process.send_signal(signal.SIGINT)
    assert authd.process.wait(timeout=ENDS_S) == 0


def test_a_handler_past_the_drain_timeout_does_not_hold_the_end():
    """A client that never finishes its request is given drain_timeout, no more."""
    with Authd({"core.threads": 1, "core.drain_timeout": "1s", "http.request_timeout": "200s"}) as authd:
        with Wire(authd.port) as w:
            w.send(LIVE[:10])
            until(lambda: "receiving" in authd.ctl("conn", "list").stdout, "it has its first bytes")
            end(authd)


# --- the log ---

def test_hangup_opens_the_log_again():
    with Authd({"core.threads": 1}) as authd:
        log = authd.dir / "authd.log"
        authd.stop()
        authd.conf.write_text(authd.conf.read_text() + f"[log]\nfile = {log}\n")
        authd.start()
        until(lambda: "server.started" in log.read_text(), "the log is written")
        old = log.rename(authd.dir / "authd.log.1")
        authd.process.send_signal(signal.SIGHUP)
        until(log.exists, "a new file")
        before = old.read_text()
        end_log(authd, log)
        assert old.read_text() == before


def end_log(authd, log):
    authd.process.send_signal(signal.SIGTERM)
    assert authd.process.wait(timeout=ENDS_S) == 0
    assert "server.stopped" in log.read_text()


def test_hangup_without_room_for_a_new_log_keeps_the_old_one():
    with Authd({"core.threads": 1}) as authd:
        folder = authd.dir / "logs"
        folder.mkdir()
        log = folder / "authd.log"
        authd.stop()
        authd.conf.write_text(authd.conf.read_text() + f"[log]\nfile = {log}\n")
        authd.start()
        until(log.exists, "the log is there")
        moved = authd.dir / "moved"
        folder.rename(moved)
        authd.process.send_signal(signal.SIGHUP)
        assert Client(authd.port).get("/health/live").status == 200
        end_log(authd, moved / "authd.log")


def test_a_log_on_a_full_disk_stops_nobody():
    with Authd({"core.threads": 1, "log.file": "/dev/full", "log.level": "debug"}) as authd:
        client = Client(authd.port)
        client.register("full@example.org")
        for _ in range(50):
            assert client.get("/health/live").status == 200
        authd.process.send_signal(signal.SIGTERM)
        assert authd.process.wait(timeout=ENDS_S) == 0


def test_a_log_reader_that_has_gone_stops_nobody():
    """Standard error is a pipe that nobody reads any more."""
    authd = Authd({"core.threads": 1})
    from authd import BUILD
    read, write = os.pipe()
    try:
        authd.process = subprocess.Popen([BUILD / "authd", "-c", authd.conf], stdout=write, stderr=write)
        os.close(write)
        os.close(read)

        def answers():
            assert authd.process.poll() is None
            try:
                return Client(authd.port).get("/health/live").status == 200
            except OSError:
                return False
        until(answers, "it serves")
        authd.process.send_signal(signal.SIGTERM)
        assert authd.process.wait(timeout=ENDS_S) == 0
    finally:
        if authd.process.poll() is None:
            authd.kill()
        authd.process = None
        authd.__exit__()
