#!/usr/bin/env python3
"""
./dev bench report [RESULT.json...]: one HTML file that needs nothing else, from the newest run of each scenario in these
files; without any, in build/bench. --readme does what ./dev bench readme does, for the newest of them.
"""
import argparse
import dataclasses
import math
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import charts  # noqa: E402
import readme  # noqa: E402
import results  # noqa: E402
from bars import BARS  # noqa: E402
from bench import NOISY, cell_text, shown  # noqa: E402
from charts import text  # noqa: E402
from run import SCENARIOS  # noqa: E402

WIDE, NARROW = 700, 340  # px; the style sheet shows one of them


@dataclasses.dataclass
class Chapter:
    """A scenario, and the run that it is from."""
    name: str
    scenario: dict
    run: dict

    @property
    def measurements(self):
        return self.scenario["measurements"]


def chapters_of(runs):
    """The newest of each scenario, in the order of run.py; unknown ones behind."""
    newest = {}
    for run in runs:
        for name, scenario in run["scenarios"].items():
            if name not in newest or scenario["when"] >= newest[name].scenario["when"]:
                newest[name] = Chapter(name, scenario, run)
    order = {name: i for i, name in enumerate(SCENARIOS)}
    return sorted(newest.values(), key=lambda c: (order.get(c.name, len(order)), c.name))


# --- pieces ---

def mark_cell(is_reached, words):
    return f'<td class="{"pass" if is_reached else "fail"}">{"✓" if is_reached else "✗"} {text(words)}</td>'


def verdict_cell(verdict):
    return mark_cell(verdict != "FAIL", verdict)


def table(header, rows):
    """Rows of cells; one that begins with <td is left as it is."""
    head = "".join(f"<th scope=col>{text(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(c if c.startswith("<td") else f"<td>{text(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def time_text(when):
    """ISO 8601 as people read it; results are in UTC."""
    return f"{when[:10]} {when[11:16]} UTC"


def spread_text(m):
    return "" if m["low"] is None else f"{m['low']:.3g} to {m['high']:.3g}"


def bound_text(m):
    return f"{'≥' if m['better'] == 'more' else '≤'} {shown(m['bar'], m['unit'])}" if "bar" in m else ""


def strip(m):
    """A ratio on a track from a tenth to ten times its bar, which is in the middle; without a bar, of 1."""
    middle = m.get("bar") or 1.0

    def place(value):
        return 50 + 50 * max(-1.0, min(1.0, math.log10(value / middle))) if value > 0 else 0

    spread = ""
    if m["low"] is not None:
        left = place(m["low"])
        spread = f'<i class="spread" style="left:{left:.1f}%;width:{place(m["high"]) - left:.1f}%"></i>'
    verdict = m.get("verdict", "")
    good = f'<i class="good" style="{"right" if m["better"] == "more" else "left"}:0"></i>' if m["better"] else ""
    said = f'{"✗" if verdict == "FAIL" else "✓"} {bound_text(m)}' if verdict else ""
    return (f'<div class="strip"><div class="words"><span>{text(m["what"])}</span><span class="value">{text(shown(m["median"], "x"))} '
            f'<span class="{"fail" if verdict == "FAIL" else "pass"}">{text(said)}</span></span></div><div class="track">{good}'
            f'<i class="bound" style="left:50%"></i>{spread}<i class="dot" style="left:{place(m["median"]):.1f}%"></i></div></div>')


def figure(plot):
    drawings = (charts.draw(plot, width).replace("<svg ", f'<svg class="{kind}" ', 1)
                for kind, width in (("wide", WIDE), ("narrow", NARROW)))
    return f'<figure><figcaption>{text(plot["title"])}</figcaption>{"".join(drawings)}</figure>'


# --- sections ---

def warnings(chapters):
    for c in chapters:
        if "failure" in c.scenario:
            yield f"{c.name} failed, what it had measured by then is below: {c.scenario['failure']}"
    light = [c.name for c in chapters if c.run["options"].get("light")]
    noisy = [f"{c.name} ({c.scenario['others_cpu_share']:.0%})" for c in chapters if c.scenario["others_cpu_share"] > NOISY]
    changed = sorted({c.run["commit"][:12] for c in chapters if c.run["modified"]})
    if light:
        yield f"Light runs, which show that everything works and little more: {', '.join(light)}."
    if noisy:
        yield f"Noisy: others used more than {NOISY:.0%} of the machine's CPU time during {', '.join(noisy)}."
    if changed:
        yield f"Measured with changes on top of {', '.join(changed)} that are in no commit."


def headlines(chapters):
    found = [m for c in chapters for m in c.measurements.values() if m["headline"] and m["median"] is not None]
    return [m for m in found if m["unit"] == "x"], [m for m in found if m["unit"] != "x"]


def verdicts(chapters):
    """How many bars are reached, in one line, and which are not."""
    barred = [m for c in chapters for m in c.measurements.values() if "bar" in m]
    missed = [m for m in barred if m["verdict"] == "FAIL"]
    if not barred:
        return []
    words = [f"{m['what']}: {shown(m['median'], m['unit'])}, to reach {bound_text(m)}" for m in missed]
    return [f'<p class="sum"><strong class="{"fail" if missed else "pass"}">{len(barred) - len(missed)} of {len(barred)} bars '
            f'reached.</strong>{" Missed:" if missed else ""}</p>',
            *(["<ul>", *(f"<li>{text(w)}</li>" for w in words), "</ul>"] if missed else [])]


SIDE_BY_SIDE_PLOTS = 2  # of the scenario that has them: CPU of a login and of a /verify


def side_by_side(chapters):
    """What most readers come for: the tables that the README has too, each with its first plots."""
    parts = []
    for c in chapters:
        tables = [t for t in c.scenario["tables"] if t.get("readme")]
        if not tables:
            continue
        parts += ["<h2 id=beside>Beside what it replaces, and what one could take instead</h2>",
                  f'<p class="quiet">More, and how it was measured: <a href="#{text(c.name)}">{text(c.name)}</a>.</p>']
        parts += [piece for t in tables for piece in table_section(t)]
        parts += [figure(plot) for plot in c.scenario["plots"][:SIDE_BY_SIDE_PLOTS]]
    return parts


def front(chapters):
    ratios, others = headlines(chapters)
    parts = ["<h2 id=ratios>Ratios first</h2>", '<p class="quiet">Measured beside each other in one run, the median of pairs. '
             "The upright line is the bar, or 1 where there is none; the ends are a tenth and ten times of it. The thin line "
             "is the spread of the pairs; the shaded side is the better one.</p>", *map(strip, ratios)] if ratios else []
    if others:
        parts += ["<h3>And in units of their own</h3>", table(["", "measured", "spread", "bar", "ambition", "verdict"], [
            [m["what"], shown(m["median"], m["unit"]), spread_text(m), bound_text(m),
             shown(m["ambition"], m["unit"]) if "bar" in m else "", verdict_cell(m["verdict"]) if "bar" in m else ""]
            for m in others])]
    return parts


def target_words(t):
    return f"{t['what']} {'≥' if t['better'] == 'more' else '≤'} {shown(t['limit'], t['unit'])}"


def phase_table(targets):
    """A line for each system, a column for each target."""
    columns = list(dict.fromkeys(target_words(t) for t in targets))
    cells = {(t["system"], target_words(t)): t for t in targets}

    def cell(system, column):
        t = cells.get((system, column))
        return "" if t is None else mark_cell(t["reached"], shown(t["measured"], t["unit"]))
    return table(["", *columns], [[system, *[cell(system, column) for column in columns]]
                                  for system in dict.fromkeys(t["system"] for t in targets)])


def phases(chapters):
    """The targets of the plan that this project answers, and who reaches them."""
    targets = [t for c in chapters for t in c.scenario["targets"]]
    parts = ["<h2 id=phases>The plan's targets</h2>"] if targets else []
    for phase in dict.fromkeys(t["phase"] for t in targets):
        parts += [f"<h3>Phase {text(phase)}</h3>", phase_table([t for t in targets if t["phase"] == phase])]
    return parts


def table_section(t):
    return [f'<h3>{text(t["title"])}</h3>', table(t["header"], [[cell_text(cell) for cell in row] for row in t["rows"]])]


def scenario_section(c):
    s = c.scenario
    parts = [f'<h2 id="{text(c.name)}">{text(c.name)}</h2>', f'<p>{text(s["title"])}</p>',
             f'<p class="about">{text(time_text(s["when"]))}, {s["seconds"]:.0f} s, commit {text(c.run["commit"][:12])}; others used '
             f'{s["others_cpu_share"]:.0%} of the CPU time at most</p>']
    parts += [f"<p>{text(note)}</p>" for note in s.get("notes", ())]
    parts += [figure(plot) for plot in s["plots"]]
    for t in s["tables"]:
        parts += table_section(t)
    if c.measurements:
        parts += ["<details><summary>What is compared between runs</summary>", table(
            ["", "median", "spread", "repeats"],
            [[m["what"], shown(m["median"], m["unit"]), spread_text(m), str(len(m["repeats"]))] for m in c.measurements.values()]),
            "</details>"]
    return parts


def reproduce(chapters):
    names = " ".join(c.name for c in chapters)
    commits = sorted({c.run["commit"] for c in chapters if c.run["commit"]})
    light = " --light" if all(c.run["options"].get("light") for c in chapters) else ""
    words = "".join(f"git checkout {commit}\n" for commit in commits[:1])
    return ["<h2 id=again>Measure it yourself</h2>", "<p>On Debian 12, as root or with sudo, with nothing else running; "
            "it installs what it needs:</p>", f"<pre>{text(words)}./dev bench {text(names)}{light}\n./dev bench report</pre>",
            "<p>How each number is made is told in <code>benchmarks/README.md</code>, and by the scenarios themselves, "
            "<code>benchmarks/scenarios/</code>, which are short.</p>"]


def honest(chapters):
    measured = {name for c in chapters for name in c.measurements}
    missing = [bar.what for name, bar in BARS.items() if name not in measured]
    failed = [m["what"] for c in chapters for m in c.measurements.values() if m.get("verdict") == "FAIL"]
    once = [m["what"] for c in chapters for m in c.measurements.values() if "bar" in m and len(m["repeats"]) == 1]
    machines = {tuple(c.run["machine"][key] for key in ("cpu", "cpus", "kernel")) for c in chapters}
    said = ["Client and servers share one machine and its loopback: requests per second say what is left for a server, and no "
            "network, TLS or proxy is in any latency. Ratios and CPU time per request hardly depend on that.",
            "Who wrote the scenarios also wrote authd. What stands beside it is configured as its own documentation advises "
            "for production; the configurations are in benchmarks/systems/, and better ones are welcome.",
            "A spread is that of the repeats of one run. Another day, another build or another machine differs by more."]
    if failed:
        said.append(f"Bars that were missed: {'; '.join(failed)}.")
    if missing:
        said.append(f"Not measured in these runs: {'; '.join(missing)}.")
    if once:
        said.append(f"Measured once, so without a spread: {'; '.join(once)}.")
    if len(machines) > 1:
        said.append("The scenarios were not all measured on the same machine.")
    return ["<h2 id=words>Honest words</h2>", "<ul>", *(f"<li>{text(s)}</li>" for s in said), "</ul>"]


def machine_text(run):
    m = run["machine"]
    return f"{m['cpu']}, {m['cpus']} CPUs, {m['memory_mb']:,} MB, {m['system']}, Linux {m['kernel']}"


def contents(chapters, has_phases, has_others):
    names = [("ratios", "Ratios first"), *([("beside", "Side by side")] if has_others else []),
             *([("phases", "The plan's targets")] if has_phases else []),
             *((c.name, c.name) for c in chapters), ("again", "Measure it yourself"),
             ("words", "Honest words")]
    return ["<nav><ul>", *(f'<li><a href="#{text(name)}">{text(words)}</a></li>' for name, words in names), "</ul></nav>"]


def page(runs):
    """The whole document."""
    chapters = chapters_of(runs)
    last = max((c.run for c in chapters), key=lambda run: run["when"])
    targets, others = phases(chapters), side_by_side(chapters)
    parts = ["<h1>authd, measured</h1>", f'<p class="about">{text(time_text(last["when"]))}, commit {text(last["commit"][:12])}<br>'
             f"{text(machine_text(last))}</p>", *(f'<p class="warning">{text(w)}</p>' for w in warnings(chapters)),
             *verdicts(chapters), *contents(chapters, bool(targets), bool(others)), *front(chapters), *others, *targets]
    for c in chapters:
        parts += scenario_section(c)
    parts += [*honest(chapters), *reproduce(chapters)]
    style = pathlib.Path(__file__).with_name("report.css").read_text()
    return ('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>authd, measured</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<style>\n{style}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench report", description=__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path, metavar="RESULT.json")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=results.FOLDER / "report.html", metavar="FILE")
    parser.add_argument("--readme", action="store_true", help="the newest run's numbers into README.md instead")
    options = parser.parse_args()
    try:
        runs = [results.load(path) for path in options.files or sorted(results.FOLDER.glob("*.json"))]
        if not runs:
            raise results.Unfit("nothing was measured yet: ./dev bench")
        if options.readme:
            readme.write(max(runs, key=lambda run: run["when"]))
            return 0
    except (results.Unfit, readme.NoPlace) as unfit:
        parser.error(str(unfit))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page(runs))
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
