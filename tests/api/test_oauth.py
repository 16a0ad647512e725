"""Introspection (RFC 7662) and revocation (RFC 7009): who may ask, what is told, and that nothing else is."""
import base64
import hashlib
import http.client
import time
import urllib.parse

import pytest

from authd import Authd
from conftest import PASSWORD, Client, Answer
from test_accounts import claims
from test_admin import make_admin

ID, SECRET = "gateway", "a-secret-of-some-length"
ODD = "per%cent+plus and more"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    path = tmp_path_factory.mktemp("oauth") / "clients"
    path.write_text(f"# who may ask\n{ID} {SECRET}\nhashed sha256:{hashlib.sha256(ODD.encode()).hexdigest()}\n")
    path.chmod(0o600)
    with Authd({"oauth.clients_file": path}) as authd:
        yield authd


def basic(id=ID, secret=SECRET):
    return {"Authorization": "Basic " + base64.b64encode(f"{id}:{secret}".encode()).decode()}


def ask(client, path, form, headers=None, kind="application/x-www-form-urlencoded"):
    body = form if isinstance(form, bytes) else urllib.parse.urlencode(form).encode()
    headers = basic() if headers is None else headers
    return client.call("POST", "/oauth2/" + path, body=body, headers={**headers, "Content-Type": kind} if kind else headers)


def introspect(client, token, **more):
    answer = ask(client, "introspect", {"token": token, **more})
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json


INACTIVE = {"active": False}


def test_an_access_token_is_described(client):
    grant = client.register()
    told, signed = introspect(client, grant["access_token"], token_type_hint="access_token"), claims(grant["access_token"])
    assert told == {"active": True, "token_type": "Bearer", "roles": [],
                    **{k: signed[k] for k in ("sub", "sid", "jti", "iss", "aud", "iat", "exp")}}


def test_a_refresh_token_is_described_and_stays_good(client):
    grant = client.register()
    told = introspect(client, grant["refresh_token"], token_type_hint="nonsense")
    assert told["active"] is True and told["token_type"] == "refresh_token"
    assert told["sub"] == grant["user"]["id"] and told["sid"] == claims(grant["access_token"])["sid"]
    assert told["exp"] > time.time() + 86400 and "jti" not in told
    assert introspect(client, grant["refresh_token"]) == told
    new = client.post("/refresh", {"refresh_token": grant["refresh_token"]})
    assert new.status == 200
    assert introspect(client, grant["refresh_token"]) == INACTIVE
    assert introspect(client, new.json["data"]["refresh_token"])["active"] is True


def test_of_what_is_not_good_nothing_more_is_told(client):
    grant = client.register()
    token = grant["access_token"]
    head, body, signature = token.split(".")
    forged = f"{head}.{body}.{signature[:-4]}AAAA"
    for bad in ("x", "x.y.z", forged, grant["refresh_token"][:-1], "A" * 43, "A" * 5000):
        assert introspect(client, bad) == INACTIVE
    assert client.post("/logout", token=token).status == 204
    assert introspect(client, token) == INACTIVE
    assert introspect(client, grant["refresh_token"]) == INACTIVE


def test_a_suspended_account_has_no_good_token(daemon, client):
    grant = client.register("suspended@example.org")
    boss = client.register("boss@example.org")
    make_admin(daemon, "boss@example.org")
    token = client.post("/login", {"email": "boss@example.org", "password": PASSWORD}).json["data"]["access_token"]
    assert introspect(client, token)["roles"] == ["admin"] and introspect(client, boss["refresh_token"])["roles"] == ["admin"]
    assert client.call("POST", f"/v1/admin/users/{grant['user']['id']}/suspend", token=token).status == 200
    assert introspect(client, grant["access_token"]) == INACTIVE
    assert introspect(client, grant["refresh_token"]) == INACTIVE


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revoked_token_ends_its_session_everywhere(client, kind):
    grant = client.register()
    for _ in range(6):
        assert client.verify(grant["access_token"]).status == 204
    answer = ask(client, "revoke", {"token": grant[kind], "token_type_hint": kind})
    assert (answer.status, answer.raw) == (200, b"")
    for _ in range(6):
        assert client.verify(grant["access_token"]).status == 401
    assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 401
    assert ask(client, "revoke", {"token": grant[kind]}).status == 200


def test_revoking_what_never_was_a_token_is_fine(client):
    for token in ("x", "A" * 43, "x.y.z"):
        assert ask(client, "revoke", {"token": token}).status == 200


# --- who asks ---

@pytest.mark.parametrize("path", ["introspect", "revoke"])
def test_who_is_no_client_is_refused_the_same_way(client, path):
    token = client.register()["access_token"]
    answers = [ask(client, path, {"token": token}, headers) for headers in (
        {}, basic(secret="wrong-secret-of-length"), basic(id="nobody"), basic(id="hashed"), basic("", ""),
        {"Authorization": "Bearer " + token}, {"Authorization": "Basic !"}, {"Authorization": "Basic YWI="})]
    for answer in answers:
        assert answer.status == 401 and answer.headers["www-authenticate"] == 'Basic realm="authd"'
        assert answer.json["error"] == "invalid_client"
        assert answer.raw == answers[0].raw and set(answer.headers) == set(answers[0].headers)
    assert client.verify(token).status == 204


def test_a_digested_secret_is_right_plain_or_encoded_as_in_a_form(client):
    token = client.register()["access_token"]
    for secret in (ODD, urllib.parse.quote_plus(ODD)):
        assert ask(client, "introspect", {"token": token}, basic("hashed", secret)).json["active"] is True


def test_without_a_file_nobody_is_a_client():
    with Authd() as authd:
        assert ask(Client(authd.port), "introspect", {"token": "x"}).status == 401


# --- what is sent ---

@pytest.mark.parametrize("path", ["introspect", "revoke"])
@pytest.mark.parametrize("form", [b"", b"token=", b"other=1", b"token=a&token=b", b"token=%", b"token=%00", b"token=a&&b=c",
                                  b"token=\xff", b"&".join(b"f%d=1" % i for i in range(17))])
def test_a_bad_form_is_told(client, path, form):
    answer = ask(client, path, form)
    if not form:  # no body at all
        assert answer.status in (400, 411)
        return
    assert answer.status == 400 and answer.json["error"] == "invalid_request"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_another_type_is_refused(client, kind):
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=15)
    connection.request("POST", "/oauth2/introspect", b"token=x", {**basic(), **({"Content-Type": kind} if kind else {})})
    answer = Answer(connection.getresponse())
    connection.close()
    assert answer.status == 400 and answer.json["error"] == "invalid_request"


def test_a_token_in_the_query_is_not_looked_at(client):
    token = client.register()["access_token"]
    answer = client.call("POST", "/oauth2/introspect?token=" + token, body=b"other=1",
                         headers={**basic(), "Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 400


# --- the file ---

@pytest.mark.parametrize("text,mode,why", [
    ("a short\n", 0o600, "line 1"), (f"a {SECRET}\nb\n", 0o600, "line 2"), (f"a {SECRET}\n", 0o644, "chmod"),
])
def test_a_bad_file_ends_the_start_with_a_sentence(tmp_path, text, mode, why):
    path = tmp_path / "clients"
    path.write_text(text)
    path.chmod(mode)
    authd = Authd({"oauth.clients_file": path})
    with pytest.raises(AssertionError) as raised:
        authd.start()
    assert why in str(raised.value) and SECRET not in str(raised.value)


def test_the_secret_is_in_no_log(daemon, client):
    ask(client, "introspect", {"token": "canary-token-value"}, basic(secret="canary-secret-value"))
    assert "canary" not in daemon.log() and SECRET not in daemon.log()
