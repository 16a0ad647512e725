"""
/verify beside nginx that returns an empty 200 to the same requests. Each pair runs A then B, so that slow drift of
the machine meets both; the ratio of CPU time per request is taken within pairs, because it hardly depends on how much
CPU the client or a neighbour leaves to the server. Requests per second depend on both and are told for orientation.
"""
from client import Client, lines_write, register_many
from generator import run_wrk
from measure import cpu_s, median
from systems.authd import Authd
from systems.nginx import Nginx

TOKENS = 512  # of as many sessions: each core has them all in its cache; a multiple of the pipelined depth
TOKENS_MANY = 4096  # more than a core remembers by default: some requests go to the store

def one(bench, system, tokens, seconds, depth):
    with bench.quiet(system.pids()):
        before = cpu_s(system.pids())
        requests = run_wrk(system.target, system.paths["verify"], tokens or system.tokens, seconds, depth=depth)
        cpu = cpu_s(system.pids()) - before
    return {"cpu_us": cpu / requests * 1e6, "per_s": requests / seconds, "busy": cpu / seconds}


def compare(bench, systems, tokens, count, pairs, seconds, depth):
    """The ratio of each pair, after showing them. No tokens: each system has its own."""
    for system in systems:  # caches, buffers and the machine's clock are warm
        run_wrk(system.target, system.paths["verify"], tokens or system.tokens, 1, depth=depth)
    runs = [[one(bench, system, tokens, seconds, depth) for system in systems] for _ in range(pairs)]
    ratios = [a["cpu_us"] / b["cpu_us"] for a, b in runs]
    title = f"{count:,} tokens, {depth} requests at a time; {pairs} pairs of {seconds} s, wrk, 64 connections"
    rows = [["ratio", median(ratios), min(ratios), max(ratios), "", ""]]
    for i, system in enumerate(systems):
        mine = [pair[i] for pair in runs]
        us = [m["cpu_us"] for m in mine]
        rows.append([system.name, median(us), min(us), max(us), median([m["per_s"] for m in mine]),
                     median([m["busy"] for m in mine])])
    bench.table(title, ["", "CPU us/request", "min", "max", "requests/s", "CPUs used"], rows)
    bench.detail(title, runs)
    return median(ratios), min(ratios), max(ratios)


def run(bench):
    pairs, seconds = bench.pick((7, 5), (2, 1))
    with Authd(password__cost=4) as authd, Nginx() as nginx:
        granted = [g["access_token"] for g in register_many(authd, TOKENS_MANY)]
        tokens = lines_write(authd.folder / "tokens", granted[:TOKENS])
        many = lines_write(authd.folder / "many", granted)
        status = Client(authd).verify(granted[0])
        if status != 204:
            raise RuntimeError(f"/verify answered {status}")
        systems = [authd, nginx]
        bench.number("verify_cpu", *compare(bench, systems, tokens, TOKENS, pairs, seconds, 1))
        bench.number("verify_cpu_pipelined", *compare(bench, systems, tokens, TOKENS, pairs, seconds, 16))
        compare(bench, systems, many, TOKENS_MANY, pairs, seconds, 1)
