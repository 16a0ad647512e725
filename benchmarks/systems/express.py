"""The Express application of express/: before the optimization plan and after each of its phases."""
import os

from routes import contract
from systems import TOKENS_S
from systems.node import Application

BASE = "/api/auth"
NAMES = {0: "Express, before", 1: "Express, phase 1", 2: "Express, phase 2", 3: "Express, phase 3"}


class Express(Application):
    source = "express"
    paths = {"health": "/health"}
    routes = contract(BASE)

    def __init__(self, phase, cost=12, time_limit_s=30, processes=1):
        super().__init__(PHASE=phase, BCRYPT_ROUNDS=cost, REQUEST_TIMEOUT_MS=int(time_limit_s * 1000),
                         CLUSTER_WORKERS=processes, JWT_SECRET=os.urandom(32).hex(), ACCESS_TOKEN_SECONDS=TOKENS_S)
        self.name = NAMES[phase] + (f", {processes} processes" if processes > 1 else "")
        self.environment["LOG_FILE"] = self.folder / "app.log"

    def granted(self, _headers, body):
        return {key: body["data"][key] for key in ("access_token", "refresh_token")}
