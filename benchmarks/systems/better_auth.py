"""better-auth, a library of authentication for node, on the same store as the others: see better-auth/."""
import os

from client import PASSWORD
from generator import ROOT
from routes import Route
from systems import System
from systems.node import packages
from systems.store import WithStore

BASE = "/api/auth"


class BetterAuth(WithStore, System):
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
        super().__init__()
        self.environment = {"PORT": self.port, "BCRYPT_ROUNDS": cost, "SECRET": os.urandom(32).hex(),
                            "NODE_ENV": "production"}

    def install(self):
        self.application = packages(ROOT / "benchmarks" / "better-auth", ROOT / "build" / "bench-better-auth")

    def prepare(self):
        self.install()
        self.environment["MONGODB_URI"] = self.store_start()

    def command(self):
        return ["env", *(f"{name}={value}" for name, value in self.environment.items()),
                "node", self.application / "server.js"]

    def granted(self, headers, _body):
        return {"cookies": "; ".join(cookie.split(";", 1)[0] for cookie in headers.get_all("Set-Cookie", []))}

    def stop(self):
        if self.process and self.process.poll() is None:
            self.kill()  # it ends no request by itself
