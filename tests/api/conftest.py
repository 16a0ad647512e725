"""One daemon for each test file, a client that speaks plain HTTP/1.1, and accounts made on the fly."""
import http.client
import itertools
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.raw = response.read()

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def error(self):
        body = self.json
        assert body["success"] is False and body["message"] and body["request_id"]
        assert body["request_id"] == self.headers["x-request-id"]
        return body["error"]


class Client:
    def __init__(self, port, source="127.0.0.1"):
        self.port = port
        self.source = source  # any of 127.0.0.0/8 is ours

    def call(self, method, path, body=None, token=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if token:
            headers["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15,
                                                source_address=(self.source, 0))
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.call("POST", "/v1/auth" + path, body=body, **kw)

    def verify(self, token):
        return self.get("/v1/auth/verify", token=token)

    def register(self, email=None, password=PASSWORD, **more):
        email = email or f"user{next(_numbers)}@example.org"
        answer = self.post("/register", {"email": email, "password": password, **more})
        assert answer.status == 201, answer.raw
        return answer.json["data"]


@pytest.fixture(scope="module")
def daemon():
    with Authd() as authd:
        yield authd


@pytest.fixture
def client(daemon):
    return Client(daemon.port)
