#!/usr/bin/env python3
"""
Writes the numbers of a run into README.md, between its two markers: ./dev bench readme [FILE]. The numbers beside their
bars come first, ratios above all; then the tables that scenarios marked for it. Nothing there is typed by hand.
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import results  # noqa: E402
from bench import NOISY, cell_text, shown  # noqa: E402
from generator import ROOT  # noqa: E402

README = ROOT / "README.md"
BEGIN, END = "<!-- numbers: written by ./dev bench readme -->", "<!-- end of numbers -->"


class NoPlace(Exception):
    """A text without the two markers."""


def row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(header, rows):
    return "\n".join([row(header), "|" + "--|" * len(header), *(row([cell_text(cell) for cell in r]) for r in rows)])


def said(run):
    """When and where: no number can be read without."""
    machine = run["machine"]
    noise = max(scenario["others_cpu_share"] for scenario in run["scenarios"].values())
    text = (f"Measured {run['when'][:10]} at commit {run['commit'][:10]} on {machine['cpus']} CPUs ({machine['cpu']}), "
            f"{machine['memory_mb'] / 1024:.0f} GB, {machine['system']}, Linux {machine['kernel']}; others used at most "
            f"{noise:.0%} of the CPU time meanwhile.")
    if run["options"].get("light"):
        text += " Short runs: they show that everything works, and the order of size."
    failed = [name for name, scenario in run["scenarios"].items() if "failure" in scenario]
    if failed:
        text += f" Not measured to the end: {', '.join(failed)}."
    if noise > NOISY:
        text += " That is too much: measure again when the machine is quiet."
    return text


def headlines(run):
    found = [m for scenario in run["scenarios"].values() for m in scenario["measurements"].values() if m["headline"]]
    found.sort(key=lambda m: m["unit"] != "x")  # stable: ratios first
    rows = []
    for m in found:
        spread = "" if m["low"] is None else f"{m['low']:.3g}..{m['high']:.3g}"
        sign = {"more": ">= ", "less": "<= "}.get(m["better"], "")
        bar = sign + shown(m["bar"], m["unit"]) if "bar" in m else ""
        rows.append([m["what"], shown(m["median"], m["unit"]), spread, bar, m.get("verdict", "")])
    return table(["what", "measured", "spread", "bar", ""], rows) if rows else ""


def block(run):
    parts = [said(run), headlines(run)]
    for scenario in run["scenarios"].values():
        parts += [f"{t['title']}:\n\n{table(t['header'], t['rows'])}" for t in scenario["tables"] if t.get("readme")]
    return "\n\n".join(part for part in parts if part)


def replaced(text, new):
    """The text with the block between its markers replaced."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise NoPlace(f"no {BEGIN} before {END}")
    return text[:begin + len(BEGIN)] + "\n" + new + "\n" + text[end:]


def write(run, path=README):
    path.write_text(replaced(path.read_text(), block(run)))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench readme", description="Writes the numbers of a run into README.md.")
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=results.FOLDER / "all.json", metavar="FILE",
                        help="of results (build/bench/all.json)")
    parser.add_argument("--print", action="store_true", help="print the block, change nothing")
    options = parser.parse_args()
    try:
        run = results.load(options.file)
        if options.print:
            print(block(run))
        else:
            write(run)
    except (results.Unfit, NoPlace) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
