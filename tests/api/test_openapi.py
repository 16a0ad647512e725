"""/openapi.json, as the daemon makes it from its tables, and what else is said of routes in the README."""
import gzip
import json
import re

import pytest

from authd import ROOT, Authd
from conftest import Client

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document(daemon):
    answer = Client(daemon.port).get("/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    return answer.json


def operations(document):
    return [(method.upper(), path, operation) for path, methods in document["paths"].items()
            for method, operation in methods.items()]


def nodes(value):
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(document):
    assert document["openapi"].startswith("3.1.")
    references = {node["$ref"] for node in nodes(document) if isinstance(node, dict) and "$ref" in node}
    assert len(references) > 10
    for reference in references:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target


def test_operations_are_named_once_and_say_what_they_do(document):
    found = operations(document)
    assert len({operation["operationId"] for *_, operation in found}) == len(found) > 12
    known = {tag["name"] for tag in document["tags"]}
    for method, path, operation in found:
        assert method.lower() in METHODS and operation["summary"] and set(operation["tags"]) <= known
        assert any(status.startswith("2") for status in operation["responses"]), path


def test_every_schema_is_used(document):
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, f"nothing answers {name}"


def test_every_path_parameter_is_described(document):
    for _, path, operation in operations(document):
        said = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        assert said == re.findall(r"{(\w+)}", path)


def test_a_documented_limit_is_the_limit(document, client):
    schema = document["paths"]["/v1/auth/register"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    longest = schema["properties"]["name"]["maxLength"]
    body = {"email": "limit@example.org", "password": "correct horse battery", "name": "n" * (longest + 1)}
    answer = client.post("/register", body)
    assert answer.status == 422 and list(answer.json["fields"]) == ["name"]
    assert client.post("/register", {**body, "name": "n" * longest}).status == 201
    shortest = schema["properties"]["password"]["minLength"]
    assert client.post("/register", {**body, "password": "p" * (shortest - 1)}).status == 422


def test_a_client_that_has_it_is_told_so(client):
    first = client.get("/openapi.json")
    tag = first.headers["etag"]
    for known in (tag, f'W/{tag}', f'"other", {tag}', "*"):
        again = client.get("/openapi.json", headers={"If-None-Match": known})
        assert again.status == 304 and again.raw == b"" and again.headers["etag"] == tag, known
        assert "content-length" not in again.headers
    for unknown in ('"other"', tag.strip('"'), ""):
        assert client.get("/openapi.json", headers={"If-None-Match": unknown}).status == 200


def test_it_is_sent_compressed(client):
    coded = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert coded.headers["content-encoding"] == "gzip"
    plain = client.get("/openapi.json")
    assert gzip.decompress(coded.raw) == plain.raw and len(coded.raw) * 4 < len(plain.raw)
    weak = client.get("/openapi.json", headers={"Accept-Encoding": "gzip", "If-None-Match": coded.headers["etag"]})
    assert weak.status == 304


def test_it_follows_the_configuration():
    with Authd({"http.base": "/api/auth", "token.cookie": "__Host-token", "password.min": 12}) as authd:
        document = Client(authd.port).get("/openapi.json").json
    assert "/api/auth/login" in document["paths"] and "/v1/auth/login" not in document["paths"]
    assert document["components"]["securitySchemes"]["cookie"]["name"] == "__Host-token"
    assert {"cookie": []} in document["paths"]["/api/auth/verify"]["get"]["security"]
    register = document["paths"]["/api/auth/register"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert register["properties"]["password"]["minLength"] == 12


def test_readme_has_the_routes_of_the_table(document):
    """The README's table is the document's, row by row: what this prints is what it should be."""
    expected = [f"| `{method} {path}` | {operation['summary']} |" for method, path, operation in operations(document)]
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if re.match(r"\| `[A-Z]+ /", line)]
    assert rows == expected, "\n".join(expected)
