"""The fast ones of packaging/check.py, on the build: manuals, completions, unit, profile, recipes, licences."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("AUTHD_BUILD", ROOT / "build/gcc"))
PACKAGING = ROOT / "packaging"
MADE = BUILD / "packaging"
sys.path.insert(0, str(PACKAGING))
import check  # noqa: E402

pytestmark = pytest.mark.skipif(not (BUILD / "authctl").exists(), reason="nothing is built yet")


def tried(function, *args):
    """A criterion that cannot be tried here is a skipped test."""
    try:
        return function(*args)
    except check.Skipped as skipped:
        pytest.skip(str(skipped))
    except check.Failed as failed:
        pytest.fail(str(failed))


def page(name):
    return (MADE / name).read_text().replace("\\-", "-")


# --- manuals ---

def test_mandoc_has_nothing_to_say(tmp_path):
    for path in MADE.glob("*.[1-8]"):
        (tmp_path / f"man{path.suffix[1:]}").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / f"man{path.suffix[1:]}")
    tried(check.manuals_checked, tmp_path)


def test_every_command_and_option_of_authctl_is_in_its_manual():
    text = page("authctl.1")
    answer = subprocess.run([BUILD / "authctl", "help"], capture_output=True, text=True, check=True).stdout
    commands, local, options = re.split(r"\nauthctl itself:\n|\noptions, [^\n]*:\n", answer)
    names = [re.split(r"  +", line.strip())[0] for line in commands.splitlines()[3:] if line.startswith("  ")]
    assert len(names) > 20
    for name in names:
        assert re.search(rf"^\.It Ic {re.escape(name)}\b", text, re.M), name
    for line in local.splitlines():
        if line.startswith("  "):
            assert re.search(rf"^\.It Ic (\w+ , )?{re.escape(line.split()[0])}\b", text, re.M), line
    for option in re.findall(r"--([a-z-]+)", options):
        assert f"Fl -{option}" in text, option


def test_every_option_of_authd_is_in_its_manual():
    answer = subprocess.run([BUILD / "authd", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--([a-z-]+)", answer))
    assert "config" in options
    for option in options:
        assert f"Fl -{option}" in page("authd.8"), option


def test_every_key_of_the_configuration_is_in_its_manual():
    text = page("authd.conf.5")
    rows = re.findall(r'^\t\{ "([a-z_]+)", "([a-z_]+)", OPTION_', (ROOT / "server/config/options.c").read_text(), re.M)
    assert len(rows) > 50
    for section, key in rows:
        part = text.split(f".Ss \\(lB{section}\\(rB\n")[1].split("\n.Ss ")[0]
        assert f".It Cm {key} No" in part, f"{section}.{key}"


def test_every_metric_is_in_its_manual():
    answer = subprocess.run([BUILD / "authd", "--metrics-table"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^\| `(\w+)`", answer, re.M)
    assert len(names) > 30
    for name in names:
        assert f"\n.It Sy {name} " in page("authd-metrics.7"), name


# --- completions ---

def test_completions_are_read_by_their_shells(tmp_path):
    shutil.copy(MADE / "completion.zsh", tmp_path / "_authctl")
    tried(check.completions_checked, BUILD / "authctl", MADE / "completion.bash", tmp_path / "_authctl",
          MADE / "completion.fish")


# --- what is installed beside the programs ---

def test_the_unit_is_confined_as_promised():
    tried(check.security_checked, MADE / "authd.service")


def test_the_unit_is_understood_to_the_last_word(tmp_path):
    text = (MADE / "authd.service").read_text()
    for program in ("authd", "authctl"):
        text = re.sub(rf"/\S*/{program} ", f"{BUILD}/{program} ", text)
    tried(check.unit_text_verified, text)


def test_the_profile_of_apparmor_is_understood():
    tried(check.run, tried(check.tool, "apparmor_parser"), "-Q", "-K", PACKAGING / "apparmor/usr.sbin.authd")


def test_the_default_configuration_is_accepted_and_holds_no_secret():
    path = PACKAGING / "authd.conf"
    assert subprocess.run([BUILD / "authd", "-c", path, "--check"]).returncode == 0
    for line in path.read_text().splitlines():
        line = line.strip()
        assert not line or line[0] in "[;", "every option has its default: loopback, no account, no password"


def test_the_specification_of_the_rpm_is_read():
    tried(check.run, tried(check.tool, "rpmspec"), "-q", PACKAGING / "rpm/authd.spec")


def test_the_versions_of_all_packages_are_the_same():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert (PACKAGING / "debian/changelog").read_text().startswith(f"authd ({version}-")
    assert f"version_of_source {version}}}" in (PACKAGING / "rpm/authd.spec").read_text()


def test_users_and_groups_are_the_same_in_all_packages():
    users = re.findall(r"^[ug] .*$", (PACKAGING / "systemd/sysusers.conf").read_text(), re.M)
    assert len(users) == 4
    assert re.findall(r"^[ug] .*$", (PACKAGING / "rpm/authd.spec").read_text(), re.M) == users


# --- what the programs are made of ---

@pytest.mark.parametrize("build, machine", [("gcc", os.uname().machine), ("arm64", "aarch64")])
def test_the_programs_are_hardened(build, machine):
    build = ROOT / "build" / build  # not the one with sanitizers: they and hardening exclude each other
    if not (build / "authd").exists():
        pytest.skip(f"needs {build}")
    for program in ("authd", "authctl", *(p.name for p in build.glob("authd-*.so"))):
        tried(check.hardening_checked, build / program)
    tried(check.compiled_checked, build, machine)


def test_every_library_has_a_known_licence():
    if BUILD.name != "gcc":
        pytest.skip("the sanitizers' libraries are not ours")
    boms = [subprocess.run([sys.executable, PACKAGING / "sbom.py", "authd", "1", BUILD / "authd"], capture_output=True,
                           text=True, check=True).stdout for _ in range(2)]
    assert boms[0] == boms[1], "the same input makes the same bytes"
    names = {c["name"] for c in json.loads(boms[0])["components"]}
    assert "llhttp" in names and any(n.startswith("libsqlite3") for n in names)


def test_readline_makes_authctl_gpl_and_the_packages_say_so():
    authctl = ROOT / "build/gcc/authctl"  # as it is packaged: the sanitizers' libraries are in no package
    if not authctl.exists():
        pytest.skip("needs build/gcc")
    bom = json.loads(subprocess.run([sys.executable, PACKAGING / "sbom.py", "authctl", "1", authctl],
                                    capture_output=True, text=True, check=True).stdout)
    is_linked = any(c["name"].startswith("libreadline") for c in bom["components"])
    licence = bom["metadata"]["component"]["licenses"][0]["expression"]
    assert licence == ("GPL-3.0-or-later" if is_linked else "Apache-2.0")
    assert "GPL-3.0-or-later" in (PACKAGING / "debian/copyright").read_text()
    spec = (PACKAGING / "rpm/authd.spec").read_text()
    assert "License:        GPL-3.0-or-later" in spec.split("%package -n authctl")[1].split("%description")[0]
