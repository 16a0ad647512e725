"""Passwords that are changed, forgotten and reset; addresses that are verified; mails in files."""
import json
import re
import sqlite3

import pytest

from authd import Authd
from conftest import PASSWORD, Client
from mails import Folder, token_of, until

NEW = "another horse battery"


@pytest.fixture(scope="module")
def daemon():
    with Authd({"accounts.verify_email": "yes", "mail.link_base": "https://app.example.org",
                "mail.from": "noreply@example.org", "mail.from_name": "Käsetheke, \"Berlin\""}) as authd:
        yield authd


@pytest.fixture
def mails(daemon):
    return Folder(daemon)


def login(client, email, password):
    return client.post("/login", {"email": email, "password": password})


def forgot(client, mails, email, count=1):
    assert client.post("/password/forgot", {"email": email}).status == 202
    return until(lambda: [m for m in mails.all(email.lower()) if "reset-password" in m.get_content()][count - 1:count])[0]


# --- changing ---

def change(client, grant, current=PASSWORD, new=NEW):
    return client.post("/password/change", {"current_password": current, "new_password": new}, token=grant["access_token"])


def test_a_changed_password_replaces_the_old_and_ends_the_other_sessions(client):
    first = client.register("change@example.org")
    second = login(client, "change@example.org", PASSWORD).json["data"]
    assert client.verify(first["access_token"]).status == 204
    answer = change(client, second)
    assert (answer.status, answer.raw) == (204, b"")
    assert client.verify(second["access_token"]).status == 204
    answer = client.verify(first["access_token"])
    assert (answer.status, answer.error) == (401, "TOKEN_REVOKED")
    assert client.post("/refresh", {"refresh_token": first["refresh_token"]}).status == 401
    assert client.post("/refresh", {"refresh_token": second["refresh_token"]}).status == 200
    assert login(client, "change@example.org", PASSWORD).status == 401
    assert login(client, "change@example.org", NEW).status == 200


def test_the_old_password_is_needed_and_guesses_are_counted(client):
    grant = client.register("guess@example.org")
    for _ in range(5):
        answer = change(client, grant, current="wrong password")
        assert (answer.status, answer.error) == (401, "INVALID_CREDENTIALS")
    statuses = [change(client, grant, current="wrong password").status for _ in range(3)]
    assert 429 in statuses
    answer = change(client, grant)
    assert (answer.status, answer.error) == (429, "TOO_MANY_ATTEMPTS")
    assert int(answer.headers["retry-after"]) >= 1
    assert client.verify(grant["access_token"]).status == 204


@pytest.mark.parametrize("new", ["short", "password1", "x" * 73, "refused@example.org", None, 5])
def test_a_new_password_is_held_to_the_same_rules(client, new):
    email = "refused@example.org"
    answer = client.post("/register", {"email": email, "password": PASSWORD})
    grant = answer.json["data"] if answer.status == 201 else login(client, email, PASSWORD).json["data"]
    answer = change(client, grant, new=new)
    assert (answer.status, answer.error) == (422, "VALIDATION_FAILED")
    assert list(answer.json["fields"]) == ["new_password"]


def test_nobody_changes_a_password_without_a_token(client):
    answer = client.post("/password/change", {"current_password": PASSWORD, "new_password": NEW})
    assert answer.status == 401


# --- forgetting ---

def test_a_forgotten_password_is_reset_by_the_mail(client, mails):
    email = "forgot@example.org"
    first = client.register(email)
    message = forgot(client, mails, email.upper())
    assert message["Subject"] == "A new password"
    assert message["From"].addresses[0].display_name == "Käsetheke, \"Berlin\""
    assert message["From"].addresses[0].addr_spec == "noreply@example.org"
    assert "https://app.example.org/reset-password#token=" in message.get_content()
    assert "30 minutes" in message.get_content()
    body = {"token": token_of(message), "new_password": NEW}
    answer = client.post("/password/reset", body)
    assert (answer.status, answer.raw) == (204, b"")
    assert client.verify(first["access_token"]).status == 401
    assert login(client, email, PASSWORD).status == 401
    assert login(client, email, NEW).json["data"]["user"]["email_verified"] is True
    answer = client.post("/password/reset", body)
    assert (answer.status, answer.error) == (401, "INVALID_TOKEN")


def test_a_reset_opens_a_locked_account(client, mails):
    email = "opened@example.org"
    client.register(email)
    while login(client, email, "wrong password").status != 429:
        pass
    body = {"token": token_of(forgot(client, mails, email)), "new_password": NEW}
    assert client.post("/password/reset", body).status == 204
    assert login(client, email, NEW).status == 200


def test_a_refused_password_does_not_use_the_token(client, mails):
    email = "twice@example.org"
    client.register(email)
    token = token_of(forgot(client, mails, email))
    answer = client.post("/password/reset", {"token": token, "new_password": "password1"})
    assert (answer.status, list(answer.json["fields"])) == (422, ["new_password"])
    assert client.post("/password/reset", {"token": token, "new_password": NEW}).status == 204


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 5000, "\u0000", "é" * 21])
def test_a_made_up_token_is_refused(client, token):
    for path, body in (("/password/reset", {"new_password": NEW}), ("/email/verify", {})):
        answer = client.post(path, {"token": token, **body})
        assert (answer.status, answer.error) == (401, "INVALID_TOKEN") if token != "\u0000" else (400, "MALFORMED_JSON")


def test_known_and_unknown_addresses_are_answered_alike(client, mails):
    client.register("known.forgot@example.org")
    for path in ("/password/forgot", "/email/resend"):
        known = client.post(path, {"email": "known.forgot@example.org"})
        unknown = client.post(path, {"email": "unknown.forgot@example.org"})
        nonsense = client.post(path, {"email": "no address"})
        for answer in (known, unknown, nonsense):
            assert (answer.status, answer.raw) == (202, b"")
        assert set(known.headers) == set(unknown.headers) == set(nonsense.headers)
    forgot(client, mails, "known.forgot@example.org")
    assert mails.all("unknown.forgot@example.org") == []


def test_the_address_is_required_as_text(client):
    for body in ({}, {"email": 5}):
        answer = client.post("/password/forgot", body)
        assert (answer.status, list(answer.json["fields"])) == (422, ["email"])


def test_a_token_has_its_purpose(client, mails):
    email = "purpose@example.org"
    client.register(email)
    verify = token_of(mails.wait(email))
    assert client.post("/password/reset", {"token": verify, "new_password": NEW}).status == 401
    reset = token_of(forgot(client, mails, email))
    assert client.post("/email/verify", {"token": reset}).status == 401
    assert client.post("/email/verify", {"token": verify}).status == 204


def test_tokens_are_neither_in_the_store_nor_in_the_log(client, daemon, mails):
    email = "secret@example.org"
    client.register(email)
    token = token_of(forgot(client, mails, email))
    daemon.stop()
    files = [p for p in daemon.dir.iterdir() if p.is_file()]
    assert daemon.dir / "authd.db" in files
    for path in files:
        assert token.encode() not in path.read_bytes(), path
    daemon.start()
    assert client.post("/password/reset", {"token": token, "new_password": NEW}).status == 204


# --- verifying ---

def test_registering_mails_a_token_that_verifies_once(client, mails):
    email = "verify@example.org"
    grant = client.register(email, name="Ann\u00e9")
    assert grant["user"]["email_verified"] is False
    message = mails.wait(email)
    assert "verify-email#token=" in message.get_content() and "Hello, Anné," in message.get_content()
    assert client.get("/v1/auth/me", token=grant["access_token"]).json["data"]["user"]["email_verified"] is False
    body = {"token": token_of(message)}
    assert client.post("/email/verify", body).status == 204
    me = client.get("/v1/auth/me", token=grant["access_token"]).json["data"]["user"]
    assert me["email_verified"] is True
    assert client.post("/email/verify", body).status == 401


def test_a_token_is_sent_again_until_the_address_is_verified(client, mails):
    email = "again@example.org"
    client.register(email)
    first = mails.wait(email)
    assert client.post("/email/resend", {"email": email}).status == 202
    second = mails.wait(email, 2)
    assert client.post("/email/verify", {"token": token_of(second)}).status == 204
    assert client.post("/email/verify", {"token": token_of(first)}).status == 401
    client.register("later@example.org")
    assert client.post("/email/resend", {"email": email}).status == 202
    # Sent in order: when the later one is there, the other would be.
    client.post("/email/resend", {"email": "later@example.org"})
    mails.wait("later@example.org", 2)
    assert len(mails.all(email)) == 2


def test_an_address_with_other_letters_gets_its_mail(client, mails):
    client.register("Hans@bücher.example")
    message = mails.wait("Hans@xn--bcher-kva.example")
    assert "Hans@bücher.example" in message.get_content()


def test_nobody_logs_in_before_the_address_is_verified_where_that_is_wanted():
    with Authd({"accounts.verify_email": "yes", "accounts.require_verified": "yes"}) as authd:
        client, mails = Client(authd.port), Folder(authd)
        account = {"email": "strict@example.org", "password": PASSWORD}
        answer = client.post("/register", account)
        assert (answer.status, answer.raw) == (202, b"")
        answer = client.post("/login", account)
        assert (answer.status, answer.error) == (403, "EMAIL_NOT_VERIFIED")
        answer = client.post("/login", {**account, "password": "wrong password"})
        assert (answer.status, answer.error) == (401, "INVALID_CREDENTIALS")
        assert client.post("/email/verify", {"token": token_of(mails.wait("strict@example.org"))}).status == 204
        assert client.post("/login", account).status == 200


def test_who_has_an_account_is_told_by_mail_when_registering_hides_it():
    with Authd({"accounts.verify_email": "yes", "accounts.hide_existing": "yes"}) as authd:
        client, mails = Client(authd.port), Folder(authd)
        account = {"email": "hidden@example.org", "password": PASSWORD}
        first = client.post("/register", account)
        mails.wait("hidden@example.org")
        again = client.post("/register", account)
        assert (first.status, first.raw, set(first.headers)) == (again.status, again.raw, set(again.headers))
        message = mails.wait("hidden@example.org", 2)
        assert message["Subject"] == "You have an account already"


# --- limits and switches ---

def test_one_account_gets_so_many_mails_whoever_asks():
    with Authd({"limits.enabled": "yes", "limits.mailbox": "3/1h"}) as authd:
        client, mails = Client(authd.port), Folder(authd)
        client.register("bombed@example.org")
        client.register("other@example.org")
        for i in range(5):
            assert client.post("/password/forgot", {"email": "bombed@example.org"}).status == 202
            if i < 3:
                mails.wait("bombed@example.org", i + 1)
        client.post("/password/forgot", {"email": "other@example.org"})
        mails.wait("other@example.org")
        assert len(mails.all("bombed@example.org")) == 3


def test_an_address_asks_for_so_many_mails():
    with Authd({"limits.enabled": "yes", "limits.mail": "2/1h"}) as authd:
        client = Client(authd.port)
        for i in range(2):
            assert client.post("/password/forgot", {"email": f"x{i}@example.org"}).status == 202
        answer = client.post("/email/resend", {"email": "x@example.org"})
        assert (answer.status, answer.error) == (429, "RATE_LIMITED")


def test_without_mail_nothing_is_kept():
    with Authd({"mail.transport": "none", "accounts.verify_email": "yes"}) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        assert client.post("/password/forgot", {"email": "a@example.org"}).status == 202
        authd.stop()
        with sqlite3.connect(authd.dir / "authd.db") as db:
            assert db.execute("SELECT count(*) FROM mails").fetchone() == (0,)
        assert not (authd.dir / "mails").exists()
        authd.start()


def test_templates_of_the_operator_are_used(tmp_path):
    (tmp_path / "reset.txt").write_text("Subject: Schlüssel für {{email}}\n\nHier: {{base}}/x#token={{token}}\n")
    with Authd({"mail.templates": tmp_path}) as authd:
        client = Client(authd.port)
        client.register("t@example.org")
        client.post("/password/forgot", {"email": "t@example.org"})
        message = Folder(authd).wait("t@example.org")
        assert message["Subject"] == "Schlüssel für t@example.org"
        assert token_of(message)


@pytest.mark.parametrize("config,says", [
    ({"mail.from": "nobody"}, "mail.from is no address"),
    ({"mail.templates": "DIR"}, "reset.txt does not begin with"),
    ({"mail.folder": "/proc/nothing"}, "/proc/nothing"),
    ({"mail.transport": "smtp", "mail.host": "mail.example.org", "mail.user": "u", "mail.starttls": "off"}, "needs TLS"),
])
def test_what_cannot_work_is_said_at_the_start(tmp_path, config, says):
    (tmp_path / "reset.txt").write_text("Hello\n")
    authd = Authd({k: tmp_path if v == "DIR" else v for k, v in config.items()})
    with pytest.raises(AssertionError) as failed:
        authd.start()
    assert says in str(failed.value)
    assert authd.process.wait() == 1


def test_mails_are_counted(client, daemon, mails):
    def counted():
        rows = json.loads(daemon.ctl("-o", "json", "metrics", "list", "authd_mails_total").stdout)
        return {re.search(r"outcome=\W*(\w+)", row["labels"]).group(1): row["value"] for row in rows}

    before = counted()
    assert set(before) == {"sent", "retried", "refused", "abandoned", "needless"}
    client.register("counted@example.org")
    client.post("/password/forgot", {"email": "nobody.counted@example.org"})
    mails.wait("counted@example.org")
    until(lambda: counted()["sent"] > before["sent"] and counted()["needless"] > before["needless"])


def test_files_are_for_their_owner_alone(daemon, client, mails):
    client.register("owner@example.org")
    mails.wait("owner@example.org")
    assert mails.path.stat().st_mode & 0o077 == 0
    for path in mails.path.iterdir():
        assert path.suffix == ".eml" and path.stat().st_mode & 0o077 == 0
