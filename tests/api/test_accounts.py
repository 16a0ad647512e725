"""Register, login, refresh, logout, me, verify: the life of an account over real sockets."""
import base64
import json
import sqlite3
import time

import pytest

from authd import Authd
from conftest import PASSWORD, Client


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_register_answers_a_grant(client):
    answer = client.post("/register", {"email": " Ann@Example.ORG", "password": PASSWORD, "name": "Ann"})
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-store"
    grant = answer.json["data"]
    assert grant["token_type"] == "Bearer" and grant["expires_in"] == 900
    user = grant["user"]
    assert user["email"] == "Ann@Example.ORG" and user["name"] == "Ann"
    assert user["status"] == "active" and user["roles"] == [] and user["email_verified"] is False
    assert claims(grant["access_token"])["sub"] == user["id"]
    assert "password" not in answer.raw.decode()


def test_register_twice_is_a_conflict_whatever_the_case(client):
    client.register("twice@example.org")
    answer = client.post("/register", {"email": "TWICE@example.org", "password": PASSWORD})
    assert (answer.status, answer.error) == (409, "EMAIL_TAKEN")


@pytest.mark.parametrize("field,value", [
    ("email", "no-at-sign"), ("email", "a@b"), ("email", "x" * 65 + "@example.org"), ("email", 7),
    ("password", "short"), ("password", "x" * 73), ("password", None), ("name", 5),
])
def test_register_names_the_bad_field(client, field, value):
    body = {"email": "bad@example.org", "password": PASSWORD, "name": "B", field: value}
    answer = client.post("/register", body)
    assert (answer.status, answer.error) == (422, "VALIDATION_FAILED")
    assert list(answer.json["fields"]) == [field]


def test_login_gives_a_new_session(client):
    first = client.register("login@example.org")
    answer = client.post("/login", {"email": "LOGIN@example.org", "password": PASSWORD})
    assert answer.status == 200
    second = answer.json["data"]
    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["last_login_at"]
    assert claims(second["access_token"])["sid"] != claims(first["access_token"])["sid"]


def test_wrong_password_and_unknown_address_answer_alike(client):
    client.register("known@example.org")
    wrong = client.post("/login", {"email": "known@example.org", "password": "wrong password"})
    unknown = client.post("/login", {"email": "nobody@example.org", "password": "wrong password"})
    for answer in (wrong, unknown):
        assert (answer.status, answer.error) == (401, "INVALID_CREDENTIALS")
    assert set(wrong.headers) == set(unknown.headers)
    assert wrong.json["message"] == unknown.json["message"]


def test_the_sixth_failure_locks_and_a_right_password_waits(client):
    client.register("locked@example.org")
    bad = {"email": "locked@example.org", "password": "wrong password"}
    for _ in range(5):
        assert client.post("/login", bad).status == 401
    answer = client.post("/login", bad)
    for _ in range(3):
        if answer.status == 429:
            break
        answer = client.post("/login", bad)
    assert (answer.status, answer.error) == (429, "TOO_MANY_ATTEMPTS")
    assert int(answer.headers["retry-after"]) >= 1
    right = client.post("/login", {"email": "locked@example.org", "password": PASSWORD})
    assert right.status == 429


def test_me_and_verify_take_the_access_token(client):
    grant = client.register()
    me = client.get("/v1/auth/me", token=grant["access_token"])
    assert me.status == 200 and me.json["data"]["user"]["id"] == grant["user"]["id"]
    verify = client.verify(grant["access_token"])
    assert verify.status == 204 and verify.raw == b""
    assert verify.headers["x-auth-user"] == grant["user"]["id"]
    assert verify.headers["x-auth-session"] == claims(grant["access_token"])["sid"]


@pytest.mark.parametrize("token", [None, "x", "a.b.c", "e30.e30.", "x" * 5000])
def test_a_bad_token_is_refused(client, token):
    answer = client.verify(token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_tampered_token_is_refused(client):
    head, body, signature = client.register()["access_token"].split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert client.verify(".".join((head, body, flipped))).status == 401


def test_logout_reaches_verify_at_once(client):
    grant = client.register()
    assert client.verify(grant["access_token"]).status == 204
    assert client.post("/logout", token=grant["access_token"]).status == 204
    answer = client.verify(grant["access_token"])
    assert (answer.status, answer.error) == (401, "TOKEN_REVOKED")
    assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 401


def test_logout_by_refresh_token_is_idempotent(client):
    grant = client.register()
    for _ in range(2):
        assert client.post("/logout", {"refresh_token": grant["refresh_token"]}).status == 204
    assert client.verify(grant["access_token"]).status == 401


def test_logout_all_ends_every_session(client):
    first = client.register("all@example.org")
    second = client.post("/login", {"email": "all@example.org", "password": PASSWORD}).json["data"]
    assert client.post("/logout-all", token=first["access_token"]).status == 204
    for grant in (first, second):
        assert client.verify(grant["access_token"]).status == 401


def test_refresh_rotates_and_keeps_the_session(client):
    old = client.register()
    answer = client.post("/refresh", {"refresh_token": old["refresh_token"]})
    assert answer.status == 200
    new = answer.json["data"]
    assert new["refresh_token"] != old["refresh_token"]
    assert claims(new["access_token"])["sid"] == claims(old["access_token"])["sid"]


def test_a_lost_answer_may_be_asked_again_by_the_same_client(client):
    old = client.register()["refresh_token"]
    for _ in range(2):
        assert client.post("/refresh", {"refresh_token": old}).status == 200


def test_reuse_by_another_client_ends_the_family(client):
    old = client.register()["refresh_token"]
    new = client.post("/refresh", {"refresh_token": old}).json["data"]
    theft = client.post("/refresh", {"refresh_token": old}, headers={"User-Agent": "thief"})
    assert (theft.status, theft.error) == (401, "TOKEN_REVOKED")
    assert client.post("/refresh", {"refresh_token": new["refresh_token"]}).status == 401
    assert client.verify(new["access_token"]).status == 401


def test_a_hidden_registration_answers_alike_and_logs_nobody_in():
    with Authd({"accounts.hide_existing": "yes"}) as hiding:
        client = Client(hiding.port)
        account = {"email": "hidden@example.org", "password": PASSWORD}
        first, again = client.post("/register", account), client.post("/register", {**account, "password": "another one"})
        for answer in (first, again):
            assert (answer.status, answer.raw) == (202, b"")
        assert set(first.headers) == set(again.headers)
        assert client.post("/login", account).status == 200
        assert client.post("/login", {**account, "password": "another one"}).status == 401


def test_jwks_has_public_members_only(client):
    answer = client.get("/.well-known/jwks.json")
    assert answer.status == 200 and "max-age" in answer.headers["cache-control"]
    keys = answer.json["keys"]
    assert keys and all(k["kty"] == "EC" and k["crv"] == "P-256" and "d" not in k for k in keys)


def test_accounts_survive_a_restart(client, daemon):
    grant = client.register("stays@example.org")
    daemon.stop()
    daemon.start()
    client.port = daemon.port
    assert client.verify(grant["access_token"]).status == 204
    assert client.post("/login", {"email": "stays@example.org", "password": PASSWORD}).status == 200


def test_health_speaks_its_own_shape(client):
    body = client.get("/health").json
    assert body["status"] == "ok" and body["database"]["status"] == "healthy"
    assert body["memory"]["rss"].endswith("MB") and body["uptime"] >= 0
    assert time.strptime(body["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")
    assert client.get("/health/live").status == 200
    assert client.get("/health/ready").status == 200


@pytest.mark.parametrize("password", ["password1", "QwertyUiop", "guessed", "guessed@example.org"])
def test_what_is_guessed_first_is_refused(client, password):
    body = {"email": "guessed@example.org", "password": password}
    if len(password) < 8:
        body = {"email": "guessed.first@example.org", "password": "Guessed.First"}
    answer = client.post("/register", body)
    assert (answer.status, answer.error) == (422, "VALIDATION_FAILED")
    assert "password" in answer.json["fields"]


def test_the_operator_may_refuse_more(tmp_path):
    words = tmp_path / "words"
    words.write_text("Acme Secrets\n")
    with Authd({"password.refused_file": words}) as refusing:
        client = Client(refusing.port)
        answer = client.post("/register", {"email": "acme@example.org", "password": "acme secrets"})
        assert (answer.status, list(answer.json["fields"])) == (422, ["password"])
        client.register("acme@example.org", "acme secret")


def test_a_hash_that_is_too_weak_is_made_anew_at_the_next_login():
    def hash_of(authd):
        with sqlite3.connect(authd.dir / "authd.db") as db:
            return db.execute("SELECT hash FROM accounts").fetchone()[0]

    with Authd() as authd:
        client = Client(authd.port)
        client.register("weak@example.org")
        account = {"email": "weak@example.org", "password": PASSWORD}
        authd.stop()
        weak = hash_of(authd)
        assert weak.startswith("$2b$04$")
        authd.conf.write_text(authd.conf.read_text().replace("cost = 4", "cost = 5"))
        authd.start()
        assert client.post("/login", {**account, "password": "wrong password"}).status == 401
        assert client.post("/login", account).status == 200
        assert client.post("/login", account).status == 200
        authd.stop()
        strong = hash_of(authd)
        assert strong.startswith("$2b$05$")
        authd.start()
        assert client.post("/login", account).status == 200
        authd.stop()
        assert hash_of(authd) == strong
        authd.start()
