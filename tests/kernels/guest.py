"""
A machine with another kernel, or another processor: Debian's packages of it, booted by qemu with an initrd that holds
our programs, their libraries and busybox. Nothing of the host but its processor's time is used: no kvm, no disk, no
network.
"""
import dataclasses
import gzip
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
MEMORY_MIB = 512
BOOT_S = 240  # takes about 15


@dataclasses.dataclass(frozen=True)
class Processor:
    debian: str            # what Debian calls it
    build: pathlib.Path    # as it is packaged; an emulated processor is slow enough without sanitizers
    qemu: tuple            # the program, and which machine
    console: str
    root: pathlib.Path     # where its libraries are
    ldd: tuple             # lists a program's libraries as they are called in that root


X86 = Processor("amd64", ROOT / "build/gcc", ("qemu-system-x86_64", "-cpu", "max"), "ttyS0", pathlib.Path("/"), ("ldd",))
ARM_ROOT = ROOT / "build/arm64-root"  # of packaging/cross/arm64.sh
ARM = Processor("arm64", ROOT / "build/arm64", ("qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on"),
                "ttyAMA0", ARM_ROOT,
                ("qemu-aarch64-static", "-L", ARM_ROOT, ARM_ROOT / "lib/ld-linux-aarch64.so.1", "--list"))


class Unavailable(Exception):
    """Why there is no such machine here."""


def run(*words, **kw):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, **kw)
    if result.returncode:
        raise Unavailable(f"{words[0]}: {(result.stderr or result.stdout).strip().splitlines()[-1:]}")
    return result.stdout


def mirror():
    """Where this machine's own packages come from; other suites are beside them."""
    for line in run("apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(SUITE)").splitlines():
        uri, component, suite = line.split()
        if component == "main" and "security" not in uri and "security" not in suite:
            return uri
    raise Unavailable("apt knows no mirror")


def kernel_of(suite, processor=X86):
    """The kernel of a release of Debian, without touching what apt knows of this machine."""
    kept = ROOT / "build/kernels" / f"{suite}-{processor.debian}"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for part in ("lists/partial", "cache/archives/partial", "out"):
            (folder / part).mkdir(parents=True)
        (folder / "sources.list").write_text(
            f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror()} {suite} main\n")
        apt = ["-o", f"Dir::Etc::SourceList={folder}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
               "-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache", "-o", "APT::Sandbox::User=root",
               "-o", f"APT::Architecture={processor.debian}", "-o", f"APT::Architectures={processor.debian}"]
        run("apt-get", *apt, "-q", "update")
        found = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", *apt, "depends",
                                                               f"linux-image-cloud-{processor.debian}"))
        if not found:
            raise Unavailable(f"{suite} has no kernel for this processor")
        run("apt-get", *apt, "-q", "download", found[1], cwd=folder)
        run("dpkg-deb", "-x", next(folder.glob("*.deb")), folder / "out")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(next((folder / "out/boot").glob("vmlinuz-*")), kept)
    return kept


def libraries(program, processor):
    """Where they are here and there."""
    names = re.findall(r"(/\S+) \(0x", run(*processor.ldd, program))
    names = [name.removeprefix(str(ARM_ROOT)) for name in names]  # the linker is called by its place here
    return [(processor.root / name[1:], name) for name in names]


def busybox_of(processor):
    found = shutil.which("busybox") if processor is X86 else processor.root / "bin/busybox"
    if not found:
        raise Unavailable("busybox is not installed")
    return found


def initrd(tests, processor=X86):
    """The archive that the kernel unpacks: every library where its program looks for it."""
    build = processor.build
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        programs = {"authd": build / "authd", "authctl": build / "authctl", "load": build / "benchmarks/load",
                    "busybox": busybox_of(processor)}
        for folder in ("bin", "tests", "etc"):
            (tree / folder).mkdir()
        for where, source in programs.items():
            shutil.copy(source, tree / "bin" / where)
        for test in tests:
            shutil.copy(build / "tests" / f"test-{test}", tree / "tests" / test)
        for program in [*(tree / "bin").iterdir(), *(tree / "tests").iterdir()]:
            if program.name != "busybox":
                for here, there in libraries(program, processor):
                    (tree / there[1:]).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(here, tree / there[1:])
        (tree / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        (tree / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        shutil.copy(HERE / "init", tree / "init")
        (tree / "init").chmod(0o755)
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names.encode(), cwd=tree, check=True,
                                 stdout=subprocess.PIPE).stdout
        return gzip.compress(archive, 1)


def boot(kernel, archive, processor=X86, memory_mib=MEMORY_MIB, boot_s=BOOT_S):
    """What the machine said: {scene: {key: [value, ...]}}, and all of it."""
    if not shutil.which(processor.qemu[0]):
        raise Unavailable(f"{processor.qemu[0]} is not installed")
    with tempfile.NamedTemporaryFile() as file:
        file.write(archive)
        file.flush()
        words = [*processor.qemu, "-accel", "tcg", "-smp", "2", "-m", str(memory_mib), "-nodefaults", "-display", "none",
                 "-serial", "stdio", "-no-reboot", "-kernel", kernel, "-initrd", file.name,
                 "-append", f"console={processor.console} quiet loglevel=1 panic=-1 rdinit=/init"]
        try:
            said = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=boot_s).stdout
        except subprocess.TimeoutExpired as hung:
            said = hung.stdout or b""  # as far as it came
    scenes = {}
    said = said.decode(errors="replace")
    for line in said.splitlines():
        words = line.strip().split(" ", 2)
        if len(words) == 3:
            scenes.setdefault(words[0], {}).setdefault(words[1], []).append(words[2])
    return scenes, said
