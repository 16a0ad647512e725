"""Accounts, sessions and keys through authctl: what is shown to whom, and what ends."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import Authd  # noqa: E402
from control import Raw, request  # noqa: E402


@pytest.fixture(scope="module")
def authd():
    with Authd() as daemon:
        yield daemon


def register(authd, email, name="Ada Lovelace"):
    status, body = request(authd, "POST", "/v1/auth/register",
                           {"email": email, "password": "correct horse", "name": name})
    assert status == 201, body
    return body["data"]


def shown(authd, *words):
    return json.loads(authd.ctl("-o", "json", *words, check=True).stdout)


def test_an_account_is_found_by_address_and_by_id(authd):
    user = register(authd, "Show@Example.org")["user"]
    by_email = shown(authd, "user", "show", " show@EXAMPLE.org")
    assert by_email == shown(authd, "user", "show", user["id"])
    assert by_email["email"] == "Show@Example.org" and by_email["name"] == "Ada Lovelace"
    assert by_email["status"] == "active" and by_email["failed_logins"] == 0 and by_email["locked_until"] is None
    assert "hash" not in json.dumps(by_email) and "$2" not in json.dumps(by_email)


def test_what_is_personal_is_masked_below_admin_and_looking_is_written_down(authd):
    register(authd, "masked@example.org")
    user = json.loads(authd.ctl("--as", "viewer", "-o", "json", "user", "show", "masked@example.org").stdout)
    assert user["email"] == "m***@example.org" and user["name"] == "A***"
    rows = shown(authd, "audit", "list", "--command", "user.show")
    assert rows[-1]["level"] == "viewer" and rows[-1]["result"] == "ok"


@pytest.mark.parametrize("words, code", [
    (["user", "show", "nobody@example.org"], 1), (["user", "show", "no@"], 2), (["user", "show", "x" * 65], 2),
    (["session", "revoke"], 2), (["session", "revoke", ""], 2), (["session", "revoke", "a", "--all", "--yes"], 2), (["session", "revoke", "a", "--user", "b@example.org"], 2),
    (["session", "revoke", "0192-none"], 1), (["session", "revoke", "--user", "nobody@example.org"], 1),
])
def test_who_is_not_there_or_misspelt_is_told_apart(authd, words, code):
    assert authd.ctl(*words).returncode == code


def test_failed_logins_show(authd):
    register(authd, "locked@example.org")
    for _ in range(6):
        request(authd, "POST", "/v1/auth/login", {"email": "locked@example.org", "password": "wrong horse"})
    user = shown(authd, "user", "show", "locked@example.org")
    assert user["failed_logins"] >= 5


def test_revoking_ends_every_token_of_an_account(authd):
    grants = [register(authd, "revoked@example.org")]
    status, body = request(authd, "POST", "/v1/auth/login",
                           {"email": "revoked@example.org", "password": "correct horse"})
    grants.append(body["data"])
    for grant in grants:  # cached as good, maybe on both cores
        for _ in range(4):
            assert request(authd, "GET", "/v1/auth/me", token=grant["access_token"])[0] == 200
    assert shown(authd, "--dry-run", "session", "revoke", "--user", "revoked@example.org")["done"] is False
    assert request(authd, "GET", "/v1/auth/me", token=grants[0]["access_token"])[0] == 200
    assert shown(authd, "session", "revoke", "--user", "revoked@example.org")["done"] is True
    for grant in grants:
        for _ in range(4):
            assert request(authd, "GET", "/v1/auth/me", token=grant["access_token"])[0] == 401
        assert request(authd, "POST", "/v1/auth/refresh", {"refresh_token": grant["refresh_token"]})[0] == 401


def test_revoking_all_shows_the_count_wants_a_yes_and_ends_every_token():
    with Authd() as authd:  # nobody else's sessions may end
        grants = [register(authd, f"all{i}@example.org") for i in range(3)]
        for grant in grants:  # cached as good, maybe on both cores
            for _ in range(4):
                assert request(authd, "GET", "/v1/auth/me", token=grant["access_token"])[0] == 200
        dry = shown(authd, "--dry-run", "session", "revoke", "--all")
        assert (dry["sessions"], dry["done"]) == (3, False)
        refused = authd.ctl("session", "revoke", "--all")
        assert refused.returncode == 7 and "--yes" in refused.stderr
        with Raw(authd) as raw:  # the daemon asks, too
            assert raw.ask("session.revoke", {"all": True})[1]["error"]["code"] == "unconfirmed"
        assert request(authd, "GET", "/v1/auth/me", token=grants[0]["access_token"])[0] == 200
        done = shown(authd, "--yes", "session", "revoke", "--all")
        assert (done["sessions"], done["done"]) == (3, True)
        for grant in grants:
            for _ in range(4):
                assert request(authd, "GET", "/v1/auth/me", token=grant["access_token"])[0] == 401
            assert request(authd, "POST", "/v1/auth/refresh", {"refresh_token": grant["refresh_token"]})[0] == 401
        assert shown(authd, "--yes", "session", "revoke", "--all")["sessions"] == 0
        body = {"email": "all0@example.org", "password": "correct horse"}
        token = request(authd, "POST", "/v1/auth/login", body)[1]["data"]["access_token"]
        assert request(authd, "GET", "/v1/auth/me", token=token)[0] == 200
        rows = shown(authd, "audit", "list", "--command", "session.revoke")
        assert [r["result"] for r in rows if '"all":true' in r["args"]][-1] == "ok"


def test_revoking_all_and_searching_by_prefix_want_the_level_admin(authd):
    for words in [["session", "revoke", "--all", "--yes"], ["user", "list", "--prefix", "a"]]:
        answer = authd.ctl("--as", "operator", *words)
        assert answer.returncode == 8 and "needs the level admin" in answer.stderr, words
    schema = {r["name"]: r for r in shown(authd, "schema", "session", "revoke") if r["part"] == "argument"}
    assert schema["all"]["admin"] and schema["all"]["asks"]
    assert not any(r["admin"] or r["asks"] for name, r in schema.items() if name != "all")
    assert authd.ctl("--as", "operator", "session", "revoke", "0192-none").returncode == 1
    assert authd.ctl("--as", "viewer", "user", "list").returncode == 0


def test_accounts_are_found_by_the_beginning_of_their_address(authd):
    for email in ["Prefix-b@example.org", "prefix-a@example.org", "prefix@example.org", "prefiy@example.org"]:
        register(authd, email)
    answer = authd.ctl("-o", "json", "user", "list", "--prefix", " PREFIX-", "--limit", "5", check=True)
    assert [r["email"] for r in json.loads(answer.stdout)] == ["prefix-a@example.org", "Prefix-b@example.org"]
    assert "more" not in answer.stderr
    answer = authd.ctl("-o", "json", "user", "list", "--prefix", "prefix", "--limit", "2", check=True)
    assert len(json.loads(answer.stdout)) == 2 and "there are more" in answer.stderr
    assert shown(authd, "user", "list", "--prefix", "prefiz") == []
    for wrong in (["--prefix", " "], ["--prefix", "a" * 255], ["--prefix", "a", "--after", "x"],
                  ["--prefix", "a", "--status", "active"]):
        assert authd.ctl("user", "list", *wrong).returncode == 2, wrong


def test_keys_are_listed_and_one_signs(authd):
    rows = shown(authd, "key", "list")
    assert [r["algorithm"] for r in rows if r["signs"]] == ["ES256"]
    assert {k["kid"] for k in request(authd, "GET", "/.well-known/jwks.json")[1]["keys"]} == {r["kid"] for r in rows}


def test_a_shared_secret_is_not_rotated_not_even_dry(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 64)
    secret.chmod(0o600)
    with Authd({"token.algorithm": "HS256", "token.secret_file": str(secret)}) as authd:
        for words in (["key", "rotate"], ["--dry-run", "key", "rotate"]):
            answer = authd.ctl(*words)
            assert answer.returncode == 1 and "shared with others" in answer.stderr


def test_accounts_are_listed_page_by_page(authd):
    emails = [f"page{i}@example.org" for i in range(5)]
    ids = [register(authd, email)["user"]["id"] for email in emails]
    seen, after = [], ""
    while True:
        answer = authd.ctl("-o", "json", "user", "list", "--limit", "2", *(["--after", after] if after else []))
        page = json.loads(answer.stdout)
        assert len(page) <= 2
        seen += page
        if "there are more" not in answer.stderr:
            break
        after = page[-1]["id"]
    assert [r["id"] for r in seen] == sorted(r["id"] for r in seen) and set(ids) <= {r["id"] for r in seen}
    masked = json.loads(authd.ctl("--as", "viewer", "-o", "json", "user", "list").stdout)
    assert all("***" in r["email"] for r in masked)
    assert authd.ctl("user", "list", "--status", "odd").returncode == 2


def test_a_locked_account_is_refused_everywhere_until_it_is_unlocked(authd):
    grant = register(authd, "lockme@example.org")
    token = grant["access_token"]
    for _ in range(4):
        assert request(authd, "GET", "/v1/auth/verify", token=token)[0] in (200, 204)
    assert shown(authd, "--dry-run", "user", "lock", "lockme@example.org")["status"] == "active"
    assert request(authd, "GET", "/v1/auth/verify", token=token)[0] in (200, 204)
    locked = authd.ctl("-o", "json", "user", "lock", "lockme@example.org")
    assert json.loads(locked.stdout)["status"] == "suspended" and "undo: authctl user unlock" in locked.stderr
    for _ in range(4):
        assert request(authd, "GET", "/v1/auth/verify", token=token)[0] in (401, 403)
    body = {"email": "lockme@example.org", "password": "correct horse"}
    assert request(authd, "POST", "/v1/auth/login", body)[0] == 403
    assert [r["email"] for r in shown(authd, "user", "list", "--status", "suspended")] == ["lockme@example.org"]
    assert shown(authd, "user", "unlock", grant["user"]["id"])["status"] == "active"
    assert request(authd, "POST", "/v1/auth/login", body)[0] == 200
    assert request(authd, "GET", "/v1/auth/verify", token=token)[0] in (200, 204)


def test_sessions_are_listed_and_one_is_ended(authd):
    register(authd, "sessions@example.org")
    grant = request(authd, "POST", "/v1/auth/login",
                    {"email": "sessions@example.org", "password": "correct horse"})[1]["data"]
    rows = shown(authd, "session", "list", "--user", "sessions@example.org")
    assert len(rows) == 2 and all(r["address"] == "127.0.0.1" for r in rows)
    for row in rows:
        assert shown(authd, "session", "revoke", row["id"])["done"] is True
    assert shown(authd, "session", "list", "--user", "sessions@example.org") == []
    assert request(authd, "GET", "/v1/auth/me", token=grant["access_token"])[0] == 401
    assert authd.ctl("--as", "viewer", "session", "list", "--user", "sessions@example.org").returncode == 8


def test_deleting_wants_the_name_and_leaves_nothing(authd):
    token = register(authd, "gone@example.org")["access_token"]
    assert request(authd, "GET", "/v1/auth/me", token=token)[0] == 200
    refused = authd.ctl("user", "delete", "gone@example.org")
    assert refused.returncode == 7 and "--yes=gone@example.org" in refused.stderr
    assert authd.ctl("user", "delete", "gone@example.org", "--yes").returncode == 7
    assert authd.ctl("user", "delete", "gone@example.org", "--yes=other@example.org").returncode == 7
    assert authd.ctl("user", "show", "gone@example.org").returncode == 0
    assert authd.ctl("user", "delete", "gone@example.org", "--yes=gone@example.org").returncode == 0
    assert authd.ctl("user", "show", "gone@example.org").returncode == 1
    assert request(authd, "GET", "/v1/auth/me", token=token)[0] == 401
    assert authd.ctl("user", "delete", "gone@example.org", "--yes=gone@example.org").returncode == 1
