"""The dashboard and the alerts speak of metrics and labels that the real daemon has; promtool where it is installed."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from test_metrics import authd, scrape  # noqa: F401

PACKAGING = pathlib.Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus" / "authd.rules.yml"
DASHBOARD = PACKAGING / "grafana" / "authd.json"
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is in Debian's package prometheus")


def dashboard_queries():
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])]
    return queries + [v["query"]["query"] for v in dashboard["templating"]["list"]]


def rule_queries():
    return re.findall(r"^ +expr: (.+)$", RULES.read_text(), flags=re.M)


def names_of(queries):
    return {name for q in queries for name in re.findall(r"\b(?:authd|process)_\w+", q)}


def live_families(body):
    """Names as queries have them, and the labels of each. A family may have no value here: no limit, no certificate."""
    labels = {name: set() for name in re.findall(r"^# HELP (\w+)", body, flags=re.M)}
    for line in body.splitlines():
        if line and not line.startswith("#"):
            match = re.match(r"(\w+)(?:\{(.*)\})? ", line)
            labels.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2] or ""))
    return labels


def test_every_metric_of_the_dashboard_and_the_alerts_is_live(authd):  # noqa: F811
    live = live_families(scrape(authd)[1])
    for queries, least in ((dashboard_queries(), 25), (rule_queries(), 10)):
        names = names_of(queries)
        assert len(names) >= least
        assert not names - set(live), "no such metric"


def test_every_metric_has_a_place_on_the_dashboard(authd):  # noqa: F811
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names_of(dashboard_queries())}
    families = set(re.findall(r"^# HELP (\w+)", scrape(authd)[1], flags=re.M))
    assert not families - shown, "nobody would see it"


def test_panels_of_the_dashboard_do_not_overlap():
    panels = [p for p in json.loads(DASHBOARD.read_text())["panels"]]
    places = [(p["gridPos"]["x"] + x, p["gridPos"]["y"] + y) for p in panels
              for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])]
    assert len(places) == len(set(places)) and len({p["id"] for p in panels}) == len(panels)


def test_every_label_of_the_queries_is_one_of_the_metric(authd):  # noqa: F811
    live = live_families(scrape(authd)[1])
    for query in dashboard_queries() + rule_queries():
        for name, selectors in re.findall(r"\b((?:authd|process)_\w+)\{([^}]*)\}", query):
            used = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", selectors))
            assert used <= live[name] | {"instance"}, f"{name}: {used - live[name]}"


def test_the_dashboard_can_be_imported_anywhere():
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["__inputs"][0]["name"] == "DS_PROMETHEUS"
    assert {v["name"] for v in dashboard["templating"]["list"]} == {"instance", "route"}
    ids = [p["id"] for p in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}" and panel["description"] and panel["targets"]


def unit_of(expr):
    """What a query of ours gives: every kind of expression that the dashboard has."""
    if "histogram_quantile" in expr or re.search("time(stamp)?_seconds", expr) or re.search(r"rate\(\w+_duration_seconds_sum", expr):
        return {"s"}
    if " / " in expr or "busy_seconds" in expr:
        return {"percentunit"}
    if "cpu_seconds" in expr:
        return {"none"}
    if "rate(" in expr:
        return {"Bps"} if "_bytes" in expr else {"ops", "reqps"}
    return {"bytes"} if "_bytes" in expr else {"none"}


def test_no_panel_mixes_units_or_leaves_lines_unnamed():
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            allowed = unit_of(target["expr"]) | ({"none"} if panel["title"] in ("Connections", "Breakers") else set())
            assert panel["fieldConfig"]["defaults"]["unit"] in allowed, f"{panel['title']}: {target['expr']}"
            assert target["legendFormat"]
            grouped = set(re.findall(r"\w+", (re.search(r"by \(([^)]*)\)", target["expr"]) or ["", ""])[1])) - {"le"}
            assert grouped == set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])), target


def test_every_alert_says_what_to_run_next_and_has_a_test():
    rules, tests = RULES.read_text(), RULES.with_name("authd.rules.test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - |\n  - |\Z)", rules, flags=re.S)
    assert len(alerts) >= 12
    for name, body in alerts:
        assert "summary:" in body and "next:" in body and "severity:" in body, name
        fires = re.search(rf"alertname: {name}\n +exp_alerts:\n", tests)
        assert fires, f"no test in which {name} fires"


@promtool
def test_promtool_accepts_the_rules_and_their_tests():
    for words in (["check", "rules", RULES], ["test", "rules", RULES.with_name("authd.rules.test.yml")]):
        result = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr


@promtool
def test_promtool_accepts_the_metrics(authd):  # noqa: F811
    result = subprocess.run(["promtool", "check", "metrics"], input=scrape(authd)[1], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
