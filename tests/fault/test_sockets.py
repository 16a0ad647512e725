"""Listening sockets outlive the daemon: the service manager's store of them, and socket activation."""
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd, free_port  # noqa: E402
from manager import Manager  # noqa: E402
from tls import HandWire, certificate  # noqa: E402
from wire import Wire, head, until  # noqa: E402

LIVE = head("GET", "/health/live", "Connection: close")
ENGINES = ["auto", "epoll"]


class Service:
    """A daemon under a manager."""

    def __init__(self, **options):
        self.authd = Authd({"core.threads": 2, **{name.replace("__", "."): value for name, value in options.items()}})
        self.manager = Manager(self.authd.dir)
        self.port = self.authd.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.authd.__exit__()
        self.manager.__exit__()

    def configure(self, **options):
        self.authd.configure({name.replace("__", "."): value for name, value in options.items()})

    def start(self):
        self.authd.process = self.manager.start([BUILD / "authd", "-c", self.authd.conf], self.authd.dir / "log")

    def end(self):
        assert self.manager.end() == 0, self.authd.log()
        assert "Sanitizer" not in self.authd.log(), self.authd.log()

    def restart(self, **options):
        self.end()
        self.configure(**options)
        self.start()

    def addresses(self):
        with self.manager.changed:
            return sorted((name, port_of(fd)) for name, fd in self.manager.store)


def port_of(fd):
    with socket.socket(fileno=os.dup(fd)) as copy:
        return copy.getsockname()[1]


@pytest.fixture(params=ENGINES)
def service(request):
    with Service(io__engine=request.param) as made:
        yield made


def knock(port, count):
    """Connections that have sent their request already."""
    return [Wire(port).send(LIVE) for _ in range(count)]


def all_served(wires):
    for w in wires:
        assert w.answer().status == 200
        w.socket.close()
    return True


def is_refused(port):
    try:
        Wire(port).socket.close()
    except ConnectionRefusedError:
        return True


def test_each_socket_is_kept_under_the_name_of_its_core(service):
    service.configure(core__threads=3)
    service.start()
    assert service.addresses() == [(f"http-0{i}", service.port) for i in range(3)]


def test_who_connects_during_a_restart_waits_and_is_served(service):
    service.start()
    service.end()
    waiting = knock(service.port, 20)
    service.start()
    assert all_served(waiting)
    assert service.manager.names() == ["http-00", "http-01"], "none twice"


def test_who_was_queued_when_the_daemon_was_killed_is_served(service):
    service.start()
    service.manager.main.send_signal(signal.SIGKILL)
    service.manager.main.wait()
    waiting = knock(service.port, 20)
    service.start()
    assert all_served(waiting)


def test_fewer_cores_serve_the_sockets_of_those_that_were_more(service):
    service.configure(core__threads=4)
    service.start()
    service.end()
    waiting = knock(service.port, 40)  # spread over four sockets
    service.configure(core__threads=1)
    service.start()
    assert all_served(waiting) and all_served(knock(service.port, 40))
    assert service.manager.names() == [f"http-0{i}" for i in range(4)]
    service.restart(core__threads=4)
    assert all_served(knock(service.port, 40))
    assert service.manager.names() == [f"http-0{i}" for i in range(4)]


def test_more_cores_open_what_is_missing(service):
    service.configure(core__threads=1)
    service.start()
    service.restart(core__threads=3)
    assert service.manager.names() == ["http-00", "http-01", "http-02"]
    assert all_served(knock(service.port, 30))


def test_each_kind_of_socket_is_kept(tmp_path):
    paths, tls, redirect = certificate(tmp_path, "a", ["a.example"]), free_port(), free_port()
    with Service(tls__listen=f"127.0.0.1:{tls}", tls__redirect_listen=f"127.0.0.1:{redirect}",
                 tls__certificate_files=paths[0], tls__key_files=paths[1]) as service:
        service.start()
        kept = sorted((f"{name}-0{i}", port) for name, port in (("http", service.port), ("https", tls), ("redirect", redirect))
                      for i in range(2))
        assert service.addresses() == kept
        service.end()
        plain, elsewhere, secured = Wire(service.port), Wire(redirect), HandWire(tls)
        service.start()
        assert plain.send(LIVE).answer().status == 200 and elsewhere.send(LIVE).answer().status == 308
        with secured as wire:
            wire.send(wire.say(LIVE))
            assert wire.hear().startswith(b"HTTP/1.1 200 OK\r\n")
        assert service.addresses() == kept


def test_an_address_that_is_no_longer_configured_serves_its_queue_and_goes(service):
    other = free_port()
    service.configure(http__listen=f"127.0.0.1:{service.port} 127.0.0.1:{other}")
    service.start()
    service.end()
    waiting = knock(other, 20)
    service.configure(http__listen=f"127.0.0.1:{service.port}")
    service.start()
    assert all_served(waiting)
    until(lambda: is_refused(other), "nobody listens there any more")
    assert service.addresses() == [("http-00", service.port), ("http-01", service.port)]
    assert all_served(knock(service.port, 10))


def test_a_stop_is_a_stop(service):
    service.start()
    service.end()
    service.manager.forget()  # as systemd does when nothing will start it again
    assert is_refused(service.port)


# --- socket activation ---

@pytest.fixture
def activated(service):
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", service.port))
        made.listen(128)
        made.setblocking(False)
        service.manager.units = [("authd.socket", made.fileno())]
        yield service
        if service.manager.main:
            service.end()


def test_one_socket_of_a_unit_is_served_by_every_core(activated):
    waiting = knock(activated.port, 20)
    activated.start()
    assert all_served(waiting)
    accepted = [Wire(activated.port) for _ in range(40)]
    until(lambda: len(activated.authd.ctl("conn", "list", "-o", "ndjson").stdout.splitlines()) == 40, "all are accepted")
    for w in accepted:
        w.socket.close()
    assert activated.manager.names() == [], "it is the unit's"


def test_the_socket_of_a_unit_outlives_restarts(activated):
    activated.start()
    activated.end()
    waiting = knock(activated.port, 20)
    activated.start()
    assert all_served(waiting)


def test_a_socket_at_an_address_that_is_not_configured_is_told_and_not_served(activated):
    other = free_port()
    activated.configure(http__listen=f"127.0.0.1:{other}")
    activated.start()
    assert activated.authd.logged("listening.unknown", "authd.socket")
    assert all_served(knock(other, 4))


# --- what the variables may say ---

@pytest.mark.parametrize("fds", ["x", "-1", "99999", "1000"])
def test_nonsense_is_refused_at_the_start(service, fds):
    done = subprocess.run(["sh", "-c", f'LISTEN_FDS={fds} LISTEN_PID=$$ exec "$@"', "sh", BUILD / "authd", "-c",
                           service.authd.conf], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "LISTEN_FDS" in done.stderr


def test_sockets_of_another_process_are_left_alone(monkeypatch):
    monkeypatch.setenv("LISTEN_FDS", "7")
    monkeypatch.setenv("LISTEN_PID", "1")
    with Authd() as authd:
        assert all_served(knock(authd.port, 2))
