"""Accounts for administrators: who may, what is listed, what each change does at once and on every core."""
import subprocess
import time

import pytest

from authd import BUILD, Authd
from conftest import PASSWORD, Client
from mails import Folder, token_of, until
from test_accounts import claims

USERS = "/v1/admin/users"
OTHER = "another good password"


def make_admin(authd, email):
    return subprocess.run([BUILD / "authd", "-c", authd.conf, "--make-admin", email], capture_output=True, text=True,
                          timeout=30)


def login(client, email, password=PASSWORD):
    return client.post("/login", {"email": email, "password": password})


@pytest.fixture(scope="module")
def boss(daemon):
    """The token of an administrator."""
    client = Client(daemon.port)
    client.register("boss@example.org")
    assert make_admin(daemon, "Boss@example.org").returncode == 0
    return login(client, "boss@example.org").json["data"]["access_token"]


class Admin:
    def __init__(self, client, token):
        self.client, self.token = client, token

    def call(self, method, path="", body=None):
        return self.client.call(method, USERS + path, body=body, token=self.token)

    def user(self, answer, status=200):
        assert answer.status == status, answer.raw
        assert answer.headers["cache-control"] == "no-store"
        return answer.json["data"]["user"]


@pytest.fixture
def admin(client, boss):
    return Admin(client, boss)


def everywhere(client, token, status):
    """On every core: connections go to either."""
    return all(client.verify(token).status == status for _ in range(8))


# --- who may ---

ROUTES = [("GET", ""), ("POST", ""), ("GET", "/x"), ("PATCH", "/x"), ("DELETE", "/x"), ("POST", "/x/suspend"),
          ("POST", "/x/activate"), ("POST", "/x/revoke-sessions"), ("POST", "/x/reset-password")]


@pytest.mark.parametrize("method,path", ROUTES)
def test_nobody_but_administrators_may(client, method, path):
    body = {} if method in ("POST", "PATCH") else None
    answer = client.call(method, USERS + path, body=body)
    assert (answer.status, answer.error) == (401, "INVALID_TOKEN")
    token = client.register()["access_token"]
    answer = client.call(method, USERS + path, body=body, token=token)
    assert (answer.status, answer.error) == (403, "FORBIDDEN")


@pytest.mark.parametrize("method,path", ROUTES[2:])
def test_who_is_not_there_is_not_found(admin, method, path):
    body = {"/x/reset-password": {"new_password": OTHER}}.get(path, {"name": "X"} if method == "PATCH" else None)
    answer = admin.call(method, path, body)
    assert (answer.status, answer.error) == (404, "NOT_FOUND")


def test_the_first_administrator_is_appointed_on_the_machine(daemon):
    for email, why in (("nobody@example.org", "register first"), ("no-address", "not an email address")):
        done = make_admin(daemon, email)
        assert done.returncode == 1 and why in done.stderr


def test_a_role_is_in_tokens_and_at_verify(client, boss):
    assert claims(boss)["roles"] == ["admin"]
    assert client.verify(boss).headers["x-auth-roles"] == "admin"


# --- making ---

def test_an_account_is_made_and_its_owner_logs_in(client, admin):
    user = admin.user(admin.call("POST", body={"email": "Made@Example.org", "password": PASSWORD, "name": "Made",
                                               "roles": ["clerk", "a:b.c"], "email_verified": True}), 201)
    assert user["email"] == "Made@Example.org" and user["name"] == "Made" and user["status"] == "active"
    assert user["roles"] == ["clerk", "a:b.c"] and user["email_verified"] is True and user["last_login_at"] is None
    grant = login(client, "made@example.org").json["data"]
    assert grant["user"]["id"] == user["id"] and claims(grant["access_token"])["roles"] == ["clerk", "a:b.c"]
    answer = admin.call("POST", body={"email": "made@example.org"})
    assert (answer.status, answer.error) == (409, "EMAIL_TAKEN")


def test_without_a_password_nobody_logs_in_until_one_is_set(client, admin):
    id = admin.user(admin.call("POST", body={"email": "later@example.org"}), 201)["id"]
    for guess in ("!", PASSWORD):
        assert login(client, "later@example.org", guess).status == 401
    assert admin.call("POST", f"/{id}/reset-password", {"new_password": PASSWORD}).status == 204
    assert login(client, "later@example.org").status == 200


@pytest.mark.parametrize("field,value", [
    ("email", None), ("email", "nobody"), ("email", 7), ("password", "short"), ("password", 7), ("name", "a\nb"), ("roles", "admin"),
    ("roles", [7]), ("roles", [""]), ("roles", ["a b"]), ("roles", ["a,b"]), ("roles", ["x" * 33]), ("roles", ["a", "a"]),
    ("roles", [f"r{i}" for i in range(17)]), ("email_verified", "yes"), ("status", "active"), ("role", ["admin"]),
])
def test_a_bad_member_is_named(admin, field, value):
    answer = admin.call("POST", body={"email": "bad@example.org", field: value})
    assert (answer.status, answer.error, list(answer.json["fields"])) == (422, "VALIDATION_FAILED", [field])


# --- listing ---

def test_users_are_listed_page_by_page(admin):
    made = [admin.user(admin.call("POST", body={"email": f"page{i}@example.org"}), 201)["id"] for i in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        answer = admin.call("GET", f"?limit=2{cursor and '&cursor=' + cursor}")
        assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
        page = answer.json["data"]
        assert 1 <= len(page["users"]) <= 2
        seen += [u["id"] for u in page["users"]]
        cursor = page["next_cursor"]
    assert seen == sorted(seen) and len(set(seen)) == len(seen) and set(made) <= set(seen)
    assert [u["id"] for u in admin.call("GET", "?limit=100").json["data"]["users"]] == seen


def test_users_are_listed_by_address_and_status(admin):
    id = admin.user(admin.call("POST", body={"email": "find+me@example.org"}), 201)["id"]
    query = "?email=FIND%2Bme@example.org"
    assert [u["id"] for u in admin.call("GET", query).json["data"]["users"]] == [id]
    assert admin.call("GET", query + "&status=suspended").json["data"] == {"users": [], "next_cursor": None}
    assert admin.call("POST", f"/{id}/suspend").status == 200
    assert [u["id"] for u in admin.call("GET", query + "&status=suspended").json["data"]["users"]] == [id]
    assert id in [u["id"] for u in admin.call("GET", "?status=suspended&limit=100").json["data"]["users"]]
    assert id not in [u["id"] for u in admin.call("GET", "?status=active&limit=100").json["data"]["users"]]
    assert admin.call("GET", "?email=nobody.at.all@example.org").json["data"]["users"] == []


@pytest.mark.parametrize("query,field", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
    ("cursor=", "cursor"), ("cursor=!", "cursor"), ("cursor=MTI=", "cursor"), ("cursor=" + "A" * 200, "cursor"),
    ("email=nobody", "email"), ("status=locked", "status"), ("offset=1", "offset"), ("Limit=1", "Limit"),
    ("limit=1&limit=2", "query"), ("email=%", "query"), ("email=%00", "query"), ("a=1&&b=2", "query"), ("&", "query"),
])
def test_a_bad_query_is_named(admin, query, field):
    answer = admin.call("GET", "?" + query)
    assert (answer.status, answer.error, list(answer.json["fields"])) == (422, "VALIDATION_FAILED", [field])


# --- changing ---

def test_a_change_is_seen_at_once_everywhere(client, admin):
    grant = client.register("change@example.org")
    token, id = grant["access_token"], grant["user"]["id"]
    for _ in range(8):
        assert client.get("/v1/auth/me", token=token).json["data"]["user"]["name"] is None
        assert client.verify(token).headers["x-auth-roles"] == ""
    user = admin.user(admin.call("PATCH", f"/{id}", {"name": "New", "roles": ["clerk"], "email_verified": True}))
    assert (user["name"], user["roles"], user["email_verified"]) == ("New", ["clerk"], True)
    for _ in range(8):
        assert client.get("/v1/auth/me", token=token).json["data"]["user"] == user
        assert client.verify(token).headers["x-auth-roles"] == "clerk"
        assert admin.user(admin.call("GET", f"/{id}")) == user


def test_another_address_is_not_verified_and_logs_in(client, admin):
    id = client.register("old@example.org")["user"]["id"]
    assert admin.user(admin.call("PATCH", f"/{id}", {"email_verified": True}))["email_verified"] is True
    user = admin.user(admin.call("PATCH", f"/{id}", {"email": "Fresh@example.org"}))
    assert user["email"] == "Fresh@example.org" and user["email_verified"] is False
    assert login(client, "fresh@example.org").status == 200
    assert login(client, "old@example.org").status == 401
    proven = {"email": "third@example.org", "email_verified": True}
    assert admin.user(admin.call("PATCH", f"/{id}", proven))["email_verified"] is True
    client.register("taken@example.org")
    answer = admin.call("PATCH", f"/{id}", {"email": "TAKEN@example.org"})
    assert (answer.status, answer.error) == (409, "EMAIL_TAKEN")


@pytest.mark.parametrize("is_verified", [True, False])
def test_the_same_address_stays_as_verified_as_it_was(client, admin, is_verified):
    id = client.register(f"same{is_verified}@example.org")["user"]["id"]
    admin.user(admin.call("PATCH", f"/{id}", {"email_verified": is_verified}))
    for email in (f"same{is_verified}@example.org", f"Same{is_verified}@EXAMPLE.org"):
        user = admin.user(admin.call("PATCH", f"/{id}", {"email": email}))
        assert (user["email"], user["email_verified"]) == (email, is_verified)


@pytest.mark.parametrize("body,field", [({}, "body"), ({"password": OTHER}, "password"), ({"roles": None}, "body"), ({"roles": "x"}, "roles")])
def test_a_change_of_nothing_known_is_refused(client, admin, body, field):
    id = client.register()["user"]["id"]
    answer = admin.call("PATCH", f"/{id}", body)
    assert (answer.status, list(answer.json["fields"])) == (422, [field])


def test_suspension_refuses_at_once_and_activation_gives_all_back(client, admin):
    grant = client.register("suspend@example.org")
    token, id = grant["access_token"], grant["user"]["id"]
    assert everywhere(client, token, 204)
    assert admin.user(admin.call("POST", f"/{id}/suspend"))["status"] == "suspended"
    for _ in range(8):
        answer = client.verify(token)
        assert (answer.status, answer.error) == (403, "ACCOUNT_SUSPENDED")
    assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 403
    assert login(client, "suspend@example.org").status == 403
    assert login(client, "suspend@example.org", OTHER).status == 401
    assert admin.user(admin.call("POST", f"/{id}/activate"))["status"] == "active"
    assert everywhere(client, token, 204)
    assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 200


# --- ending ---

def test_a_deleted_account_is_gone_everywhere(client, admin):
    grant = client.register("gone@example.org")
    token, id = grant["access_token"], grant["user"]["id"]
    assert everywhere(client, token, 204)
    assert admin.user(admin.call("GET", f"/{id}"))["id"] == id
    answer = admin.call("DELETE", f"/{id}")
    assert (answer.status, answer.raw) == (204, b"")
    assert everywhere(client, token, 401)
    assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 401
    assert all(admin.call("GET", f"/{id}").status == 404 for _ in range(4))
    assert client.register("gone@example.org")["user"]["id"] != id


def test_revoked_sessions_end_and_the_account_stays(client, admin):
    grant = client.register("revoke@example.org")
    second = login(client, "revoke@example.org").json["data"]
    assert everywhere(client, second["access_token"], 204)
    assert admin.call("POST", f"/{grant['user']['id']}/revoke-sessions").status == 204
    assert everywhere(client, grant["access_token"], 401) and everywhere(client, second["access_token"], 401)
    assert login(client, "revoke@example.org").status == 200


def test_a_reset_password_is_the_only_one_and_ends_sessions(client, admin):
    grant = client.register("reset@example.org")
    assert everywhere(client, grant["access_token"], 204)
    path = f"/{grant['user']['id']}/reset-password"
    for bad in ("short", "password1", "reset@example.org"):
        answer = admin.call("POST", path, {"new_password": bad})
        assert (answer.status, list(answer.json["fields"])) == (422, ["new_password"])
    assert everywhere(client, grant["access_token"], 204)
    assert admin.call("POST", path, {"new_password": OTHER}).status == 204
    assert everywhere(client, grant["access_token"], 401)
    assert login(client, "reset@example.org").status == 401
    assert login(client, "reset@example.org", OTHER).status == 200


def test_without_a_password_its_owner_gets_a_mail_and_chooses(daemon, client, admin):
    grant = client.register("mailed@example.org")
    path = f"/{grant['user']['id']}/reset-password"
    for body in (None, {}):
        assert admin.call("POST", path, body).status == 202
    mail = until(lambda: [m for m in Folder(daemon).all("mailed@example.org")
                          if "reset-password" in m.get_content()])[0]
    assert client.verify(grant["access_token"]).status == 204  # until then nothing changes
    assert client.post("/password/reset", {"token": token_of(mail), "new_password": OTHER}).status == 204
    assert client.verify(grant["access_token"]).status == 401
    assert login(client, "mailed@example.org", OTHER).status == 200


def test_without_mails_a_password_is_needed():
    with Authd({"mail.transport": "none"}) as authd:
        client = Client(authd.port)
        id = client.register("boss@example.org")["user"]["id"]
        make_admin(authd, "boss@example.org")
        token = login(client, "boss@example.org").json["data"]["access_token"]
        answer = Admin(client, token).call("POST", f"/{id}/reset-password")
        assert (answer.status, list(answer.json["fields"])) == (422, ["new_password"])


# --- administrators among themselves ---

def test_an_administrator_cannot_take_its_own_rights(admin, boss):
    own = claims(boss)["sub"]
    for method, path, body in (("POST", "/suspend", None), ("DELETE", "", None), ("PATCH", "", {"roles": ["clerk"]})):
        answer = admin.call(method, f"/{own}{path}", body)
        assert (answer.status, answer.error) == (403, "FORBIDDEN")
    assert admin.user(admin.call("PATCH", f"/{own}", {"roles": ["admin", "clerk"]}))["roles"] == ["admin", "clerk"]
    assert admin.user(admin.call("PATCH", f"/{own}", {"roles": ["admin"]}))["roles"] == ["admin"]


def test_who_is_no_administrator_any_more_is_none_at_once(client, admin):
    id = client.register("second@example.org")["user"]["id"]
    assert admin.call("PATCH", f"/{id}", {"roles": ["admin"]}).status == 200
    token = login(client, "second@example.org").json["data"]["access_token"]
    second = Admin(client, token)
    assert all(second.call("GET").status == 200 for _ in range(8))
    assert admin.call("PATCH", f"/{id}", {"roles": []}).status == 200
    assert claims(token)["roles"] == ["admin"]  # still signed, still in time
    assert all(second.call("GET").status == 403 for _ in range(8))


def test_what_administrators_do_is_logged_without_addresses(daemon, client, admin):
    id = client.register("logged@example.org")["user"]["id"]
    assert admin.call("POST", f"/{id}/suspend").status == 200
    lines, end = [], time.monotonic() + 10
    while not lines and time.monotonic() < end:
        lines = [x for x in daemon.log().splitlines() if "admin.user_suspended" in x and id in x]
    assert len(lines) == 1 and "example.org" not in lines[0]
