#!/usr/bin/env python3
"""Runs scenarios and prints their numbers beside the bars. ./dev bench builds what they need and calls this."""
import argparse
import dataclasses
import importlib
import os
import pathlib
import resource
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import readme  # noqa: E402
import results  # noqa: E402
from bench import Bench, print_table, summary  # noqa: E402
from family import Family, Stopped, TooLong, kill_all  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    full_s: int  # how long it takes, by its own numbers of repeats and seconds, on two CPUs
    light_s: int


# In the order of what one waits for least. README.md has how the lengths come about; a test holds their sums against
# what a whole run may take.
SCENARIOS = {
    "start": Scenario("from exec to the first 200", 5, 2),
    "operators": Scenario("authctl from exec to its end", 5, 2),
    "restart": Scenario("upgrades and restarts under 2,000 requests a second: are any lost?", 262, 33),
    "verify": Scenario("/verify beside nginx: CPU per request, requests per second", 140, 22),
    "tls": Scenario("/verify over TLS, handshakes and idle connections beside nginx", 155, 38),
    "observe": Scenario("/verify with metrics, traces and records beside none of them", 290, 52),
    "memory": Scenario("RSS idle, with 10,000 connections, under load, after", 50, 15),
    "timing": Scenario("does the time of an answer tell which addresses have an account?", 120, 28),
    "logins": Scenario("logins, hashes, registrations, refreshes per second; hashes beside libxcrypt", 270, 40),
    "overload": Scenario("logins offered at 1x to 20x of capacity, hostile clients, probes of /verify and /health meanwhile",
                         390, 74),
    "store": Scenario("calls of the store in MongoDB beside plain libmongoc and mongoose", 160, 30),
    "comparison": Scenario("authd beside an Express application before and after its optimization plan, and other servers",
                           1750, 142),
    "growth": Scenario("what a request costs as connections, threads, tokens and accounts grow", 445, 50),
    "durability": Scenario("kill -9 during writes", 450, 12),
}


INSTALL_S = 1800  # what is fetched and built once; it is not in the time of a scenario


def limit_s(estimate_s):
    """After so long a scenario hangs, or the machine is too slow for it: the others have their turn."""
    return 4 * estimate_s + 120


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def run_one(family, name, options, is_one_of_many):
    """The document of a scenario, whatever becomes of it."""
    bench = Bench(name, SCENARIOS[name].title, options.light, is_one_of_many)
    bench.estimate_s = SCENARIOS[name].light_s if options.light else SCENARIOS[name].full_s
    print(f"\n== {name}: {bench.title} (about {minutes(bench.estimate_s)})", flush=True)
    failure = ""
    try:
        scenario = importlib.import_module(f"scenarios.{name}")
        if hasattr(scenario, "install"):
            with family.within(INSTALL_S):
                scenario.install(bench)
            bench.begin()
        with family.within(limit_s(bench.estimate_s)):
            scenario.run(bench)
    except TooLong as too_long:
        failure = f"not done after {minutes(too_long.args[0])}"
    except Exception as error:  # an hour of other measurements is not lost for it
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"[:500]
    bench.end(failure)
    if kill_all() and not failure:
        bench.note("Processes of this scenario were left behind, and ended.")
    return bench.document()


def done_before(name, light):
    """The document of a run of the same commit in the same mode, if nothing was changed and it did not fail."""
    try:
        run = results.load(results.FOLDER / f"{name}.json")
    except results.Unfit:
        return None
    document, tree = run["scenarios"].get(name), results.tree()
    is_same = run["commit"] == tree["commit"] and not run["modified"] and not tree["modified"]
    return document if document and is_same and run["options"].get("light") == light and "failure" not in document else None


def lengths(documents):
    """How long each took beside what it should take."""
    rows = [[name, d["estimate_s"], d["seconds"], "FAILED" if "failure" in d else ""] for name, d in documents.items()]
    rows.append(["all", *(sum(row[i] for row in rows) for i in (1, 2)), ""])
    print_table("Seconds", ["", "computed", "taken", ""], rows)


def run_all(family, names, options):
    """Every scenario and its results, kept as they come. Whether all is well."""
    said, documents, is_many = {"light": options.light, "names": names}, {}, len(names) > 1
    kept = [path for path in (is_many and results.FOLDER / "all.json", options.output) if path]
    for name in names:
        document = done_before(name, options.light) if options.only_missing else None
        if document:
            print(f"\n== {name}: measured before, at this commit", flush=True)
        else:
            document = run_one(family, name, options, is_many)
            results.write(results.FOLDER / f"{name}.json", {name: document}, said)
            if is_many:
                summary({name: document}, options.light)
        documents[name] = document
        for path in kept:
            results.write(path, documents, said)
    if is_many:
        print("\n== everything", flush=True)
    is_well = summary(documents, options.light)
    lengths(documents)
    if options.readme:
        readme.write(results.load(results.FOLDER / (f"{names[0]}.json" if not is_many else "all.json")))
    return is_well


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="\n".join(f"  {name:11} {s.title}" for name, s in SCENARIOS.items()))
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; none or \"all\" is every one")
    parser.add_argument("--light", action="store_true", help="short runs: does everything work?")
    parser.add_argument("--only-missing", action="store_true",
                        help="leave out what was measured in this mode at this commit: go on with a run that was stopped")
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="FILE", help="keep the results of this run there, too")
    parser.add_argument("--readme", action="store_true", help="write the numbers into README.md")
    options = parser.parse_args()
    unknown = set(options.names) - {"all", *SCENARIOS}
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}")
    return options


def main():
    options = arguments()
    names = list(dict.fromkeys(options.names)) if options.names and "all" not in options.names else list(SCENARIOS)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.getloadavg()[0] > 0.5:
        print(f"The load average is {os.getloadavg()[0]:.1f}: others are at work here, numbers will be off.", flush=True)
    computed = sum(SCENARIOS[name].light_s if options.light else SCENARIOS[name].full_s for name in names)
    print(f"{len(names)} scenario{'s' if len(names) > 1 else ''}, about {minutes(computed)}.", flush=True)
    try:
        with Family() as family:
            return 0 if run_all(family, names, options) else 1
    except Stopped as stopped:
        print(f"\nStopped by {stopped}; what was measured before is in {results.FOLDER}.", file=sys.stderr)
        sys.stdout.flush()
        os._exit(128 + stopped.number)  # without waiting for threads of the scenario


if __name__ == "__main__":
    sys.exit(main())
