"""The probes in the program are those of packaging/bpftrace/README.md, with as many arguments; the scripts use no other."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("AUTHD_BUILD", ROOT / "build" / "gcc"))
FOLDER = ROOT / "packaging/bpftrace"


def documented():
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", (FOLDER / "README.md").read_text(), re.M)
    assert len(rows) == 9
    return {name: sum(bool(cell.strip()) for cell in cells.split("|")) for name, cells in rows}


@pytest.mark.skipif(not (BUILD / "authd").exists() or not shutil.which("readelf"), reason="nothing is built")
def test_the_program_has_exactly_the_documented_probes():
    notes = subprocess.run(["readelf", "-n", BUILD / "authd"], capture_output=True, text=True, check=True).stdout
    if "stapsdt" not in notes:
        pytest.skip("built without sys/sdt.h")
    found = {}
    for name, arguments in re.findall(r"Provider: authd\s+Name: (\w+)\s+.*\n\s*Arguments:(.*)", notes):
        found.setdefault(name, set()).add(len(re.findall(r"(?:^| )-?\d+@", arguments)))
    assert found == {name: {count} for name, count in documented().items()}


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.bt")), ids=lambda p: p.name)
def test_scripts_use_probes_and_arguments_that_there_are(script):
    blocks = re.split(r"\n(?=usdt:)", script.read_text())[1:]
    assert blocks
    for block in blocks:
        name = re.match(r"usdt:\*:authd:(\w+)", block)[1]
        assert all(int(n) < documented()[name] for n in re.findall(r"\barg(\d)\b", block)), (script.name, name)


def test_there_are_three_scripts():
    assert len(list(FOLDER.glob("*.bt"))) == 3
