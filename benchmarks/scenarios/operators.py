"""authctl from exec to its end: what a monitor or a script pays for each question."""
import subprocess
import time

from generator import ROOT
from systems.authd import Authd

CTL = ROOT / "build" / "gcc" / "authctl"


def once_ms(authd, *words):
    began = time.monotonic()
    subprocess.run([CTL, "--socket", authd.options["control.socket"], *words], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - began) * 1000


def run(bench):
    repeats = bench.pick(100, 10)
    with bench.quiet(), Authd() as authd:
        once_ms(authd, "--timeout", "60", "wait", "ready")  # its socket comes after the first answer
        times = {words: [once_ms(authd, *words.split()) for _ in range(repeats)]
                 for words in ("status", "-o json status", "conn list", "meta version")}
    bench.number("ctl_status", times["status"])
    bench.plot_bars(f"authctl from exec to its end, {repeats} times each", "ms", list(times.items()))
