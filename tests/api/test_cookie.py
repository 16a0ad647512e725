"""[token] cookie: a browser's cookie may bring the access token, to /verify alone."""
import pytest

from authd import Authd
from conftest import Client

NAME = "__Host-token"


@pytest.fixture(scope="module")
def daemon():
    with Authd({"token.cookie": NAME}) as authd:
        yield authd


@pytest.fixture
def token(client):
    return client.register()["access_token"]


def verify(client, cookie, **headers):
    return client.get("/v1/auth/verify", headers={"Cookie": cookie, **headers})


def test_a_cookie_brings_the_token(client):
    grant = client.register()
    answer = verify(client, f"{NAME}={grant['access_token']}")
    assert answer.status == 204 and answer.headers["x-auth-user"] == grant["user"]["id"]
    assert verify(client, f"theme=dark; {NAME}={grant['access_token']}; lang=en").status == 204


@pytest.mark.parametrize("form", ["{n}={t}; {n}={t}", "{n}={t}; {n}=", "{n}=; {n}={t}", "{n}=x; a=b; {n}={t}"])
def test_two_of_the_name_are_refused(client, token, form):
    answer = verify(client, form.format(n=NAME, t=token))
    assert answer.status == 401 and answer.error == "INVALID_TOKEN"


@pytest.mark.parametrize("form", ["__host-token={t}", "token={t}", "x__Host-token={t}", "{n} ={t}", "{n}", "{n}=",
                                  '{n}="{t}"', "a={n}={t}", "{n}==" "{t}", "=" "{t}", ""])
def test_another_spelling_is_another_cookie(client, token, form):
    assert verify(client, form.format(n=NAME, t=token)).status == 401


def test_who_says_authorization_means_it(client, token):
    assert verify(client, f"{NAME}={token}", Authorization="Bearer x").status == 401
    assert verify(client, f"{NAME}={token}", Authorization="Basic x").status == 401
    assert verify(client, f"{NAME}=x", Authorization=f"Bearer {token}").status == 204


def test_nothing_but_verify_takes_it(client, token):
    for method, path in (("GET", "/v1/auth/me"), ("POST", "/v1/auth/logout-all"), ("POST", "/v1/auth/logout")):
        assert client.call(method, path, headers={"Cookie": f"{NAME}={token}"}).status == 401
    assert verify(client, f"{NAME}={token}").status == 204, "and it is still good"


def test_without_the_option_no_cookie_counts(token):
    with Authd() as authd:
        client = Client(authd.port)
        own = client.register()["access_token"]
        assert verify(client, f"{NAME}={own}").status == 401
        assert verify(client, f"={own}").status == 401


@pytest.mark.parametrize("name", ["a=b", "a b", "a\"b", "a,b"])
def test_what_is_no_cookie_name_is_refused_at_the_start(name):
    result = Authd({"token.cookie": name}).check()
    assert result.returncode == 78 and "token.cookie" in result.stderr
