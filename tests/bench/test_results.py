"""Files of results: what a scenario keeps is what the readers of the files accept, and nothing else is."""
import copy
import json
import pathlib
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import results  # noqa: E402
from bars import BARS  # noqa: E402
from bench import Bench  # noqa: E402

HISTOGRAM = {"count": 3, "buckets": [[1000, 2], [5000, 1]]}


def scenario(name="verify"):
    """One with everything that a scenario can keep."""
    bench = Bench(name, "a <title>", light=False)
    bench.number("verify_cpu", [0.9, 1.1, 1.0])
    bench.number("rss_idle", 99)
    bench.measure("authd_us", "CPU time", "us", [4.0, 5.0], headline=True)
    bench.measure("size", "what is neither better nor worse", "", 3, more_is_better=None)
    bench.target("1", "logins without an answer", "Express", 0.9, 0.5, "")
    bench.target("1", "logins without an answer", "authd", 0, 0.5, "")
    bench.table("a table", ["", "a"], [["row", 1.5], ["none", None]])
    bench.plot_bars("bars", "us", [("one", [1, 2]), ("two", [3])])
    bench.plot_lines("lines", "x", "y", {"a": [(1, 2), (2, 3, 2.5, 3.5)]}, log_x=True, limits=[("bar", 2)])
    bench.plot_latency("latencies", {"ok": HISTOGRAM, "nothing": {"count": 0, "buckets": []}})
    bench.detail("raw", [1, 2, 3])
    return bench


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.json"
    results.write(path, {"verify": scenario().document()}, {"light": False, "names": ["verify"]})
    return json.loads(path.read_text())


def test_what_a_scenario_keeps_can_be_read_back(tmp_path, capsys):
    path = tmp_path / "deep" / "run.json"
    results.write(path, {name: scenario(name).document() for name in ("verify", "other")}, {"light": True, "names": []})
    read = results.load(path)
    assert list(read["scenarios"]) == ["verify", "other"] and read["options"]["light"]
    assert "a table" in capsys.readouterr().out
    verify = read["scenarios"]["verify"]
    number = verify["measurements"]["verify_cpu"]
    assert (number["median"], number["low"], number["high"]) == (1.0, 0.9, 1.1)
    assert number["bar"] == BARS["verify_cpu"].bar and number["verdict"] == "PASS"
    assert verify["measurements"]["rss_idle"]["verdict"] == "FAIL"
    assert verify["measurements"]["rss_idle"]["low"] is None  # once: there is no spread
    assert [t["reached"] for t in verify["targets"]] == [False, True]
    assert [line["name"] for line in verify["plots"][2]["lines"]] == ["ok"]


def test_what_could_not_be_measured_is_null_and_fails(tmp_path):
    bench = Bench("verify", "", light=False)
    bench.number("verify_cpu", float("nan"))
    bench.measure("half", "", "us", [float("inf"), 2.0])
    path = tmp_path / "run.json"
    results.write(path, {bench.name: bench.document()}, {})
    measured = results.load(path)["scenarios"]["verify"]["measurements"]
    assert measured["verify_cpu"]["median"] is None and measured["verify_cpu"]["verdict"] == "FAIL"
    assert measured["half"] | {"repeats": [None, 2.0], "median": 2.0, "low": None} == measured["half"]


def test_a_name_is_measured_once():
    bench = scenario()
    with pytest.raises(ValueError, match="verify_cpu is measured twice"):
        bench.number("verify_cpu", 1)


def without(*path):
    def change(run):
        for key in path[:-1]:
            run = run[key]
        del run[path[-1]]
    return change


def put(value, *path):
    def change(run):
        for key in path[:-1]:
            run = run[key]
        run[path[-1]] = value
    return change


VERIFY = ("scenarios", "verify")


@pytest.mark.parametrize("change, said", [
    (without("commit"), "the file has no commit"),
    (put(2, "schema"), "schema 2, and this program reads 1"),
    (put(True, "schema"), "the file.schema is True"),
    (put({}, "scenarios"), "no scenarios"),
    (without("machine", "cpu"), "machine has no cpu"),
    (without(*VERIFY, "measurements"), "verify has no measurements"),
    (put([], *VERIFY, "measurements", "authd_us", "repeats"), "authd_us.repeats is []"),
    (put(["1"], *VERIFY, "measurements", "authd_us", "repeats"), "authd_us.repeats is ['1']"),
    (put("fewer", *VERIFY, "measurements", "authd_us", "better"), "authd_us.better is 'fewer'"),
    (without(*VERIFY, "measurements", "verify_cpu", "verdict"), "verify_cpu has no verdict"),
    (put("0", *VERIFY, "targets", 0, "limit"), "targets[0].limit is '0'"),
    (put([[1]], *VERIFY, "tables", 0, "rows"), "tables[0] has a row of another length"),
    (put("pie", *VERIFY, "plots", 0, "kind"), "plots[0] is of no known kind"),
    (without(*VERIFY, "plots", 1, "log_x"), "plots[1] has no log_x"),
])
def test_another_file_is_refused_with_the_place(run, change, said):
    results.check(run)
    changed = copy.deepcopy(run)
    change(changed)
    with pytest.raises(results.Unfit) as refused:
        results.check(changed)
    assert said in str(refused.value)


def test_a_file_that_is_none_is_refused_with_its_name(tmp_path):
    for content in ("", "{", "[]", '"text"'):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(results.Unfit, match="x.json: "):
            results.load(tmp_path / "x.json")
    with pytest.raises(results.Unfit, match="none.json: "):
        results.load(tmp_path / "none.json")


def test_every_field_is_told_in_the_readme():
    text = (BENCHMARKS / "README.md").read_text().split("## Files of results")[1].split("\n## ")[0]
    for fields in (results.RUN, results.MACHINE, results.SCENARIO, results.MEASUREMENT, results.TARGET, *results.PLOTS.values(),
                   {"bar": 0, "ambition": 0, "verdict": 0}):
        assert not [name for name in fields if f"`{name}`" not in text]
