"""Public documents are compressed for who wants it; what belongs to somebody never is."""
import gzip
import subprocess

import pytest

from authd import Authd
from conftest import PASSWORD, Client

JWKS = "/.well-known/jwks.json"


@pytest.fixture(scope="module")
def daemon():
    # A key of RSA is long enough for either coding to gain something.
    with Authd({"http.compression_threshold": 64, "token.algorithm": "RS256"}) as authd:
        yield authd


def unzstd(data):
    return subprocess.run(["zstd", "-d", "-c"], input=data, capture_output=True, check=True, timeout=10).stdout


@pytest.mark.parametrize("accepts,coding,decode", [
    ("gzip", "gzip", gzip.decompress), ("zstd", "zstd", unzstd),
    ("gzip, deflate, br, zstd", "zstd", unzstd), ("gzip;q=1, zstd;q=0.1", "gzip", gzip.decompress),
])
def test_a_public_document_is_coded_as_the_client_wants(client, accepts, coding, decode):
    plain = client.get(JWKS)
    assert "content-encoding" not in plain.headers and plain.headers["vary"] == "Accept-Encoding"
    for _ in range(2):
        coded = client.get(JWKS, headers={"Accept-Encoding": accepts})
        assert coded.status == 200
        assert coded.headers["content-encoding"] == coding
        assert coded.headers["vary"] == "Accept-Encoding"
        assert coded.headers["content-type"] == plain.headers["content-type"]
        assert coded.headers["cache-control"] == plain.headers["cache-control"]
        assert int(coded.headers["content-length"]) == len(coded.raw) < len(plain.raw)
        assert decode(coded.raw) == plain.raw


@pytest.mark.parametrize("headers", [
    {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip;q=0, zstd;q=0, *;q=0"}, {"Accept-Encoding": ""},
    {"Accept-Encoding": "identity;q=0"}, {"Accept-Encoding": "gzip", "X-No-Compression": "1"},
])
def test_who_does_not_want_it_gets_it_as_it_is(client, headers):
    answer = client.get(JWKS, headers=headers)
    assert answer.status == 200 and answer.json["keys"]
    assert "content-encoding" not in answer.headers


def test_head_has_the_fields_of_get(client):
    headers = {"Accept-Encoding": "gzip"}
    get, head = (client.call(method, JWKS, headers=headers) for method in ("GET", "HEAD"))
    assert head.raw == b""
    for name in ("content-encoding", "content-length", "content-type", "vary"):
        assert head.headers[name] == get.headers[name]


def test_health_is_coded_too(client):
    answer = client.get("/health", headers={"Accept-Encoding": "gzip"})
    assert b'"status":"ok"' in gzip.decompress(answer.raw)


def test_what_belongs_to_somebody_is_never_coded(client):
    headers = {"Accept-Encoding": "gzip, zstd"}
    name = "A" * 200
    answers = [client.post("/register", {"email": "secret@example.org", "password": PASSWORD, "name": name},
                           headers=headers)]
    grant = answers[0].json["data"]
    token = grant["access_token"]
    answers.append(client.post("/login", {"email": "secret@example.org", "password": PASSWORD}, headers=headers))
    answers.append(client.post("/refresh", {"refresh_token": grant["refresh_token"]}, headers=headers))
    answers.append(client.get("/v1/auth/me", token=token, headers=headers))
    answers.append(client.call("PATCH", "/v1/auth/me", {"name": name}, token=token, headers=headers))
    answers.append(client.get("/" + "A" * 500, headers=headers))
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200, 404]
    for answer in answers:
        assert answer.json
        assert "content-encoding" not in answer.headers and "vary" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("config", [{}, {"http.compression": "no", "http.compression_threshold": 1}])
def test_small_documents_and_all_when_it_is_off_go_as_they_are(config):
    with Authd(config) as authd:
        answer = Client(authd.port).get(JWKS, headers={"Accept-Encoding": "gzip"})
        assert answer.status == 200 and len(answer.raw) < 1024 and answer.json["keys"]
        assert "content-encoding" not in answer.headers and "vary" not in answer.headers
