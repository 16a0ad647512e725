"""
PocketBase: a server in Go with accounts on SQLite, one program as authd is. As it is by default, but for the cost of a
hash, alerts by mail, and records of requests that succeed; limits per address are off by default.
"""
import json
import os
import shutil
import subprocess

from client import PASSWORD
from generator import ROOT
from routes import Route
from systems import Missing, System, call

VERSION = "v0.36.8"
PROGRAM = ROOT / "build" / f"bench-pocketbase-{VERSION}" / "base"
USERS = "/api/collections/users"
ADMIN = {"identity": "admin@example.org", "password": PASSWORD}
BUILD_S = 900


def build():
    """Minutes, once."""
    if PROGRAM.exists():
        return
    if not shutil.which("go"):
        raise Missing("go 1.24 or newer, to build PocketBase")
    done = subprocess.run(["go", "install", f"github.com/pocketbase/pocketbase/examples/base@{VERSION}"],
                          env={**os.environ, "GOBIN": str(PROGRAM.parent), "CGO_ENABLED": "0"}, capture_output=True,
                          text=True, timeout=BUILD_S)
    if done.returncode:
        raise Missing(f"what go could not build: {done.stderr.strip()[-300:]}")


class PocketBase(System):
    name = "PocketBase"
    paths = {"health": "/api/health"}
    routes = {
        "health": Route("/api/health"),
        # Its tokens are checked with any request for a record, the least of which is one's own.
        "verify": Route(USERS + "/records?perPage=1&skipTotal=1", headers=("Authorization: {line}",), line="token"),
        "me": Route(USERS + "/records?perPage=1&skipTotal=1", headers=("Authorization: {line}",), line="token"),
        "login": Route(USERS + "/auth-with-password", f'{{"identity":"{{line}}","password":"{PASSWORD}"}}', line="email"),
        "register": Route(USERS + "/records", f'{{"email":"{{line}}{{n}}@example.org","password":"{PASSWORD}",'
                          f'"passwordConfirm":"{PASSWORD}"}}', line="prefix"),
        # A token with a new expiry; the old one stays valid, nothing is written.
        "refresh": Route(USERS + "/auth-refresh", body="", headers=("Authorization: {line}",), line="token"),
    }

    def __init__(self, cost=12):
        super().__init__()
        self.cost = cost
        self.is_set_up = False

    def install(self):
        build()

    def prepare(self):
        self.install()
        subprocess.run([PROGRAM, "superuser", "upsert", ADMIN["identity"], ADMIN["password"], "--dir", self.folder / "data"],
                       check=True, capture_output=True)

    def command(self):
        return [PROGRAM, "serve", "--http", self.target, "--dir", self.folder / "data"]

    def start(self):
        super().start()
        if not self.is_set_up:
            self._set_up()
        return self

    def _set_up(self):
        token = call(self, "POST", "/api/collections/_superusers/auth-with-password", json.dumps(ADMIN))["token"]
        fields = call(self, "GET", USERS, token=token)["fields"]
        for field in fields:
            if field["type"] == "password":
                field["cost"] = self.cost
        for path, change in ((USERS, {"fields": fields, "authAlert": {"enabled": False}}),
                             ("/api/settings", {"logs": {"minLevel": 4}})):
            call(self, "PATCH", path, json.dumps(change), token=token)
        self.is_set_up = True

    def granted(self, _headers, body):
        return {"token": body["token"]} if "token" in body else None
