"""
Every choice that whoever builds authd has: variants.py [NAME...] configures each in build/variant-NAME, builds it
and runs its unit tests, and what else may differ then. A compiler that is not installed is skipped. tests/lint compares
the table with meson_options.txt.
"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
SHELL = ["tests/ctl/test_shell.py", "-k", "not hint"]  # libedit draws its lines itself
SERVES = ["tests/api/test_accounts.py"]
# name: options of meson, and tests that ask the programs
OPTIONS = {
    "ucontext": (["-Dfiber=ucontext"], SERVES),
    "libedit": (["-Dlineedit=libedit"], SHELL),
    "no-lineedit": (["-Dlineedit=none"], ["tests/ctl/test_ctl.py"]),
    "lto": (["-Db_lto=true"], SERVES),
    "jemalloc": (["-Djemalloc=enabled"], ["tests/ctl/test_heap.py", "-k", "not without_jemalloc"]),
    "frame-pointers": (["-Dframe_pointers=true"], ["tests/ctl/test_profile.py"]),
    "bare": (["-Dmongodb=disabled", "-Dsmtp=disabled", "-Dotlp=disabled", "-Dsystemd=disabled", "-Dcompletions=disabled",
              "-Dapparmor=false"], SERVES),
}
# Where something goes, or what ./dev test builds anyway.
ELSEWHERE = {"fuzz", "zsh_completions", "systemd_units"}
COMPILERS = ["gcc-11", "gcc-12", "clang-13", "clang-14", "clang-15", "clang-16", "clang-19"]


def run(log, *words, **env):
    return subprocess.run(words, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **env}).returncode == 0


def tried(name, options, tests, compiler=None):
    """"" or what failed."""
    build = ROOT / "build" / f"variant-{name}"
    ccache = [shutil.which("ccache")] if shutil.which("ccache") else []
    env = {"CC": " ".join([*ccache, compiler])} if compiler else {}
    with open(ROOT / f"build/log-variant-{name}", "w") as log:
        if not (build / "build.ninja").exists() and not run(log, "meson", "setup", str(build), *options, **env):
            return "meson setup"
        if not run(log, "ninja", "-C", str(build)):
            return "the build"
        if not run(log, "meson", "test", "-C", str(build), "--no-rebuild", "--timeout-multiplier", "3"):
            return "unit tests"
        if tests and not run(log, sys.executable, "-m", "pytest", "-q", *tests, AUTHD_BUILD=str(build)):
            return "its tests"
    return ""


def main(names):
    failed = False
    for name in names or [*OPTIONS, *COMPILERS]:
        if name in COMPILERS and not shutil.which(name):
            print(f"{name:12} SKIP  it is not installed", flush=True)
            continue
        what = tried(name, *OPTIONS[name]) if name in OPTIONS else tried(name, [], [], name)
        print(f"{name:12} " + (f"FAIL  {what}: build/log-variant-{name}" if what else "PASS"), flush=True)
        failed |= bool(what)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
