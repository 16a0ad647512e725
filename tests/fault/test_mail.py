"""Mail by SMTP to a real receiver that is down, refuses, hangs or is slow; TLS, passwords, and kill -9."""
import pathlib
import sqlite3
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import Authd, free_port  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mails import token_of, until  # noqa: E402
from smtp import Receiver, Silent, certificate  # noqa: E402

EMAIL = "ann@example.org"


def sender(port, **config):
    return Authd({"mail.transport": "smtp", "mail.host": "127.0.0.1", "mail.port": port, "mail.starttls": "off",
                  "mail.from": "noreply@example.org", "mail.from_name": "Example", "mail.timeout": "1s",
                  "mail.retry_base": "100ms", "mail.retry_max": "400ms",
                  **{"mail." + k if "." not in k else k: v for k, v in config.items()}})


def forgot(client, email=EMAIL):
    answer = client.post("/password/forgot", {"email": email})
    assert answer.status == 202
    return answer


def ask(authd, email=EMAIL):
    client = Client(authd.port)
    client.register(email)
    forgot(client, email)
    return client


def waiting(authd):
    with sqlite3.connect(authd.dir / "authd.db") as db:
        return db.execute("SELECT count(*) FROM mails").fetchone()[0]


def logged(authd, event, count=1):
    return until(lambda: authd.log().count(f'"{event}"') >= count)


def test_a_mail_arrives_once_and_works():
    with Receiver() as smtp, sender(smtp.port) as authd:
        client = ask(authd)
        message, = smtp.wait()
        assert smtp.envelopes == [("noreply@example.org", [EMAIL], False, "example.org")]
        assert message["To"] == EMAIL and message["From"].addresses[0].display_name == "Example"
        assert message["Auto-Submitted"] == "auto-generated" and message["Message-ID"] and message["Date"].datetime
        assert client.post("/password/reset", {"token": token_of(message), "new_password": "another horse"}).status == 204
        until(lambda: waiting(authd) == 0)
        forgot(client)
        assert len(smtp.wait(2)) == 2
        assert smtp.sessions == 1, "the connection is kept"


def test_a_server_that_is_down_gets_its_mails_when_it_is_back():
    port = free_port()
    with sender(port) as authd:
        client = ask(authd)
        ask(authd, "bob@example.org")
        logged(authd, "mail.failed", 3)
        assert waiting(authd) == 2
        started = time.monotonic()
        assert client.get("/v1/auth/me", token="x").status == 401 and forgot(client)
        assert time.monotonic() - started < 5
        with Receiver(port) as smtp:
            found = smtp.wait(2)
            assert {m["To"] for m in found} == {EMAIL, "bob@example.org"}
            until(lambda: waiting(authd) == 0)


def test_mails_survive_kill_9_and_a_stop_while_the_server_is_down():
    port = free_port()
    with sender(port) as authd:
        ask(authd)
        logged(authd, "mail.failed")
        authd.kill()
        authd.start()
        logged(authd, "server.started", 2)
        authd.stop()
        assert waiting(authd) == 1
        with Receiver(port) as smtp:
            authd.start()
            assert token_of(smtp.wait()[0])


def test_who_is_killed_while_he_sends_sends_again():
    with Receiver(delay=0.5) as smtp, sender(smtp.port) as authd:
        client = ask(authd)
        until(lambda: smtp.envelopes)
        authd.kill()
        authd.start()
        smtp.delay = 0
        until(lambda: len(smtp.envelopes) >= 2, 30)
        message = smtp.wait(1)[-1]
        assert client.post("/password/reset", {"token": token_of(message), "new_password": "another horse"}).status == 204


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_not_now_is_tried_again(stage):
    with Receiver() as smtp, sender(smtp.port) as authd:
        getattr(smtp, stage).extend(["451 greylisted", "452 full"])
        ask(authd)
        assert len(smtp.wait()) == 1
        logged(authd, "mail.failed", 2)
        until(lambda: waiting(authd) == 0)
        assert "451" in authd.log() and '"mail.sent"' in authd.log()


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_never_is_not_tried_again_and_others_are_sent(stage):
    with Receiver() as smtp, sender(smtp.port) as authd:
        getattr(smtp, stage).append("550 no such user")
        ask(authd)
        logged(authd, "mail.refused")
        until(lambda: waiting(authd) == 0)
        ask(authd, "bob@example.org")
        assert [m["To"] for m in smtp.wait()] == ["bob@example.org"]
        assert authd.log().count('"mail.refused"') == 1


def test_a_server_that_hangs_holds_nobody_up():
    with Silent() as silent, sender(silent.port, timeout="30s") as authd:
        client = ask(authd)
        time.sleep(0.3)  # it is in the middle of it now
        started = time.monotonic()
        client.register("other@example.org")
        forgot(client)
        authd.stop()
        assert time.monotonic() - started < 10, "it waits for the mail server"
        assert waiting(authd) == 1
        authd.start()


def test_a_server_that_hangs_is_given_up_and_tried_again():
    with Silent() as silent, sender(silent.port) as authd:
        ask(authd)
        logged(authd, "mail.failed", 2)
        assert waiting(authd) == 1


def test_a_slow_server_gets_each_mail_once():
    with Receiver(delay=0.7) as smtp, sender(smtp.port, timeout="10s") as authd:
        client = ask(authd)
        ask(authd, "bob@example.org")
        started = time.monotonic()
        assert client.post("/login", {"email": EMAIL, "password": PASSWORD}).status == 200
        assert time.monotonic() - started < 0.7
        smtp.wait(2)
        until(lambda: waiting(authd) == 0)
        assert sorted(to[0] for _, to, _, _ in smtp.envelopes) == [EMAIL, "bob@example.org"]


@pytest.mark.parametrize("limit", [{"attempts_max": 2}, {"age_max": "60s", "attempts_max": 3}])
def test_a_mail_is_given_up_in_the_end(limit):
    with Receiver() as smtp, sender(smtp.port, **limit) as authd:
        smtp.rcpt.extend(["450 later"] * 50)
        ask(authd)
        logged(authd, "mail.abandoned")
        until(lambda: waiting(authd) == 0)
        assert authd.log().count('"mail.failed"') == limit["attempts_max"] - 1


def test_an_address_in_another_script_needs_a_server_that_knows_it():
    with Receiver(enable_SMTPUTF8=True) as smtp, sender(smtp.port) as authd:
        ask(authd, "jürgen@bücher.example")
        until(lambda: smtp.mails)
        assert smtp.envelopes[0][1] == ["jürgen@xn--bcher-kva.example"]
        assert "jürgen@xn--bcher-kva.example".encode() in smtp.mails[0]


# --- TLS and passwords ---

@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("starttls", ["required", "implicit"])
def test_tls_with_a_server_that_is_vouched_for(tls, starttls):
    cert, context = tls
    with Receiver(tls=context, wants_tls=True, implicit=starttls == "implicit") as smtp:
        with sender(smtp.port, starttls=starttls, ca_file=cert) as authd:
            ask(authd)
            smtp.wait()
            assert smtp.envelopes[0][2] is True


def test_a_stranger_gets_no_mail(tls, tmp_path):
    other, _ = certificate(tmp_path)
    with Receiver(tls=tls[1]) as smtp, sender(smtp.port, starttls="required", ca_file=other) as authd:
        ask(authd)
        logged(authd, "mail.failed", 2)
        assert not smtp.envelopes and waiting(authd) == 1


def test_a_server_of_another_name_gets_no_mail(tmp_path):
    cert, context = certificate(tmp_path, "mail.example.org")
    with Receiver(tls=context) as smtp, sender(smtp.port, starttls="required", ca_file=cert) as authd:
        ask(authd)
        logged(authd, "mail.failed", 2)
        assert not smtp.envelopes


def test_a_server_without_tls_gets_no_mail_unless_that_is_allowed():
    with Receiver() as smtp:
        with sender(smtp.port, starttls="required") as authd:
            ask(authd)
            logged(authd, "mail.failed", 2)
            assert not smtp.envelopes
        with sender(smtp.port, starttls="optional") as authd:
            ask(authd)
            smtp.wait()
            assert smtp.envelopes[0][2] is False


def test_optional_takes_what_there_is(tls):
    with Receiver(tls=tls[1]) as smtp, sender(smtp.port, starttls="optional") as authd:
        ask(authd)
        smtp.wait()
        assert smtp.envelopes[0][2] is True


@pytest.mark.parametrize("mechanisms", [["PLAIN"], ["LOGIN"], ["PLAIN", "LOGIN"]])
def test_a_password_from_a_file(tls, tmp_path, mechanisms):
    cert, context = tls
    secret = tmp_path / "password"
    secret.write_text("s3cret pass\n")
    secret.chmod(0o600)
    excluded = [m for m in ("PLAIN", "LOGIN") if m not in mechanisms]
    with Receiver(tls=context, password=(b"authd", b"s3cret pass"), auth_exclude_mechanism=excluded) as smtp:
        with sender(smtp.port, starttls="required", ca_file=cert, user="authd", password_file=secret) as authd:
            ask(authd)
            smtp.wait()
            assert "s3cret" not in authd.log()
            assert "s3cret" not in authd.ctl("config", "show").stdout


def test_a_wrong_password_loses_no_mail(tls, tmp_path):
    cert, context = tls
    secret = tmp_path / "password"
    secret.write_text("wrong")
    secret.chmod(0o600)
    with Receiver(tls=context, password=(b"authd", b"right")) as smtp:
        with sender(smtp.port, starttls="required", ca_file=cert, user="authd", password_file=secret) as authd:
            ask(authd)
            logged(authd, "mail.failed", 2)
            assert not smtp.envelopes and waiting(authd) == 1
            secret.write_text("right")
            authd.stop()
            authd.start()
            smtp.wait()


def test_a_password_that_everybody_may_read_is_refused(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("x")
    secret.chmod(0o644)
    authd = sender(free_port(), password_file=secret)
    with pytest.raises(AssertionError) as failed:
        authd.start()
    assert "everybody may read it" in str(failed.value)
