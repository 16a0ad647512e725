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

TOKENS = 1024  # of as many sessions; a multiple of the pipelined depth


def one(bench, system, tokens, seconds, depth):
    with bench.quiet(system.pids()):
        before = cpu_s(system.pids())
        requests = run_wrk(system.target, system.paths["verify"], tokens, seconds, depth=depth)
        cpu = cpu_s(system.pids()) - before
    return {"cpu_us": cpu / requests * 1e6, "per_s": requests / seconds, "busy": cpu / seconds}


def compare(bench, systems, tokens, pairs, seconds, depth, number):
    for system in systems:  # caches, buffers and the machine's clock are warm
        run_wrk(system.target, system.paths["verify"], tokens, 1, depth=depth)
    runs = [[one(bench, system, tokens, seconds, depth) for system in systems] for _ in range(pairs)]
    ratios = [a["cpu_us"] / b["cpu_us"] for a, b in runs]
    bench.number(number, median(ratios), min(ratios), max(ratios))
    bench.detail(number, runs)
    rows = [["ratio", median(ratios), min(ratios), max(ratios), "", ""]]
    for i, system in enumerate(systems):
        mine = [pair[i] for pair in runs]
        us = [m["cpu_us"] for m in mine]
        rows.append([system.name, median(us), min(us), max(us), median([m["per_s"] for m in mine]),
                     median([m["busy"] for m in mine])])
    bench.table(f"{pairs} pairs of {seconds} s, wrk, 64 connections, {depth} requests at a time, {TOKENS} tokens",
                ["", "CPU us/request", "min", "max", "requests/s", "CPUs used"], rows)


def run(bench):
    pairs, seconds = bench.pick((7, 5), (2, 1))
    with Authd(password__cost=4) as authd, Nginx() as nginx:
        grants = register_many(authd, TOKENS)
        tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
        status = Client(authd).verify(grants[0]["access_token"])
        if status != 204:
            raise RuntimeError(f"/verify answered {status}")
        compare(bench, [authd, nginx], tokens, pairs, seconds, 1, "verify_cpu")
        compare(bench, [authd, nginx], tokens, pairs, seconds, 16, "verify_cpu_pipelined")
