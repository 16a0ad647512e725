"""
What packages must be before they go out: check.py FOLDER [P1 P7 ...] after build.sh FOLDER.

Each row of CHECKS is one criterion; it passes, fails with what was seen, or is skipped with why it could
not be tried here. Those of `sandbox` install the packages into a Debian root and need root and debootstrap
(or AUTHD_ROOT, a root that is copied instead). Exit code 1 when one fails.
"""
import contextlib
import errno
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "boot"))
import boot  # noqa: E402
import confine  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"
SUITE = "bookworm"
PROGRAMS = {"authd": "usr/sbin/authd", "authctl": "usr/bin/authctl"}
MODULES = ["authd-mongodb", "authd-otlp", "authd-smtp"]
SECURITY_MAX = 15  # tenths


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def want(fact, why):
    if not fact:
        raise Failed(why)


def run(*words, code=0, **kw):
    """What it writes, both streams; another exit code is a failure."""
    out = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=900, **kw)
    want(code is None or out.returncode == code, f"{' '.join(map(str, words))}: exit {out.returncode}\n{out.stdout[-3000:]}")
    return out.stdout


def tool(name):
    if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        raise Skipped(f"{name} is not installed")
    return name


def one(folder, pattern):
    found = sorted(folder.glob(pattern))
    want(found, f"no {pattern} in {folder}")
    return found[0]


# --- the files themselves ---

def lintian(out):
    said = run(tool("lintian"), "--pedantic", "--allow-root", "--fail-on", "error,warning",
               one(out / "deb", "authd_*_*.changes"), code=None)
    want(not said.strip(), said)


def rpmlint(out):
    packages = [p for p in (out / "rpm").rglob("*.rpm") if "-debug" not in p.name]
    run(tool("rpmlint"), "-c", PACKAGING / "rpmlint.toml", "--strict", *packages, PACKAGING / "rpm/authd.spec")


def unit_of(out):
    return one(out / "deb", "authd-*/debian/authd/lib/systemd/system/authd.service")


def security(out):
    security_checked(unit_of(out))


def security_checked(unit):
    run(tool("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--threshold={SECURITY_MAX}", unit)


def unit_verified(out):
    """With the programs where the unit says, here in a copy of it."""
    tree = one(out / "deb", "authd-*/debian/authd")
    text = unit_of(out).read_text()
    for package, path in PROGRAMS.items():
        text = text.replace(f"/{path}", str(tree.parent / package / path))
    unit_text_verified(text)


def unit_text_verified(text):
    """What systemd does not know is only a warning: it must say nothing at all."""
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder, "authd.service")
        unit.write_text(text)
        said = run(tool("systemd-analyze"), "verify", "--man=no", unit)
        want(not said.strip(), said)


def manuals(out):
    """No complaint of mandoc; and every row of the tables is in them."""
    with tempfile.TemporaryDirectory() as folder:
        for page in one(out / "deb", "authd-*").glob("obj-*/packaging/*.[1-8]"):
            section = pathlib.Path(folder, f"man{page.suffix[1:]}")
            section.mkdir(exist_ok=True)
            shutil.copy(page, section)
        manuals_checked(pathlib.Path(folder))


def manuals_checked(folder):
    pages = sorted(folder.glob("man*/*"))
    want(len(pages) >= 4, f"manual pages are missing: {pages}")
    run(tool("makewhatis"), folder)
    said = run(tool("mandoc"), "-Tlint", "-W", "style", *pages, code=None, env={**os.environ, "MANPATH": str(folder)})
    want(not said.strip(), said)


def completions(out):
    tree = one(out / "deb", "authd-*/debian/authctl")
    completions_checked(tree / PROGRAMS["authctl"], tree / "usr/share/bash-completion/completions/authctl",
                        one(tree, "usr/share/zsh/*/_authctl"), tree / "usr/share/fish/vendor_completions.d/authctl.fish")


def completions_checked(authctl, bash, zsh, fish):
    simulated = f"""source {bash}; complete -p authctl >/dev/null || exit 1
        fn=$(complete -p authctl | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=(authctl pool ''); COMP_CWORD=2; COMP_LINE='authctl pool '; COMP_POINT=13; $fn authctl '' pool
        echo "${{COMPREPLY[@]}}" """
    words = run("bash", "-c", simulated, env={**os.environ, "PATH": f"{authctl.parent}:{os.environ['PATH']}"}).split()
    want({"list", "show"} <= set(words), f"bash offers {words} after `pool`")
    run(tool("zsh"), "-n", zsh)
    said = run("zsh", "-fc", f"fpath=({zsh.parent} $fpath); autoload -U compinit; compinit -u -D; echo ${{_comps[authctl]}}")
    want(said.strip() == "_authctl", f"zsh completes authctl with {said!r}")
    run(tool("fish"), "-n", fish)


def reproducible(out):
    """Once more from the release's archive: in another folder, by another user, under another language and time zone,
    more than a year later."""
    faketime = tool("faketime")
    if os.geteuid() != 0:
        raise Skipped("another user needs root")
    with tempfile.TemporaryDirectory(prefix="authd-again-", dir="/var/tmp") as folder:
        tree, again = pathlib.Path(folder, "some where"), pathlib.Path(folder, "out")
        tree.mkdir()
        run("tar", "-C", tree, "--strip-components=1", "-xf", one(out / "deb", "authd_*.orig.tar.gz"))
        commit = (tree / "COMMIT").read_text().strip()
        (tree / "COMMIT").unlink()
        run("git", "-C", tree, "init", "-q")  # the script asks git for names
        run("git", "-C", tree, "add", "-A")
        run("chown", "-R", "65534:65534", folder)
        run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", faketime, "-f", "+400d",
            tree / "packaging/build.sh", again, env={
                "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "Pacific/Auckland", "HOME": folder, "JOBS": "2",
                "DEB_BUILD_OPTIONS": "nocheck", "SOURCE_DATE_EPOCH": (out / "epoch").read_text().strip(), "AUTHD_COMMIT": commit, "NO_FAKE_STAT": "1"})
        mine, theirs = sums(out), sums(again)
    want(mine, "nothing was built")
    want(mine == theirs, "other bytes: " + " ".join(sorted(n for n in mine if mine[n] != theirs.get(n))))


def sums(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for d in ("deb", "rpm")
            for p in (folder / d).rglob("*") if p.name.endswith((".deb", ".rpm", ".cdx.json"))
            and not p.name.endswith(".src.rpm") and "BUILD" not in p.parts}  # see rpm_build of build.sh


def binaries(out):
    tree = one(out / "deb", "authd-*/debian")
    return [tree / "authd/usr/sbin/authd", tree / "authctl/usr/bin/authctl",
            *(one(tree, f"{name}/usr/lib/*/authd/{name}.so") for name in MODULES)]


def hardening(out):
    for path in binaries(out):
        hardening_checked(path)
    compiled_checked(one(out / "deb", "authd-*/obj-*"), os.uname().machine)


# Where an overwritten address may lead to.
BRANCHES = {"x86_64": "-fcf-protection", "aarch64": "-mbranch-protection=standard"}


def compiled_checked(build, machine):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        is_ours = re.match(r"(\.\./)+(server|shared|ctl)/", entry["file"])
        if is_ours and not re.match(r"(pi-words|embed|packaging/tables)\.p/", entry["output"]):  # they only run here
            want("-D_FORTIFY_SOURCE=3" in entry["command"], f"{entry['file']} is compiled without FORTIFY=3")
            # The note in the program would be the linker's, which Debian's C library (without CET or BTI) keeps
            # out of every program; our objects are ready.
            want(BRANCHES.get(machine, "") in entry["command"], f"{entry['file']} is compiled without CET or BTI")


def hardening_checked(path):
    said = run("readelf", "-hldWn", path)
    symbols = run("readelf", "-sW", "--dyn-syms", path)
    want("Type:                              DYN" in said, f"{path.name}: no PIE")
    want("GNU_RELRO" in said and re.search(r"BIND_NOW|Flags:.*\bNOW\b", said), f"{path.name}: no full RELRO")
    want(re.search(r"GNU_STACK.* RW +0x", said), f"{path.name}: the stack can be executed")
    want("TEXTREL" not in said and not re.search(r"\((RPATH|RUNPATH)\)", said), f"{path.name}: TEXTREL or a path to libraries")
    want("__stack_chk_fail" in symbols, f"{path.name}: no stack protector")
    want(re.search(r"__\w+_chk\b(?<!__stack_chk)", symbols.replace("__stack_chk_fail", "")), f"{path.name}: nothing is fortified")


def materials(out):
    for name in [*PROGRAMS, *MODULES]:
        bom = json.loads((out / "deb" / f"{name}.cdx.json").read_text())
        names = {c["name"] for c in bom["components"]}
        path = next(p for p in binaries(out) if p.name.split(".")[0] == name)
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", path)):
            want(library in names, f"{name}: {library} is not in its bill of materials")
        for c in bom["components"]:
            want(c.get("licenses") and c.get("purl") and c.get("version"), f"{name}: {c['name']} is not told in full")
        want("serialNumber" not in bom, "a serial number is another one each time")
        schema_checked(out / "deb" / f"{name}.cdx.json")


def schema_checked(path):
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        raise Skipped("all libraries are in it; for its schema install cyclonedx-python-lib[json-validation]") from None
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(path.read_text())
    want(error is None, f"{path.name}: {error}")


def metrics(_):
    rules = sorted((PACKAGING / "prometheus").glob("*.yml")) if (PACKAGING / "prometheus").exists() else []
    if not rules:
        raise Skipped("authd has no rules yet")
    for path in rules:
        run(tool("promtool"), *(["test", "rules"] if "test" in path.name else ["check", "rules"]), path)
    for path in (PACKAGING / "grafana").glob("*.json"):
        json.loads(path.read_text())


def apparmor(_):
    run(tool("apparmor_parser"), "-Q", "-K", PACKAGING / "apparmor/usr.sbin.authd")
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        raise Skipped("the profile is read well; this kernel cannot enforce one")


# --- in a Debian root of its own ---

class Sandbox:
    """A copy of a minimal Debian with our packages in /debs; /proc is mounted while it lives."""

    def __init__(self, out):
        if os.geteuid() != 0:
            raise Skipped("a chroot needs root")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="authd-root-", dir="/var/tmp"))
        self.path = self.folder / "root"
        self.out = out

    def __enter__(self):
        run("cp", "-a", base_root(self.out), self.path)
        run("mount", "-t", "proc", "proc", self.path / "proc")
        (self.path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.path / "usr/sbin/policy-rc.d").chmod(0o755)
        (self.path / "debs").mkdir()
        for deb in (self.out / "deb").glob("*.deb"):
            shutil.copy(deb, self.path / "debs")
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        return self

    def __exit__(self, *_):
        run("umount", self.path / "proc")
        shutil.rmtree(self.folder)

    def __call__(self, command, code=0):
        return run("chroot", self.path, "sh", "-c", command, code=code, env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})

    def install(self, *names, version="*"):
        self("apt-get -qq update")
        files = " ".join(f"/debs/{n}_{version}.deb" for n in names)
        return self(f"apt-get -qq -y --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-confold install {files}")

    def files(self):
        """Without what apt and the accounts' files remember."""
        noise = r"^\./(proc|dev|debs|tmp|var/(cache|log|lib/(apt|dpkg|systemd|ucf))|etc/(passwd|shadow|group|gshadow|subuid|subgid|resolv|ld\.so\.cache|mtab))"
        return {line for line in self("cd / && find . -xdev").splitlines() if not re.match(noise, line)}

    def mode(self, path):
        return self(f"stat -c '%a %U:%G' {path}").strip()


@functools.cache
def base_root(out):
    if os.environ.get("AUTHD_ROOT"):
        return pathlib.Path(os.environ["AUTHD_ROOT"])
    made = out / "root"
    if not (made / "usr/bin/apt-get").exists():
        run(tool("debootstrap"), "--variant=minbase", SUITE, made)
    return made


@contextlib.contextmanager
def installed(out):
    with Sandbox(out) as box:
        box.install("authd", "authctl")
        yield box


LAYOUT = {
    "/usr/sbin/authd": "755 root:root", "/usr/bin/authctl": "755 root:root", "/etc/authd": "755 root:root",
    "/etc/authd/authd.conf": "644 root:root", "/etc/authd/conf.d": "755 root:root", "/etc/authd/secrets": "750 root:authd",
    "/var/lib/authd": "750 authd:authd", "/var/log/authd": "750 authd:adm", "/run/authd": "2750 authd:authctl",
}


def install(out):
    with installed(out) as box:
        want(box("getent passwd authd").strip().endswith("/usr/sbin/nologin"), "the user authd can log in")
        for group in ("authctl", "authctl-operator", "authctl-admin"):
            box(f"getent group {group}")
        for path, mode in LAYOUT.items():
            want(box.mode(path) == mode, f"{path} is {box.mode(path)}, not {mode}")
        said = box("dpkg --verify authd; dpkg --verify authctl")
        want(not said.strip(), said)


def newer_made(box):
    """The same package as a later version whose configuration has changed."""
    box("cd /debs && dpkg-deb -R authd_*.deb n && echo '; new' >>n/etc/authd/authd.conf &&"
        " sed -i 's/^Version: .*/&+new/' n/DEBIAN/control &&"
        " (cd n && find . -path ./DEBIAN -prune -o -type f -printf '%P\\n' | xargs md5sum >DEBIAN/md5sums) &&"
        " sed -i 's/authctl (= [^)]*)/authctl/' n/DEBIAN/control && dpkg-deb -b n authd_9.deb >/dev/null")


def upgrade(out):
    with installed(out) as box:
        box("printf '[token]\\nttl = 5m\\n' >>/etc/authd/authd.conf; echo kept >/var/lib/authd/data")
        before = box("md5sum /etc/authd/authd.conf /var/lib/authd/data; getent passwd authd")
        newer_made(box)
        box.install("authd", version="9")
        want("+new" in box("dpkg-query -W authd"), "nothing was upgraded")
        want(box("md5sum /etc/authd/authd.conf /var/lib/authd/data; getent passwd authd") == before, "something was changed")
        box("test -f /etc/authd/authd.conf.dpkg-dist && authd -c /etc/authd/authd.conf --check")
        box.install("authd", version="0.*")
        want(box("md5sum /etc/authd/authd.conf /var/lib/authd/data; getent passwd authd") == before, "a downgrade is not clean")
        box("authd -c /etc/authd/authd.conf --check")


def removal(out):
    with installed(out) as box:
        box("apt-get -qq -y remove authd authctl")
        left = box("ls -d /usr/sbin/authd /usr/bin/authctl /lib/systemd/system/authd.service /run/authd/authctl.sock"
                   " 2>/dev/null || true")
        want(not left.strip(), f"left behind: {left}")
        # What enabled it stays until purge, for whoever installs it again; masked, it starts nothing.
        want(box("readlink /etc/systemd/system/authd.service").strip() == "/dev/null", "the unit is not masked")
        box("test -f /etc/authd/authd.conf && test -d /var/lib/authd && getent passwd authd")


def purge(out):
    with installed(out) as box:
        uid = box("id -u authd")
        box("echo data >/var/lib/authd/authd.db; echo x >/var/log/authd/audit.log; touch /etc/authd/secrets/x;"
            " apt-get -qq -y purge authd authctl; rm -r /debs/n 2>/dev/null || true")
        left = box("find / -xdev -path /proc -prune -o -path /debs -prune -o -name '*authd*' -print -o -name '*authctl*' -print")
        want(not left.strip(), f"left behind:\n{left}")
        box.install("authd", "authctl")
        want(box("id -u authd") == uid, "another uid after it was installed again")


def nothing_left(out):
    names = ["authd", "authctl", *MODULES, "authd-doc"]
    with Sandbox(out) as box:
        # What others' packages leave is theirs: what ours need is there before.
        files = " ".join(f"/debs/{n}_*.deb" for n in names)
        box("apt-get -qq update; apt-get -qq -y --no-install-recommends install $(apt-get -s --no-install-recommends"
            f" install {files} | sed -n 's/^Inst \\([^ ]*\\).*/\\1/p' | grep -v '^auth')")
        before = box.files()
        box.install(*names)
        box("apt-get -qq -y purge 'authd*' authctl")
        after = box.files()
        want(before <= after, f"gone: {sorted(before - after)[:20]}")
        want(after <= before, f"left: {sorted(after - before)[:20]}")


def rpm_install(out):
    tool("rpm")
    packages = [p for p in (out / "rpm/RPMS").rglob("*.rpm") if "-debug" not in p.name]
    main = [p for p in packages if re.match(r"auth(d|ctl)-\d", p.name)]
    for path in packages:
        files = run("rpm", "-qpl", path).split("\n")
        config = run("rpm", "-qpc", path).split("\n")
        missing = [f for f in files if f.startswith("/etc/") and "." in f.split("/")[-1] + f[-7:] and f not in config
                   and not re.fullmatch(r"/etc/authd(/conf\.d)?", f)]
        want(not missing, f"{path.name}: no %config: {missing}")
    want("noreplace" in (PACKAGING / "rpm/authd.spec").read_text(), "no %config(noreplace)")
    with Sandbox(out) as box:
        rpm = ["rpm", "--root", box.path, "--nodeps"]
        box("apt-get -qq update && apt-get -qq -y --no-install-recommends install systemd")  # makes the user
        run(*rpm[:3], "--initdb")
        run(*rpm, "-i", *main)
        box("getent passwd authd && test -x /usr/sbin/authd && echo '; mine' >>/etc/authd/authd.conf")
        run(*rpm, "-U", "--force", *main)
        box("grep -q '; mine' /etc/authd/authd.conf")
        run(*rpm, "-e", "authd", "authctl")
        box("test ! -e /usr/sbin/authd && test ! -e /usr/bin/authctl && getent passwd authd")


# authctl waits for a daemon that starts, not for one that is not there yet.
READY = "i=0; until authctl wait ready >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 300 ]; sleep 0.1; done"


def runs(out):
    """debian/tests by Debian's own runner, in a system with nothing but the packages."""
    with Sandbox(out) as box:
        packages = [one(out / "deb", f"{name}_*.deb") for name in PROGRAMS]
        # It is no container, but nothing else is in it that the test could disturb.
        said = run(tool("autopkgtest"), "--ignore-restrictions=isolation-container", "-B", *packages,
                   one(out / "deb", "authd-*/debian").parent, "--", "chroot", box.path)
        want(re.search(r"^daemon +PASS$", said, re.M), said[-3000:])


def sockets(out):
    """Started as the unit does it; strangers are refused with 8."""
    with installed(out) as box:
        said = box("""set -e; useradd stranger; useradd -G authctl looker
            setpriv --reuid authd --regid authd --clear-groups authd -c /etc/authd/authd.conf >/debs/log 2>&1 & pid=$!
            trap 'kill $pid 2>/dev/null || true' EXIT; """ + READY + """
            stat -c '%a %U:%G' /run/authd/authctl.sock /run/authd
            run() { setpriv --reuid "$1" --regid "$1" --init-groups authctl "$2" $3 >/dev/null 2>&1 && echo "$1 $2 0" || echo "$1 $2 $?"; }
            run stranger status; run looker status; run looker config reload; run authd config reload; run authd status
            kill $pid; wait $pid""")
        expected = ["660 authd:authctl", "2750 authd:authctl", "stranger status 8", "looker status 0", "looker config 8",
                    "authd config 0", "authd status 8"]
        want(said.split("\n")[:len(expected)] == expected, f"{said}\ninstead of\n{expected}")


def service(out):
    """Under systemd itself: boot/boot.py."""
    with installed(out) as box:
        try:
            boot.furnish(box, one(out / "deb", "authd-*/obj-*/benchmarks/load"))
            facts, said = boot.booted(box.path, SUITE)
        except boot.guest.Unavailable as why:
            raise Skipped(str(why)) from None
    wrong = boot.differences(facts)
    want(not wrong, "\n".join([*wrong, said[-12000:]]))


PORT = 18473  # not the recipe's *:8080: this machine's network is not the container's own
WHO = {"email": "test@example.org", "password": "a horse and a battery"}


def asked(path, body):
    """The answer of the daemon in the box."""
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/auth/{path}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=20))["data"]


def served(box, calls, errno, group, engine="auto"):
    """A day in the life of authd that may make these system calls alone. Which engine it took, why, and its log."""
    box(f"printf '[http]\nlisten = 127.0.0.1:{PORT}\n[io]\nengine = {engine}\n' >/etc/authd/conf.d/99-here.conf")
    user, group = (int(n) for n in box(f"id -u authd; getent group {group} | cut -d: -f3").split())
    with open(box.path / "debs/log", "w") as log:
        daemon = confine.start(["/usr/sbin/authd", "-c", "/etc/authd/authd.conf"], calls, errno, box.path, user, group,
                               stdout=log, stderr=log, umask=0o027)
    try:
        box(READY)
        if box("authctl -o value -F requests status").strip() == "0":
            with contextlib.suppress(urllib.error.HTTPError):  # 409: it is there since the last time
                asked("register", WHO)
        asked("refresh", {"refresh_token": asked("login", WHO)["refresh_token"]})
        box("authctl config reload >/dev/null && authctl --timeout 2 health --ready >/dev/null && authctl doctor >/dev/null")
        box("authctl prof cpu --for 1s >/dev/null")
        chosen = [box(f"authctl -o value -F {field} status").strip() for field in ("engine", "engine_why")]
    finally:
        daemon.terminate()
        code = daemon.wait(timeout=60)
    said = (box.path / "debs/log").read_text()
    want(code == 0, f"exit {code}\n{said}")
    return *chosen, said


def unit_filter(out):
    """The unit's list of system calls, with death for what is not on it; then as the unit has it, by its error."""
    calls = confine.unit_calls(unit_of(out).read_text())
    with installed(out) as box:
        user = int(box("id -u authd"))
        refused = confine.start(["/bin/chown", "authd", "/var/lib/authd"], calls, errno.EPERM, box.path, user, user,
                                stderr=subprocess.DEVNULL).wait(timeout=20)
        want(refused == 1, f"the list lets chown through: {refused}")
        engine, why, _ = served(box, calls, None, "authd")
        want(engine == "io_uring" or "forbidden" in why or "absent" in why, f"{engine}: {why}")
        engine, why, _ = served(box, calls, None, "authd", "epoll")  # it makes other calls
        want(engine == "epoll", f"{engine}: {why}")


def container(out):
    """The second stage of oci/Containerfile without an engine: its packages, user and files, and the calls that engines
    allow. That stage is followed by hand here, so its lines are compared first."""
    recipe = (PACKAGING / "oci/Containerfile").read_text()
    for line in ("USER authd:authctl", "COPY packaging/oci/container.conf /etc/authd/conf.d/10-container.conf",
                 'ENTRYPOINT ["/usr/sbin/authd", "-c", "/etc/authd/authd.conf"]',
                 'CMD ["authctl", "--timeout", "2", "health", "--ready"]'):
        want(line in recipe, f"another recipe than the one that is tried here: no {line}")
    if not os.path.exists(confine.PROFILE):
        raise Skipped("golang-github-containers-common is not installed")
    calls, error = confine.profile_calls()
    calls -= {"io_uring_setup", "io_uring_enter", "io_uring_register"}  # where a profile still has them
    with Sandbox(out) as box:
        box.install("authd", "authctl", *MODULES)
        shutil.copy(PACKAGING / "oci/container.conf", box.path / "etc/authd/conf.d/10-container.conf")
        box("authd -c /etc/authd/authd.conf --check")
        for refusal in (error, errno.EPERM):  # podman's, and that of Docker and containerd
            engine, why, said = served(box, calls, refusal, "authctl")
            want(engine == "epoll" and "seccomp profile" in why and "loop.fallback" in said, f"{engine}: {why}\n{said}")


class Builder:
    """buildah, with a store of its own that goes when it does."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Skipped("it would need user namespaces")
        tool("buildah")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="authd-oci-", dir="/var/tmp"))
        self.words = ["buildah", "--root", self.folder / "store", "--runroot", self.folder / "run", "--storage-driver", "vfs"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for words in (["rm", "-a"], ["rmi", "-a", "-f"]):
            run(*self.words, *words, code=None)
        shutil.rmtree(self.folder)

    def __call__(self, *words, code=0):
        return run(*self.words, *words, code=code).strip()

    def inside(self, container, *words):
        """A command in it, as its user, under the engine's own list of system calls, on this machine's network."""
        return [*self.words, "run", "--isolation", "chroot", "--network", "host", container, "--", *words]


def image(out):
    """The recipe's image by buildah, and a container of it. No registry is asked: its base is our Debian root, and its first
    stage has the packages that are built already."""
    _, second = (PACKAGING / "oci/Containerfile").read_text().split("\nFROM debian:12-slim\n")
    with Builder() as builder:
        folder = builder.folder
        context = folder / "context/packaging/oci"
        context.mkdir(parents=True)
        shutil.copy(PACKAGING / "oci/container.conf", context)
        for deb in (out / "deb").glob("*.deb"):
            shutil.copy(deb, folder / "context")
        (folder / "Containerfile").write_text(
            f"FROM debian:12-slim AS build\nCOPY *.deb /src/\nFROM debian:12-slim\n{second}")
        run("tar", "-C", base_root(out), "--one-file-system", "-cf", folder / "root.tar", ".")
        base = builder("from", "scratch")
        builder("add", "-q", base, folder / "root.tar", "/")
        builder("commit", "-q", base, "localhost/debian:12-slim")
        builder("bud", "-q", "--pull-never", "--isolation", "chroot", "--network", "host", "--format", "docker", "-t", "authd",
                "-f", folder / "Containerfile", folder / "context")
        container = builder("from", "--pull-never", "localhost/authd")
        (folder / "here.conf").write_text(f"[http]\nlisten = 127.0.0.1:{PORT}\n")
        builder("copy", "-q", container, folder / "here.conf", "/etc/authd/conf.d/99-here.conf")
        contained(builder, json.loads(builder("inspect", container))["OCIv1"]["config"], container)


def contained(builder, config, container):
    want(config["User"] == "authd:authctl" and config["StopSignal"] == "SIGTERM", f"{config}")
    with open(builder.folder / "log", "w") as log:
        daemon = subprocess.Popen(builder.inside(container, *config["Entrypoint"]), stdout=log, stderr=log, start_new_session=True)
    try:
        run(*builder.inside(container, "sh", "-c", READY))
        run(*builder.inside(container, "authctl", "--timeout", "2", "health", "--ready"))  # as HEALTHCHECK has it
        asked("register", WHO)
        asked("refresh", {"refresh_token": asked("login", WHO)["refresh_token"]})
        status = json.loads(run(*builder.inside(container, "authctl", "-o", "json", "status")))
        os.kill(status["pid"], signal.SIGTERM)
        code = daemon.wait(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)  # what buildah has started, too
    said = (builder.folder / "log").read_text()
    want(code == 0, f"exit {code}\n{said}")
    want(status["engine"] == "epoll" and "loop.fallback" in said, f"{status}\n{said}")


CHECKS = {
    "P1": ("lintian has nothing to say", lintian),
    "P2": ("rpmlint has nothing to say", rpmlint),
    "P3": (f"systemd-analyze security: at most {SECURITY_MAX / 10}", security),
    "P4": ("systemd-analyze verify: silent", unit_verified),
    "P5": ("mandoc lint: silent", manuals),
    "P6": ("completions for bash, zsh, fish", completions),
    "P7": ("install: users, modes, dpkg --verify", install),
    "P8": ("upgrade keeps what was edited; downgrade", upgrade),
    "P9": ("remove keeps configuration and data", removal),
    "P10": ("purge leaves the account alone", purge),
    "P11": ("files before = files after purge", nothing_left),
    "P12": ("rpm: install, upgrade, erase", rpm_install),
    "P13": ("the installed daemon serves", runs),
    "P14": ("the same bytes in another place", reproducible),
    "P15": ("hardening of every binary", hardening),
    "P16": ("bill of materials", materials),
    "P17": ("alert rules and dashboards", metrics),
    "P18": ("AppArmor profile", apparmor),
    "P19": ("it needs no system call that the unit forbids", unit_filter),
    "OCI": ("the container's root under the calls of container engines: epoll, and why", container),
    "IMG": ("the container's image, built and run by buildah", image),
    "P20": ("control socket: mode, owner, strangers", sockets),
    "P21": ("systemd starts, reloads, restarts, watches and stops it, and AppArmor confines it", service),
}


def main(out, names):
    failures = 0
    for name in names or CHECKS:
        what, check = CHECKS[name]
        try:
            check(out)
            verdict, why = "PASS", ""
        except Skipped as skipped:
            verdict, why = "SKIP", str(skipped)
        except (Failed, subprocess.TimeoutExpired, OSError) as failed:
            verdict, why = "FAIL", str(failed)
            failures += 1
        print(f"{name:4} {verdict}  {what}" + (f": {why}" if why else ""), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(CHECKS):
        sys.exit(f"usage: check.py FOLDER [{' '.join(CHECKS)}]")
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]))
