"""
Restarts while 2,000 requests a second go on: by `authctl upgrade`, and by a service manager that keeps the listening
sockets, on both engines. Every request must have its 200: on kept connections, on new ones, tokens and logins.

The clients repeat nothing. Real ones would send a request again whose connection ended before its answer began.
"""
import json
import pathlib
import subprocess
import sys
import threading
import time

from client import lines_write, login_body, register_many
from generator import ROOT, run_load
from systems.authd import BUILD, Authd

sys.path.insert(0, str(ROOT / "tests" / "support"))
from manager import Manager, Process, adopt_orphans  # noqa: E402

PACE_S = 1.2  # between two restarts: the daemon before must have finished
EDGE_S = 2  # of load before the first and after the last one
TIMEOUT_S = 10
ACCOUNTS = 64
ENGINES = ("io_uring", "epoll")
HEALTH_PER_S, VERIFY_PER_S, NEW_PER_S, LOGINS_PER_S = 500, 1000, 480, 20


def streams(authd, grants):
    tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
    logins = lines_write(authd.folder / "logins", [login_body(g["user"]["email"]) for g in grants])
    usual = {"timeout": TIMEOUT_S, "outstanding_max": 4000}
    return [{**usual, "name": "kept, /health", "rate": HEALTH_PER_S, "path": authd.paths["health"]},
            {**usual, "name": "kept, /verify", "rate": VERIFY_PER_S, "path": authd.paths["verify"],
             "headers": ["Authorization: Bearer {line}"], "lines": tokens},
            {**usual, "name": "new, /health", "rate": NEW_PER_S, "reuse": False, "path": authd.paths["health"]},
            {**usual, "name": "logins", "rate": LOGINS_PER_S, "method": "POST", "path": authd.paths["login"],
             "headers": ["Content-Type: application/json"], "body": "{line}", "lines": logins}]


class Upgrades:
    """authctl upgrade, again and again."""
    name, bar = "upgrade", "upgrade_failed"

    def __init__(self, authd):
        self.authd = authd
        adopt_orphans()
        authd.start()
        self._ctl("wait", "ready", "-o", "json")  # the operator's socket comes after the first answer

    def _ctl(self, *words):
        done = subprocess.run([BUILD / "authctl", "--socket", self.authd.folder / "authctl.sock", "--timeout", "60",
                               *words], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"authctl {words}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def restart(self):
        before = self.authd.process
        self.authd.process = Process(self._ctl("upgrade", "-o", "ndjson")["pid"])
        if before.wait(timeout=60):
            raise RuntimeError(f"the daemon before ended with {before.returncode}")
        while self._ctl("status", "-o", "json")["predecessor"]:
            time.sleep(0.01)

    def close(self):
        pass


class Managed:
    """systemctl restart, with the store of descriptors."""
    name, bar = "restart", "restart_failed"

    def __init__(self, authd):
        self.authd = authd
        self.manager = Manager(authd.folder)
        self._start()

    def _start(self):
        self.authd.process = self.manager.start(self.authd.command(), self.authd.folder / "log")

    def restart(self):
        code = self.manager.end()
        if code:
            raise RuntimeError(f"the daemon ended with {code}")
        self._start()

    def close(self):
        self.authd.stop()
        self.manager.__exit__()


def keep_restarting(way, count, ends):
    """On a thread: so many restarts, one every PACE_S. What each took, or what went wrong."""
    began = time.monotonic() + EDGE_S
    try:
        for i in range(count):
            time.sleep(max(0.0, began + i * PACE_S - time.monotonic()))
            at = time.monotonic()
            way.restart()
            ends.append((time.monotonic() - at) * 1000)
    except Exception as error:  # told by who waits for us
        ends.append(error)


def failures(seen):
    return sum(s["sent"] + s["unsent"] - s["outcomes"]["ok"] for s in seen.values())


def rows_of(label, seen):
    def cells(s):
        wrong = {k: n for k, n in s["outcomes"].items() if n and k != "ok"}
        return [s["sent"], s["sent"] - s["outcomes"]["ok"] + s["unsent"], s["latency_ms"]["ok"]["p50"],
                s["latency_ms"]["ok"]["p99"], s["latency_ms"]["ok"]["max"], s["late_ms"]["max"], str(wrong or "")]
    return [[f"{label}: {name}", *cells(s)] for name, s in seen.items()]


# A client that stands still for a second, in which its connection ends, loses what it sends then: see our lateness.
HEADER = ["", "requests", "failed", "p50 ms", "p99", "longest", "our longest lateness", "how they failed"]


def measured(bench, kind, engine):
    count = bench.pick(50, 3)
    with_load = count * PACE_S + 2 * EDGE_S
    authd = Authd(io__engine=engine, password__cost=4)
    authd.options |= {"control.audit_file": authd.folder / "audit.log", "metrics.listen": authd.folder / "metrics.sock"}
    authd.prepare()
    way = None
    try:
        way = kind(authd)
        plan = streams(authd, register_many(authd, ACCOUNTS))
        ends = []
        restarting = threading.Thread(target=keep_restarting, args=(way, count, ends))
        restarting.start()
        seen = run_load(authd.target, plan, with_load, urgent=True)
        is_late = restarting.is_alive()
        restarting.join()
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if is_late:
            bench.say(f"{kind.name}: the last restart came after the load had ended; this machine is too busy")
        bench.detail(f"{kind.name}_{engine}", {"restarts_ms": ends, "streams": seen})
        return seen, ends
    finally:
        if way:
            way.close()
        authd.close()


def run(bench):
    rows, times = [], []
    for kind in (Upgrades, Managed):
        lost = 0
        for engine in ENGINES:
            with bench.quiet():
                seen, ends = measured(bench, kind, engine)
            lost += failures(seen)
            rows += rows_of(f"{kind.name}, {engine}", seen)
            times.append([f"{kind.name}, {engine}", len(ends), sorted(ends)[len(ends) // 2], max(ends)])
        bench.number(kind.bar, lost)
    bench.table("Requests", HEADER, rows)
    bench.table("From asking to the end of the daemon before (upgrade), to being ready (restart)",
                ["", "restarts", "median ms", "longest"], times)
