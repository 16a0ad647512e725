"""
RSS: idle, with 10,000 connections that each had an answer and stay open, under mixed load on top of them, and after.
What the kernel holds for sockets is not in it, for any server.
"""
import socket

from bars import BARS
from client import PASSWORD, Client, lines_write, login_body, register_many
from generator import run_load
from measure import RssTrace, rss_peak_mb, rss_peak_reset, settled_rss_mb
from systems.authd import Authd

CONNECTIONS = 10000
ACCOUNTS = 64


def connect(system, path, *headers):
    """A kept connection that had one answer, a 2xx."""
    connection = socket.create_connection(("127.0.0.1", system.port), timeout=20)
    connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode())
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"{system.name}: {path} answered {answer[:100]}")
    return connection


def connect_many(system, count, path, tokens):
    """So many of them, each with one of the tokens."""
    return [connect(system, path, f"Authorization: Bearer {tokens[i % len(tokens)]}") for i in range(count)]


def mixed_load(bench, authd, grants):
    """Everything at once, each more than one core could do alone."""
    json_header = ["Content-Type: application/json"]
    tokens = lines_write(authd.folder / "tokens", [g["access_token"] for g in grants])
    logins = lines_write(authd.folder / "logins", [login_body(g["user"]["email"]) for g in grants])
    bearer = ["Authorization: Bearer {line}"]
    body = '{"email":"load{n}@example.org","password":"' + PASSWORD + '","name":"{n}"}'
    streams = [
        {"name": "verify", "kind": "closed", "connections": 64, "path": authd.paths["verify"], "headers": bearer,
         "lines": tokens},
        {"name": "me", "kind": "closed", "connections": 64, "path": authd.paths["me"], "headers": bearer, "lines": tokens},
        {"name": "login", "kind": "closed", "connections": 256, "method": "POST", "path": authd.paths["login"],
         "headers": json_header, "body": "{line}", "lines": logins},
        {"name": "register", "kind": "closed", "connections": 256, "method": "POST", "path": authd.paths["register"],
         "headers": json_header, "body": body},
    ]
    seen = run_load(authd.target, streams, bench.pick(20, 3), log=bench.say)
    return {name: {"goodput": s["goodput"], "outcomes": s["outcomes"]} for name, s in seen.items()}


def run(bench):
    with Authd(password__cost=bench.pick(12, 4)) as authd, RssTrace(authd.pids()) as trace:
        idle = settled_rss_mb(authd.pids())
        grants = register_many(authd, ACCOUNTS)
        Client(authd).verify(grants[0]["access_token"])
        used = settled_rss_mb(authd.pids())
        connections = connect_many(authd, CONNECTIONS, authd.paths["verify"], [g["access_token"] for g in grants])
        try:
            connected = settled_rss_mb(authd.pids())
            rss_peak_reset(authd.pids())
            bench.detail("load", mixed_load(bench, authd, grants))
            peak = rss_peak_mb(authd.pids())
        finally:
            for connection in connections:
                connection.close()
        after = settled_rss_mb(authd.pids())
        bench.table(f"RSS, {CONNECTIONS:,} connections", ["when", "MB"], [
            ["after the start", idle], [f"after {ACCOUNTS} registrations", used], ["with idle connections", connected],
            ["for one of them, KiB", (connected - used) * 1024 / CONNECTIONS], ["peak under load", peak],
            ["all gone", after]])
        bench.plot_lines(f"RSS while {CONNECTIONS:,} connections come, mixed load runs, and all leave", "seconds", "MB",
                         {"authd": trace.points}, limits=[("bar under load", BARS["rss_load"].bar)])
        bench.plot_bars("RSS", "MB", [("after the start", [idle]), (f"{CONNECTIONS:,} idle connections", [connected]),
                                      ("peak under mixed load on top", [peak]), ("all gone", [after])])
        bench.measure("rss_after", "RSS when all connections are gone", "MB", after)
        bench.measure("connection_kib", "RSS for one idle connection", "KiB", (connected - used) * 1024 / CONNECTIONS)
        bench.number("rss_idle", idle)
        bench.number("rss_connections", connected)
        bench.number("rss_load", peak)
