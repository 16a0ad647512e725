"""What ./dev bench compare says of samples whose difference is known, and of such that have none."""
import json
import pathlib
import random
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import results  # noqa: E402
from bench import Bench  # noqa: E402
from compare import ALPHA, compare, judge  # noqa: E402
from stats import mann_whitney, p_least, ratio_interval  # noqa: E402


def measurement(repeats, better="less", **more):
    return {"what": "", "unit": "us", "repeats": repeats, "median": None, "low": None, "high": None, "better": better,
            "headline": False, **more}


def noisy(chance, count, median=10.0, spread=0.02):
    """Times of a machine: never less than they must be, now and then much more."""
    return [median * chance.lognormvariate(0, spread) * (1.5 if chance.random() < 0.05 else 1) for _ in range(count)]


# --- the statistics ---

def test_times_that_tell_nothing_and_times_that_tell_all():
    same = [float(i % 7) for i in range(70)]
    delta, p = mann_whitney(same, list(reversed(same)))
    assert delta == 0 and p == 1
    delta, p = mann_whitney([i + 100.0 for i in range(50)], [float(i) for i in range(50)])
    assert delta == 1 and p < 1e-15
    delta, p = mann_whitney([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, 4.0])
    assert delta == -0.6875 and 0.05 < p <= 0.2
    assert mann_whitney([1.0, 1.0], [1.0])[0] == 0


def test_small_samples_have_the_exact_p_of_the_tables():
    """Two-sided, from tables of the rank sum: U = 2 with 5 and 5 is 0.0317, U = 0 with 7 and 7 is 2 of 3432."""
    assert mann_whitney([1, 2, 3, 4, 7], [5, 6, 8, 9, 10])[1] == pytest.approx(8 / 252)
    assert mann_whitney(list(range(7)), list(range(7, 14)))[1] == pytest.approx(2 / 3432) == p_least(7, 7)


def test_exact_and_approximate_agree_where_both_are_good():
    chance = random.Random(3)
    for shift in (0.0, 0.5, 1.0):
        a, b = [chance.gauss(0, 1) for _ in range(8)], [chance.gauss(shift, 1) for _ in range(8)]
        exact = mann_whitney(a, b)[1]
        approximate = mann_whitney(a * 4, b * 4)[1]  # four times the same: smaller, never larger
        assert approximate <= exact + 0.05


def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says():
    chance, held = random.Random(5), 0
    for _ in range(200):
        low, high = ratio_interval(noisy(chance, 15), noisy(chance, 15, 12.0), resamples=300)
        held += low <= 1.2 <= high
    assert 180 <= held <= 200  # 95 % of 200 is 190; the percentile bootstrap of a median is a little off


# --- the verdict ---

@pytest.mark.parametrize("count", [5, 6, 20])
def test_of_pure_noise_no_more_than_the_chosen_share_is_called_different(count):
    """Without a least effect, so that nothing but the test itself is tried; with it there are still fewer."""
    chance, tries = random.Random(count), 600
    called = called_with_effect = 0
    for _ in range(tries):
        a, b = (measurement(noisy(chance, count, spread=0.05)) for _ in "ab")
        called += judge("x", a, b, effect_min=0).verdict != "noise"
        called_with_effect += judge("x", a, b).verdict != "noise"
    deviation = (tries * ALPHA * (1 - ALPHA)) ** 0.5
    assert called <= tries * ALPHA + 4 * deviation
    assert called_with_effect <= called


@pytest.mark.parametrize("shift, better, verdict", [
    (1.15, "less", "worse"), (0.85, "less", "better"), (1.15, "more", "better"), (0.85, "more", "worse"),
    (1.15, None, "changed")])
def test_a_known_shift_is_found_in_its_direction(shift, better, verdict):
    chance = random.Random(2)
    verdicts = [judge("x", measurement(noisy(chance, 9), better), measurement(noisy(chance, 9, 10.0 * shift), better)).verdict
                for _ in range(50)]
    assert verdicts.count(verdict) >= 40  # outliers hide some
    assert set(verdicts) <= {verdict, "noise"}


def test_a_difference_that_is_certain_but_small_is_noise():
    a, b = [10.0 + i / 1000 for i in range(10)], [10.2 + i / 1000 for i in range(10)]
    row = judge("x", measurement(a), measurement(b))
    assert row.p < ALPHA and row.verdict == "noise" and row.why == "small"
    assert judge("x", measurement(a), measurement(b), effect_min=0.01).verdict == "worse"


def test_too_few_repeats_prove_nothing():
    row = judge("x", measurement([1.0, 1.1]), measurement([9.0, 9.1]))
    assert (row.verdict, row.p, row.why) == ("noise", None, "2 and 2 repeats are too few")


BAR = {"bar": 10.0, "ambition": 5.0}
PASS, FAIL = {**BAR, "verdict": "PASS"}, {**BAR, "verdict": "FAIL"}


@pytest.mark.parametrize("old, new, verdict", [
    (measurement([9.0], **PASS), measurement([12.0], **FAIL), "worse"),
    (measurement([12.0], **FAIL), measurement([9.0], **PASS), "better"),
    (measurement([9.9], **PASS), measurement([10.1], **FAIL), "noise"),  # 2 %
    (measurement([5.0], **PASS), measurement([9.0], **PASS), "noise"),
    (measurement([0.0], **PASS), measurement([3.0], **FAIL), "worse"),  # such as lost writes
    (measurement([9.0]), measurement([90.0]), "noise"),
    (measurement([9.0]), measurement([None]), "worse"),
    (measurement([None]), measurement([None]), "noise"),
])
def test_what_was_measured_once_counts_when_it_crosses_its_bar(old, new, verdict):
    assert judge("x", old, new).verdict == verdict


# --- the command ---

def written(path, **measurements):
    bench = Bench("verify", "title", light=False)
    for name, repeats in measurements.items():
        bench.measure(name, name, "us", repeats)
    results.write(path, {bench.name: bench.document()}, {"light": False, "names": []})
    return path


def command(*words):
    return subprocess.run([sys.executable, ROOT / "benchmarks/compare.py", *map(str, words)], capture_output=True, text=True,
                          timeout=60)


FEW = [10.0, 10.1, 10.2, 9.9, 9.8, 10.3]


def test_the_table_has_the_largest_effect_first_and_noise_last(tmp_path):
    a = written(tmp_path / "a.json", same=FEW, slow=FEW, slower=FEW, gone=FEW)
    b = written(tmp_path / "b.json", same=FEW, slow=[v * 1.2 for v in FEW], slower=[v * 2 for v in FEW], new=FEW)
    run = command(a, b)
    assert run.returncode == 1, run.stderr
    lines = [line.split()[:3] for line in run.stdout.splitlines() if line.startswith("  verify.")]
    assert lines == [["verify.slower", "worse", "2.000"], ["verify.slow", "worse", "1.200"], ["verify.same", "noise", "1.000"]]
    assert "only in one of them: verify.gone, verify.new" in run.stdout
    assert "2 worse, 0 better, 1 the same" in run.stdout
    assert command(b, a).returncode == 0  # better is not worse
    assert command(a, a).returncode == 0
    assert command(a, b, "--effect", "99").returncode == 1 and command(a, b, "--effect", "x").returncode == 2


def test_runs_that_may_not_be_comparable_are_told(tmp_path):
    a = written(tmp_path / "a.json", same=FEW)
    run = json.loads(a.read_text())
    run["machine"]["cpu"], run["options"]["light"] = "another", True
    run["scenarios"]["verify"]["others_cpu_share"] = 0.4
    (tmp_path / "b.json").write_text(json.dumps(run))
    said = command(a, tmp_path / "b.json").stdout
    assert "and another" in said and "B is a light run" in said and "others used up to 40%" in said


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    run = command(tmp_path / "a.json", tmp_path / "a.json")
    assert run.returncode == 2 and "a.json: the file has no schema" in run.stderr


def test_rows_of_both_runs_only(tmp_path):
    a, b = (results.load(written(tmp_path / f"{n}.json", **{n: FEW, "both": FEW})) for n in "ab")
    rows, missing = compare(a, b)
    assert [row.name for row in rows] == ["verify.both"] and missing == ["verify.a", "verify.b"]
