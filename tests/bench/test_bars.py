"""The table of numbers to reach and the scenarios that measure them belong together."""
import pathlib
import re
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from bars import BARS, Bar  # noqa: E402
from bench import shown  # noqa: E402


@pytest.mark.parametrize("value, verdict", [(0.8, "PASS, ambition too"), (0.81, "PASS"), (1.0, "PASS"), (1.01, "FAIL")])
def test_where_less_is_better_a_number_may_not_be_above_its_bar(value, verdict):
    assert Bar("", "", 1.0, 0.8).verdict(value) == verdict


@pytest.mark.parametrize("value, verdict", [(3.5, "PASS, ambition too"), (3.49, "PASS"), (2.5, "PASS"), (2.49, "FAIL")])
def test_where_more_is_better_a_number_may_not_be_below_its_bar(value, verdict):
    assert Bar("", "", 2.5, 3.5, more_is_better=True).verdict(value) == verdict


def test_a_number_that_is_no_number_fails():
    assert BARS["verify_cpu"].verdict(float("nan")) == BARS["goodput"].verdict(float("nan")) == "FAIL"


@pytest.mark.parametrize("name, bar", BARS.items())
def test_an_ambition_is_no_easier_than_its_bar(name, bar):
    assert bar.ambition >= bar.bar if bar.more_is_better else bar.ambition <= bar.bar


def test_every_bar_is_measured_by_a_scenario():
    text = "".join(path.read_text() for path in sorted((BENCHMARKS / "scenarios").glob("*.py")))
    text = text.replace('f"{probe}_p99"', '"verify_p99", "health_p99"')
    measured = set(re.findall(r'"([a-z0-9_]+)"', text))
    assert set(BARS) <= measured


def test_every_bar_is_in_the_manual_with_the_scenario_that_measures_it():
    manual = (BENCHMARKS / "README.md").read_text()
    for bar in BARS.values():
        sign = ">=" if bar.more_is_better else "<="
        row = f"| {bar.what} | {sign} {shown(bar.bar, bar.unit)} | {shown(bar.ambition, bar.unit)} | `"
        assert row in manual, row
        scenario = manual.split(row)[1].split("`")[0]
        assert (BENCHMARKS / "scenarios" / f"{scenario}.py").exists(), scenario
