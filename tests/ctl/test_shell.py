"""authctl as people use it: the shell and top on a real terminal, pipes, batches, completion in three shells."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pexpect
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import BUILD, Authd  # noqa: E402
from control import Raw, request  # noqa: E402
from manager import Process, adopt_orphans  # noqa: E402

CTL = str(BUILD / "authctl")
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\([A-Z]|\r|\x0f")


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        yield daemon


class Shell:
    """authctl on a terminal of 80 columns."""

    def __init__(self, authd, home, *words, term="xterm", size=(24, 80), **env):
        self.home = home
        environment = {**os.environ, "HOME": str(home), "TERM": term, "NO_COLOR": "1", "PAGER": "cat", **env}
        environment.pop("XDG_STATE_HOME", None)
        self.child = pexpect.spawn(CTL, ["--socket", str(authd.socket), *words], env=environment, dimensions=size,
                                   encoding="utf-8", timeout=20)

    def prompt(self):
        """What was said until the next prompt."""
        self.child.expect(r"authd@\S+ \[\w+\][^>]* > ")
        return ANSI.sub("", self.child.before)

    def say(self, line):
        self.child.send(line + "\r")
        return self.prompt()

    def prompt_after_erasing(self):
        self.child.send("\x15\r")
        return self.prompt()

    def __enter__(self):
        self.greeting = self.prompt()
        return self

    def __exit__(self, *_):
        self.child.close(force=True)


# --- the shell ---

def test_the_prompt_says_who_and_at_which_level(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        assert "level admin" in shell.greeting
        shell.child.send("\r")
        shell.child.expect(re.escape(socket.gethostname().split(".")[0]) + r" \[admin\] > ")
    with Shell(authd, tmp_path, "--as", "viewer") as shell:
        assert "needs the level operator" in shell.say("log level")


def test_beginnings_are_enough_in_the_shell_only(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        assert "store-read" in shell.say("po l")
        assert "no command 'c l'" in shell.say("c l")  # core, conn, config, cache
    assert authd.ctl("po", "l").returncode == 2


def test_what_changes_something_is_written_out(authd, tmp_path):
    pid = authd.pid
    with Shell(authd, tmp_path) as shell:
        assert "'upgrade' changes something: write it out" in shell.say("u")
        assert "'cache flush' changes something" in shell.say("ca flush tokens --yes")
        assert "READY" in shell.say("stat")
    assert authd.pid == pid and authd.process.poll() is None


def test_tab_completes_commands_flags_and_live_names(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        shell.child.send("pool sh\t")
        shell.child.expect("ow ")
        shell.child.send("store-w\t")
        shell.child.expect("rite ")
        assert "store-write" in shell.say("")
        shell.child.send("conn list --sta\t")
        shell.child.expect("te ")
        shell.child.send("rec\t")
        shell.child.expect("eiving ")
        assert "peer" in shell.say("")


def test_tab_completes_addresses_for_those_alone_who_may_see_them(authd, tmp_path):
    for email in ("Tabitha@example.org", "tabor@example.org"):
        body = {"email": email, "password": "correct horse", "name": "T"}
        assert request(authd, "POST", "/v1/auth/register", body)[0] == 201
    with Shell(authd, tmp_path) as shell:
        shell.child.send("user show tabi\t")
        shell.child.expect("itha@example.org ")
        assert "Tabitha@example.org" in shell.say("")
        shell.child.send("session list --user tabo\t")
        shell.child.expect("r@example.org ")
        shell.prompt_after_erasing()
    seen = len(json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "user.list").stdout))
    with Shell(authd, tmp_path, "--as", "operator") as shell:
        shell.child.send("user show tabo\t")
        shell.child.expect("tabo")
        assert "example.org" not in shell.prompt_after_erasing()
    # nor is there a refusal for each Tab
    assert len(json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "user.list").stdout)) == seen


def test_tab_does_not_hang_when_the_daemon_does(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        os.kill(authd.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            shell.child.send("pool show st\t")
            shell.child.send("\x15")
            shell.child.send("\r")
            shell.prompt()
            assert time.monotonic() - began < 5
        finally:
            os.kill(authd.pid, signal.SIGCONT)
        assert "READY" in shell.say("status")


def test_a_hint_shows_what_is_still_missing(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        shell.child.send("config set ")
        shell.child.expect("key value --for")
        shell.child.send("\x15")
        shell.child.send("conn kill ?")
        shell.child.expect("usage: authctl conn kill id")


def test_history_is_private_without_duplicates_secrets_or_what_begins_with_a_space(authd, tmp_path):
    os.umask(0)
    try:
        with Shell(authd, tmp_path) as shell:
            for line in ["core list", "core list", " pool list", "status"]:
                shell.say(line)
    finally:
        os.umask(0o022)
    file = tmp_path / ".local/state/authctl/history"
    assert file.read_text().splitlines() == ["core list", "status"]
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    with Shell(authd, tmp_path) as shell:
        shell.child.send("\x1b[A")
        shell.child.expect("status")
    with Shell(authd, tmp_path, "--no-history") as shell:
        shell.say("health")
    assert "health" not in file.read_text()


def test_a_password_is_typed_twice_and_never_seen(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        for again, says in [("another battery", "not the same twice"), ("stapled battery", "typed@example.org")]:
            shell.child.send("user create typed@example.org\r")
            shell.child.expect("new password: ")
            shell.child.send("stapled battery\r")
            shell.child.expect("the same password again: ")
            shell.child.send(again + "\r")
            said = shell.prompt()
            assert says in said and "battery" not in said
        assert "READY" in shell.say("status"), "and what is typed shows again"
        shell.child.send("user reset-password typed@example.org\r")
        shell.child.expect("new password: ")
        shell.child.sendintr()
        shell.prompt()
        assert "among the words" in shell.say("user create typed2@example.org --password stapled")
    history = (tmp_path / ".local/state/authctl/history").read_text().splitlines()
    assert "user create typed@example.org" in history and history[-1] == "user create (secret)"
    assert not any("battery" in line or "stapled" in line for line in history)
    body = {"email": "typed@example.org", "password": "stapled battery"}
    assert request(authd, "POST", "/v1/auth/login", body)[0] == 200


def test_an_open_confirmation_stands_in_the_prompt(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        shell.child.send("config reload --confirm-within 60s\r")
        shell.child.expect(r"\(gen \d+ unconfirmed \d+s\) > ")
        assert "unconfirmed" not in shell.say("config confirm")
        shell.child.send("\r")
        shell.child.expect(r"\[admin\] > ")


def test_confirmation_is_asked_for_on_a_terminal(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        shell.child.send("drain\r")
        shell.child.expect(r"Go on\? \[y/N\] ")
        shell.child.send("\r")
        assert "nothing was done" in shell.prompt()
    assert "READY" in authd.ctl("status").stdout


def test_what_is_confirmed_is_done(authd, tmp_path):
    status, _ = request(authd, "POST", "/v1/auth/register", {"email": "gone@example.org", "password": "correct horse"})
    assert status == 201
    with Shell(authd, tmp_path) as shell:
        for answer, says in [("other@example.org", "nothing was done"), ("gone@example.org", "active"),
                             ("gone@example.org", "nobody is")]:
            shell.child.send("user delete gone@example.org\r")
            if says != "nobody is":
                shell.child.expect("Type 'gone@example.org' to go on: ")
                shell.child.send(answer + "\r")
            assert says in shell.prompt()
        shell.child.send("cache flush users\r")
        shell.child.expect(r"Go on\? \[y/N\] ")
        shell.child.send("y\r")
        assert "done" in shell.prompt()


def test_it_connects_again_and_repeats_no_change(tmp_path):
    with Authd() as authd:
        with Shell(authd, tmp_path) as shell:
            shell.say("status")
            authd.stop()
            shell.child.send("\r")
            shell.child.expect(r"\(reconnecting\) > ")
            shell.child.send("status\r")
            shell.child.expect("is authd running")
            authd.start()
            shell.child.send("status\r")
            shell.child.expect("READY")


def test_it_goes_on_with_the_daemon_that_took_over_and_says_so(tmp_path):
    with Authd() as authd, Shell(authd, tmp_path) as shell:
        pid = authd.pid
        assert f"pid {pid}" in shell.say("status")
        before = authd.upgrade()
        shell.child.send("\r")
        shell.child.expect("authd was restarted meanwhile")
        shell.prompt()
        assert f"pid {authd.pid}" in shell.say("status") and authd.pid != pid
        assert before.wait() == 0


def test_an_upgrade_from_the_shell_leads_to_the_next_daemon(tmp_path):
    with Authd() as authd, Shell(authd, tmp_path) as shell:
        before = authd.process
        adopt_orphans()
        assert "serving" in shell.say("upgrade")
        assert "READY" in shell.say("status")
        authd.process = Process(json.loads(authd.ctl("status", "-o", "json").stdout)["pid"])
        assert authd.pid != before.pid and before.wait(timeout=20) == 0


def test_interrupting_a_command_leads_back_to_the_prompt(authd, tmp_path):
    with Shell(authd, tmp_path) as shell:
        shell.child.send("log tail\r")
        time.sleep(0.3)
        shell.child.sendintr()
        shell.prompt()
        assert "READY" in shell.say("status")


def test_settings_aliases_and_watch_in_the_shell(authd, tmp_path):
    rc = tmp_path / ".config/authctl/rc"
    rc.parent.mkdir(parents=True)
    rc.write_text("# mine\nalias st status\nset output json\n")
    with Shell(authd, tmp_path) as shell:
        assert '"state":"READY"' in shell.say("st")
        shell.say("set output table")
        assert "queues" in shell.say("st")
        assert "no setting" in shell.say("set nonsense 1")
        shell.child.send("watch 100ms core list\r")
        shell.child.expect("every 0.1 s")
        shell.child.expect("every 0.1 s")
        shell.child.sendintr()
        shell.prompt()
        shell.child.send("quit\r")
        shell.child.expect(pexpect.EOF)
    rc.chmod(0o666)
    with Shell(authd, tmp_path) as shell:
        assert "is not read: others can write it" in shell.greeting


def test_a_dumb_terminal_gets_no_escapes(authd, tmp_path):
    with Shell(authd, tmp_path, term="dumb") as shell:
        shell.child.send("status\r")
        shell.prompt()
        assert "READY" in shell.child.before and "\x1b" not in shell.child.before


# --- top ---

def test_top_shows_tabs_and_gives_the_terminal_back(authd, tmp_path):
    for end in [lambda c: c.send("q"), lambda c: c.kill(signal.SIGTERM), lambda c: c.sendintr(),
                lambda c: c.kill(signal.SIGSEGV)]:
        shell = Shell(authd, tmp_path, "top", "--interval", "200ms")
        child = shell.child
        child.expect(re.escape("\x1b[?1049h"))
        child.expect("1 routes")
        child.expect("route +method")
        child.send("3")
        child.expect("store-write")
        child.send("6")
        child.expect("received")
        end(child)
        child.expect(re.escape("\x1b[?25h\x1b[?1049l"))
        child.expect(pexpect.EOF)


def test_top_says_that_the_numbers_are_old(tmp_path):
    with Authd() as authd:
        shell = Shell(authd, tmp_path, "top", "--interval", "200ms")
        shell.child.expect("2 cores")
        authd.stop()
        shell.child.expect("no connection: the numbers are")
        shell.child.send("q")
        shell.child.expect(pexpect.EOF)


def test_top_without_a_terminal_is_refused(authd, tmp_path):
    assert authd.ctl("top").returncode == 2
    shell = Shell(authd, tmp_path, "top", term="dumb")
    shell.child.expect("top needs a terminal")
    assert "\x1b" not in shell.child.before
    shell.child.expect(pexpect.EOF)


def top_draws(authd, home, keys, size, what):
    """top draws this after these keys."""
    shell = Shell(authd, home, "top", "--interval", "30s", size=size)
    shell.child.expect("1 routes")
    shell.child.expect("route +method")
    for key in keys:
        shell.child.send(key)
        time.sleep(0.1)  # an escape sequence is known by what follows at once
    shell.child.expect(what)
    shell.child.close(force=True)


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_line_of_top_is_wider_than_the_screen(authd, tmp_path, columns):
    shell = Shell(authd, tmp_path, "top", "--interval", "200ms", size=(24, columns))
    shell.child.expect("1 routes")
    shell.child.send("3")
    shell.child.expect("exchanges")
    shell.child.send("q")
    shell.child.expect(pexpect.EOF)
    lines = ANSI.sub("", shell.child.before.replace("\r\n", "\n")).splitlines()
    assert any("connections" in line for line in lines) and max(map(len, lines)) <= columns


@pytest.mark.parametrize("keys, what", [
    (["3", ">", ">"], "by core"), (["3", "<"], "by refused"), (["3", "/", "h", "a", "s", "h"], r"/hash_[\s\S]*refused\s+\x1b\[2Khash "),
    (["3", ">", ">", ">", "<", "<", "<"], "7 requests *\x1b?.{0,20}\r\n"),
])
def test_top_sorts_and_finds_at_once_without_asking_again(authd, tmp_path, keys, what):
    top_draws(authd, tmp_path, keys, (24, 100), what)


def test_top_scrolls_what_has_no_room(authd, tmp_path):
    top_draws(authd, tmp_path, ["3", "\x1b[B", "\x1b[6~"], (14, 100), r"4\.\.8 of 8")


def test_top_writes_a_plain_file_and_says_where(authd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    top_draws(authd, tmp_path, ["3", "w"], (24, 100), "written to authctl-top-")
    (file,) = tmp_path.glob("authctl-top-*.txt")
    text = file.read_text()
    assert " pools\n" in text and "store-write" in text and "READY" in text and "\x1b" not in text


def test_no_line_of_status_is_longer_than_the_terminal(authd, tmp_path):
    shell = Shell(authd, tmp_path, "status")
    shell.child.expect(pexpect.EOF)
    lines = ANSI.sub("", shell.child.before).splitlines()
    assert lines[0].endswith("READY") and all(len(line) <= 80 for line in lines), lines


def test_no_line_of_help_or_of_a_table_is_longer_than_the_terminal(authd, tmp_path):
    with socket.create_connection(("127.0.0.1", authd.port)) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in client.recv(4096)
        for words in (["help"], ["help", "wait"], ["conn", "list"], ["core", "list"], ["pool", "show", "store-read"],
                      ["cache", "list"], ["config", "show", "http"], ["index", "check"], ["limit", "list"]):
            width = 66 if words == ["conn", "list"] else 80
            shell = Shell(authd, tmp_path, *words, size=(40, width))
            shell.child.expect(pexpect.EOF)
            lines = ANSI.sub("", shell.child.before).splitlines()
            assert len(lines) > 1 and all(len(line) <= width for line in lines), lines
            if words == ["conn", "list"]:
                assert "127.0.0.1:" in "".join(lines) and "~" not in "".join(lines), "an address is not cut"
                assert "-o wide has all" in lines[-1]
    assert max(len(line) for line in authd.ctl("help").stdout.splitlines()) > 80, "in a pipe a line is a line"


def test_numbers_are_readable_in_tables_and_raw_elsewhere(authd, tmp_path):
    watch = Shell(authd, tmp_path, "core", "list", "--watch=200ms", size=(24, 140))
    watch.child.expect(r"\+[\d,]+(\.\d)?/s")
    watch.child.sendintr()
    watch.child.expect(pexpect.EOF)
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=20)
    for _ in range(1234):
        connection.request("GET", "/health/live")
        connection.getresponse().read()
    assert "1,234" in authd.ctl("conn", "list").stdout and "1234" in authd.ctl("-o", "csv", "conn", "list").stdout
    connection.close()
    assert all(isinstance(row["turns"], int) for row in json.loads(authd.ctl("-o", "json", "core", "list").stdout))


def test_what_ends_by_itself_stands_in_status(authd):
    authd.ctl("config", "set", "log.level", "debug", "--for", "1h", check=True)
    authd.ctl("breaker", "open", "mail", "--for", "20s", "--yes", check=True)
    authd.ctl("log", "level", "warn", "--module", "request", "--for", "2h", check=True)
    told = json.loads(authd.ctl("-o", "json", "status").stdout)["overrides"]
    for what in (r"log\.level=debug \((60|59) min left\)", r"breaker mail forced open \((20|1\d) s left\)",
                 r"log level of request warn \((120|119) min left\)"):
        assert re.search(what, told), told
    authd.ctl("config", "unset", "log.level", check=True)
    authd.ctl("breaker", "auto", "mail", check=True)


def test_a_long_table_is_paged_on_a_terminal_only(authd, tmp_path):
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED secure=$LESSSECURE; cat >/dev/null\n")
    pager.chmod(0o755)
    shell = Shell(authd, tmp_path, "config", "show", AUTHCTL_PAGER=str(pager))
    shell.child.expect("PAGED secure=1")
    shell.child.expect(pexpect.EOF)
    shell = Shell(authd, tmp_path, "--no-pager", "config", "show", AUTHCTL_PAGER=str(pager))
    shell.child.expect("http.listen")
    assert "PAGED" not in authd.ctl("config", "show", env={**os.environ, "AUTHCTL_PAGER": str(pager)}).stdout


def test_colours_only_where_they_are_wanted(authd, tmp_path):
    def seen(*words, **env):
        shell = Shell(authd, tmp_path, *words, **env)
        shell.child.expect(pexpect.EOF)
        return "\x1b[32mREADY" in shell.child.before

    assert seen("status", NO_COLOR="") and not seen("status", NO_COLOR="1")
    assert not seen("--color=never", "status", NO_COLOR="") and not seen("status", NO_COLOR="", term="dumb")
    assert "\x1b" not in authd.ctl("status").stdout
    assert "\x1b[32mREADY" in authd.ctl("--color", "always", "status").stdout


# --- pipes and batches ---

def test_a_batch_stops_at_the_first_failure_and_names_its_line(authd):
    lines = "# two commands\nstatus\n\nconn kill 999\nhealth\n"
    answer = authd.ctl("-o", "ndjson", "-f", "-", input=lines)
    assert answer.returncode == 1 and "line 4 ended with 1" in answer.stderr
    assert [json.loads(line)["line"] for line in answer.stdout.splitlines()] == [2]
    going = authd.ctl("-o", "ndjson", "-f", "-", "--keep-going", input=lines)
    assert going.returncode == 1 and {json.loads(line)["line"] for line in going.stdout.splitlines()} == {2, 5}
    assert authd.ctl("-f", "-", input="core 'list\n").returncode == 2
    assert authd.ctl("-f", "/nonexistent").returncode == 2


def test_a_reader_that_leaves_is_a_broken_pipe(authd):
    tail = subprocess.Popen([CTL, "--socket", authd.socket, "log", "tail"], stdout=subprocess.PIPE)
    tail.stdout.close()
    end = time.monotonic() + 20
    while tail.poll() is None and time.monotonic() < end:
        authd.ctl("log", "level", check=True)  # a record, once it listens
    assert tail.wait(timeout=20) == 141


def test_a_reader_that_leaves_a_whole_answer_is_no_failure_and_a_full_disk_is(authd):
    reader, writer = os.pipe()
    os.close(reader)
    answer = subprocess.run([CTL, "--socket", authd.socket, "config", "show"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert answer.returncode == 0 and not answer.stderr
    with open("/dev/full", "w") as full:
        answer = subprocess.run([CTL, "--socket", authd.socket, "config", "show"], stdout=full, stderr=subprocess.PIPE)
    assert answer.returncode == 1 and b"cannot be written" in answer.stderr


def until_handled(pid, number):
    """A process that has just been started would be killed by its first signal."""
    end = time.monotonic() + 20
    while True:
        caught = re.search(r"^SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
        if int(caught[1], 16) >> (number - 1) & 1:
            return
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_interrupt_cancels_and_is_130(authd):
    for number in (signal.SIGINT, signal.SIGTERM):
        wait = subprocess.Popen([CTL, "--socket", authd.socket, "wait", "drained"], stdout=subprocess.PIPE)
        until_handled(wait.pid, number)
        wait.send_signal(number)
        assert wait.wait(timeout=20) == 130
    with Raw(authd) as raw:
        assert raw.ask("meta.version")[1]["status"] == "ok"


def test_watch_in_a_pipe_is_one_row_a_line_with_its_time(authd):
    watch = subprocess.Popen([CTL, "--socket", authd.socket, "core", "list", "--watch=100ms"], stdout=subprocess.PIPE,
                             text=True)
    rows = [json.loads(watch.stdout.readline()) for _ in range(6)]
    watch.send_signal(signal.SIGINT)
    assert watch.wait(timeout=20) == 130
    assert [row["d"]["core"] for row in rows] == [0, 1] * 3 and rows[0]["ts"] == rows[1]["ts"] < rows[2]["ts"]
    assert authd.ctl("--watch", "conn", "kill", "1").returncode == 2


def test_value_and_template(authd):
    assert authd.ctl("-o", "value", "-F", "pid", "status").stdout == f"{authd.pid}\n"
    out = authd.ctl("-o", "template", "-F", r"{core}\t{answers}", "core", "list").stdout
    assert out == "0\ttrue\n1\ttrue\n"
    assert authd.ctl("-o", "template", "-F", "{nope}", "core", "list").returncode == 2


def test_a_lost_connection_is_3_and_never_an_empty_success(tmp_path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.listen()

    def serve():
        client, _ = server.accept()
        client.sendall(b'{"t":"hello","proto":[1,1],"server":"authd"}\n')
        client.recv(65536)
        client.sendall(b'{"t":"head","id":1,"schema":"conn.list/1"}\n')
        client.close()

    threading.Thread(target=serve, daemon=True).start()
    answer = subprocess.run([CTL, "--socket", tmp_path / "s", "conn", "list"], capture_output=True, text=True)
    assert answer.returncode == 3 and "before the end of the answer" in answer.stderr and not answer.stdout


# --- completion scripts ---

@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_valid(authd, tmp_path, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    script = tmp_path / shell
    script.write_text(authd.ctl("completion", shell, check=True).stdout)
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stderr
    names = [r["command"].split(".")[-1] for r in json.loads(authd.ctl("-o", "json", "meta", "commands").stdout)]
    assert all(name in script.read_text() for name in names)
    assert authd.ctl("completion", "csh").returncode == 2


@pytest.mark.parametrize("words, expected", [
    (["po"], ["pool"]), (["pool", ""], ["drain", "list", "resize", "resume", "show"]), (["pool", "show", "store-r"], ["store-read"]),
    (["conn", "list", "--state", "re"], ["receiving"]), (["-o", "nd"], ["ndjson"]),
    (["config", "get", "log.l"], ["log.level"]), (["conn", "list", "--ag"], ["--age"]),
    (["completion", ""], ["bash", "zsh", "fish"]), (["sta"], ["status"]),
    (["user", "show", "bash-"], ["bash-a@example.org"]), (["user", "show", ""], []),
])
def test_bash_completes(authd, tmp_path, words, expected):
    request(authd, "POST", "/v1/auth/register", {"email": "bash-a@example.org", "password": "correct horse", "name": "B"})
    script = tmp_path / "bash"
    script.write_text(authd.ctl("completion", "bash", check=True).stdout)
    quoted = " ".join(f"'{word}'" for word in ["authctl", *words])
    out = subprocess.run(["bash", "-c", f"source {script}; complete -p authctl >/dev/null; COMP_WORDS=({quoted}); "
                          f"COMP_CWORD={len(words)}; _authctl; echo \"${{COMPREPLY[@]}}\""], capture_output=True, text=True,
                         env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "AUTHCTL_SOCKET": str(authd.socket)})
    assert sorted(out.stdout.split()) == sorted(expected), out.stderr
