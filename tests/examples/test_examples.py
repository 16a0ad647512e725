"""Everything under examples/ as it stands there, with other ports, in front of the real daemon."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import ROOT, Authd, free_port  # noqa: E402

EXAMPLES = ROOT / "examples"
MODULES = ROOT / "build" / "examples-express"  # ./dev test installs them there
PASSWORD = "correct horse battery"
START_S = 30


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.text = response.status, response.headers, response.read().decode()


def call(url, body=None, **headers):
    data = json.dumps(body).encode() if body is not None else None
    if data:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        return Answer(urllib.request.urlopen(request, timeout=20))
    except urllib.error.HTTPError as error:
        return Answer(error)


def register(authd, email="you@example.org"):
    answer = call(f"http://127.0.0.1:{authd.port}/v1/auth/register", {"email": email, "password": PASSWORD})
    assert answer.status == 201, answer.text
    return json.loads(answer.text)["data"]


@contextlib.contextmanager
def running(command, folder, port, **environment):
    """The command, from when it answers on its port until the end of the block."""
    log = folder / "example.log"
    with open(log, "ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        end = time.monotonic() + START_S
        while True:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            try:
                call(f"http://127.0.0.1:{port}/")
                break
            except OSError:
                time.sleep(0.02)
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def with_ports(example, folder, **ports):
    """A copy of the example in the folder, its ports replaced."""
    text = example.read_text()
    for old, new in ports.items():
        assert f"127.0.0.1:{old[1:]}" in text
        text = text.replace(f"127.0.0.1:{old[1:]}", f"127.0.0.1:{new}")
    copy = folder / example.name
    copy.write_text(text)
    return copy


@pytest.fixture
def authd():
    with Authd({"http.trusted_proxies": "127.0.0.1"}) as daemon:
        yield daemon


def proxy_lets_through_who_is_known(authd, front):
    url, grant = f"http://127.0.0.1:{front}/", register(authd)
    bearer = "Bearer " + grant["access_token"]
    known = call(url, Authorization=bearer)
    assert known.status == 200 and known.text.strip() == "hello " + grant["user"]["id"]
    unknown = call(url)
    assert unknown.status == 401 and "invalid_token" in unknown.headers["WWW-Authenticate"]
    assert call(url, X_Auth_User="admin").status == 401
    assert call(url, Authorization=bearer, X_Auth_User="admin").text == known.text, "a client cannot name itself"
    assert call(url, {"a": "body"}, Authorization=bearer).status == 200, "its body stays with the application"
    assert call(f"http://127.0.0.1:{authd.port}/v1/auth/logout", {"refresh_token": grant["refresh_token"]}).status == 204
    assert call(url, Authorization=bearer).status == 401, "at once"


def test_nginx_asks_before_it_lets_a_request_through(authd, tmp_path):
    front, app = free_port(), free_port()
    (tmp_path / "tmp").mkdir()
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:  # nginx started by root leaves it, and still needs its folder
        if parent.owner() == pathlib.Path(tmp_path).owner() and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    conf = with_ports(EXAMPLES / "nginx/nginx.conf", tmp_path, p8080=authd.port, p8000=front, p9000=app)
    with running(["nginx", "-p", tmp_path, "-c", conf, "-e", "stderr"], tmp_path, front):
        proxy_lets_through_who_is_known(authd, front)
        authd.stop()
        gone = call(f"http://127.0.0.1:{front}/", Authorization="Bearer x")
        assert gone.status == 503 and "cannot tell" in gone.text


def test_caddy_asks_before_it_lets_a_request_through(authd, tmp_path):
    front, app = free_port(), free_port()
    conf = with_ports(EXAMPLES / "caddy/Caddyfile", tmp_path, p8080=authd.port, p8000=front, p9000=app)
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with running(["caddy", "run", "--config", conf, "--adapter", "caddyfile"], tmp_path, front, **home):
        proxy_lets_through_who_is_known(authd, front)


def test_the_life_of_an_account(authd):
    result = subprocess.run([EXAMPLES / "curl/account.sh"], capture_output=True, text=True, timeout=60,
                            env={**os.environ, "AUTHD": f"http://127.0.0.1:{authd.port}"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Ada" in result.stdout and result.stdout.endswith("== done\n")


def test_the_life_of_an_account_is_told_where_it_fails():
    with Authd({"http.base": "/elsewhere"}) as authd:
        result = subprocess.run([EXAMPLES / "curl/account.sh"], capture_output=True, text=True, timeout=60,
                                env={**os.environ, "AUTHD": f"http://127.0.0.1:{authd.port}"})
    assert result.returncode == 1 and "404 instead of 201" in result.stderr


@pytest.fixture
def express(tmp_path):
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed: the Express examples need them")
    assert (MODULES / "node_modules/express").is_dir(), "./dev test installs examples/express there"
    for name in ("package.json", "public-keys.js", "shared-secret.js"):
        shutil.copy(EXAMPLES / "express" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(MODULES / "node_modules")
    return tmp_path


def application_knows_its_users(authd, port):
    url, grant = f"http://127.0.0.1:{port}/private", register(authd)
    token = grant["access_token"]
    known = call(url, Authorization="Bearer " + token)
    assert known.status == 200 and json.loads(known.text)["user"] == grant["user"]["id"]
    head, payload, signature = token.split(".")
    forged = [f"{head}.{payload}.{signature[:-6]}AAAAAA", f"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.", "x", ""]
    for bad in forged:
        assert call(url, Authorization="Bearer " + bad).status == 401, bad
    assert call(url).status == 401


def test_express_checks_tokens_by_public_keys(authd, express):
    port = free_port()
    with running(["node", "public-keys.js"], express, port, PORT=str(port), AUTHD=f"http://127.0.0.1:{authd.port}"):
        application_knows_its_users(authd, port)


def test_express_checks_tokens_by_a_shared_secret(express):
    port, secret = free_port(), express / "secret"
    secret.write_text("a secret of forty-eight characters, not a word..\n")
    with Authd({"token.algorithm": "HS256", "token.secret_file": secret}) as authd:
        with running(["node", "shared-secret.js"], express, port, PORT=str(port), SECRET_FILE=str(secret)):
            application_knows_its_users(authd, port)
