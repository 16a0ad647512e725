"""
TLS beside nginx that returns an empty 200: the CPU time of a request on a kept connection, of a connection with its
handshake and one request, and the memory of an idle connection. Pairs as in verify.py.
Both have the same certificate, versions, ciphers and groups, and the same OpenSSL.
"""
import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import tempfile

from client import lines_write, register_many
from generator import run_wrk
from measure import cpu_s, median, settled_rss_mb
from systems.authd import BUILD, Authd
from systems.nginx import NginxTls

TOKENS = 512


def certificate(folder, kind):
    """Files of a certificate and its key."""
    files = folder / f"{kind}.crt", folder / f"{kind}.key"
    key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ecdsa" else ["rsa:2048"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "30", "-subj", "/CN=a.example",
                    "-addext", "subjectAltName=DNS:a.example", "-keyout", files[1], "-out", files[0]],
                   check=True, capture_output=True)
    files[1].chmod(0o600)
    return files


def one(bench, system, tokens, seconds, closes):
    with bench.quiet(system.pids()):
        before = cpu_s(system.pids())
        requests = run_wrk(system.tls_target, system.paths["verify"], tokens, seconds, scheme="https", closes=closes)
        cpu = cpu_s(system.pids()) - before
    return {"cpu_us": cpu / requests * 1e6, "per_s": requests / seconds}


def compare(bench, name, what, systems, tokens, closes=False):
    """The ratios of pairs, after showing them."""
    pairs, seconds = bench.pick((7, 3), (2, 1))
    for system in systems:
        run_wrk(system.tls_target, system.paths["verify"], tokens, 1, scheme="https", closes=closes)
    runs = [[one(bench, system, tokens, seconds, closes) for system in systems] for _ in range(pairs)]
    ratios = [a["cpu_us"] / b["cpu_us"] for a, b in runs]
    rows = [["ratio", median(ratios), min(ratios), max(ratios), ""]]
    for i, system in enumerate(systems):
        us = [pair[i]["cpu_us"] for pair in runs]
        rows.append([system.name, median(us), min(us), max(us), median([pair[i]["per_s"] for pair in runs])])
        bench.measure(f"{name}_{system.name.split()[0]}_us", f"CPU time, {system.name}: {what}", "us", us)
    bench.table(f"{what}; {pairs} pairs of {seconds} s, wrk, 64 connections", ["", "CPU us", "min", "max", "per second"], rows)
    bench.plot_bars(f"CPU time: {what}", "us", [(s.name, [p[i]["cpu_us"] for p in runs]) for i, s in enumerate(systems)])
    bench.measure(name, f"CPU time of {what} / nginx", "x", ratios, headline=True)


def idle_kib(system, token, count):
    """The memory of one of so many connections that had an answer and stay."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = f"GET {system.paths['verify']} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    before, kept = settled_rss_mb(system.pids()), []
    try:
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", int(system.tls_target.split(":")[1])), timeout=20)
            kept.append(context.wrap_socket(plain, server_hostname="a.example"))
            kept[-1].sendall(request)
            if not kept[-1].recv(4096).startswith(b"HTTP/1.1 20"):
                raise RuntimeError(f"{system.name}: another answer than 20x")
        return (settled_rss_mb(system.pids()) - before) * 1024 / count
    finally:
        for connection in kept:
            connection.close()


@contextlib.contextmanager
def both(files, has_tickets):
    """The two systems, and a file of tokens."""
    tickets = "yes" if has_tickets else "no"
    with Authd(files, password__cost=4, tls__tickets=tickets) as authd, NginxTls(files, has_tickets) as nginx:
        granted = [g["access_token"] for g in register_many(authd, TOKENS)]
        yield [authd, nginx], lines_write(authd.folder / "tokens", granted)


def resumed_share(authd):
    """Of all handshakes so far: that they are of the kind that is claimed."""
    result = subprocess.run([BUILD / "authctl", "--socket", authd.options["control.socket"], "-o", "json", "metrics", "list",
                             "authd_tls_handshakes_total"], capture_output=True, text=True, check=True)
    counts = {row["labels"]: row["value"] for row in json.loads(result.stdout) if row["value"]}
    return sum(v for k, v in counts.items() if 'resumed="yes"' in k) / sum(counts.values())


def run(bench):
    with tempfile.TemporaryDirectory(prefix="authd-bench-") as folder:
        ecdsa, rsa = (certificate(pathlib.Path(folder), kind) for kind in ("ecdsa", "rsa"))
        with both(ecdsa, has_tickets=True) as (systems, tokens):
            compare(bench, "tls_request", "a request on a kept connection", systems, tokens)
            token = pathlib.Path(tokens).read_text().split()[0]
            count = bench.pick(2000, 500)  # the client's side needs more memory than ours
            kib = [(s.name, idle_kib(s, token, count)) for s in systems]
            bench.table(f"memory of one of {count:,} idle connections", ["", "KiB"], [list(row) for row in kib])
            for name, value in kib:
                bench.measure(f"tls_idle_{name.split()[0]}_kib", f"RSS for one idle connection with TLS, {name}", "KiB", value)
        for name, files in (("ECDSA P-256", ecdsa), ("RSA 2048", rsa)):
            with both(files, has_tickets=False) as (systems, tokens):
                compare(bench, f"tls_handshake_{name.split()[0].lower()}", f"a new connection, {name}, and one request",
                        systems, tokens, closes=True)
                if resumed_share(systems[0]) > 0.01:
                    raise RuntimeError("handshakes were resumed that should not be")
