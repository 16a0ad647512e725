"""The service manager's datagrams, from the real daemon: sd_notify(3) without its library."""
import pathlib
import socket
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402

WAIT_S = 60


class Manager:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(WAIT_S)

    def next(self, without=("WATCHDOG", "FDSTORE")):
        """The next message as a dict, but those that have one of these."""
        while True:
            message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
            if not set(without) & set(message):
                return message


@pytest.fixture
def manager(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="authd-notify-") as folder:
        made = Manager(folder + "/socket")
        monkeypatch.setenv("NOTIFY_SOCKET", folder + "/socket")
        yield made
        made.socket.close()


def test_the_manager_hears_of_start_reload_and_end(manager):
    with Authd({"core.drain_timeout": "7s"}) as authd:
        ready = manager.next()
        assert ready["READY"] == "1"
        assert ready["STATUS"] == f"serving 127.0.0.1:{authd.port} on 2 cores"

        authd.conf.write_text(authd.conf.read_text() + "[token]\nttl = 5m\n")
        assert authd.ctl("config", "reload").returncode == 0
        reloading = manager.next()
        assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
        assert manager.next()["READY"] == "1"

        authd.stop()
        stopping = manager.next()
        assert stopping["STOPPING"] == "1"
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 7_000_000, "longer than draining may take"


def test_a_reload_that_is_refused_is_not_told(manager):
    with Authd() as authd:
        assert manager.next()["READY"] == "1"
        authd.conf.write_text("[token]\nttl = soon\n")
        assert authd.ctl("config", "reload").returncode != 0
        authd.stop()
        assert "STOPPING" in manager.next()


def test_the_watchdog_is_answered_until_the_end(manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with Authd() as authd:
        answers = 0
        while answers < 3:
            answers += "WATCHDOG" in manager.next(without=())
        authd.stop()


def test_a_manager_that_is_not_there_does_not_keep_it_from_serving(monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/socket")
    with Authd() as authd:
        assert authd.logged("notify.unavailable")
