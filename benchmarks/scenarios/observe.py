"""
What observing costs each /verify: a daemon with everything off beside daemons with metrics and the defaults, with traces,
and with a record for each request. Pairs, as in verify.py: off then on, the ratio of CPU time per request within each.
"""
import http.server
import threading

from client import lines_write, register_many
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


def run(bench):
    pairs, seconds = bench.pick((7, 3), (2, 1))
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    traced = {"trace__endpoint": f"http://127.0.0.1:{sink.server_port}/v1/traces"}
    kinds = {"metrics": ("metrics, slow and failed requests", ON),
             "traces": ("the same and traces, 1 % sampled", {**ON, **traced}),
             "records": ("the same and a record for each", {**ON, **traced, "log__access": "yes"})}
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
