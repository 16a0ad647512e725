"""
What a request costs as things grow: connections that do nothing, accounts in the store, threads, tokens in use beside
those that the cache holds. CPU time per request, and memory. Each curve is told with the place where it bends: the
first point that is BEND times what the points before it are.
"""
import time

from client import lines_write, login_many, register_many
from filling import accounts_copy, accounts_import, address
from generator import run_wrk
from measure import cpu_s, median, settled_rss_mb
from scenarios.logins import login_stream, measured
from scenarios.memory import connect_many
from systems.authd import Authd, AuthdMongo
from systems.store import SERVERS

BEND = 1.25
TOKENS = 256  # fewer than every cache holds
# Into so many accounts that none gets as many sessions as it may have: from there on each login ends one, which
# costs as much again, and may end the one whose token is asked with.
LOGINS = 2000
LOGINS_MONGO = 500
IMPORTED_MAX = 20000  # more are copied: an import of a million takes ten minutes
MODELS = 500  # different hashes: logins under way that have the same one share its work
CACHES = (1000, 10000)  # tokens_max: a tenth of the default, and the default


class Costs:
    """CPU microseconds of a request, repeat after repeat."""

    def __init__(self, bench):
        self.bench = bench
        self.repeats, self.seconds = bench.pick((3, 2), (1, 1))

    def of(self, authd, path, lines):
        """GET with one token after the other, when all of them came once."""
        run_wrk(authd.target, authd.paths[path], lines, 1)

        def once():
            with self.bench.quiet(authd.pids()):
                before = cpu_s(authd.pids())
                requests = run_wrk(authd.target, authd.paths[path], lines, self.seconds)
                return (cpu_s(authd.pids()) - before) / requests * 1e6
        return [once() for _ in range(self.repeats)]

    def of_logins(self, authd, grants):
        return self.of_logins_and_store(authd, grants)[0]

    def of_logins_and_store(self, authd, grants):
        connections = 8 if authd.store_pids() else 32  # SecantusDB is slow enough
        runs = [measured(self.bench, authd, login_stream(authd, grants, connections), self.seconds) for _ in range(self.repeats)]
        return [[run[whose] / run["count"] * 1e6 for run in runs] for whose in ("cpu_s", "store_cpu_s")]


def bend(points):
    """Of [(x, y), ...]: the first x from which y is BEND times the median before it; None when there is none."""
    for i in range(1, len(points)):
        if points[i][1] > BEND * median([y for _, y in points[:i]]):
            return points[i][0]
    return None


def bend_text(points):
    at = bend(points)
    least, most = points[0][1], points[-1][1]
    return f"{most / least:.2f}x from {points[0][0]:,} to {points[-1][0]:,}" + (f", bends at {at:,}" if at is not None else ", straight")


def curve(bench, name, title, x, seen, rss, why, log_x=False):
    """seen: {what: {x: repeats}}; rss: {x: MB}; why: what makes it grow, in words. Shows and keeps them."""
    medians = {what: [(at, median(values)) for at, values in points.items()] for what, points in seen.items()}
    xs = sorted({at for points in medians.values() for at, _ in points})
    rows = [[f"{at:,}", *[dict(points).get(at) for points in medians.values()], rss[at]] for at in xs]
    bench.table(title, [x, *[f"{what} us" for what in seen], "RSS MB"], rows)
    bends = {}
    for what, points in medians.items():
        bends[what] = bend_text(points)
        last = points[-1][0]
        bench.measure(f"{name}_{what.strip('/').replace(' ', '_').replace(',', '')}_us", f"CPU time, {what}, {x} {last:,}", "us", seen[what][last])
    bench.note(f"{title}. {'; '.join(f'{what}: {words}' for what, words in bends.items())}. {why}")
    bench.plot_lines(f"{title}: CPU time of a request", x, "us", {
        what: [(at, median(v), min(v), max(v)) for at, v in points.items()] for what, points in seen.items()},
        log_x=log_x, log_y=True)
    bench.plot_lines(f"{title}: memory", x, "MB", {"RSS": sorted(rss.items())}, log_x=log_x)


def over_connections(bench, costs):
    """Connections that had one answer and stay open."""
    seen, rss, open_ones = {"/verify": {}, "/me": {}, "login": {}}, {}, []
    with Authd(password__cost=4) as authd:
        grants, others = register_many(authd, TOKENS), register_many(authd, LOGINS, "other")
        tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
        try:
            for count in bench.pick((0, 1000, 5000, 10000), (0, 5000)):
                open_ones += connect_many(authd, count - len(open_ones), authd.paths["verify"], [grants[0]["access_token"]])
                rss[count] = settled_rss_mb(authd.pids())
                for path in ("verify", "me"):
                    seen["/" + path][count] = costs.of(authd, path, tokens)
                seen["login"][count] = costs.of_logins(authd, others)
        finally:
            for connection in open_ones:
                connection.close()
    curve(bench, "connections", "Idle connections", "idle connections", seen, rss,
          "Nothing visits an idle connection: its deadline is one of a wheel. It costs its own memory, nothing else.")


def over_accounts(bench, costs):
    """Logins into accounts all over an SQLite store, at cost 4 so that the store shows."""
    seen, rss, rows = {"/verify": {}, "login": {}}, {}, []
    for count in bench.pick((1000, 10000, 100000, 1000000), (1000, 20000)):
        with Authd(password__cost=4) as authd:
            seen["/verify"][count], (seen["login"][count], _), rss[count] = with_accounts(costs, authd, count, LOGINS, rows)
            rows[-1].append((authd.folder / "authd.db").stat().st_size / 2**20)
    curve(bench, "accounts", "Accounts in SQLite", "accounts", seen, rss,
          "An account is found through trees of indexes: ten times the accounts are about one page more on the way, and fewer "
          "of the pages are in SQLite's cache, whose size does not grow.", log_x=True)
    bench.table("Filling it, by authd --import or by copies in the file", ["accounts", "how", "a second", "MB of the file"], rows)


def over_accounts_mongo(bench, costs):
    """The same on a MongoDB-wire server, whose own CPU time is beside it. With 50,000 this server takes longer for a
    find than a request may wait."""
    seen, rss, rows = {"/verify": {}, "login": {}, "login, its store": {}}, {}, []
    for count in bench.pick((1000, 5000, 10000), (500, 2000)):
        with AuthdMongo(password__cost=4) as authd:
            seen["/verify"][count], (seen["login"][count], seen["login, its store"][count]), rss[count] = with_accounts(
                costs, authd, count, LOGINS_MONGO, rows)
    curve(bench, "accounts_mongo", "Accounts in SecantusDB", "accounts", seen, rss,
          "authd sends the same commands by indexed fields, however many there are; what grows is the server's.", log_x=True)


def with_accounts(costs, authd, count, logins, rows):
    """CPU time of a /verify, a login and its store, and memory, with so many accounts; rows: how they were filled."""
    register_many(authd, MODELS)
    authd.stop()
    fill = accounts_import if count <= IMPORTED_MAX and not authd.store_pids() else accounts_copy
    began = time.monotonic()
    fill(authd, count)
    rows.append([f"{count:,}", "import" if fill == accounts_import else "copies", count / (time.monotonic() - began)])
    authd.start()
    some = [address(i * count // logins) for i in range(min(logins, count))]
    grants = login_many(authd, some)
    tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants[:TOKENS]])
    return costs.of(authd, "verify", tokens), costs.of_logins_and_store(authd, grants), settled_rss_mb(authd.pids())


def over_threads(bench, costs):
    """Cores and hashing threads together; what a request costs should not depend on them."""
    seen, rss = {"/verify": {}, "login": {}}, {}
    for count in (1, 2):
        with Authd(password__cost=4, core__threads=count, password__threads=count) as authd:
            grants, others = register_many(authd, TOKENS), register_many(authd, LOGINS, "other")
            tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
            seen["/verify"][count] = costs.of(authd, "verify", tokens)
            seen["login"][count] = costs.of_logins(authd, others)
            rss[count] = settled_rss_mb(authd.pids())
    curve(bench, "threads", "Cores and hashing threads", "threads of each", seen, rss,
          "Cores share nothing for a /verify; logins share one writer of the store, and the CPUs with the client.")


def over_tokens(bench, costs):
    """Tokens that come in turn, so that a cache that is too small cannot guess which comes next."""
    seen, rss = {}, {}
    for held in CACHES:
        with Authd(password__cost=4, cache__tokens_max=held) as authd:
            counts = bench.pick((250, 1000, 2000, 4000, 8000, 16000), (500, 1000, 2000))
            grants = register_many(authd, counts[-1])
            points = seen.setdefault(f"holds {held:,}", {})
            for count in counts:
                points[count] = costs.of(authd, "verify", lines_write(authd.folder / "tokens",
                                                                      [g["access_token"] for g in grants[:count]]))
                if held == CACHES[-1]:
                    rss[count] = settled_rss_mb(authd.pids())
    curve(bench, "tokens", f"Tokens in turn, per core {' or '.join(f'{c:,}' for c in CACHES)} are cached", "tokens", seen, rss,
          "Beyond what the cache holds, a /verify is the check of a signature and a look into the store, on another thread.",
          log_x=True)


def run(bench):
    costs = Costs(bench)
    over_connections(bench, costs)
    over_threads(bench, costs)
    over_tokens(bench, costs)
    over_accounts(bench, costs)
    if (SERVERS / "venv/bin/secantusd-py").exists():
        over_accounts_mongo(bench, costs)
    else:
        bench.note("Accounts on a MongoDB-wire server are not measured: SecantusDB is not here.")
