"""
What observing costs each /verify: a daemon with everything off beside daemons with metrics and the defaults, with traces,
and with a record for each request. Pairs, as in verify.py, and many short ones, because the difference is small; beside
them the instructions, which no neighbour disturbs. And what a scrape costs the thread that answers it, whose time is no
core's.
"""
import http.client
import http.server
import json
import pathlib
import re
import socket
import threading
import time

from client import lines_write, register_many
from instructions import are_countable, of_verify
from scenarios.verify import TOKENS, compare
from systems.authd import Authd

OFF = {"metrics__record": "no", "metrics__listen": "", "log__access": "no"}
ON = {"metrics__listen": "", "log__level": "info"}  # one of both may listen there; records are made all the same


class Sink(http.server.BaseHTTPRequestHandler):
    """A collector that reads and agrees."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


SERIES_LEAST = 2000  # that are to be scraped: about as many as there ever are
EXPORTED_S = 1.5  # a span waits a second for others
MEMORY_KNOWN_S = 10.5  # a scrape looks at all of the memory, which then is known for ten seconds


def see_every_route(daemon):
    """Each route of its own description, with and without a token and a body, and what is no route, so that there are
    series for each and for what it answers."""
    host, _, port = daemon.target.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)

    def ask(method, path, headers, body=None):
        connection.request(method, path, body, headers)
        return connection.getresponse().read()

    paths = json.loads(ask("GET", "/openapi.json", {}))["paths"]
    granted = register_many(daemon, len(paths))  # one may log out
    for (path, methods), grant in zip(paths.items(), granted):
        for method in sorted({"head", *methods}):
            for headers in ({"If-None-Match": "*"}, {}, {"Authorization": f"Bearer {grant['access_token']}"}):
                for body in (None, "{}"):
                    ask(method.upper(), path.replace("{id}", "x"), {"Content-Type": "application/json", **headers}, body)
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        ask(method, "/no/route", {})
    connection.close()


def scrape(daemon):
    """What it says, and the CPU time in ms that its thread took, which no neighbour disturbs."""
    tasks = pathlib.Path(f"/proc/{daemon.pids()[0]}/task")
    thread, = [t for t in tasks.iterdir() if (t / "comm").read_text().strip() == "metrics"]

    def cpu_ms():
        return int((thread / "schedstat").read_text().split()[0]) / 1e6

    before = cpu_ms()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(daemon.folder / "metrics.sock"))
        s.sendall(b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(1 << 20), b"")).decode()
    return text, cpu_ms() - before


def scrapes(bench):
    daemon = Authd(password__cost=4)
    daemon.options["metrics.listen"] = daemon.folder / "metrics.sock"
    with daemon:
        see_every_route(daemon)
        host, _, port = daemon.target.rpartition(":")
        held = [socket.create_connection((host, int(port)), timeout=20) for _ in range(1000)]
        looks, samples = [], []
        for turn in range(bench.pick(5, 1)):
            time.sleep(MEMORY_KNOWN_S if turn else 0)
            looks.append(scrape(daemon)[1])
            samples += [scrape(daemon) for _ in range(20)]
        for connection in held:
            connection.close()
    series = int(re.search(r"^authd_metrics_series (\d+)", samples[-1][0], flags=re.M)[1])
    if series < SERIES_LEAST:
        raise RuntimeError(f"only {series} series to scrape: {SERIES_LEAST} were to be made")
    bench.number("scrape", [ms for _, ms in samples])
    bench.number("scrape_memory", looks)
    bench.measure("scrape_series", "series of /metrics by then", "", series, more_is_better=None)


def instructions(bench, kinds):
    """The same comparison without noise, of the program alone: of a request's time the kernel has the larger part."""
    if not are_countable():
        bench.say("valgrind is not here: instructions are not counted")
        return
    count = bench.pick(20000, 8000)
    counted = {kind: of_verify(count, EXPORTED_S, **options)
               for kind, options in {"off": OFF, **{kind: options for kind, (_, options) in kinds.items()}}.items()}
    for kind, value in counted.items():
        bench.measure(f"observe_{kind}_instructions", f"instructions of the program for a /verify, {kind}", "", value)
    bench.number("observe_instructions", counted["traces"] / counted["off"])
    bench.table("Instructions of the program for each /verify, without the kernel's", ["", "instructions", "of all off"],
                [[kind, value, value / counted["off"]] for kind, value in counted.items()])


def run(bench):
    scrapes(bench)
    pairs, seconds = bench.pick((15, 2), (2, 1))
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    traced = {"trace__endpoint": f"http://127.0.0.1:{sink.server_port}/v1/traces"}
    kinds = {"metrics": ("metrics, slow and failed requests", ON),
             "traces": ("the same and traces, 1 % sampled", {**ON, **traced}),
             "records": ("the same and a record for each", {**ON, **traced, "log__access": "yes"})}
    instructions(bench, kinds)
    for kind, (name, options) in kinds.items():
        with Authd(password__cost=4, **OFF) as off, Authd(password__cost=4, **options) as on:
            # Each knows its own tokens only.
            for daemon in (off, on):
                daemon.tokens = lines_write(daemon.folder / "tokens",
                                            [g["access_token"] for g in register_many(daemon, TOKENS)])
            on.name, off.name = name, "all off"
            ratios = compare(bench, f"observe_{kind}", {"on": on, "off": off}, None, TOKENS, pairs, seconds, 1)
            if kind == "traces":
                bench.number("observe_cpu", ratios)
            else:
                bench.measure(f"observe_{kind}_cpu", f"/verify CPU, {name} / all off", "x", ratios)
    sink.shutdown()
