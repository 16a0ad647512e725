#!/usr/bin/env python3
"""Runs scenarios and prints their numbers beside the bars. ./dev bench builds what they need and calls this."""
import argparse
import importlib
import os
import pathlib
import resource
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bench import Bench  # noqa: E402

# In the order of what one waits for least.
SCENARIOS = {
    "start": "from exec to the first 200",
    "verify": "/verify beside nginx: CPU per request, requests per second",
    "observe": "/verify with metrics, traces and records beside none of them",
    "memory": "RSS idle, with 10,000 connections, under load, after",
    "timing": "does the time of an answer tell which addresses have an account?",
    "logins": "logins, hashes, registrations, refreshes per second; hashes beside libxcrypt",
    "overload": "logins offered at 1x to 20x of capacity, hostile clients, probes of /verify and /health meanwhile",
    "store": "calls of the store in MongoDB beside plain libmongoc and mongoose",
    "durability": "kill -9 during writes",
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="\n".join(f"  {name:11} {text}" for name, text in SCENARIOS.items()))
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; none or \"all\" is every one")
    parser.add_argument("--light", action="store_true", help="short runs: does everything work?")
    options = parser.parse_args()
    unknown = set(options.names) - {"all", *SCENARIOS}
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}")
    names = options.names if options.names and "all" not in options.names else list(SCENARIOS)

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.getloadavg()[0] > 0.5:
        print(f"The load average is {os.getloadavg()[0]:.1f}: others are at work here, numbers will be off.", flush=True)
    reached = True
    everything = Bench(options.light)
    for name in names:
        bench = Bench(options.light)
        print(f"\n== {name}: {SCENARIOS[name]}", flush=True)
        importlib.import_module(f"scenarios.{name}").run(bench)
        reached &= bench.summary()
        bench.write(name)
        everything.numbers.update(bench.numbers)
        everything.noise = max(everything.noise, bench.noise)
    if len(names) > 1:
        print("\n== everything", flush=True)
        everything.summary()
        everything.write("all")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
