"""The Express application of express/: before the optimization plan and after each of its phases."""
import os

from generator import ROOT
from routes import contract
from systems import System
from systems.node import packages
from systems.store import WithStore

SOURCE = ROOT / "benchmarks" / "express"
BASE = "/api/auth"
NAMES = {0: "Express, before", 1: "Express, phase 1", 2: "Express, phase 2", 3: "Express, phase 3"}


class Express(WithStore, System):
    paths = {"health": "/health"}
    routes = contract(BASE)

    def __init__(self, phase, cost=12, time_limit_s=30, processes=1):
        super().__init__()
        self.name = NAMES[phase] + (f", {processes} processes" if processes > 1 else "")
        self.environment = {
            "PHASE": phase, "PORT": self.port, "BCRYPT_ROUNDS": cost, "REQUEST_TIMEOUT_MS": int(time_limit_s * 1000),
            "CLUSTER_WORKERS": processes, "JWT_SECRET": os.urandom(32).hex(), "LOG_FILE": self.folder / "app.log",
            "NODE_ENV": "production"}

    def install(self):
        self.application = packages(SOURCE, ROOT / "build" / "bench-express")

    def prepare(self):
        self.install()
        self.environment["MONGODB_URI"] = self.store_start()

    def command(self):
        return ["env", *(f"{name}={value}" for name, value in self.environment.items()),
                "node", self.application / "server.js"]

    def granted(self, _headers, body):
        return {key: body["data"][key] for key in ("access_token", "refresh_token")}

    def stop(self):
        """At once: requests that nobody waits for any more would be answered first."""
        if self.process and self.process.poll() is None:
            self.kill()
