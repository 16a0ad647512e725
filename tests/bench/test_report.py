"""The page of results: whole, well-formed, nothing from elsewhere, and no text of a result becomes markup."""
import html.parser
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "bench")]
import charts  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
from test_results import scenario  # noqa: E402

EVIL = "<script>alert('1')</script> & \"quotes\""
VOID = {"meta", "br", "line", "circle", "rect", "polygon", "polyline"}


class Page(html.parser.HTMLParser):
    """Counts elements, and fails when one is not closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.ids, self.links, self.attributes = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def written(path, *names, **options):
    results.write(path, {name: scenario(name).document() for name in names}, {"light": False, "names": list(names), **options})
    return results.load(path)


def test_the_page_has_every_scenario_plot_and_number(tmp_path):
    run = written(tmp_path / "a.json", "verify", "other")
    text = report.page([run])
    page = Page(text)
    assert {"verify", "other", "ratios", "phases", "again", "words"} <= set(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids) and all(link[0] == "#" for link in page.links)
    assert page.elements.count("svg") == 2 * 2 * 3  # wide and narrow, of two scenarios
    assert "script" not in page.elements
    assert text.count("1x ") >= 1 and "✗" in text and "RSS idle" in text
    assert run["commit"] in text and "./dev bench verify other" in text
    assert "Measured once" in text and "Not measured in these runs" in text


def test_the_page_begins_with_what_is_missed_and_what_stands_beside(tmp_path):
    bench = scenario("comparison")
    bench.table("Side by side", ["", "us"], [["Express", 600.0]], readme=True)
    bench.note("It bends <here>.")
    bench.end("RuntimeError: no more")
    results.write(tmp_path / "a.json", {"comparison": bench.document()}, {"light": False, "names": []})
    text = report.page([results.load(tmp_path / "a.json")])
    Page(text)
    top, below = text.split("<h2 id=ratios>")
    assert "1 of 2 bars reached." in top and "RSS idle: 99 MB, to reach ≤ 15 MB" in top
    assert "comparison failed" in top and "RuntimeError: no more" in top
    assert below.index("<h2 id=beside>") < below.index("<h3>Side by side</h3>") < below.index('<h2 id="comparison">')
    assert "It bends &lt;here&gt;." in below


def test_a_phase_is_a_table_of_who_reaches_what(tmp_path):
    text = report.page([written(tmp_path / "a.json", "verify")])
    part = text.split("<h3>Phase 1</h3>")[1].split("</table>")[0]
    assert "logins without an answer ≤ 0.5" in part
    assert '<td>Express</td><td class="fail">✗ 0.9</td>' in part and '<td>authd</td><td class="pass">✓ 0</td>' in part


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    text = report.page([written(tmp_path / "a.json", "verify")])
    assert "url(" not in text and "@import" not in text and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in text


def evil(value):
    """The same shape with a hostile text wherever one may stand."""
    if isinstance(value, dict):
        return {key: value[key] if key in ("kind", "better", "when", "commit") else evil(value[key]) for key in value}
    if isinstance(value, list):
        return [evil(item) for item in value]
    return EVIL if isinstance(value, str) else value


def test_no_text_of_a_result_becomes_markup(tmp_path):
    run = evil(written(tmp_path / "a.json", "verify"))
    run["scenarios"] = {EVIL: run["scenarios"]["verify"]}
    results.check(run)
    text = report.page([run])
    page = Page(text)
    assert "script" not in page.elements and "alert('1')" not in text
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert text.count("alert(") > 20


def test_of_two_runs_the_newer_of_each_scenario_counts(tmp_path):
    old, new = written(tmp_path / "a.json", "verify", "start"), written(tmp_path / "b.json", "verify")
    old["commit"], new["commit"] = "0" * 40, "1" * 40
    for run, when in ((old, "2026-01-01T00:00:00+00:00"), (new, "2026-01-02T00:00:00+00:00")):
        for s in run["scenarios"].values():
            s["when"] = when
    assert [(c.name, c.run["commit"][0]) for c in report.chapters_of([new, old])] == [("start", "0"), ("verify", "1")]


def test_doubts_are_told_at_the_top(tmp_path):
    run = written(tmp_path / "a.json", "verify", light=True)
    run["modified"] = True
    run["scenarios"]["verify"]["others_cpu_share"] = 0.3
    text = report.page([run])
    assert text.count('<p class="warning">') == 3
    assert "Light runs" in text and "verify (30%)" in text and "in no commit" in text


def test_a_number_that_could_not_be_measured_is_no_ratio(tmp_path):
    run = written(tmp_path / "a.json", "verify")
    run["scenarios"]["verify"]["measurements"]["verify_cpu"].update(median=None, repeats=[None], verdict="FAIL")
    text = report.page([run])
    Page(text)
    assert "Ratios first</h2>" not in text and "Bars that were missed" in text


# --- plots ---

@pytest.mark.parametrize("plot", [
    {"kind": "bars", "title": "t", "unit": "us", "bars": []},
    {"kind": "bars", "title": "t", "unit": "us", "bars": [{"name": "a", "repeats": [None]}]},
    {"kind": "bars", "title": "t", "unit": "us", "bars": [{"name": "a", "repeats": [0, 0]}]},
    {"kind": "lines", "title": "t", "x": "", "y": "", "log_x": True, "log_y": True, "lines": [], "limits": []},
    {"kind": "lines", "title": "t", "x": "", "y": "", "log_x": True, "log_y": True, "limits": [],
     "lines": [{"name": "a", "points": [[0, 0], [1, 1], [1e6, None]]}]},
    {"kind": "lines", "title": "t", "x": "", "y": "", "log_x": False, "log_y": False, "limits": [{"name": "bar", "y": 0}],
     "lines": [{"name": "a", "points": [[0, 0]]}]},
    {"kind": "latency", "title": "t", "lines": []},
    {"kind": "latency", "title": "t", "lines": [{"name": "one", "buckets": [[1000, 1]]}]},
], ids=lambda plot: f"{plot['kind']}")
@pytest.mark.parametrize("width", [340, 700])
def test_plots_of_little_or_nothing_are_drawn(plot, width):
    drawing = charts.draw(plot, width)
    Page(drawing)
    assert "nan" not in drawing and "inf" not in drawing


def test_a_logarithmic_scale_has_equal_steps_for_equal_ratios():
    scale = charts.Scale([1, 10, 100], 0, 100, log=True)
    assert scale(10) - scale(1) == pytest.approx(scale(100) - scale(10), abs=0.2)
    assert 0 <= scale(0) < scale(1) < scale(100) <= 100


def test_ticks_are_round_and_inside():
    for low, high in ((0, 7), (0, 0.03), (0, 123456)):
        scale = charts.Scale([low, high], 0, 100)
        ticks = scale.ticks()
        assert 2 <= len(ticks) <= 8 and all(scale.low <= t <= scale.high * 1.0001 for t in ticks)


def test_percentiles_end_where_one_request_is_left():
    steps = list(charts.percentile_steps([[1_000_000, 90], [5_000_000, 9], [9_000_000, 1]]))
    assert steps == [(1, 1), (10, 1), (10, 5), (100, 5), (100, 9), (100, 9)]


def test_labels_keep_their_distance_and_order():
    places = charts.spread_out([50, 52, 51, 200], 14, 0, 210)
    assert sorted(range(4), key=places.__getitem__) == [0, 2, 1, 3]
    ordered = sorted(places)
    assert all(b - a >= 14 for a, b in zip(ordered, ordered[1:])) and ordered[-1] <= 210
    assert charts.spread_out([12, 12, 220, 220], 14, 14, 220) == [14, 28, 206, 220]  # at both ends at once


def test_every_line_of_a_plot_is_drawn_and_named():
    lines = [{"name": f"line {n}", "points": [[1, n], [2, n]]} for n in range(11)]
    drawing = charts.draw({"kind": "lines", "title": "t", "x": "", "y": "", "log_x": False, "log_y": False, "limits": [],
                           "lines": lines}, 700)
    Page(drawing)
    assert drawing.count("<polyline") == 11 and all(f">line {n}</text>" in drawing for n in range(11))


def test_numbers_are_round_and_readable():
    assert [charts.number(v) for v in (0, 0.5, 999.6, 1500, 2e6)] == ["0", "0.5", "1k", "1.5k", "2M"]
    assert [charts.amount(v) for v in (0, 0.123, 999.6, 12345)] == ["0", "0.123", "1,000", "12,300"]


# --- the command ---

def command(*words):
    return subprocess.run([sys.executable, ROOT / "benchmarks/report.py", *map(str, words)], capture_output=True, text=True,
                          timeout=60)


def test_the_command_writes_the_page(tmp_path):
    written(tmp_path / "a.json", "verify")
    run = command(tmp_path / "a.json", "-o", tmp_path / "page.html")
    assert run.returncode == 0 and run.stdout.strip() == str(tmp_path / "page.html"), run.stderr
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_a_file_that_is_no_result_is_refused_by_name(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"schema": 1}))
    run = command(tmp_path / "a.json")
    assert run.returncode == 2 and "a.json: the file has no when" in run.stderr
