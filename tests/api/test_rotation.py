"""Signing keys change while the daemon lives on: by age, by algorithm; tokens of before stay good."""
import base64
import json
import sqlite3
import time

from authd import Authd
from conftest import PASSWORD, Client

LOGIN = {"email": "a@example.org", "password": PASSWORD}


def header(token):
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def kids(client):
    return [k["kid"] for k in client.get("/.well-known/jwks.json").json["keys"]]


def login(client):
    return client.post("/login", LOGIN).json["data"]["access_token"]


def age_keys(authd, days):
    """As if all keys had been made earlier."""
    with sqlite3.connect(authd.dir / "authd.db") as db:
        db.execute("UPDATE keys SET created = created - ?", (int(days * 86400000),))


def test_an_old_key_is_replaced_and_its_tokens_stay_good():
    with Authd({"token.rotate_every": "90d"}) as authd:
        client = Client(authd.port)
        old = client.register(LOGIN["email"])["access_token"]
        assert kids(client) == [header(old)["kid"]]
        authd.stop()
        age_keys(authd, 91)
        authd.start()
        # Published, but it does not sign yet: whoever has the public keys has not met it.
        new_kid, old_kid = kids(client)
        assert old_kid == header(old)["kid"] and header(login(client))["kid"] == old_kid
        authd.stop()
        age_keys(authd, 1 / 24)
        authd.start()
        new = login(client)
        assert header(new)["kid"] == new_kid and kids(client) == [new_kid, old_kid]
        for token in (old, new):
            assert client.verify(token).status == 204
        authd.stop()
        age_keys(authd, 2)
        authd.start()
        assert kids(client) == [new_kid]
        assert client.verify(new).status == 204 and client.verify(old).status == 401


def test_another_algorithm_takes_over_with_overlap():
    with Authd() as authd:
        client = Client(authd.port)
        old = client.register(LOGIN["email"])["access_token"]
        authd.stop()
        authd.conf.write_text(authd.conf.read_text() + "\n[token]\nalgorithm = EdDSA\n")
        authd.start()
        assert header(login(client))["alg"] == "ES256" and len(kids(client)) == 2
        authd.stop()
        age_keys(authd, 1 / 24)
        authd.start()
        assert header(login(client))["alg"] == "EdDSA" and client.verify(old).status == 204


def test_an_operator_has_a_key_made_while_all_goes_on():
    with Authd() as authd:
        client = Client(authd.port)
        old = client.register(LOGIN["email"])["access_token"]
        done = authd.ctl("key", "rotate")
        assert done.returncode == 0, done.stderr
        end = time.monotonic() + 20
        while len(kids(client)) == 1:
            assert time.monotonic() < end, authd.log()
        assert authd.logged("keys.added", "keys.changed")
        assert client.verify(old).status == 204 and header(login(client))["kid"] == header(old)["kid"]


def test_a_rotation_more_often_than_daily_is_refused():
    done = Authd({"token.rotate_every": "1h"}).check()
    assert done.returncode == 78 and "token.rotate_every must be a day at least" in done.stderr
