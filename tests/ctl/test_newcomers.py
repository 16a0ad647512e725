"""user create and reset-password: passwords come from a file, a descriptor or the terminal, and stay nowhere."""
import json
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import Raw, request  # noqa: E402

PASSWORD = "entirely correct horse"


@pytest.fixture(scope="module")
def authd():
    with Authd({"mail.transport": "none"}) as daemon:
        yield daemon


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    return file


def made(authd, email, secret, *words):
    return json.loads(authd.ctl("-o", "json", "user", "create", email, "--secret-file", secret, *words, check=True).stdout)


def login(authd, email, password=PASSWORD):
    return request(authd, "POST", "/v1/auth/login", {"email": email, "password": password})[0]


def test_an_account_is_made_with_all_that_was_said_and_can_log_in(authd, secret):
    user = made(authd, "Ada@Example.org", secret, "--name", "Ada L", "--roles", "admin,ops", "--verified")
    assert (user["email"], user["name"], user["roles"], user["email_verified"], user["status"]) == \
        ("Ada@Example.org", "Ada L", "admin, ops", True, "active")
    assert login(authd, "ada@example.org") == 200 and login(authd, "ada@example.org", "wrong horse") == 401
    taken = authd.ctl("user", "create", "ADA@example.org", "--secret-file", secret)
    assert taken.returncode == 1 and "has the address" in taken.stderr


def test_a_dry_run_makes_nothing_and_checks_everything(authd, secret):
    assert authd.ctl("--dry-run", "user", "create", "dry@example.org", "--secret-file", secret).returncode == 0
    assert authd.ctl("user", "show", "dry@example.org").returncode == 1
    made(authd, "dry@example.org", secret)
    assert authd.ctl("--dry-run", "user", "create", "dry@example.org", "--secret-file", secret).returncode == 1
    secret.write_text("short")
    assert authd.ctl("--dry-run", "user", "create", "dry2@example.org", "--secret-file", secret).returncode == 2
    assert authd.ctl("--dry-run", "user", "reset-password", "dry@example.org", "--secret-file", secret).returncode == 2
    secret.write_text("quite another horse")
    assert authd.ctl("--dry-run", "user", "reset-password", "dry@example.org", "--secret-file", secret).returncode == 0
    assert login(authd, "dry@example.org") == 200


@pytest.mark.parametrize("words, why", [
    (["no-address"], "not an email address"), (["a@example.org", "--roles", "ops,o p"], "different ones"),
    (["a@example.org", "--roles", "ops,ops"], "different ones"), (["a@example.org", "--roles", "x" * 33], "different ones"),
    (["a@example.org", "--name", "a\tb"], "control characters"), (["a@example.org", "--name", "n" * 257], "at most 256"),
])
def test_what_is_wrong_is_said(authd, secret, words, why):
    answer = authd.ctl("user", "create", *words, "--secret-file", secret)
    assert answer.returncode == 2 and why in answer.stderr


@pytest.mark.parametrize("password, why", [
    ("short", "too short"), ("x" * 300, "too long"), ("x" * 1100, "too long"), ("known@example.org", "password"),
])
def test_the_rules_for_passwords_hold_here_too(authd, secret, password, why):
    secret.write_text(password)
    answer = authd.ctl("user", "create", "known@example.org", "--secret-file", secret)
    assert answer.returncode == 2 and why in answer.stderr


def test_another_password_ends_the_sessions(authd, secret):
    made(authd, "reset@example.org", secret)
    status, grant = request(authd, "POST", "/v1/auth/login", {"email": "reset@example.org", "password": PASSWORD})
    assert status == 200
    secret.write_text("quite another horse")
    with open(secret) as file:
        answer = authd.ctl("-o", "json", "user", "reset-password", "reset@example.org", "--secret-fd", str(file.fileno()),
                           pass_fds=[file.fileno()])
    row = json.loads(answer.stdout)
    assert row["done"] and not row["mailed"] and row["email"] == "reset@example.org"
    assert request(authd, "GET", "/v1/auth/me", token=grant["data"]["access_token"])[0] == 401
    assert login(authd, "reset@example.org") == 401 and login(authd, "reset@example.org", "quite another horse") == 200
    assert authd.ctl("user", "reset-password", "nobody@example.org", "--secret-file", secret).returncode == 1


def test_an_account_without_a_password_lets_nobody_in_until_its_owner_has_one(tmp_path):
    with Authd({"mail.transport": "file", "mail.folder": tmp_path}) as authd:
        answer = authd.ctl("user", "create", "later@example.org", "--no-password")
        assert answer.returncode == 0 and "reset-password later@example.org --mail" in answer.stderr
        assert login(authd, "later@example.org", "!") == 401
        row = json.loads(authd.ctl("-o", "json", "user", "reset-password", "later@example.org", "--mail", check=True).stdout)
        assert row["mailed"] and row["done"]
        end = time.monotonic() + 20
        while not any("later@example.org" in mail.read_text() for mail in tmp_path.iterdir() if mail.suffix == ".eml"):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_without_mails_there_is_no_mail(authd, secret):
    made(authd, "mailless@example.org", secret)
    answer = authd.ctl("user", "reset-password", "mailless@example.org", "--mail")
    assert answer.returncode == 1 and "no mail can be sent" in answer.stderr and "mail.transport" in answer.stderr


def test_no_password_stays_anywhere(authd, secret):
    made(authd, "nowhere@example.org", secret)
    secret.write_text("short")
    assert authd.ctl("user", "create", "nowhere2@example.org", "--secret-file", secret).returncode == 2
    rows = json.loads(authd.ctl("-o", "json", "audit", "list", "--command", "user.create").stdout)
    mine = [r for r in rows if "nowhere" in r["args"]]
    assert [r["result"] for r in mine] == ["ok", "bad_argument"] and all('"(secret)"' in r["args"] for r in mine)
    assert authd.logged("nowhere2@example.org")
    kept = [file.read_text(errors="replace") for file in authd.dir.iterdir() if file.is_file() and file.suffix != ".db"]
    assert len(kept) >= 3 and not any(PASSWORD in text or '"short"' in text for text in kept)


def test_no_password_is_taken_from_words_or_a_pipe_that_was_not_named(authd, secret):
    answer = authd.ctl("user", "create", "word@example.org", "--password", PASSWORD)
    assert answer.returncode == 2 and "among the words" in answer.stderr and PASSWORD not in answer.stderr
    answer = authd.ctl("user", "create", "word@example.org", input=PASSWORD + "\n")
    assert answer.returncode == 2 and "--secret-file, --secret-fd or --no-password" in answer.stderr
    assert authd.ctl("user", "show", "word@example.org").returncode == 1
    for words in (["--secret-file", "/nonexistent"], ["--secret-fd", "77"], ["--secret-fd", "x"], ["--secret-file", "/dev/null"]):
        assert authd.ctl("user", "create", "word@example.org", *words).returncode == 2, words


def test_a_file_that_everybody_can_read_is_told(authd, secret):
    secret.chmod(0o644)
    answer = authd.ctl("user", "create", "open@example.org", "--secret-file", secret)
    assert answer.returncode == 0 and "everybody can read" in answer.stderr
    quiet = authd.ctl("-q", "user", "reset-password", "open@example.org", "--secret-file", secret)
    assert quiet.returncode == 0 and not quiet.stderr


def test_either_a_password_or_something_instead(authd):
    with Raw(authd) as raw:
        both = raw.ask("user.create", {"email": "x@example.org", "password": PASSWORD, "no-password": True})[1]
        neither = raw.ask("user.create", {"email": "x@example.org"})[1]
    assert both["error"]["arg"] == neither["error"]["arg"] == "password"


def test_only_admins_make_accounts(authd, secret):
    for words in (["create", "level@example.org"], ["reset-password", "level@example.org"]):
        assert authd.ctl("--as", "operator", "user", *words, "--secret-file", secret).returncode == 8


def test_sessions_of_an_account_are_listed_under_its_noun_too(authd, secret):
    made(authd, "many@example.org", secret)
    assert login(authd, "many@example.org") == login(authd, "many@example.org") == 200
    rows = json.loads(authd.ctl("-o", "json", "user", "sessions", "many@example.org").stdout)
    assert len(rows) == 2 and rows == json.loads(authd.ctl("-o", "json", "session", "list", "--user", "many@example.org").stdout)
    assert authd.ctl("--as", "viewer", "user", "sessions", "many@example.org").returncode == 8


def test_what_forgets_the_line_keeps_the_ones_behind_it(authd):
    """Several lines in one read: each is wiped when it has run, and the next is whole."""
    with Raw(authd) as raw:
        lines = [{"t": "req", "id": i, "cmd": "meta.version", "args": {"pad": "x" * i}} for i in range(1, 5)]
        raw.socket.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        for i in range(1, 5):
            assert raw.until_end(i)[-1]["status"] == "ok"
