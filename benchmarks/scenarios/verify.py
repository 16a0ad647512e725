"""
/verify beside nginx that returns an empty 200 to the same requests. Pairs run A B, B A, A B: slow drift of the machine
meets both, and who comes second is not always the same. The ratio of CPU time per request is taken within pairs, because it hardly depends on how much
CPU the client or a neighbour leaves to the server. Requests per second depend on both and are told for orientation.
"""
from client import Client, lines_write, register_many
from generator import run_wrk
from measure import cpu_s, median
from systems.authd import Authd
from systems.nginx import Nginx

TOKENS = 512  # of as many sessions: each core has them all in its cache; a multiple of the pipelined depth
TOKENS_MANY = 4096  # a core remembers them all, but the digests (auth/digests.h) of half of them at most


def one(bench, system, tokens, seconds, depth):
    with bench.quiet(system.pids()):
        before = cpu_s(system.pids())
        requests = run_wrk(system.target, system.paths["verify"], tokens or system.tokens, seconds, depth=depth)
        cpu = cpu_s(system.pids()) - before
    return {"cpu_us": cpu / requests * 1e6, "per_s": requests / seconds, "busy": cpu / seconds}


def compare(bench, name, systems, tokens, count, pairs, seconds, depth):
    """The ratio of each pair of systems, {key: system}, after showing them. No tokens: each has its own. Measures
    NAME_KEY_us of each."""
    for system in systems.values():  # caches, buffers and the machine's clock are warm
        run_wrk(system.target, system.paths["verify"], tokens or system.tokens, 1, depth=depth)
    runs = []
    for pair in range(pairs):
        measured = {key: one(bench, systems[key], tokens, seconds, depth) for key in (list, reversed)[pair % 2](systems)}
        runs.append([measured[key] for key in systems])
    ratios = [a["cpu_us"] / b["cpu_us"] for a, b in runs]
    title = f"{count:,} tokens, {depth} requests at a time; {pairs} pairs of {seconds} s, wrk, 64 connections"
    rows = [["ratio", median(ratios), min(ratios), max(ratios), "", ""]]
    for i, (key, system) in enumerate(systems.items()):
        mine = [pair[i] for pair in runs]
        us = [m["cpu_us"] for m in mine]
        rows.append([system.name, median(us), min(us), max(us), median([m["per_s"] for m in mine]),
                     median([m["busy"] for m in mine])])
        bench.measure(f"{name}_{key}_us", f"CPU time of a request, {system.name}; {title}", "us", us)
    bench.table(title, ["", "CPU us/request", "min", "max", "requests/s", "CPUs used"], rows)
    bench.plot_bars(f"CPU time of a request: {title}", "us",
                    [(system.name, [pair[i]["cpu_us"] for pair in runs]) for i, system in enumerate(systems.values())])
    bench.detail(name, runs)
    return ratios


def run(bench):
    pairs, seconds = bench.pick((7, 3), (2, 1))
    with Authd(password__cost=4) as authd, Nginx() as nginx:
        granted = [g["access_token"] for g in register_many(authd, TOKENS_MANY)]
        tokens = lines_write(authd.folder / "tokens", granted[:TOKENS])
        many = lines_write(authd.folder / "many", granted)
        status = Client(authd).verify(granted[0])
        if status != 204:
            raise RuntimeError(f"/verify answered {status}")
        systems = {"authd": authd, "nginx": nginx}
        bench.number("verify_cpu", compare(bench, "verify", systems, tokens, TOKENS, pairs, seconds, 1))
        bench.number("verify_cpu_pipelined", compare(bench, "verify_pipelined", systems, tokens, TOKENS, pairs, seconds, 16))
        ratios = compare(bench, "verify_many", systems, many, TOKENS_MANY, pairs, seconds, 1)
        bench.measure("verify_cpu_many", f"/verify CPU with {TOKENS_MANY:,} tokens / nginx `return 200`", "x", ratios)
