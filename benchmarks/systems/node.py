"""Applications for node, on a store of their own."""
import shutil
import subprocess

from generator import ROOT
from systems import Missing, System
from systems.store import WithStore

NPM = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]  # bcrypt's package has its native code in it
INSTALL_S = 600


def packages(source, folder):
    """Copies a node application there and installs what its package.json, or its lock file, pins; once."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm: apt-get install nodejs npm")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    wanted, done = (source / "package.json").read_text(), folder / "node_modules" / ".installed"
    if done.exists() and done.read_text() == wanted:
        return folder
    is_locked = (source / "package-lock.json").exists()
    run = subprocess.run(["npm", *(["ci"] if is_locked else ["install", "--no-package-lock"]), *NPM], cwd=folder,
                         capture_output=True, text=True, timeout=INSTALL_S)
    if run.returncode:
        raise Missing(f"what npm could not install: {run.stderr.strip()[-300:]}")
    done.write_text(wanted)
    return folder


class Application(WithStore, System):
    """`source` is its folder here; it is run from a copy that has its packages."""
    source = ""

    def __init__(self, **environment):
        super().__init__()
        self.environment = {"PORT": self.port, "NODE_ENV": "production", **environment}

    def install(self):
        self.application = packages(ROOT / "benchmarks" / self.source, ROOT / "build" / f"bench-{self.source}")

    def prepare(self):
        self.install()
        self.environment["MONGODB_URI"] = self.store_start()

    def command(self):
        return ["env", *(f"{name}={value}" for name, value in self.environment.items()),
                "node", self.application / "server.js"]

    def stop(self):
        """At once: requests that nobody waits for any more would be answered first."""
        if self.process and self.process.poll() is None:
            self.kill()
