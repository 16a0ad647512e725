"""clang-format decides how C looks."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[2]


def test_every_c_file_is_formatted():
    files = [p for d in ("server", "ctl", "shared", "benchmarks", "tests") for p in (ROOT / d).rglob("*.[ch]")]
    out = subprocess.run(["clang-format", "--dry-run", *map(str, files)], capture_output=True, text=True).stderr
    assert not out, out[:2000]
