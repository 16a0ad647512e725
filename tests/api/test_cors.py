"""Pages of other origins: who is listed may call, nobody else learns that anybody may."""
import pytest

from authd import Authd
from conftest import PASSWORD, Client

APP = "https://app.example"
OTHER = "http://localhost:3000"


@pytest.fixture(scope="module")
def daemon():
    with Authd({"http.cors_origins": f"{APP} {OTHER}"}) as authd:
        yield authd


def preflight(client, origin, path="/v1/auth/login", method="POST"):
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}
    return client.call("OPTIONS", path, headers={**headers, **({"Origin": origin} if origin else {})})


def vary(answer):
    return {name.strip() for name in answer.headers.get("vary", "").split(",")}


@pytest.mark.parametrize("origin", [APP, OTHER])
def test_a_listed_origin_may_call(client, origin):
    answer = preflight(client, origin)
    assert answer.status == 204 and answer.raw == b""
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert {"Authorization", "Content-Type"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert answer.headers["access-control-max-age"] == "600"
    assert "Origin" in vary(answer)
    assert preflight(client, origin, "/v1/auth/me", "PATCH").headers["access-control-allow-methods"] == "GET, HEAD, PATCH"


def test_its_page_may_read_every_answer(client):
    body = {"email": "page@example.org", "password": PASSWORD}
    for answer in (client.post("/register", body, headers={"Origin": APP}),
                   client.post("/register", body, headers={"Origin": APP}),
                   client.get("/nothing", headers={"Origin": APP}),
                   client.call("POST", "/v1/auth/login", b"{", headers={"Origin": APP, "Content-Type": "application/json"}),
                   client.post("/login", b"x" * 70000, headers={"Origin": APP})):
        assert answer.headers["access-control-allow-origin"] == APP, answer.status
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert "Origin" in vary(answer)


@pytest.mark.parametrize("origin", ["https://app.example.evil.example", "http://app.example", "https://APP.example",
                                    "https://app.example:8443", "null", "*", ""])
def test_another_origin_gets_the_answer_without_permission(client, origin):
    asked = preflight(client, origin)
    assert asked.status == 405 and asked.headers["allow"] == "POST"
    got = client.get("/health", headers={"Origin": origin})
    assert got.status == 200
    for answer in (asked, got):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in vary(answer)


def test_a_cache_is_told_also_without_an_origin(client):
    answer = client.get("/health")
    assert "Origin" in vary(answer) and "access-control-allow-origin" not in answer.headers


def test_options_that_are_no_preflight_are_refused(client):
    answer = client.call("OPTIONS", "/v1/auth/login", headers={"Origin": APP})
    assert answer.status == 405 and answer.error == "METHOD_NOT_ALLOWED"
    assert preflight(client, APP, "/nothing").status == 404


def test_credentials_come_along_only_where_a_cookie_may_bring_the_token(client):
    assert "access-control-allow-credentials" not in preflight(client, APP).headers
    with Authd({"http.cors_origins": APP, "token.cookie": "token"}) as authd:
        other = Client(authd.port)
        assert preflight(other, APP).headers["access-control-allow-credentials"] == "true"
        assert "access-control-allow-credentials" not in preflight(other, OTHER).headers


def test_without_origins_nothing_is_said():
    with Authd() as authd:
        client = Client(authd.port)
        assert preflight(client, APP).status == 405
        answer = client.get("/health", headers={"Origin": APP})
        assert "Origin" not in vary(answer) and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "null", "app.example", "https://app.example/", "https://App.example"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    result = Authd({"http.cors_origins": origin}).check()
    assert result.returncode == 78 and origin in result.stderr and "cors_origins" in result.stderr


def test_every_answer_has_the_security_fields(client):
    for answer in (client.get("/health"), client.get("/nothing"), client.get("/v1/auth/verify"), preflight(client, APP)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-request-id"] and answer.headers["date"] and "server" not in answer.headers
