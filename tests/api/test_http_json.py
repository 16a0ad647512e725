"""Bodies are exactly one RFC 8259 object: what the API says to everything else."""
import json

import pytest

from authd import Authd
from wire import RECEIVE_MODES, Wire, post

REFRESH = "/v1/auth/refresh"


@pytest.fixture(scope="module", params=RECEIVE_MODES)
def wire(request):
    with Authd({"io.receive": request.param, "core.threads": 1}) as authd, Wire(authd.port) as w:
        yield w


def nested(depth):
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


MALFORMED = {
    "empty": b"", "space": b" ", "bom": b'\xef\xbb\xbf{"refresh_token":"x"}', "utf-16": '{"a":1}'.encode("utf-16"),
    "not json": b"refresh_token=x", "array": b"[]", "string": b'"x"', "number": b"1", "null": b"null",
    "trailing object": b"{}{}", "trailing NUL": b"{}\x00", "trailing comma": b'{"a":1,}', "trailing text": b"{} x",
    "single quotes": b"{'a':1}", "comment": b"{/**/}", "bare name": b"{a:1}", "cut": b'{"refresh_token":"x"',
    "same name twice": b'{"refresh_token":"x","refresh_token":"y"}',
    "same name escaped": b'{"refresh_token":"x","refresh\\u005ftoken":"y"}',
    "same name deep": b'{"a":{"b":1,"b":2}}',
    "lone high surrogate": b'{"refresh_token":"\\ud800"}', "lone low surrogate": b'{"refresh_token":"\\udc00"}',
    "swapped surrogates": b'{"refresh_token":"\\udc00\\ud800"}', "escaped NUL": b'{"refresh_token":"\\u0000"}',
    "raw NUL": b'{"refresh_token":"a\x00b"}', "raw newline": b'{"refresh_token":"a\nb"}',
    "latin-1": b'{"refresh_token":"\xfc"}', "overlong": b'{"refresh_token":"\xc0\xaf"}',
    "encoded surrogate": b'{"refresh_token":"\xed\xa0\x80"}', "past U+10FFFF": b'{"refresh_token":"\xf4\x90\x80\x80"}',
    "leading zero": b'{"a":01}', "plus": b'{"a":+1}', "NaN": b'{"a":NaN}', "hex": b'{"a":0x1}', "dot": b'{"a":1.}',
    "number of 64 digits": b'{"a":' + b"1" * 64 + b"}", "depth 33": nested(33),
    "1001 names": json.dumps({f"k{i}": 0 for i in range(1001)}, separators=(",", ":"))[:8192].encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_json_object_is_refused_and_the_connection_stays(wire, body):
    answer = wire.send(post(REFRESH, body)).answer()
    assert answer.status == 400, answer.body
    assert answer.error == "MALFORMED_JSON"
    assert not answer.closes


WELL_FORMED = {
    "white space around": b' \t\r\n{"refresh_token":"x"}\r\n', "unknown members": b'{"refresh_token":"x","y":[1,{}]}',
    "surrogate pair": b'{"refresh_token":"\\ud83d\\ude00"}', "depth 32": b'{"refresh_token":"x","a":' + nested(31) + b"}",
    "number of 63 digits": b'{"refresh_token":"x","a":' + b"1" * 63 + b"}",
    "exponent past doubles": b'{"refresh_token":"x","a":1e999}', "escapes": b'{"refresh\\u005ftoken":"\\/\\b\\f"}',
    "empty name": b'{"refresh_token":"x","":0}', "delete": b'{"refresh_token":"\x7f"}',
    "900 names": json.dumps({"refresh_token": "x"} | {f"{i}": 0 for i in range(900)}, separators=(",", ":")).encode(),
}


@pytest.mark.parametrize("body", WELL_FORMED.values(), ids=WELL_FORMED.keys())
def test_what_is_a_json_object_reaches_the_handler(wire, body):
    answer = wire.send(post(REFRESH, body)).answer()
    assert answer.error == "INVALID_TOKEN", answer.body


@pytest.mark.parametrize("value", ["1", "null", "true", "[]", "{}", "1e999"])
def test_another_type_is_the_fields_fault(wire, value):
    answer = wire.send(post(REFRESH, b'{"refresh_token":' + value.encode() + b"}")).answer()
    assert (answer.status, answer.error) == (422, "VALIDATION_FAILED")
    assert list(answer.json["fields"]) == ["refresh_token"]


def test_a_tree_that_is_large_for_its_text_is_bounded(wire):
    body = b'{"refresh_token":"x","a":[' + b"[],[],0," * 1000 + b"0]}"
    answer = wire.send(post(REFRESH, body)).answer()
    assert answer.error in ("INVALID_TOKEN", "BODY_TOO_LARGE"), answer.body
