"""
The installed packages under their real service manager: a Debian in the memory of a machine of qemu, where systemd is
process 1, AppArmor enforces the profile, and `trial` does what operators do. The machine is that of tests/kernels.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/kernels"))
import guest  # noqa: E402

MEMORY_MIB = 2560
BOOT_S = 900  # takes about 200, mostly waiting for what has to be waited for
PACKAGES = "systemd-sysv apparmor curl jq procps"
UNUSED = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/var/cache/apt", "/var/lib/apt/lists", "/debs",
          "/usr/sbin/policy-rc.d")

# What each line of `trial` has to say.
EXPECTED = {
    "boot": "enabled active notify 0", "status": "0", "served": "200", "confined": "authd (enforce)",
    "failed": "0", "daemon": "daemon: all well", "stopped": "inactive success 0", "started": "0 200",
    "reload": "0 debug", "reload_wrong": "1 active debug", "reload_again": "0", "load": "0", "upgrade": "0",
    "upgraded": "another active 0 200", "upgrade_restart": "0 200", "killed": "1 active 200", "watched": "0",
    "watchdog": "1 active 200", "wrong": "1 failed exit-code 78", "wrong_stays": "failed", "mended": "0 200",
    "stop": "inactive success 0 000", "socket": "inactive 200 active", "end": "inactive success", "denied": "0",
}


def furnish(box, load):
    """A root where authd is installed becomes one that can boot."""
    box(f"apt-get -qq -y --no-install-recommends install {PACKAGES}")
    trial = box.path / "trial"
    trial.mkdir()
    shutil.copy(HERE / "trial", trial)
    shutil.copy(ROOT / "packaging/debian/tests/daemon", trial)
    shutil.copy(ROOT / "packaging/systemd/authd.socket", trial)
    shutil.copy(load, trial)
    shutil.copy(HERE / "trial.service", box.path / "etc/systemd/system")
    box("systemctl enable trial.service 2>/dev/null; ln -sf /dev/null /etc/systemd/system/serial-getty@ttyS0.service")
    box("rm -rf " + " ".join(UNUSED))


def archive(root):
    """What the kernel unpacks: a root in a tar, and who unpacks that."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        tree = pathlib.Path(name)
        (tree / "bin").mkdir()
        shutil.copy(guest.busybox_of(guest.X86), tree / "bin/busybox")
        shutil.copy(HERE / "init", tree / "init")
        (tree / "init").chmod(0o755)
        subprocess.run(["tar", "-C", root, "--one-file-system", "-cf", tree / "root.tar", "."], check=True, timeout=300)
        return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=b"bin\nbin/busybox\ninit\nroot.tar\n", cwd=tree,
                              check=True, stdout=subprocess.PIPE, timeout=300).stdout


def booted(root, suite):
    """What the trial said, by its keys; and all that the machine said."""
    scenes, said = guest.boot(guest.kernel_of(suite), archive(root), memory_mib=MEMORY_MIB, boot_s=BOOT_S)
    return {key: values[0] for key, values in scenes.get("trial", {}).items()}, said


def differences(facts):
    """What is not as it has to be, a sentence each."""
    wrong = [f"{key}: {facts.get(key)!r}, not {value!r}" for key, value in EXPECTED.items() if facts.get(key) != value]
    if int(facts.get("store") or 0) < 1:
        wrong.append(f"no socket is in the manager's store: {facts.get('store')}")
    if int(facts.get("restarts") or 0) < 3:
        wrong.append(f"too few restarts under load: {facts.get('restarts')}")
    return wrong + lost(facts.get("outcomes", ""))


def lost(text):
    """New connections all have their answers. A kept one may end while a request is on its way, on a machine as slow as this
    one; clients send that again (RFC 9112 section 9.3.1)."""
    wrong = []
    for name in ("kept", "new"):
        found = re.search(rf'"name":"{name}" "outcomes":({{[^}}]*}})', text)
        outcomes = json.loads(found[1]) if found else {"ok": 0}
        ok, broken = outcomes.pop("ok"), outcomes.pop("broken", 0) if name == "kept" else 0
        if ok < 200 or broken > ok / 50 or any(outcomes.values()):
            wrong.append(f"requests on {name} connections were lost: {ok} were not, {broken} broken, {outcomes}")
    return wrong
