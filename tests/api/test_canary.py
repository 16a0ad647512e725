"""Secrets put into every field of every route never show up where anybody may read: the log at its chattiest and who reads
along, the audit file, traces, metrics of both formats, authctl's answers and its report, error bodies, the command line
and the environment of the process. Mails and their folder are for their receivers: tokens belong there."""
import http.client
import http.server
import json
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

from authd import BUILD, ROOT, Authd

CANARY = "kAnArI9zq"


class Sink(http.server.BaseHTTPRequestHandler):
    """A collector that only keeps the bytes."""
    bodies = []

    def do_POST(self):
        Sink.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def routes():
    """(method, path) of THE table, so that a new route is tested without being added here."""
    text = (ROOT / "server/api/routes.c").read_text()
    found = re.findall(r"\{ METHOD_(\w+),\s*(true|false),\s*\"([^\"]+)\"", text)
    assert len(found) >= 12
    return [(method, ("/v1/auth" if base == "true" else "") + path.replace("{id}", CANARY + "id"))
            for method, base, path in found]


def fields():
    """Of THE table's rows likewise, and some that there are not."""
    text = (ROOT / "server/api/routes.c").read_text()
    found = set(re.findall(r'"([a-z_]+)"', text[:text.index("const struct route routes")]))
    assert {"email", "password", "new_password", "refresh_token", "token", "roles"} <= found
    return sorted(found | {"code", "user_id", "id", "reason", "client_secret", "unknown"})


FIELDS = fields()


def bodies():
    secret = {field: f"{CANARY}-{field}-s3cret" for field in FIELDS}
    yield json.dumps({**secret, "email": f"{CANARY}@example.org"})  # good as far as it can be
    yield json.dumps(secret)
    yield json.dumps({field: [f"{CANARY}-{field}"] for field in FIELDS})
    yield '{"password": "' + CANARY  # no JSON
    yield f'"{CANARY}"'
    yield json.dumps({**secret, "email": f"{CANARY}@example.org\x1b[31m", "password": CANARY * 400})
    yield urllib.parse.urlencode(secret)  # a form, as OAuth has it


def type_of(body):
    return "application/x-www-form-urlencoded" if body and body.startswith("client_secret=") else "application/json"


HEADERS = {"Cookie": f"session={CANARY}-cookie", "X-Forwarded-For": f"{CANARY}", "User-Agent": f"{CANARY}-agent",
           "Referer": f"https://{CANARY}.example", "tracestate": f"x={CANARY}", "traceparent": f"00-{CANARY}",
           "X-Request-Id": f"{CANARY} with a space", "Idempotency-Key": CANARY, "Content-Type": "application/json"}


def tokens(real):
    yield None
    yield f"Bearer {CANARY}.{CANARY}.{CANARY}"
    yield f"Basic {CANARY}"
    yield f"Bearer {real[:-4]}AAAA"
    yield f"Bearer {real}"


def ask(authd, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", authd.port, timeout=30)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, str(answer.headers)


def operators(authd):
    """Passwords that operators set, which authctl reads from a file: what it and a refusal say."""
    file = authd.dir / "secret"
    file.write_text(f"{CANARY} of an operator\n")
    said = [authd.ctl("-o", "json", "user", *words, "--secret-file", file, "--yes") for words in (
        ["create", "made@example.org"], ["reset-password", "made@example.org"], ["create", "made@example.org"],
        ["reset-password", "nobody@example.org"])]
    file.unlink()
    assert [s.returncode == 0 for s in said] == [True, True, False, False], said
    return "".join(s.stdout + s.stderr for s in said)


@pytest.fixture(scope="module")
def seen():
    """{sink: text} after all of it; and the real secrets that were handed out."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found, secrets, refused = {}, set(), []
    with Authd({"log.level": "debug", "log.access": "yes", "trace.sample": 100,
                "trace.endpoint": f"http://127.0.0.1:{server.server_port}/v1/traces"}) as authd:
        status, text, _ = ask(authd, "POST", "/v1/auth/register",
                              json.dumps({"email": "real@example.org", "password": f"{CANARY} the real password"}), HEADERS)
        assert status == 201, text
        data = json.loads(text)["data"]
        secrets |= {data["access_token"], data["refresh_token"], data["access_token"].rpartition(".")[2]}
        tail = subprocess.Popen([BUILD / "authctl", "--socket", authd.socket, "-o", "json", "log", "tail"],
                                stdout=subprocess.PIPE, text=True)
        tailed = []
        reader = threading.Thread(target=lambda: tailed.extend(tail.stdout), daemon=True)
        reader.start()
        while not tailed:  # it is there once it has said something
            ask(authd, "POST", "/v1/auth/login", json.dumps({"email": f"{CANARY}@example.com", "password": f"{CANARY} wrong"}),
                HEADERS)
        found["authctl with secrets"] = operators(authd)
        for method, path in routes():
            for token in tokens(data["access_token"]):
                for body in bodies() if method not in ("GET", "DELETE") else [None]:
                    headers = {**HEADERS, "Content-Type": type_of(body), **({"Authorization": token} if token else {})}
                    status, text, head = ask(authd, method, f"{path}?token={CANARY}-query&password={CANARY}", body, headers)
                    # What was registered with that address may be told to whoever has its token.
                    if status >= 400:
                        refused.append(text + head)
        ask(authd, "POST", f"/{CANARY}-path/login", json.dumps({"password": CANARY}), HEADERS)
        pid = pathlib.Path(f"/proc/{authd.pid}")
        found["command line"], found["environment"] = ((pid / name).read_text() for name in ("cmdline", "environ"))
        for words in (["status"], ["doctor"], ["conn", "list"], ["op", "list"], ["config", "show"], ["limit", "top"], ["cache", "list"], ["audit", "list"], ["log", "level"], ["pool", "list"]):
            result = authd.ctl("-o", "json", *words)
            found["authctl " + " ".join(words)] = result.stdout + result.stderr
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(authd.dir / "metrics.sock"))
        connection.request("GET", "/metrics")
        found["metrics"] = connection.getresponse().read().decode()
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(authd.dir / "metrics.sock"))
        connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
        found["OpenMetrics"] = connection.getresponse().read().decode()
        assert authd.ctl("report", cwd=authd.dir).returncode == 0
        found["report"] = (authd.dir / "authd-report.tar").read_bytes().decode(errors="replace")
        end = time.monotonic() + 10
        while not any(b"/me" in body for body in Sink.bodies) and time.monotonic() < end:
            time.sleep(0.05)
        authd.stop()
        reader.join(timeout=20)
        found["authctl log tail"] = "".join(tailed)
        found["log"], found["audit"] = authd.log(), (authd.dir / "audit.log").read_text()
        found["traces"] = b"\n".join(Sink.bodies).decode(errors="replace")
    server.shutdown()
    found["error bodies"] = "\n".join(refused)
    return found, secrets


def test_the_canary_sang_everywhere(seen):
    """A test that finds nothing because nothing was written finds nothing."""
    found, _ = seen
    assert found["log"].count('"event.name":"http.access"') > 200
    assert "/login" in found["traces"] and "password.hash" in found["traces"]
    assert len(found["error bodies"]) > 10000 and found["authctl status"] and found["audit"] and found["metrics"]
    assert "http.access" in found["authctl log tail"] and "login.failed" in found["log"] and "user.create" in found["audit"]
    assert "trace_id" in found["OpenMetrics"] and "ctl" in found["traces"] and "made@example.org" in found["authctl with secrets"]


def test_no_sink_has_a_secret(seen):
    found, secrets = seen
    for sink, text in found.items():
        for secret in {CANARY, *secrets}:
            at = text.lower().find(secret.lower())
            assert at < 0, f"{sink}: ...{text[max(at - 200, 0):at + 100]}..."


def test_the_environment_of_a_shell_that_passes_a_secret_by_mistake_is_not_told():
    """OTEL_EXPORTER_OTLP_HEADERS holds a key to the collector: authctl and the log do not show it."""
    with Authd() as authd:
        authd.stop()
        with open(authd.dir / "log", "ab") as log:
            authd.process = subprocess.Popen(
                [authd_binary(), "-c", authd.conf], stdout=log, stderr=log,
                env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={CANARY}"})
        end = time.monotonic() + 20
        while not authd.ctl("status").returncode == 0:
            assert time.monotonic() < end
        texts = [authd.ctl("-o", "json", *words, cwd=authd.dir).stdout
                 for words in (["config", "show"], ["report"], ["status"])]
        texts.append((authd.dir / "authd-report.tar").read_bytes().decode(errors="replace"))
        authd.stop()
        assert CANARY not in authd.log() + "".join(texts)


def authd_binary():
    from authd import BUILD
    return BUILD / "authd"
