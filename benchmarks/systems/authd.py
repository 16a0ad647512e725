"""authd, the release build, with an SQLite store of its own, or on a server of MongoDB's protocol."""
import subprocess

from generator import ROOT
from routes import contract
from systems import System, free_port
from systems.store import WithStore

BUILD = ROOT / "build" / "gcc"
BASE = "/v1/auth"

# Set when this build knows them: what is measured is the daemon, not how it turns away a single busy address.
IF_KNOWN = {"limits.enabled": "no"}


class Authd(System):
    name = "authd"
    paths = {"health": "/health", "verify": BASE + "/verify", "login": BASE + "/login", "register": BASE + "/register",
             "refresh": BASE + "/refresh", "me": BASE + "/me", "logout": BASE + "/logout"}

    routes = contract(BASE)
    is_sharing_hashes = True

    def __init__(self, certificate=None, **options):
        """Options as section__key; what is not named has its default. certificate: the files of one and its key, for
        another port with TLS."""
        super().__init__()
        self.options = {"http.listen": self.target, "store.path": self.folder / "authd.db",
                        "control.socket": self.folder / "authctl.sock", "log.level": "warn"}
        if certificate:
            self.tls_target = f"127.0.0.1:{free_port()}"
            self.options |= {"tls.listen": self.tls_target, "tls.certificate_files": certificate[0],
                             "tls.key_files": certificate[1]}
        self.options.update({name.replace("__", "."): value for name, value in options.items()})

    def prepare(self):
        for name, value in IF_KNOWN.items():
            if self._is_known(name, value):
                self.options.setdefault(name, value)
        self._write(self.options)

    def _write(self, options):
        sections = {}
        for name, value in options.items():
            section, key = name.split(".")
            sections.setdefault(section, []).append(f"{key} = {value}\n")
        path = self.folder / "authd.conf"
        path.write_text("".join(f"[{s}]\n{''.join(keys)}" for s, keys in sections.items()))
        return path

    def _is_known(self, name, value):
        check = subprocess.run([BUILD / "authd", "-c", self._write({name: value}), "--check"], capture_output=True)
        return check.returncode == 0

    def command(self):
        return [BUILD / "authd", "-c", self.folder / "authd.conf"]

    def granted(self, _headers, body):
        return {key: body["data"][key] for key in ("access_token", "refresh_token")}


class AuthdMongo(WithStore, Authd):
    name = "authd, MongoDB"

    def prepare(self):
        self.options.update({"store.backend": "mongodb", "store.uri": self.store_start()})
        super().prepare()
