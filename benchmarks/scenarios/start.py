"""From exec to the first 200: what a restart costs, and what a supervisor waits for."""
import time

from systems import wait_for_200
from systems.authd import Authd


def start_ms(authd):
    began = time.monotonic()
    authd.spawn()
    return (wait_for_200(authd.port, authd.paths["health"], authd.process, pause_s=0.0001) - began) * 1000


def run(bench):
    repeats = bench.pick(20, 5)
    fresh, existing = [], []
    with bench.quiet():
        for _ in range(repeats):
            authd = Authd()
            authd.prepare()
            try:
                fresh.append(start_ms(authd))
                authd.stop()
                existing.append(start_ms(authd))
            finally:
                authd.close()
    bench.number("start", existing)
    bench.number("start_fresh", fresh)
    bench.plot_bars(f"From exec to the first 200, {repeats} starts", "ms", [("existing store", existing), ("new store", fresh)])
