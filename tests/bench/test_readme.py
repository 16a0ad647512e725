"""The README's block of numbers comes from a file of results, and nothing else of the README changes."""
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import readme  # noqa: E402
import results  # noqa: E402
from bench import Bench  # noqa: E402


@pytest.fixture
def run(tmp_path):
    bench = Bench("verify", "title", light=True)
    bench.number("rss_idle", 99)
    bench.number("verify_cpu", [0.9, 1.1, 1.0])
    bench.measure("told", "a thing", "us", [4.0], headline=True)
    bench.measure("kept", "only in the file", "us", [4.0])
    bench.table("left out", ["", "a"], [["x", 1]])
    bench.table("shown", ["", "a|b"], [["x", 1234567.0], ["y", None]], readme=True)
    bench.noise = 0.5
    results.write(tmp_path / "run.json", {bench.name: bench.document()}, {"light": True, "names": ["verify"]})
    run = results.load(tmp_path / "run.json")
    run["when"], run["commit"] = "2026-11-24T23:00:00+00:00", "0123456789abcdef"
    run["machine"].update(cpu="A CPU", cpus=2, kernel="6.1", memory_mb=2048, system="Debian 12")
    return run


def test_the_block_says_when_and_where_ratios_first_and_the_tables_that_are_marked(run):
    text = readme.block(run)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("Measured 2026-11-24 at commit 0123456789 on 2 CPUs (A CPU), 2 GB, Debian 12, Linux 6.1; "
                           "others used at most 50% of the CPU time meanwhile. Short runs")
    assert "That is too much" in text
    assert lines[2] == "| /verify CPU per request / nginx `return 200` | 1x | 0.9..1.1 | <= 1x | PASS |"
    assert lines[3] == "| RSS idle | 99 MB |  | <= 15 MB | FAIL |"
    assert lines[4] == "| a thing | 4 us |  |  |  |"
    assert "shown:" in text and "| x | 1,234,567 |" in lines and "| y | - |" in lines and "|  | a\\|b |" in lines
    assert "left out" not in text and "only in the file" not in text


def test_what_failed_is_told(run):
    run["scenarios"]["verify"]["failure"] = "RuntimeError: no more"
    assert "Not measured to the end: verify." in readme.block(run)


def test_only_what_is_between_the_markers_is_replaced():
    before, after = "# title\n" + readme.BEGIN, readme.END + "\nthe rest\n"
    for old in ("\n", "\nold\nnumbers\n"):
        assert readme.replaced(before + old + after, "new") == before + "\nnew\n" + after


@pytest.mark.parametrize("text", ["", readme.BEGIN, readme.END, readme.END + readme.BEGIN])
def test_a_text_without_both_markers_in_order_is_refused(text):
    with pytest.raises(readme.NoPlace):
        readme.replaced(text, "new")


def test_the_projects_own_readme_has_the_place():
    text = readme.README.read_text()
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1
    assert "by hand" in readme.replaced(text, "by hand")


def test_a_file_that_is_no_result_is_told(tmp_path):
    (tmp_path / "wrong.json").write_text(json.dumps({"schema": 1}))
    run = subprocess.run([sys.executable, BENCHMARKS / "readme.py", tmp_path / "wrong.json"], capture_output=True, text=True)
    assert run.returncode == 1 and "readme: " in run.stderr and "Traceback" not in run.stderr
