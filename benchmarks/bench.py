"""One scenario's run: its mode, what it measured, and how that is shown. What it keeps is described in results.py."""
import datetime
import math
import time

import measure
from bars import BARS, Bar

NOISY = 0.05  # of the machine's CPU time used by others: above it numbers are not to be trusted


def _finite(value):
    """JSON knows no NaN; a number that could not be measured is null."""
    return value if math.isfinite(value) else None


def shown(value, unit=""):
    return "-" if value is None else f"{value:,.3g}{unit if unit == 'x' else ' ' + unit if unit else ''}"


class Bench:
    def __init__(self, name, title, light, is_one_of_many=False):
        self.name, self.title, self.light, self.is_one_of_many = name, title, light, is_one_of_many
        self.begin()
        self.seconds, self.estimate_s, self.failure = None, None, ""
        self.measurements, self.targets, self.details = {}, [], {}
        self.tables, self.plots, self.notes = [], [], []
        self.noise = 0.0

    def begin(self):
        self.when, self.began = datetime.datetime.now(datetime.timezone.utc), time.monotonic()

    def pick(self, full, light):
        return light if self.light else full

    def say(self, text):
        print(text, flush=True)

    def note(self, text):
        """What a reader should know of these numbers, in words: printed, and in the report."""
        self.notes.append(text)
        self.say(text)

    def end(self, failure=""):
        """It took until now. failure: why it ended before its time; what it had measured by then is kept."""
        self.seconds, self.failure = round(time.monotonic() - self.began, 1), failure

    def number(self, name, repeats):
        """Measures a row of BARS: one value, or a list with one of each repeat, whose median counts."""
        bar = BARS[name]
        self.measure(name, bar.what, bar.unit, repeats, more_is_better=bar.more_is_better, headline=True)
        value = self.measurements[name]["median"]
        self.measurements[name].update(bar=bar.bar, ambition=bar.ambition,
                                       verdict=bar.verdict(math.nan if value is None else value))

    def measure(self, name, what, unit, repeats, more_is_better=False, headline=False):
        """Any other measurement that is worth comparing between runs. more_is_better None: neither is. headline: one
        of those that the first table of a report and the README show; ratios (unit "x") come first there."""
        repeats = [_finite(r) for r in (repeats if isinstance(repeats, (list, tuple)) else [repeats])]
        known = [r for r in repeats if r is not None]
        if name in self.measurements:
            raise ValueError(f"{name} is measured twice")
        self.measurements[name] = {
            "what": what, "unit": unit, "repeats": repeats, "median": measure.median(known) if known else None,
            "low": min(known) if len(known) > 1 else None, "high": max(known) if len(known) > 1 else None,
            "better": {True: "more", False: "less", None: None}[more_is_better], "headline": headline}

    def target(self, phase, what, system, measured, limit, unit, more_is_better=False):
        """A target of a plan's phase, for a system that may be another than authd: reached or not."""
        verdict = Bar(what, unit, limit, limit, more_is_better).verdict(measured)
        self.targets.append({"phase": phase, "what": what, "system": system, "measured": _finite(measured),
                             "limit": limit, "unit": unit, "better": "more" if more_is_better else "less",
                             "reached": verdict != "FAIL"})

    def detail(self, name, value):
        """Raw data, kept in the JSON file; no report reads them."""
        self.details[name] = value

    def quiet(self, pids=()):
        """with bench.quiet(pids): what runs inside; remembers how busy others were meanwhile."""
        return _Watch(self, pids)

    def table(self, title, header, rows, readme=False):
        """Printed, and in the report. Cells are texts or numbers; the first column has what the row is about. readme:
        it is among those that ./dev bench readme puts into the README."""
        self.tables.append({"title": title, "header": header, "rows": rows, **({"readme": True} if readme else {})})
        print_table(title, header, rows)

    def plot_bars(self, title, unit, bars):
        """bars: (name, repeats). A bar for each, with its spread."""
        self.plots.append({"kind": "bars", "title": title, "unit": unit,
                           "bars": [{"name": name, "repeats": list(repeats)} for name, repeats in bars]})

    def plot_lines(self, title, x, y, lines, log_x=False, log_y=False, limits=()):
        """lines: {name: [(x, y) or (x, y, low, high), ...]}; x and y: what the axes have, with the unit.
        limits: (name, y) of horizontal lines, such as bars."""
        self.plots.append({"kind": "lines", "title": title, "x": x, "y": y, "log_x": log_x, "log_y": log_y,
                           "lines": [{"name": name, "points": [list(p) for p in points]} for name, points in lines.items()],
                           "limits": [{"name": name, "y": value} for name, value in limits]})

    def plot_latency(self, title, histograms):
        """histograms: {name: one of load's "latency_ms"}. Percentiles up to the last one that has been seen."""
        self.plots.append({"kind": "latency", "title": title,
                           "lines": [{"name": name, "buckets": h["buckets"]} for name, h in histograms.items() if h["count"]]})

    def document(self):
        """The scenario as it is in a file of results."""
        if self.seconds is None:
            self.end()
        return {"title": self.title, "when": self.when.isoformat(timespec="seconds"), "seconds": self.seconds,
                "others_cpu_share": self.noise, "measurements": self.measurements, "targets": self.targets,
                "tables": self.tables, "plots": self.plots, "notes": self.notes, "details": self.details,
                **({} if self.estimate_s is None else {"estimate_s": self.estimate_s}),
                **({"failure": self.failure} if self.failure else {})}


def print_table(title, header, rows):
    rows = [[cell_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        print("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))), flush=True)


def cell_text(cell):
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else f"{cell:,.4g}" if abs(cell) < 10000 else f"{cell:,.0f}"


def summary(scenarios, light):
    """The numbers of scenarios, as documents, beside their bars. True when every bar and every target of authd is reached,
    and none failed."""
    numbers = [m for s in scenarios.values() for m in s["measurements"].values() if "bar" in m]
    rows = [[n["what"], shown(n["median"], n["unit"]), "" if n["low"] is None else f"{n['low']:.3g}..{n['high']:.3g}",
             f"{'>=' if n['better'] == 'more' else '<='} {shown(n['bar'], n['unit'])}", shown(n["ambition"], n["unit"]),
             n["verdict"]] for n in numbers]
    if rows:
        print_table("Numbers", ["what", "measured", "spread", "bar", "ambition", "verdict"], rows)
    noisy = {name: s["others_cpu_share"] for name, s in scenarios.items() if s["others_cpu_share"] > NOISY}
    if noisy:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in noisy.items())
        print(f"\nNOISY: others used this machine's CPU time ({shares}). Measure again when it is quiet.")
    if light:
        print("\nLIGHT: short runs, to see that everything works. Numbers to show come from a full run.")
    failures = {name: s["failure"] for name, s in scenarios.items() if "failure" in s}
    for name, failure in failures.items():
        print(f"\nFAILED: {name}: {failure}", flush=True)
    targets = [t for s in scenarios.values() for t in s["targets"] if t["system"].startswith("authd")]
    return not failures and all(n["verdict"] != "FAIL" for n in numbers) and all(t["reached"] for t in targets)


class _Watch(measure.Noise):
    def __init__(self, bench, pids):
        super().__init__(pids)
        self.bench = bench

    def __exit__(self, *exception):
        if exception[0] is None:
            super().__exit__()
            self.bench.noise = max(self.bench.noise, self.share)
