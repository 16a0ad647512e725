#!/usr/bin/env python3
"""
./dev bench compare A.json B.json: what is better, worse or noise in B. Worse or better is what passes both: the samples
differ by Mann and Whitney's test, at a probability of 1 % to say so of equal ones (each measurement for itself), and the
medians differ by 3 % or more, because runs of one program differ by that from each other: addresses, frequency,
neighbours are the same within a run and other ones in the next. The exit code is 1 when anything is worse.
"""
import argparse
import dataclasses
import math
import pathlib
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import results  # noqa: E402
from bench import NOISY, print_table, shown  # noqa: E402
from stats import mann_whitney, p_least, ratio_interval  # noqa: E402

ALPHA = 0.01
EFFECT_MIN = 0.03


@dataclasses.dataclass(frozen=True)
class Row:
    name: str  # scenario.measurement
    what: str
    unit: str
    before: float
    after: float
    ratio: float  # after / before
    samples: tuple  # what was measured, before and after
    p: float  # None: cannot be told from these repeats
    verdict: str  # better, worse, changed, noise
    why: str = ""

    @property
    def interval(self):
        """Of the ratio, as a text; none for what was measured once, or can be 0."""
        if min(map(len, self.samples)) < 2 or min(map(min, self.samples)) <= 0:
            return ""
        return "{:.3f}..{:.3f}".format(*ratio_interval(*self.samples))

    @property
    def effect(self):
        return abs(math.log(self.ratio)) if 0 < self.ratio < math.inf else math.inf


def ratio_of(before, after):
    if before == after:
        return 1.0
    return after / before if before > 0 and after >= 0 else math.inf


def _direction(better, ratio):
    if better is None:
        return "changed"
    return "better" if (ratio < 1) == (better == "less") else "worse"


def _by_bars(old, new):
    """What was measured once, or too seldom for a test: only that a bar is missed now, or reached at last, counts."""
    was, now = (m.get("verdict", "").startswith("PASS") for m in (old, new))
    return "noise" if was == now or "bar" not in old or "bar" not in new else "better" if now else "worse"


def judge(name, old, new, alpha=ALPHA, effect_min=EFFECT_MIN):
    """One measurement in two runs. Repeats without a value do not count."""
    a, b = ([r for r in m["repeats"] if r is not None] for m in (old, new))
    row = {"name": name, "what": new["what"], "unit": new["unit"], "samples": (a, b)}
    if not a or not b:
        verdict = "worse" if a else "better" if b else "noise"
        return Row(**row, before=old["median"], after=new["median"], ratio=1.0 if verdict == "noise" else math.inf, p=None,
                   verdict=verdict, why="could not be measured")
    before, after = statistics.median(a), statistics.median(b)
    ratio = ratio_of(before, after)
    row |= {"before": before, "after": after, "ratio": ratio}
    is_large = abs(ratio - 1) >= effect_min
    if p_least(len(a), len(b)) > alpha:
        why = "measured once" if min(len(a), len(b)) == 1 else f"{len(a)} and {len(b)} repeats are too few"
        return Row(**row, p=None, verdict=_by_bars(old, new) if is_large else "noise", why=why)
    p = mann_whitney(a, b)[1]
    verdict = _direction(new["better"], ratio) if p <= alpha and is_large else "noise"
    return Row(**row, p=p, verdict=verdict, why="small" if p <= alpha and not is_large else "")


def _measurements(run):
    return {f"{scenario}.{name}": m for scenario, s in run["scenarios"].items() for name, m in s["measurements"].items()}


def compare(old, new, alpha=ALPHA, effect_min=EFFECT_MIN):
    """Rows by effect, the largest first; and the names that only one of the two has."""
    a, b = _measurements(old), _measurements(new)
    rows = [judge(name, a[name], b[name], alpha, effect_min) for name in a if name in b]
    return sorted(rows, key=lambda row: (row.verdict == "noise", -row.effect)), sorted(set(a) ^ set(b))


def doubts(old, new):
    """Why the two may not be comparable."""
    for key in ("cpu", "cpus", "kernel", "system"):
        if old["machine"][key] != new["machine"][key]:
            yield f"{key}: {old['machine'][key]} and {new['machine'][key]}"
    for label, run in (("A", old), ("B", new)):
        if run["options"].get("light"):
            yield f"{label} is a light run: it shows that everything works, and little more"
        for name, scenario in run["scenarios"].items():
            if "failure" in scenario:
                yield f"{name} failed in {label}: {scenario['failure']}"
        noise = max(s["others_cpu_share"] for s in run["scenarios"].values())
        if noise > NOISY:
            yield f"{label} is noisy: others used up to {noise:.0%} of its machine's CPU time"


def show(old, new, rows, missing):
    for label, run in (("A", old), ("B", new)):
        print(f"{label}: {run['commit'][:12]}{' and changes' if run['modified'] else ''}, {run['when']}, {run['machine']['cpu']}")
    for doubt in doubts(old, new):
        print(f"   careful: {doubt}")
    print_table("B against A", ["measurement", "verdict", "B / A", "95 % interval", "p", "A", "B", ""], [
        [row.name, row.verdict, f"{row.ratio:.3f}", row.interval, "" if row.p is None else f"{row.p:.2g}",
         shown(row.before, row.unit), shown(row.after, row.unit), row.why] for row in rows])
    if missing:
        print("\nonly in one of them: " + ", ".join(missing))
    worse, better = (sum(row.verdict == verdict for row in rows) for verdict in ("worse", "better"))
    tested = sum(row.p is not None for row in rows)
    print(f"\n{worse} worse, {better} better, {len(rows) - worse - better} the same within noise or neither."
          f" Of {tested} tested, chance alone would call {tested * ALPHA:.1f} different, were it not for the least effect.")


def percent(text):
    value = float(text) / 100
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("0 to 99")
    return value


def main():
    parser = argparse.ArgumentParser(prog="./dev bench compare", description=__doc__)
    parser.add_argument("old", type=pathlib.Path, metavar="A.json")
    parser.add_argument("new", type=pathlib.Path, metavar="B.json")
    parser.add_argument("--effect", type=percent, default=EFFECT_MIN, metavar="PERCENT", help="smaller ones are noise (3)")
    options = parser.parse_args()
    try:
        old, new = results.load(options.old), results.load(options.new)
    except results.Unfit as unfit:
        parser.error(str(unfit))
    rows, missing = compare(old, new, effect_min=options.effect)
    show(old, new, rows, missing)
    return 1 if any(row.verdict == "worse" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
