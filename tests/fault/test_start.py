"""What authd says when it cannot start: the cause, the remedy, and an exit code that can be told apart."""

import pathlib
import resource
import socket
import subprocess
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from wire import Wire, head, until  # noqa: E402

USAGE, FAILURE, CONFIG = 2, 1, 78
WAIT_S = 60


def run(*args, **kw):
    out = subprocess.run([BUILD / "authd", *map(str, args)], capture_output=True, text=True, timeout=WAIT_S, **kw)
    assert "ERROR: AddressSanitizer" not in out.stderr and "runtime error:" not in out.stderr, out.stderr
    return out


@pytest.fixture
def authd():
    """Configured, never started by the fixture."""
    made = Authd({"core.threads": 1})
    yield made
    made.__exit__()


def fails(authd, *words, code=FAILURE, prefix=(), **kw):
    out = subprocess.run([*prefix, BUILD / "authd", "-c", authd.conf], capture_output=True, text=True, timeout=WAIT_S,
                         **kw)
    assert out.returncode == code, (out.returncode, out.stderr)
    for word in words:
        assert word in out.stderr, out.stderr
    assert "Sanitizer" not in out.stderr, out.stderr
    return out.stderr


# --- the command line ---

@pytest.mark.parametrize("args", [["--nope"], ["extra"], ["-c"], ["-x"], ["--check", "extra"]])
def test_an_unknown_argument_is_a_matter_of_usage(args):
    out = run(*args)
    assert out.returncode == USAGE
    assert "usage: authd" in out.stderr and not out.stdout


def test_help_and_version_are_no_errors():
    assert run("--help").returncode == 0
    assert run("--version").stdout.startswith("authd ")


# --- the configuration ---

def test_check_says_nothing_when_all_is_well(authd):
    out = run("-c", authd.conf, "--check")
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")


def test_check_starts_nothing(authd):
    assert run("-c", authd.conf, "--check").returncode == 0
    assert not (authd.dir / "authd.db").exists()


@pytest.mark.parametrize("text,where,words", [
    ("[http]\nlisten_ = x\n", "2:1", ["unknown option http.listen_", "did you mean listen"]),
    ("[core]\nthreads = many\n", "2:11", ["core.threads", "'many'"]),
    ("[core]\n  threads = 999\n", "2:13", ["out of range", "allowed 0..256"]),
    ("[http\n", "1:1", ["not understood"]),
    ("\n\nlisten\n", "3:1", ["not understood"]),
    ("[io]\nreceive = magic\n", "2:11", ["auto|multishot|oneshot"]),
])
def test_a_wrong_line_is_shown_with_its_place(authd, text, where, words):
    authd.conf.write_text(text)
    for args in (["--check"], []):
        out = run("-c", authd.conf, *args)
        assert out.returncode == CONFIG, out.stderr
        assert f"{authd.conf}:{where}: error: " in out.stderr, out.stderr
        assert "^" in out.stderr
        for word in words:
            assert word in out.stderr, out.stderr


def test_every_error_is_told_at_once(authd):
    authd.conf.write_text("[core]\nthreads = x\npin = maybe\n[nope]\nkey = 1\n")
    err = run("-c", authd.conf, "--check").stderr
    assert [err.count(f":{n}:") for n in (2, 3, 5)] == [1, 1, 1], err


def test_a_missing_file_is_named(tmp_path):
    out = run("-c", tmp_path / "none.conf")
    assert out.returncode == CONFIG and "none.conf" in out.stderr and "No such file" in out.stderr


def test_an_address_that_is_none_is_shown(authd):
    authd.conf.write_text("[http]\nlisten = localhost:80\n")
    out = run("-c", authd.conf, "--check")
    assert out.returncode == CONFIG and "localhost:80" in out.stderr and "127.0.0.1:8080" in out.stderr


# --- the surroundings ---

def test_a_port_in_use_is_named_once_and_nothing_else_is_blamed(authd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", authd.port))
        other.listen()
        err = fails(authd, f"127.0.0.1:{authd.port}", "Address already in use")
    assert "io_uring" not in err and "event loop" not in err, err


def test_two_daemons_do_not_share_a_port(authd):
    with Authd() as other:
        authd.configure({"http.listen": f"127.0.0.1:{other.port}"})
        err = fails(authd, f"127.0.0.1:{other.port}", "Address already in use")
        assert "ss -ltnp" in err and other.process.poll() is None


def test_two_daemons_do_not_share_a_database(authd):
    with Authd({"store.path": authd.dir / "authd.db"}) as other:
        fails(authd, "authd.db", f"another authd (pid {other.pid}) serves from it", "mongodb")
    authd.start()  # the lock has gone with its holder
    authd.stop()


def test_who_follows_by_an_upgrade_has_the_database_too(authd):
    with Authd({"store.path": authd.dir / "authd.db"}) as other:
        assert other.ctl("upgrade").returncode == 0
        other.logged("upgrade.finished")
        end = time.monotonic() + 20
        while not (authd.dir / "authd.db-lock").read_text().strip() == other.ctl("status", "-o", "value", "-F", "pid").stdout.strip():
            assert time.monotonic() < end
            time.sleep(0.05)
        fails(authd, "authd.db", "another authd")


def test_a_folder_is_no_configuration(tmp_path):
    out = run("-c", tmp_path)
    assert out.returncode == CONFIG and "Is a directory" in out.stderr


def test_a_store_that_cannot_be_written_is_named(authd):
    authd.conf.write_text(authd.conf.read_text().replace(str(authd.dir / "authd.db"), "/proc/authd.db"))
    fails(authd, "store")


def test_a_store_that_is_no_database_is_left_alone(authd):
    (authd.dir / "authd.db").write_bytes(b"these are not the pages of a database\n" * 100)
    fails(authd, "store")
    assert (authd.dir / "authd.db").read_bytes().startswith(b"these are not")


def test_a_log_that_cannot_be_opened_is_named(authd):
    authd.conf.write_text(authd.conf.read_text() + f"[log]\nfile = {authd.dir}/none/authd.log\n")
    fails(authd, "none/authd.log", "No such file")


@pytest.mark.parametrize("error,words", [
    ("EPERM", ["io_uring is forbidden", "kernel.io_uring_disabled", "seccomp"]),
    ("ENOSYS", ["io_uring is absent", "Linux 5.10"]),
    ("ENOMEM", ["memlock", "LimitMEMLOCK"]),
])
def test_without_io_uring_the_remedy_is_said(authd, error, words):
    authd.conf.write_text(authd.conf.read_text() + "[io]\nengine = io_uring\n")
    fails(authd, *words, prefix=[BUILD / "tests/forbid", error])


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "ENOMEM"])
def test_without_io_uring_epoll_serves_and_says_why(authd, error):
    with open(authd.dir / "log", "ab") as log:
        authd.process = subprocess.Popen([BUILD / "tests/forbid", error, BUILD / "authd", "-c", authd.conf], stdout=log,
                                         stderr=log)

    def answers():
        assert authd.process.poll() is None, authd.log()
        try:
            with Wire(authd.port) as w:
                return w.send(head("GET", "/health/live")).answer().status == 200
        except (OSError, AssertionError):
            return False
    until(answers, "it serves")
    assert authd.logged("loop.fallback", error)


def test_two_daemons_do_not_share_a_control_socket(authd):
    authd.start()
    second = Authd({"core.threads": 1, "control.socket": authd.socket})
    try:
        second.start()
        # The socket is still the first one's: authctl speaks to whom it spoke before.
        assert f'"pid":{authd.pid}' in authd.ctl("-o", "json", "status").stdout.replace(" ", "")
        assert second.logged("control.unavailable")
    finally:
        second.__exit__()
    assert authd.ctl("status").returncode == 0, "the second one's end left the socket alone"


def test_a_stale_control_socket_is_replaced(authd):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(authd.socket))
    authd.start()
    assert authd.ctl("status").returncode == 0


@pytest.mark.parametrize("limit", [40])
def test_few_descriptors_are_enough_to_serve_and_to_recover(authd, limit):
    """More clients than descriptors: some wait in the kernel's queue, and are served when others have gone."""
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with open(authd.dir / "log", "ab") as log:
        authd.process = subprocess.Popen([BUILD / "authd", "-c", authd.conf], stdout=log, stderr=log, preexec_fn=lower)
    live = head("GET", "/health/live")

    def answers():
        assert authd.process.poll() is None, authd.log()
        try:
            with Wire(authd.port) as w:
                return w.send(live).answer().status == 200
        except (OSError, AssertionError):
            return False
    until(answers, "it serves")
    held = [Wire(authd.port) for _ in range(limit)]
    late = Wire(authd.port)
    late.send(live)
    until(lambda: f'{len(held)}' and authd.process.poll() is None, "it lives")
    for w in held:
        w.socket.close()
    assert late.answer().status == 200
    assert answers()


