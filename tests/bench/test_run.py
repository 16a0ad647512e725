"""A run of the benchmarks: it ends with all that it started, survives a scenario that fails, and goes on where it stopped."""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import results  # noqa: E402
import run as program  # noqa: E402
from family import SIGNALS, TooLong  # noqa: E402

# A child, its child, and an orphan in a session of its own, that a scenario would wait for.
PROGRAM = f"""
import subprocess, sys, tempfile
sys.path.insert(0, {str(BENCHMARKS)!r})
from family import Family, Stopped, TooLong
try:
    with Family() as family, family.within(int(sys.argv[1])):
        subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"])
        subprocess.run(["sh", "-c", "setsid sleep 300 >/dev/null & exit"])
        print(tempfile.mkdtemp(), flush=True)
        subprocess.run(["sleep", "300"])
except Stopped as stopped:
    sys.exit(128 + stopped.number)
except TooLong as too_long:
    sys.exit(too_long.args[0])
"""


def processes_of(folder):
    """Those that have it in their environment."""
    found = []
    for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [environ.parent.name] if f"TMPDIR={folder}".encode() in environ.read_bytes() else []
        except OSError:
            pass
    return found


def started(folder, limit_s, ignored=None):
    def as_in_a_terminal():  # a shell's job in the background ignores SIGINT
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(limit_s)], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "TMPDIR": str(folder)}, preexec_fn=as_in_a_terminal)
    assert process.stdout.readline().startswith(str(folder))
    return process


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_everything_and_leaves_no_file(tmp_path, number):
    process = started(tmp_path, 300)
    assert len(processes_of(tmp_path)) >= 5
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert processes_of(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_what_takes_too_long_ends_with_everything(tmp_path):
    process = started(tmp_path, 1)
    assert process.wait(timeout=60) == 1
    assert processes_of(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_a_terminal_that_closes_ends_no_run_under_nohup(tmp_path):
    process = started(tmp_path, 300, ignored=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    process.wait(timeout=60)


class NoFamily:
    """Without time limits: the tests' own processes are not its."""

    def within(self, _seconds):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def scenarios(tmp_path, monkeypatch):
    """broken fails behind its first number, slow takes too long, fine is fine; runs[NAME] counts."""
    runs = {"broken": 0, "slow": 0, "fine": 0}

    def scenario(name, error):
        def work(bench):
            runs[name] += 1
            bench.measure("before", "what was measured", "us", [1.0])
            if error:
                raise error
        return types.SimpleNamespace(run=work)

    for name, error in (("broken", RuntimeError("no more")), ("slow", TooLong(7)), ("fine", None)):
        monkeypatch.setitem(sys.modules, f"scenarios.{name}", scenario(name, error))
    monkeypatch.setattr(program, "SCENARIOS", {name: program.Scenario(name, 2, 1) for name in runs})
    monkeypatch.setattr(program, "kill_all", lambda: 0)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "tree", lambda: {"commit": "0123", "modified": False})
    return runs


def run_all(names, **changed):
    options = argparse.Namespace(**{"light": False, "only_missing": False, "output": None, "readme": False, **changed})
    return program.run_all(NoFamily(), names, options)


def test_a_scenario_that_fails_is_told_and_the_others_run(scenarios, tmp_path, capsys):
    assert not run_all(["broken", "slow", "fine"])
    read = results.load(tmp_path / "all.json")["scenarios"]
    assert list(read) == ["broken", "slow", "fine"]
    assert read["broken"]["failure"] == "RuntimeError: no more" and read["slow"]["failure"] == "not done after 7 s"
    assert "failure" not in read["fine"] and read["fine"]["estimate_s"] == 2
    assert all(s["measurements"]["before"]["median"] == 1 for s in read.values())
    said = capsys.readouterr().out
    assert "FAILED: broken: RuntimeError: no more" in said and "computed" in said
    assert run_all(["fine"])


def test_only_what_is_missing_runs_again(scenarios, tmp_path):
    run_all(["broken", "fine"])
    run_all(["broken", "fine"], only_missing=True)
    assert scenarios == {"broken": 2, "slow": 0, "fine": 1}
    assert list(results.load(tmp_path / "all.json")["scenarios"]) == ["broken", "fine"]
    run_all(["fine"], only_missing=True, light=True)
    assert scenarios["fine"] == 2


def test_a_whole_run_has_a_length_that_one_can_wait_for():
    assert {path.stem for path in (BENCHMARKS / "scenarios").glob("*.py")} == set(program.SCENARIOS)
    assert sum(s.light_s for s in program.SCENARIOS.values()) <= 9 * 60
    assert sum(s.full_s for s in program.SCENARIOS.values()) <= 75 * 60
