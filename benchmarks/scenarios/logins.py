"""
How much of what costs something is done per second. Logins at cost 12 stand beside libxcrypt, in pairs: hashes per CPU
second of the whole daemon, store and HTTP included, against hashes per CPU second of libxcrypt alone; and the latency
of a login when nobody else is there against the time of one hash. The other rows run at cost 4, the least, so that the
store and the daemon show and not the hash. No login is made twice at the same time: equal ones could share a hash.
"""
import os
import subprocess

from client import PASSWORD, lines_write, login_body, login_many, register_many
from generator import run_load
from libxcrypt import library, lone_ms, on_every_cpu
from measure import cpu_s, median
from systems.authd import BUILD, Authd

BUSY = 12 * os.cpu_count()  # connections that keep every lane of every hashing thread busy, and are all admitted
ACCOUNTS = 4 * BUSY
JSON = ["Content-Type: application/json"]


def login_stream(authd, grants, connections):
    return {"name": "login", "kind": "closed", "connections": connections, "method": "POST",
            "path": authd.paths["login"], "headers": JSON, "body": "{line}", "exclusive": True, "timeout": 60,
            "lines": lines_write(authd.folder / "logins", [login_body(g["user"]["email"]) for g in grants])}


def measured(bench, authd, stream, seconds, warmup=0.0):
    """One stream, which must have nothing but 2xx: its results with the CPU time of one request."""
    with bench.quiet([*authd.pids(), *authd.store_pids()]):
        before, store_before = cpu_s(authd.pids()), cpu_s(authd.store_pids())
        seen = run_load(authd.target, [stream], seconds, warmup)[stream["name"]]
        cpu, store_cpu = cpu_s(authd.pids()) - before, cpu_s(authd.store_pids()) - store_before
    if seen["outcomes"]["ok"] != seen["sent"] or not seen["sent"]:
        raise RuntimeError(f"{stream['name']}: {seen['outcomes']}\n{authd.log()[-2000:]}")
    return {"per_s": seen["goodput"], "cpu_s": cpu, "store_cpu_s": store_cpu, "p50_ms": seen["latency_ms"]["ok"]["p50"], "count": seen["sent"],
            "p99_ms": seen["latency_ms"]["ok"]["p99"]}


def hashing(bench, cost):
    pairs, seconds = bench.pick((5, 8), (2, 2))
    cpus = os.cpu_count()
    rows, crypt = [], library()
    with Authd(password__cost=cost, http__request_timeout="60s") as authd:
        grants = register_many(authd, ACCOUNTS)
        for _ in range(pairs):
            ours = measured(bench, authd, login_stream(authd, grants, BUSY), seconds)
            per_s, per_cpu = on_every_cpu(cost, seconds, cpus)
            alone = measured(bench, authd, login_stream(authd, grants, 1), seconds)
            theirs = median([lone_ms(crypt, cost) for _ in range(9)])
            rows.append({"logins_per_s": ours["per_s"], "logins_per_cpu_s": ours["count"] / ours["cpu_s"],
                         "libxcrypt_per_s": per_s, "libxcrypt_per_cpu_s": per_cpu, "lone_ms": alone["p50_ms"],
                         "libxcrypt_lone_ms": theirs})
    bench.detail("hashing", rows)
    ratios = [r["logins_per_cpu_s"] / r["libxcrypt_per_cpu_s"] for r in rows]
    lone = [r["lone_ms"] / r["libxcrypt_lone_ms"] for r in rows]
    bench.number("hashes", ratios)
    bench.number("lone_login", lone)
    bench.measure("logins_per_s", f"logins at cost {cost}, all CPUs", "/s", [r["logins_per_s"] for r in rows], more_is_better=True)
    bench.plot_bars(f"Hashes per CPU second at cost {cost}", "/s", [
        ("authd, whole logins", [r["logins_per_cpu_s"] for r in rows]),
        ("libxcrypt, the hash alone", [r["libxcrypt_per_cpu_s"] for r in rows])])
    bench.table(f"Logins at cost {cost}, {pairs} pairs of {seconds} s, {cpus} CPUs", ["", "authd", "libxcrypt", "ratio"], [
        [what, median([r[a] for r in rows]), median([r[b] for r in rows]), median([r[a] / r[b] for r in rows])]
        for what, a, b in (("per CPU second", "logins_per_cpu_s", "libxcrypt_per_cpu_s"),
                           ("per second, all CPUs", "logins_per_s", "libxcrypt_per_s"),
                           ("alone, ms", "lone_ms", "libxcrypt_lone_ms"))])


def kernel(bench, cost):
    """The hash without daemon, store and HTTP: what more lanes bring, on one core."""
    run = subprocess.run([BUILD / "benchmarks/bench-bcrypt", str(cost), str(bench.pick(15, 5))], capture_output=True, text=True, check=True)
    bench.say("\n" + run.stdout.rstrip())
    bench.detail("kernel", run.stdout)


def cheap(bench):
    """Where the hash is nearly free. Refresh tokens are used once each, so there must be more of them than needed."""
    repeats, seconds, refresh_s = bench.pick((5, 3, 1), (2, 1, 0.3))
    rows = {}
    with Authd(password__cost=4) as authd:
        grants = register_many(authd, 1000)
        tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
        for turn in range(repeats):
            body = f'{{"email":"r{turn}-{{n}}@example.org","password":"{PASSWORD}"}}'
            emails = [grants[i % len(grants)]["user"]["email"] for i in range(bench.pick(12000, 3000))]
            refresh = [g["refresh_token"] for g in login_many(authd, emails)]
            post = {"kind": "closed", "method": "POST", "headers": JSON}
            streams = [
                {**post, "name": "register", "connections": 32, "path": authd.paths["register"], "body": body},
                {**login_stream(authd, grants, 32), "name": "login"},
                {**post, "name": "refresh", "connections": 32, "path": authd.paths["refresh"],
                 "body": '{"refresh_token":"{line}"}', "lines": lines_write(authd.folder / "refresh", refresh)},
                {"name": "me", "kind": "closed", "connections": 32, "path": authd.paths["me"], "lines": tokens,
                 "headers": ["Authorization: Bearer {line}"]},
            ]
            for stream in streams:
                # A refresh token must not come round again.
                length = refresh_s if stream["name"] == "refresh" else seconds
                rows.setdefault(stream["name"], []).append(measured(bench, authd, stream, length))
    bench.detail("cheap", rows)
    for name, seen in rows.items():
        bench.measure(f"{name}_us", f"CPU time of a {name} at cost 4", "us", [r["cpu_s"] / r["count"] * 1e6 for r in seen])
    bench.plot_bars("CPU time of a request at cost 4, store included", "us",
                    [(name, [r["cpu_s"] / r["count"] * 1e6 for r in seen]) for name, seen in rows.items()])
    header = ["", "median", "min", "max", "CPU us", "p50 ms", "p99 ms"]
    bench.table(f"Per second at cost 4, 32 connections, {repeats} runs", header, [
        [name, median([r["per_s"] for r in seen]), min(r["per_s"] for r in seen), max(r["per_s"] for r in seen),
         median([r["cpu_s"] / r["count"] * 1e6 for r in seen]), median([r["p50_ms"] for r in seen]),
         median([r["p99_ms"] for r in seen])] for name, seen in rows.items()])


def run(bench):
    kernel(bench, bench.pick(12, 8))
    hashing(bench, bench.pick(12, 10))
    cheap(bench)
