"""Applications for node: copied and with their packages."""
import shutil
import subprocess

from systems import Missing

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
