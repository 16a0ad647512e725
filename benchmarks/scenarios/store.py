"""
Calls of the store per second and what each costs this side in CPU time: through authd's queue and threads, beside a
program that has nothing but libmongoc and, when node is there, one with mongoose. All speak to the same SecantusDB in
turn, each in a database of its own. The plain programs do the least that the work needs; authd checks more: a login
makes room among the sessions and changes the account only as it was read, a refresh keeps old tokens to notice theft.
"""
import pathlib
import subprocess
import sys

from generator import ROOT
from measure import median
from systems import Missing
from systems.authd import BUILD
from systems.node import packages

sys.path.insert(0, str(ROOT / "tests" / "support"))
from mongo import BUILD as SERVERS, Secantus  # noqa: E402

CALLS = ["account_find", "session_find", "refresh", "login"]
AT_A_TIME = 8
MONGOOSE = pathlib.Path(__file__).parents[1] / "mongoose"


def install(bench):
    """The folder of the program with mongoose; None without node."""
    try:
        return packages(MONGOOSE, ROOT / "build" / "mongoose")
    except Missing as missing:
        bench.note(f"Without mongoose, which needs {missing}.")
        return None


def measured(command):
    """{call: (per second, microseconds of CPU)}"""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    rows = {name: (float(per_s), float(us)) for name, per_s, us in (line.split() for line in done.stdout.splitlines())}
    if sorted(rows) != sorted(CALLS):
        raise RuntimeError(f"{command[0]} measured {list(rows)}")
    return rows


def systems(seconds, folder):
    """name: the command for a URI."""
    found = {"authd": lambda uri: [BUILD / "benchmarks/store-loop", "mongodb", uri, seconds, AT_A_TIME],
             "libmongoc": lambda uri: [BUILD / "benchmarks/mongo-loop", uri, seconds, AT_A_TIME]}
    if folder:
        found["mongoose"] = lambda uri: ["node", folder / "loop.js", uri, seconds, AT_A_TIME]
    return found


def show(bench, runs, title):
    names = list(runs[0])
    rows = []
    for call in CALLS:
        def values(name, at):
            return [run[name][call][at] for run in runs]
        ratios = {name: [run["authd"][call][0] / run[name][call][0] for run in runs] for name in names[1:]}
        rows.append([call, *[median(r) for r in ratios.values()],
                     "..".join(f"{edge(ratios[names[1]]):.2f}" for edge in (min, max)),
                     *[median(values(name, 0)) for name in names], *[median(values(name, 1)) for name in names]])
    bench.table(title, ["", *[f"authd / {name}" for name in names[1:]], "spread", *[f"{name} /s" for name in names],
                        *[f"{name} CPU us" for name in names]], rows)


def run(bench):
    if not (SERVERS / "venv/bin/secantusd-py").exists() or not (BUILD / "benchmarks/mongo-loop").exists():
        raise Missing("libmongoc, and the server that ./dev bench installs")
    rounds, seconds = bench.pick((5, 2), (2, 1))
    commands = systems(seconds, install(bench))
    runs = []
    with Secantus() as server, bench.quiet([server.process.pid]):
        for turn in range(rounds):
            runs.append({name: measured(command(f"{server.uri}/{name}{turn}")) for name, command in commands.items()})
    bench.detail("calls", runs)
    for call in CALLS:
        bench.measure(f"store_{call}", f"{call} per second: authd / libmongoc", "x",
                      [run["authd"][call][0] / run["libmongoc"][call][0] for run in runs], more_is_better=True)
        bench.measure(f"store_{call}_us", f"CPU time of {call}", "us", [run["authd"][call][1] for run in runs])
    def cpu(call, other):
        """Within a round: the machine is the same for both."""
        return [run["authd"][call][1] / run[other][call][1] for run in runs]
    bench.number("store_find_cpu", cpu("account_find", "libmongoc"))
    bench.number("store_login_cpu", cpu("login", "libmongoc"))
    if "mongoose" in runs[0]:
        bench.number("store_mongoose_cpu", cpu("account_find", "mongoose"))
    show(bench, runs, f"Calls of the store, {AT_A_TIME} at a time, {rounds} rounds of {seconds} s each, one SecantusDB")
