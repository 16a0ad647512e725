"""
authd beside an Express application of the kind that it replaces, before its team's optimization plan and after each of
the plan's three phases (express/), and beside other servers that can be had. Each has the same bcrypt cost, the same time
to answer, and an empty store of its own: SecantusDB for all that speak MongoDB's protocol.

All run at once and only one is asked at a time. Closed loops find what each can do, in rounds, so that a ratio compares
neighbours in time. Then, one after the other and each time freshly started: logins offered at many times what that system
can do, and a mixed day at rising rates until fewer than 95 % succeed, which are held against the plan's targets.
"""
import contextlib
import os
import re
import socket
import subprocess

from loads import DAY, closed, day, offered_logins, restart
from measure import median, rss_mb, settled_rss_mb
from routes import NAMES, accounts_make
from scenarios.memory import connect
from systems import TOKENS_S, Missing
from systems.authd import Authd, AuthdMongo
from systems.better_auth import BetterAuth
from systems.express import Express
from systems.keycloak import Keycloak
from systems.nginx import Nginx, NginxAuthRequest
from systems.pocketbase import PocketBase

OURS, THEIRS, ALONE = "authd, MongoDB", "Express, phase 3", "authd, SQLite"
ACCOUNTS = {True: 400, False: 64}  # of who shares hashes: more than it keeps waiting at a time
FACTORS = (1, 5, 20)
DAY_AIM = 100  # requests a second: what the plan wants to reach
DAY_MORE, DAY_LESS = (200, 400), (50, 25)  # where it is handled, and where it is not
IDLE_OF = ("authd", "Express", "PocketBase")  # who has to hold idle connections
START_S = 20  # for all starts of one system: Java takes so long for two
HANDLED = 0.95

# The plan's expected results: (what, the value in a day's result, limit, more is better). Shares in percent.
TARGETS = {
    "1": [("time-outs", "timeouts", 50, False), ("success", "success", 50, True), ("memory", "rss", 800, False)],
    "2": [("time-outs", "timeouts", 20, False), ("success", "success", 80, True), ("handled", "handled", 25, True)],
    "3": [("time-outs", "timeouts", 5, False), ("success", "success", 95, True), ("handled", "handled", 100, True),
          ("memory", "rss", 500, False)],
}
UNITS = {"timeouts": "%", "success": "%", "rss": "MB", "handled": "/s"}


def limit_s(bench):
    """What each system is told to answer within, where it can be told."""
    return bench.pick(5, 3)


def contenders(bench, cost):
    options = {"password__cost": cost, "http__request_timeout": f"{limit_s(bench)}s", "token__ttl": f"{TOKENS_S}s",
               "admission__queue_time_max": f"{limit_s(bench) * 500}ms"}  # its default would be all of that time
    alone, ours = Authd(**options), AuthdMongo(**options)
    alone.name = ALONE
    if bench.is_one_of_many and bench.light:
        return [ours, alone, Express(0, cost, limit_s(bench)), Express(3, cost, limit_s(bench)), PocketBase(cost)]
    systems = [ours, alone, *(Express(phase, cost, limit_s(bench)) for phase in range(4))]
    if not bench.light:
        systems.append(Express(3, cost, limit_s(bench), processes=os.cpu_count()))
        systems.append(Keycloak())
    return [*systems, PocketBase(cost), BetterAuth(cost)]


def install(bench):
    """What is fetched and built takes minutes, once. What cannot be had is told when it should start."""
    for system in contenders(bench, 4):
        bench.say(f"... installing {system.name}")
        with contextlib.suppress(Missing, OSError, subprocess.SubprocessError):
            system.install()
        system.close()


def started(bench, stack, systems):
    """Those that are to be had here and start; of the others it is said why not."""
    there = []
    for system in systems:
        try:
            there.append(stack.enter_context(system))
        except Missing as missing:
            bench.note(f"Not compared: {system.name}, which needs {missing}.")
        except Exception as error:
            leave_out(bench, system, error)
    return there


def leave_out(bench, one, error):
    """Whatever it is: an hour of measurements is not lost for another server than authd."""
    if one.name in (OURS, ALONE):
        raise error
    bench.note(f"LEFT OUT: {one.name}: {error}")


def each(bench, words, contenders, work):
    """work(one) of each; another server than authd that fails is left out from there on, which is said. The results."""
    done = []
    for one in list(contenders):
        if words:
            bench.say(f"... {words} {one.name}")
        try:
            done.append(work(one))
        except Exception as error:
            leave_out(bench, one, error)
            contenders.remove(one)
    return done


class Contender:
    """A system with its accounts and all that was measured of it."""

    def __init__(self, bench, system):
        self.system, self.name = system, system.name
        self.settle_s = bench.pick(3, 1)
        self.rss = {"idle": settled_rss_mb(system.pids(), self.settle_s)}
        self.start_ms = [restart(system)]
        while len(self.start_ms) < bench.pick(5, 2) and sum(self.start_ms) < START_S * 1000:
            self.start_ms.append(restart(system))
        self.accounts_make("user")
        self.closed = {name: [] for name in NAMES if name in system.routes}
        self.logins, self.days, self.idle = {}, {}, {}

    def accounts_make(self, prefix):
        self.accounts = accounts_make(self.system, ACCOUNTS[self.system.is_sharing_hashes], prefix)
        self.refresh_tokens.unlink(missing_ok=True)

    @property
    def refresh_tokens(self):
        """Where the newest are: each is good for one use, and lost when that failed."""
        return self.system.folder / "lines-refresh"

    @property
    def slug(self):
        """Its name among measurements."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower())

    def median(self, route, what):
        return median([one[what] for one in self.closed[route]])

    def document(self):
        return {"start_ms": self.start_ms, "rss_mb": self.rss, "closed": self.closed, "logins": self.logins, "days": self.days,
                "idle_connections": self.idle}


def pids(contenders):
    return [pid for c in contenders for pid in [*c.system.pids(), *c.system.store_pids()]]


# --- what each can do ---

def rounds(bench, contenders, peers):
    count, seconds, hashing_s = bench.pick((5, 1, 2), (1, 1, 2))
    for c in contenders:  # compilers just in time are done, pools are filled
        for name in ("health", "verify", "me", "refresh"):
            closed(c.system, name, c.accounts, "", 0.5)
    front = {peer.name: [] for peer in peers}
    with bench.quiet(pids(contenders) + [pid for peer in peers for pid in peer.pids()]):
        for turn in range(count):
            for name in NAMES:
                length = hashing_s if name in ("login", "register") else seconds
                each(bench, "", contenders, lambda c: c.closed[name].append(
                    closed(c.system, name, c.accounts, f"round{turn}-", length)))
            for peer in peers:
                accounts = next(c.accounts for c in contenders if c.name == ALONE)
                front[peer.name].append(closed(peer, "verify", accounts, "", seconds))
    for c in contenders:
        c.rss["loaded"] = rss_mb(c.system.pids())
    return front


def ratios(ours, others, route, what="cpu_us"):
    """Theirs / ours within each round."""
    return [b[what] / a[what] if a[what] else float("nan") for a, b in zip(ours.closed[route], others.closed[route])]


def show_rounds(bench, contenders, front, cost):
    ours = contenders[0]
    title = f"times the CPU of {ours.name}; bcrypt cost {cost}; {len(ours.closed['verify'])} rounds"
    bench.table(f"CPU time of a request without its store: {title}", ["", *NAMES], [
        [c.name, *(median(ratios(ours, c, name)) for name in NAMES)] for c in contenders])
    for what, words in (("cpu_us", "CPU us of a request without its store"), ("store_us", "CPU us of its store"),
                        ("per_s", "requests answered with 2xx per second, 24 connections"), ("p50_ms", "p50 of those, ms")):
        bench.table(words, ["", *NAMES], [[c.name, *(c.median(name, what) for name in NAMES)] for c in contenders])
    if front:
        alone = next(c for c in contenders if c.name == ALONE)
        rows = [(name, [r["cpu_us"] for r in seen]) for name, seen in
                [*front.items(), (alone.name, alone.closed["verify"])]]
        bench.table("/verify through nginx, and nginx that asks nobody: CPU us of a request, all processes",
                    ["", "median", "min", "max"], [[name, median(us), min(us), max(us)] for name, us in rows])
    for name in ("login", "verify"):
        bench.plot_bars(f"CPU time of a {name}, without its store", "us",
                        [(c.name, [r["cpu_us"] for r in c.closed[name]]) for c in contenders])


# --- more than each can do ---

def overload(bench, c):
    seconds = bench.pick(7, 4)
    capacity = max(c.median("login", "per_s"), 1.0)
    for factor in bench.pick(FACTORS, FACTORS[-1:]):
        restart(c.system)
        with bench.quiet(pids([c])):
            c.logins[factor] = offered_logins(c.system, c.accounts, capacity * factor, seconds, limit_s(bench))
    c.rss["peak at 20x"] = c.logins[FACTORS[-1]]["rss_peak_mb"]
    c.rss["after 20x"] = settled_rss_mb(c.system.pids(), c.settle_s)
    restart(c.system)  # or it would hash for a minute what nobody waits for, on the CPU of the next


def show_overload(bench, contenders):
    bench.table(f"Logins offered at a multiple of what each can do; {limit_s(bench)} s to answer, the client waits one more",
                ["", "offered", "a second", "2xx/s", "success", "time-outs", "not sent", "ok p50 ms", "p99 of all",
                 "/verify p99", "RSS peak MB"],
                [[c.name, f"{factor}x", s["rate"], s["goodput"], f"{s['success']:.1%}", f"{s['timeouts']:.1%}", s["unsent"],
                  s["ok_p50_ms"], s["all_p99_ms"], s["verify_p99_ms"], s["rss_peak_mb"]]
                 for c in contenders for factor, s in c.logins.items()])
    bench.plot_lines("Logins that time out when more are offered than can be done", "offered, times its capacity",
                     "time-outs, %", {c.name: [(f, 100 * s["timeouts"]) for f, s in c.logins.items()] for c in contenders},
                     log_x=True)
    bench.plot_latency(f"Logins at {FACTORS[-1]}x", {c.name: c.logins[FACTORS[-1]]["streams"]["login"]["latency_ms"]["all"]
                                                     for c in contenders})


# --- a mixed day ---

def is_handled(result):
    return result["success"] >= HANDLED and result["timeouts"] < 1 - HANDLED


def days(bench, c):
    """At the aim; then at more for as long as that is handled, or at less until it is."""
    one_day(bench, c, DAY_AIM)
    for rate in bench.pick(DAY_MORE if is_handled(c.days[DAY_AIM]) else DAY_LESS, ()):
        if len(c.refresh_tokens.read_text().split()) < len(c.accounts) // 2:
            c.accounts_make(f"again{rate}-")
        one_day(bench, c, rate)
        if is_handled(c.days[rate]) != is_handled(c.days[DAY_AIM]):
            break
    c.days = dict(sorted(c.days.items()))
    restart(c.system)


def one_day(bench, c, rate):
    seconds, warmup = bench.pick((8, 1), (5, 1))
    restart(c.system)
    with bench.quiet(pids([c])):
        c.days[rate] = day(c.system, c.accounts, rate, seconds, warmup, f"day{rate}-", limit_s(bench))


def handled(c):
    return max((rate for rate, result in c.days.items() if is_handled(result)), default=0)


def show_days(bench, contenders):
    mix = ", ".join(f"{share} {name}" for name, share in DAY.items())
    bench.table(f"A mixed day, of 100 requests: {mix}",
                ["", "requests/s", "success", "time-outs", *(f"{name} p99 ms" for name in DAY), "RSS peak MB", "after"],
                [[c.name, str(rate), f"{d['success']:.1%}", f"{d['timeouts']:.1%}", *(d["p99_ms"][name] for name in DAY),
                  d["rss_peak_mb"], d["rss_after_mb"]] for c in contenders for rate, d in c.days.items()])
    bench.plot_lines("A mixed day: requests that succeed", "requests a second", "success, %",
                     {c.name: [(rate, 100 * d["success"]) for rate, d in c.days.items()] for c in contenders}, log_x=True,
                     limits=[("the plan's aim", 100 * HANDLED)])


def targets(bench, contenders):
    """The plan's phases: every target for every system, at the plan's aim of requests a second."""
    rows = []
    for c in contenders:
        aim = c.days[DAY_AIM]
        seen = {"timeouts": 100 * aim["timeouts"], "success": 100 * aim["success"], "rss": aim["rss_peak_mb"],
                "handled": handled(c)}
        reached = {}
        for phase, wanted in TARGETS.items():
            for what, key, limit, more in wanted:
                bench.target(phase, f"{what}, mixed day of {DAY_AIM}/s" if key != "handled" else "requests a second handled",
                             c.name, seen[key], limit, UNITS[key], more)
                reached.setdefault(phase, []).append(bench.targets[-1]["reached"])
        rows.append([c.name, *(f"{value:.0f} {UNITS[key]}" for key, value in seen.items()),
                     *("pass" if all(r) else f"FAIL {r.count(False)} of {len(r)}" for r in reached.values())])
    bench.table(f"The targets of the optimization plan: a mixed day of {DAY_AIM}/s, and the most a second of which {HANDLED:.0%} succeed",
                ["", "time-outs", "success", "memory", "handled", *(f"phase {p}" for p in TARGETS)], rows, readme=True)


# --- connections that do nothing ---

def idle(bench, c):
    """Memory with many kept connections that each had an answer, and whether they are kept."""
    count, path = bench.pick(10000, 2000), c.system.routes["health"].path
    restart(c.system)
    closed(c.system, "health", c.accounts, "", 0.5)
    before, open_ones = settled_rss_mb(c.system.pids(), c.settle_s), []
    try:
        for _ in range(count):
            open_ones.append(connect(c.system, path))
        rss, health = settled_rss_mb(c.system.pids(), c.settle_s), closed(c.system, "health", c.accounts, "", 1)
        for connection in open_ones:
            connection.setblocking(False)
        kept = sum(is_open(connection) for connection in open_ones)
        c.idle = {"count": count, "before_mb": before, "rss_mb": rss, "health": health, "kept": kept}
    finally:
        for connection in open_ones:
            connection.close()


def is_open(connection):
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def show_idle(bench, contenders):
    those = [c for c in contenders if c.idle]
    count = those[0].idle["count"]
    bench.table(f"{count:,} idle connections, each had one answer",
                ["", "RSS before MB", "with them", "KB for each", "still open", "CPU us of a /health then", "without them"],
                [[c.name, c.idle["before_mb"], c.idle["rss_mb"], (c.idle["rss_mb"] - c.idle["before_mb"]) * 1024 / count,
                  f"{c.idle['kept']:,}", c.idle["health"]["cpu_us"], c.median("health", "cpu_us")] for c in those], readme=True)
    bench.plot_bars(f"RSS with {count:,} idle connections", "MB", [(c.name, [c.idle["rss_mb"]]) for c in those])


# --- everything ---

def show_summary(bench, contenders, cost):
    """What the README shows: a line for each."""
    header = ["", "/verify CPU us", "login CPU ms", "logins/s", f"time-outs at {FACTORS[-1]}x logins", "/verify p99 ms then",
              "RSS peak MB then", f"success, mixed day of {DAY_AIM}/s", "start ms"]
    rows = []
    for c in contenders:
        most = c.logins[FACTORS[-1]]
        rows.append([c.name, c.median("verify", "cpu_us"), c.median("login", "cpu_us") / 1000, c.median("login", "per_s"),
                     f"{most['timeouts']:.1%}", most["verify_p99_ms"], most["rss_peak_mb"],
                     f"{c.days[DAY_AIM]['success']:.1%}", median(c.start_ms)])
        for route in ("verify", "login", "refresh"):
            bench.measure(f"{c.slug}_{route}_us", f"CPU of a {route}, {c.name}", "us", [r["cpu_us"] for r in c.closed[route]])
        bench.measure(f"{c.slug}_rss", f"RSS peak at {FACTORS[-1]}x logins, {c.name}", "MB", most["rss_peak_mb"])
        bench.measure(f"{c.slug}_start", f"start to first 200, {c.name}", "ms", c.start_ms)
    bench.table(f"Side by side, bcrypt cost {cost}, {os.cpu_count()} CPUs for server, store and client", header, rows, readme=True)


def show_memory(bench, contenders):
    bench.table("Start, and memory without the store", ["", "start ms", "RSS idle MB", *(w for w in contenders[0].rss if w != "idle")],
                [[c.name, median(c.start_ms), *c.rss.values()] for c in contenders])
    bench.plot_bars("RSS peak with logins offered at 20x", "MB", [(c.name, [c.rss["peak at 20x"]]) for c in contenders])


def numbers(bench, by_name):
    ours, theirs = by_name.get(OURS), by_name.get(THEIRS)
    if not ours:
        return
    bench.number("day_success", ours.days[DAY_AIM]["success"])
    bench.number("day_timeouts", ours.days[DAY_AIM]["timeouts"])
    if not theirs:
        return
    bench.number("plan_login", ratios(ours, theirs, "login"))
    bench.number("plan_verify", ratios(ours, theirs, "verify"))
    bench.number("plan_verify_per_s", [1 / r for r in ratios(ours, theirs, "verify", "per_s")])
    bench.number("plan_rss", theirs.rss["peak at 20x"] / ours.rss["peak at 20x"])
    if ours.idle and theirs.idle:
        bench.measure("plan_idle_rss", f"RSS with {ours.idle['count']:,} idle connections, Express after its plan / authd", "x",
                      theirs.idle["rss_mb"] / ours.idle["rss_mb"], more_is_better=True, headline=True)
    for name in ("me", "register", "refresh"):
        bench.measure(f"plan_{name}", f"CPU of a {name}, Express after its plan / authd", "x", ratios(ours, theirs, name),
                      more_is_better=True)


def run(bench):
    cost = bench.pick(12, 10)
    with contextlib.ExitStack() as stack:
        systems = started(bench, stack, contenders(bench, cost))
        contenders_ = each(bench, "accounts for", systems, lambda system: Contender(bench, system))
        bench.say("... rounds")
        alone = next(c for c in contenders_ if c.name == ALONE).system
        with contextlib.ExitStack() as behind:
            front = rounds(bench, contenders_, started(bench, behind, [NginxAuthRequest(alone), Nginx()]))
        show_rounds(bench, contenders_, front, cost)
        each(bench, "logins offered to", contenders_, lambda c: overload(bench, c))
        show_overload(bench, contenders_)
        each(bench, "a mixed day of", contenders_, lambda c: days(bench, c))
        show_days(bench, contenders_)
        each(bench, "idle connections to", [c for c in contenders_ if c.name.startswith(IDLE_OF)], lambda c: idle(bench, c))
        show_summary(bench, contenders_, cost)
        targets(bench, contenders_)
        show_idle(bench, contenders_)
        show_memory(bench, contenders_)
        numbers(bench, {c.name: c for c in contenders_})
        bench.detail("cost", cost)
        bench.detail("systems", {c.name: c.document() for c in contenders_})
        bench.detail("nginx", front)
