"""
Files of results: what a run of the benchmarks leaves below build/bench, for reports, comparisons and scripts. The
fields are told in README.md; check() holds a file against them, so that readers need not.
"""
import datetime
import json
import subprocess

import measure
from generator import ROOT

FOLDER = ROOT / "build" / "bench"
SCHEMA = 1  # another number when a field changes its meaning or goes; new fields may come without

NUMBER = (int, float)
MAYBE = (int, float, type(None))
RUN = {"schema": int, "when": str, "commit": str, "modified": bool, "options": dict, "machine": dict, "scenarios": dict}
MACHINE = {"cpu": str, "cpus": int, "kernel": str, "memory_mb": int, "system": str, "load_average": NUMBER}
SCENARIO = {"title": str, "when": str, "seconds": NUMBER, "others_cpu_share": NUMBER, "measurements": dict, "targets": list,
            "tables": list, "plots": list, "details": dict}
MEASUREMENT = {"what": str, "unit": str, "repeats": list, "median": MAYBE, "low": MAYBE, "high": MAYBE,
               "better": (str, type(None)), "headline": bool}
TARGET = {"phase": str, "what": str, "system": str, "measured": MAYBE, "limit": NUMBER, "unit": str, "better": str,
          "reached": bool}
PLOTS = {"bars": {"title": str, "unit": str, "bars": list},
         "lines": {"title": str, "x": str, "y": str, "log_x": bool, "log_y": bool, "lines": list, "limits": list},
         "latency": {"title": str, "lines": list}}


class Unfit(Exception):
    """Not a file of results: where, and why."""


def _fields(where, value, fields):
    if not isinstance(value, dict):
        raise Unfit(f"{where} is no object")
    for name, kind in fields.items():
        if name not in value:
            raise Unfit(f"{where} has no {name}")
        if not isinstance(value[name], kind) or (isinstance(value[name], bool) and kind is not bool):
            raise Unfit(f"{where}.{name} is {value[name]!r:.60}")


def _measurement(where, m):
    _fields(where, m, MEASUREMENT)
    if not m["repeats"] or not all(isinstance(r, MAYBE) for r in m["repeats"]):
        raise Unfit(f"{where}.repeats is {m['repeats']!r:.60}")
    if m["better"] not in ("more", "less", None):
        raise Unfit(f"{where}.better is {m['better']!r}")
    if "bar" in m:
        _fields(where, m, {"bar": NUMBER, "ambition": NUMBER, "verdict": str})


def _scenario(where, s):
    _fields(where, s, SCENARIO)
    for name, m in s["measurements"].items():
        _measurement(f"{where}.measurements.{name}", m)
    for name, kind in (("failure", str), ("notes", list), ("estimate_s", NUMBER)):
        if name in s:
            _fields(where, s, {name: kind})
    for i, target in enumerate(s["targets"]):
        _fields(f"{where}.targets[{i}]", target, TARGET)
    for i, table in enumerate(s["tables"]):
        _fields(f"{where}.tables[{i}]", table, {"title": str, "header": list, "rows": list})
        if any(len(row) != len(table["header"]) for row in table["rows"]):
            raise Unfit(f"{where}.tables[{i}] has a row of another length than its header")
    for i, plot in enumerate(s["plots"]):
        if not isinstance(plot, dict) or plot.get("kind") not in PLOTS:
            raise Unfit(f"{where}.plots[{i}] is of no known kind")
        _fields(f"{where}.plots[{i}]", plot, PLOTS[plot["kind"]])


def check(run):
    """Raises Unfit when this is not what the README describes."""
    _fields("the file", run, RUN)
    if run["schema"] != SCHEMA:
        raise Unfit(f"schema {run['schema']}, and this program reads {SCHEMA}")
    _fields("machine", run["machine"], MACHINE)
    if not run["scenarios"]:
        raise Unfit("no scenarios")
    for name, scenario in run["scenarios"].items():
        _scenario(name, scenario)


def _git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()


def tree():
    """What is measured: the commit, and whether there are changes on top of it."""
    return {"commit": _git("rev-parse", "HEAD"), "modified": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def write(path, scenarios, options):
    """The scenarios of one run, {name: document}. Whole or not at all: a run may be stopped at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"schema": SCHEMA, "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), **tree(),
           "options": options, "machine": measure.machine(), "scenarios": scenarios}
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(run, indent=1) + "\n")
    new.rename(path)


def load(path):
    """A file that is fit; Unfit says which is not, and why."""
    try:
        run = json.loads(path.read_text())
        check(run)
    except (OSError, ValueError, Unfit) as error:
        raise Unfit(f"{path}: {error}") from None
    return run
