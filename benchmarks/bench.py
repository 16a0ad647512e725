"""One run of the benchmarks: its mode, what it measured, and how that is shown."""
import datetime
import json
import subprocess

import measure
from bars import BARS
from generator import ROOT

OUTPUT = ROOT / "build" / "bench"
NOISY = 0.05  # of the machine's CPU time used by others: above it numbers are not to be trusted


class Bench:
    def __init__(self, light):
        self.light = light
        self.numbers = {}
        self.details = {}
        self.noise = 0.0

    def pick(self, full, light):
        return light if self.light else full

    def say(self, text):
        print(text, flush=True)

    def number(self, name, value, low=None, high=None):
        """Measures a row of BARS. low and high are the spread over repeats, or the margin of one run."""
        self.numbers[name] = {"value": value, "low": low, "high": high, "verdict": BARS[name].verdict(value)}

    def detail(self, name, value):
        """Kept in the JSON file, beside the numbers."""
        self.details[name] = value

    def quiet(self, pids=()):
        """with bench.quiet(pids): what runs inside; remembers how busy others were meanwhile."""
        return _Watch(self, pids)

    def table(self, title, header, rows):
        rows = [[cell if isinstance(cell, str) else f"{cell:,.4g}" if abs(cell) < 10000 else f"{cell:,.0f}"
                 for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        self.say(f"\n{title}")
        for row in [header, *rows]:
            self.say("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                                     for i, (cell, w) in enumerate(zip(row, widths))))

    def summary(self):
        """The numbers beside their bars; the ratio or value first. True when every bar is reached."""
        def shown(value, unit):
            return "-" if value is None else f"{value:.3g}{unit if unit == 'x' else ' ' + unit if unit else ''}"

        rows = []
        for name, n in self.numbers.items():
            bar = BARS[name]
            spread = "" if n["low"] is None else f"{n['low']:.3g}..{n['high']:.3g}"
            sign = ">=" if bar.more_is_better else "<="
            rows.append([bar.what, shown(n["value"], bar.unit), spread, f"{sign} {shown(bar.bar, bar.unit)}",
                         shown(bar.ambition, bar.unit), n["verdict"]])
        self.table("Numbers", ["what", "measured", "spread", "bar", "ambition", "verdict"], rows)
        if self.noise > NOISY:
            self.say(f"\nNOISY: others used up to {self.noise:.0%} of this machine's CPU time. Measure again when it is quiet.")
        if self.light:
            self.say("\nLIGHT: short runs, to see that everything works. Numbers to show come from a full run.")
        return all(n["verdict"] != "FAIL" for n in self.numbers.values())

    def write(self, name):
        OUTPUT.mkdir(parents=True, exist_ok=True)
        commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
        (OUTPUT / f"{name}.json").write_text(json.dumps({
            "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": commit, "light": self.light, "machine": measure.machine(), "others_cpu_share": self.noise,
            "numbers": {k: {**v, "what": BARS[k].what, "bar": BARS[k].bar, "ambition": BARS[k].ambition}
                        for k, v in self.numbers.items()},
            "details": self.details}, indent=1) + "\n")


class _Watch(measure.Noise):
    def __init__(self, bench, pids):
        super().__init__(pids)
        self.bench = bench

    def __exit__(self, *exception):
        if exception[0] is None:
            super().__exit__()
            self.bench.noise = max(self.bench.noise, self.share)
