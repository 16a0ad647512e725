"""better-auth, a library of authentication for node, on the same store as the others: see better-auth/."""
import os

from client import PASSWORD
from routes import Route
from systems.node import Application

BASE = "/api/auth"


class BetterAuth(Application):
    source = "better-auth"
    name = "better-auth"
    paths = {"health": BASE + "/ok"}
    routes = {
        "health": Route(BASE + "/ok"),
        # It has one question for who somebody is: from its signed cookie, or (as a refresh) from the store.
        "verify": Route(BASE + "/get-session", headers=("Cookie: {line}",), line="cookies"),
        "me": Route(BASE + "/get-session", headers=("Cookie: {line}",), line="cookies"),
        "login": Route(BASE + "/sign-in/email", f'{{"email":"{{line}}","password":"{PASSWORD}"}}', line="email"),
        "register": Route(BASE + "/sign-up/email", f'{{"email":"{{line}}{{n}}@example.org","password":"{PASSWORD}",'
                          '"name":"user"}', line="prefix"),
        "refresh": Route(BASE + "/get-session?disableCookieCache=true", headers=("Cookie: {line}",), line="cookies"),
    }

    def __init__(self, cost=12):
        super().__init__(BCRYPT_ROUNDS=cost, SECRET=os.urandom(32).hex())

    def granted(self, headers, _body):
        return {"cookies": "; ".join(cookie.split(";", 1)[0] for cookie in headers.get_all("Set-Cookie", []))}
