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
import readme  # noqa: E402
import results  # noqa: E402
from bench import Bench, summary  # noqa: E402

# In the order of what one waits for least.
SCENARIOS = {
    "start": "from exec to the first 200",
    "operators": "authctl from exec to its end",
    "restart": "upgrades and restarts under 2,000 requests a second: are any lost?",
    "verify": "/verify beside nginx: CPU per request, requests per second",
    "tls": "/verify over TLS, handshakes and idle connections beside nginx",
    "observe": "/verify with metrics, traces and records beside none of them",
    "memory": "RSS idle, with 10,000 connections, under load, after",
    "timing": "does the time of an answer tell which addresses have an account?",
    "logins": "logins, hashes, registrations, refreshes per second; hashes beside libxcrypt",
    "overload": "logins offered at 1x to 20x of capacity, hostile clients, probes of /verify and /health meanwhile",
    "store": "calls of the store in MongoDB beside plain libmongoc and mongoose",
    "comparison": "authd beside an Express application before and after its optimization plan, and other servers",
    "growth": "what a request costs as connections, threads, tokens and accounts grow",
    "durability": "kill -9 during writes",
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="\n".join(f"  {name:11} {text}" for name, text in SCENARIOS.items()))
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; none or \"all\" is every one")
    parser.add_argument("--light", action="store_true", help="short runs: does everything work?")
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="FILE", help="keep the results of this run there, too")
    parser.add_argument("--readme", action="store_true", help="write the numbers into README.md")
    options = parser.parse_args()
    unknown = set(options.names) - {"all", *SCENARIOS}
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}")
    names = options.names if options.names and "all" not in options.names else list(SCENARIOS)

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.getloadavg()[0] > 0.5:
        print(f"The load average is {os.getloadavg()[0]:.1f}: others are at work here, numbers will be off.", flush=True)
    said = {"light": options.light, "names": names}
    benches, reached = [], True
    for name in names:
        bench = Bench(name, SCENARIOS[name], options.light, len(names) > 1)
        print(f"\n== {name}: {SCENARIOS[name]}", flush=True)
        importlib.import_module(f"scenarios.{name}").run(bench)
        reached &= summary([bench])
        benches.append(bench)
        results.write(results.FOLDER / f"{name}.json", [bench], said)
    if len(names) > 1:
        print("\n== everything", flush=True)
        summary(benches)
        results.write(results.FOLDER / "all.json", benches, said)
    if options.output:
        results.write(options.output, benches, said)
    if options.readme:
        readme.write(results.load(results.FOLDER / (f"{names[0]}.json" if len(names) == 1 else "all.json")))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
