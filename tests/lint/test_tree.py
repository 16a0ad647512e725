"""What holds for the tree as a whole: nothing unbuilt, nothing of one machine, files that can be read at a sitting."""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FILES = [ROOT / name for name in subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True,
                                                check=True).stdout.split("\n") if name]
FILES = [p for p in FILES if p.is_file()]
C_FILES = [p for p in FILES if p.suffix in (".c", ".h")]
PROGRAMS = [p for p in C_FILES if p.relative_to(ROOT).parts[0] in ("server", "ctl", "shared")]
LINES_MAX = 450

# Longer than LINES_MAX, and why. A file leaves this list when it can be split; none joins it lightly.
LONG = {
    "server/core/loop_uring.c": "the only file that may know liburing",
    "server/http/conn.c": "one state machine, to be read whole",
    "server/cache/cache.c": "a table, its order of use and its sweep share every invariant",
    "server/crypt/signing.c": "the only file that may know OpenSSL's keys",
    "server/auth/tokens.c": "reading and writing of one format, kept side by side",
    "shared/commands.c": "one table: every command's arguments and fields beside its row",
}


def name_of(path):
    return str(path.relative_to(ROOT))


def test_every_c_file_is_built():
    """Each folder's meson.build names the files below it; a loop over names has their last part alone."""
    words = set()
    for build in (p for p in FILES if p.name == "meson.build"):
        names = set(re.findall(r"'([^'\n]*)'", build.read_text()))
        names |= {front + word for front in names if front.endswith("_") for word in names}  # 'store_' + backend
        words |= names | {name_of(build.parent / name) for name in names if not name.startswith("/")}
    missing = [name_of(p) for p in C_FILES if p.suffix == ".c" and not words & {p.stem, p.name, name_of(p)}]
    assert not missing, missing


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix in (".c", ".h", ".py", ".md", ".build", ".txt", ".conf")
                                  or p.name in ("dev", "run")], ids=name_of)
def test_no_path_of_one_machine(path):
    if path == pathlib.Path(__file__):
        return
    text = path.read_text(errors="replace")
    assert not re.search(r"(?<![\w.])/(work|home|root)/[a-z]", text), "a path of somebody's machine"


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_files_end_before_the_reader_does(path):
    lines = path.read_text().count("\n")
    if name_of(path) in LONG:
        return
    assert lines <= LINES_MAX, f"{lines} lines: split it, or say in LONG why not"


def test_the_list_of_long_files_is_kept_short():
    for name in LONG:
        assert (ROOT / name).exists(), f"{name} is gone: take it off the list"


@pytest.mark.parametrize("path", C_FILES, ids=name_of)
def test_a_file_begins_with_what_it_is_for(path):
    text = path.read_text()
    assert text.startswith("/*"), "no comment at its head"
    assert path.suffix == ".c" or text.count("#pragma once") == 1


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_no_function_that_cannot_be_used_safely(path):
    code = re.sub(r"/\*.*?\*/|\"(\\.|[^\"\\])*\"", "", path.read_text(), flags=re.S)
    found = re.findall(r"\b(strcpy|strcat|strncpy|sprintf|vsprintf|strtok|atoi|atol|atof|gets|scanf|alloca|system|popen|"
                       r"tmpnam|mktemp|rand|srand|signal\(SIGTERM|localtime|gmtime|asctime|ctime)\s*\(", code)
    assert not found, found


def test_every_problem_can_be_told_to_somebody():
    """A code that nothing uses is a promise that nobody keeps."""
    table = (ROOT / "server/http/problem.h").read_text()
    codes = re.findall(r"^\t(PROBLEM_[A-Z_0-9]+)(?: = 0)?,", table, flags=re.M)
    assert len(codes) > 20
    users = "\n".join(p.read_text() for p in PROGRAMS if p.name not in ("problem.h",))
    rows = (ROOT / "server/http/problem.c").read_text()
    for code in codes:
        assert f"[{code}]" in rows, f"{code} has no row"
    unused = {c for c in codes if len(re.findall(rf"\b{c}\b", users)) < 2 and c not in PROMISED}
    assert not unused, unused


# Published codes whose features are still to come; the test above keeps this list honest by hand.
PROMISED = set()


def test_every_option_is_one_row_with_help():
    table = (ROOT / "server/config/options.c").read_text()
    rows = re.findall(r'^\t\{ "(\w+)", "(\w+)", OPTION_\w+, "([^"]*)", [^\n]*"([^"]*)", AT\(([\w.]+)\) \},$', table, flags=re.M)
    assert len(rows) == len(re.findall(r'^\t\{ "\w+", "\w+", OPTION_', table, flags=re.M)), "a row of another shape"
    assert len({(s, k) for s, k, *_ in rows}) == len(rows), "an option is there twice"
    assert len({at for *_, at in rows}) == len(rows), "two options are one field"
    for section, key, _, help_, _ in rows:
        assert help_ and not help_.endswith("."), f"{section}.{key}: {help_!r}"
        assert not help_[0].islower(), f"{section}.{key}: {help_!r}"


def test_every_option_of_the_build_is_tried_by_somebody():
    options = set(re.findall(r"^option\('(\w+)'", (ROOT / "meson_options.txt").read_text(), re.M))
    sys.path.insert(0, str(ROOT / "tests/support"))
    import variants
    tried = {word[2:].split("=")[0] for words, _ in variants.OPTIONS.values() for word in words} - {"b_lto"}  # meson's own
    assert options == tried | variants.ELSEWHERE, options ^ (tried | variants.ELSEWHERE)
