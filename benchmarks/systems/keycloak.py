"""
Keycloak, as its distribution is for production, on the database that it brings (H2). Passwords have its own default,
Argon2id, which cannot be made bcrypt: what a login costs is that hash's. One realm (keycloak/realm.json); accounts are made
by its interface for administrators, because its registration is a page of HTML.
"""
import dataclasses
import shutil
import subprocess
import urllib.parse
import zipfile

from client import PASSWORD
from generator import ROOT
from routes import FORM, Route
from systems import Missing, System, call

VERSION = "26.7.3"
HOME = ROOT / "build" / f"bench-keycloak-{VERSION}"
REALM = ROOT / "benchmarks" / "keycloak" / "realm.json"
BASE = "/realms/bench"
TOKEN = BASE + "/protocol/openid-connect/token"
WHO = BASE + "/protocol/openid-connect/userinfo"
BEARER = ("Authorization: Bearer {line}",)
INSTALL_S = 900
REGISTRAR = {"grant_type": "client_credentials", "client_id": "registrar", "client_secret": "known-to-everybody"}


def form(**fields):
    return urllib.parse.urlencode({"client_id": "bench", "scope": "openid", **fields}, safe="{}@")


def run(words, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_S, **options)
    if done.returncode:
        raise Missing(f"what {words[0]} could not do: {(done.stdout + done.stderr).strip()[-300:]}")


def distribution():
    """Unpacked and built for H2, which takes a minute, once."""
    if not shutil.which("mvn") or not shutil.which("java"):
        raise Missing("java and mvn: apt-get install maven")
    if (HOME / ".installed").exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    run(["mvn", "-q", "-B", "dependency:copy", f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip",
         f"-DoutputDirectory={HOME}"])
    packed = HOME / f"keycloak-quarkus-dist-{VERSION}.zip"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(HOME)
    packed.unlink()
    for path in (HOME / f"keycloak-{VERSION}").iterdir():
        path.rename(HOME / path.name)
    run(["sh", HOME / "bin/kc.sh", "build", "--db=dev-file"])
    (HOME / ".installed").touch()


class Keycloak(System):
    name = "Keycloak (Argon2id)"
    start_s = 300  # its first start makes the tables
    paths = {"health": BASE}
    # As a health check has it: a page of the realm. Its own is on another port, without any load.
    routes = {
        "health": Route(BASE),
        "verify": Route(WHO, headers=BEARER, line="access_token"),
        "me": Route(WHO, headers=BEARER, line="access_token"),
        "login": Route(TOKEN, form(grant_type="password", username="{line}", password=PASSWORD), line="email", content=FORM),
        "refresh": Route(TOKEN, form(grant_type="refresh_token", refresh_token="{line}"), line="refresh_token", content=FORM),
    }

    def __init__(self):
        super().__init__()
        user = ('{"username":"{line}{n}@example.org","email":"{line}{n}@example.org","firstName":"a","lastName":"user",'
                f'"enabled":true,"emailVerified":true,"credentials":[{{"type":"password","value":"{PASSWORD}"}}]}}')
        # Filled in when it runs: the header has a token of the registrar.
        self.routes = {**Keycloak.routes, "register": Route("/admin/realms/bench/users", user, line="prefix")}

    def install(self):
        distribution()

    def prepare(self):
        self.install()
        shutil.rmtree(HOME / "data", ignore_errors=True)  # transactions of another run's database
        imported = HOME / "data" / "import"
        imported.mkdir(parents=True, exist_ok=True)
        shutil.copy(REALM, imported / "bench-realm.json")

    def command(self):
        return ["env", f"JAVA_OPTS_APPEND=-Djava.io.tmpdir={self.folder}",
                "sh", HOME / "bin/kc.sh", "start", "--optimized", "--import-realm", "--cache=local", "--log-level=warn",
                "--http-enabled=true", "--hostname-strict=false", "--http-host=127.0.0.1", f"--http-port={self.port}",
                f"--db-url=jdbc:h2:file:{self.folder}/db;NON_KEYWORDS=VALUE"]

    def start(self):
        super().start()
        token = call(self, "POST", TOKEN, urllib.parse.urlencode(REGISTRAR), "application/x-www-form-urlencoded")["access_token"]
        self.routes["register"] = dataclasses.replace(self.routes["register"], headers=(f"Authorization: Bearer {token}",))
        return self

    def granted(self, _headers, body):
        return body and {key: body[key] for key in ("access_token", "refresh_token")}

    def stop(self):
        """At once, as the others that would answer first what nobody waits for."""
        if self.process and self.process.poll() is None:
            self.kill()
