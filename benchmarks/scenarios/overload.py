"""
Many more logins than can be done, and clients that mean harm, while /verify and /health are probed.

Capacity is calibrated with a closed loop. Then logins are offered on a schedule (Poisson) at 1x, 2x, 5x and 20x of it,
whatever becomes of them. The probes come on a schedule of their own, and their p99 at 20x is compared with the p99
of an idle daemon in pairs, idle and 20x in turn. An account has one login under way at most: equal ones may share a
hash, which would make 20x look easier than it is.
"""
import os
import time

from client import Client, lines_write, login_body, register_many
from generator import run_load
from measure import CpuWindow, median, rss_mb, rss_peak_mb, rss_peak_reset, settled_rss_mb
from systems.authd import Authd

FACTORS = (1, 2, 5, 20)
REQUEST_TIMEOUT_S = 10  # the daemon's own; it must answer by then
CLIENT_TIMEOUT_S = REQUEST_TIMEOUT_S + 2  # so that only a broken promise is a time-out
ACCOUNTS = 600  # more than the daemon keeps waiting at a time, so that one is always free
BUSY = 12 * os.cpu_count()  # connections that keep every lane of every hashing thread busy, and are all admitted
PROBES_PER_S = 200
JSON = ["Content-Type: application/json"]


class Streams:
    def __init__(self, authd, grants):
        self.authd = authd
        self.lines = lines_write(authd.folder / "logins", [login_body(g["user"]["email"]) for g in grants])
        self.token = grants[0]["access_token"]

    def probes(self):
        probe = {"rate": PROBES_PER_S, "timeout": CLIENT_TIMEOUT_S}
        return [{**probe, "name": "verify", "path": self.authd.paths["verify"],
                 "headers": ["Authorization: Bearer " + self.token]},
                {**probe, "name": "health", "path": self.authd.paths["health"]}]

    def logins(self, **kind):
        return {"name": "login", "method": "POST", "path": self.authd.paths["login"], "headers": JSON, "body": "{line}",
                "lines": self.lines, "exclusive": True, "timeout": CLIENT_TIMEOUT_S, "outstanding_max": ACCOUNTS, **kind}

    def hostile(self):
        path = self.authd.paths["health"]
        return [
            # A byte a second: the head of a request is never complete within the daemon's time.
            {"name": "dripping", "kind": "slow", "connections": 2000, "interval": 1, "bytes": 1, "path": path,
             "headers": ["X-Slow: " + "a" * 500]},
            # Thousands of requests a second whose answers nobody takes.
            {"name": "never reads", "kind": "slow", "connections": 200, "interval": 0.5, "bytes": 4096, "path": path},
            {"name": "churn", "rate": 500, "reuse": False, "path": path, "timeout": CLIENT_TIMEOUT_S},
        ]


def lost(seen):
    outcomes = seen["login"]["outcomes"]
    return outcomes["timeout"] + outcomes["unconnected"] + outcomes["broken"]


PROBE_HEADER = ["verify p50 ms", "p99", "health p50", "p99", "our lateness p99"]


def probe_cells(seen):
    return [*(seen[probe]["latency_ms"]["all"][percent] for probe in ("verify", "health") for percent in ("p50", "p99")),
            max(seen[probe]["late_ms"]["p99"] for probe in ("verify", "health"))]


def step_row(label, seen):
    login, outcomes = seen["login"], seen["login"]["outcomes"]
    refused = outcomes["overloaded"] + outcomes["limited"]
    return [label, login["sent"], login["unsent"], login["goodput"], login["goodput"] / login["cpus"], refused, lost(seen),
            login["latency_ms"]["ok"]["p50"], login["latency_ms"]["ok"]["p99"], login["latency_ms"]["refused"]["p99"],
            *probe_cells(seen)]


HEADER = ["offered", "logins", "not sent", "2xx/s", "per CPU s", "503+429", "lost", "ok p50 ms", "ok p99", "refused p99",
          *PROBE_HEADER]


def unserved(seen):
    """Honest /health requests that had no 200: probes on kept connections, and the churn of new ones."""
    return sum(seen[name]["sent"] - seen[name]["outcomes"]["ok"] for name in ("health", "churn"))


def p99(seen, probe):
    """Of all probes, unanswered ones with the time they were waited for."""
    return seen[probe]["latency_ms"]["all"]["p99"]


def logins(bench, authd, streams):
    seconds, warmup, pairs = bench.pick((15, 5, 5), (4, 1, 1))

    def idle():
        return run_load(authd.target, streams.probes(), seconds, urgent=True)

    def busy(**kind):
        with CpuWindow(authd.pids(), warmup, seconds) as window:
            seen = run_load(authd.target, [streams.logins(**kind), *streams.probes()], seconds, warmup, urgent=True)
        seen["login"]["cpus"] = window.cpus
        return seen

    def offered(factor):
        return busy(rate=capacity * factor)

    with bench.quiet(authd.pids()):
        closed = busy(kind="closed", connections=BUSY)
        capacity = closed["login"]["goodput"]
        steps = {factor: offered(factor) for factor in FACTORS[:-1]}
        turns = [(idle(), offered(FACTORS[-1])) for _ in range(pairs)]
    peak = max(s["login"]["goodput"] for s in [closed, *steps.values()])
    everything = [closed, *steps.values(), *(over for _, over in turns)]
    rows = [step_row("closed", closed), *(step_row(f"{f}x", s) for f, s in steps.items())]
    rows += [step_row(f"{FACTORS[-1]}x", over) for _, over in turns]
    bench.table(f"Logins, {seconds} s each; capacity {capacity:.1f}/s, peak {peak:.1f}/s", HEADER, rows)
    bench.table("Probes when idle", ["", *PROBE_HEADER], [["idle", *probe_cells(i)] for i, _ in turns])
    shares = [over["login"]["goodput"] / peak for _, over in turns]
    bench.number("goodput", shares)
    bench.number("timeouts", sum(lost(s) for s in everything))
    for probe in ("verify", "health"):
        ratios = [p99(over, probe) / p99(i, probe) for i, over in turns]
        bench.number(f"{probe}_p99", ratios)
    plots(bench, peak, steps, turns)
    bench.detail("logins", {"capacity": capacity, "closed": closed, "steps": steps, "pairs": turns})


def plots(bench, peak, steps, turns):
    """Goodput over what is offered, and the latencies of the first pair of idle and the most."""
    last = [over["login"]["goodput"] for _, over in turns]
    points = [(factor, seen["login"]["goodput"]) for factor, seen in steps.items()]
    bench.plot_lines("Logins done over logins offered", "offered, of capacity (x)", "logins per second with 200",
                     {"authd": [*points, (FACTORS[-1], median(last), min(last), max(last))]}, log_x=True, limits=[("peak", peak)])
    idle, over = turns[0]
    for probe in ("verify", "health"):
        bench.plot_latency(f"/{probe} when idle and under {FACTORS[-1]}x logins", {
            "idle": idle[probe]["latency_ms"]["all"], f"{FACTORS[-1]}x": over[probe]["latency_ms"]["all"]})
    bench.plot_latency(f"Logins: those done at 1x and {FACTORS[-1]}x, and the refusals", {
        "done, 1x": steps[1]["login"]["latency_ms"]["ok"], f"done, {FACTORS[-1]}x": over["login"]["latency_ms"]["ok"],
        f"refused, {FACTORS[-1]}x": over["login"]["latency_ms"]["refused"]})


def hostile(bench, authd, streams):
    seconds, pairs = bench.pick((15, 3), (5, 1))
    before = settled_rss_mb(authd.pids())
    turns = []
    with bench.quiet(authd.pids()):
        for _ in range(pairs):
            idle = run_load(authd.target, streams.probes(), seconds, urgent=True)
            turns.append((idle, run_load(authd.target, [*streams.hostile(), *streams.probes()], seconds, warmup=2, urgent=True,
                                         log=bench.say)))
    during = rss_mb(authd.pids())
    time.sleep(bench.pick(20, 12))  # memory that nobody needs goes back within ten seconds
    after = rss_mb(authd.pids())
    ratios = [p99(attacked, "health") / p99(idle, "health") for idle, attacked in turns]
    bench.number("hostile_p99", ratios)
    bench.number("hostile_errors", sum(unserved(attacked) for _, attacked in turns))
    bench.number("hostile_rss", max(0.0, after - before))
    bench.detail("hostile", {"pairs": turns, "rss_mb": {"before": before, "end": during, "after": after}})


def run(bench):
    options = {"password__cost": bench.pick(12, 10), "http__request_timeout": f"{REQUEST_TIMEOUT_S}s"}
    with Authd(**options) as authd:
        streams = Streams(authd, register_many(authd, ACCOUNTS))
        if Client(authd).verify(streams.token) != 204:
            raise RuntimeError("the probe's own token is not accepted")
        rss_peak_reset(authd.pids())
        logins(bench, authd, streams)
        hostile(bench, authd, streams)
        bench.number("rss_overload", rss_peak_mb(authd.pids()))
