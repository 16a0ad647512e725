"""
How many instructions of the program a request takes: counted by valgrind's callgrind, so no neighbour and no clock
disturbs it, and the kernel's are not in it. On epoll, because valgrind knows nothing of io_uring's rings.
"""
import collections
import re
import shutil
import socket
import subprocess
import time

from client import Client
from systems.authd import Authd

WARM = 300  # caches, pools and lazily made histograms are there
# Valgrind counts a "rep stosb" as an instruction for each byte, so the C library is asked for its other way.
WITHOUT_REP = "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000"
BY_THE_CLOCK = "latencies_tick"  # a function that the control thread runs


class Counted(Authd):
    def command(self):
        return ["env", f"GLIBC_TUNABLES={WITHOUT_REP}", "valgrind", "--tool=callgrind", "--instr-atstart=no",
                "--separate-threads=yes", f"--callgrind-out-file={self.folder}/counted", *super().command()]

    def counting(self, is_on):
        subprocess.run(["callgrind_control", "-i", "on" if is_on else "off", str(self.process.pid)], check=True,
                       capture_output=True)


def are_countable():
    return bool(shutil.which("valgrind") and shutil.which("callgrind_control"))


def own_costs(text):
    """The sum of what functions took themselves: the line behind a call has what was called, which counts there."""
    costs, is_call = collections.Counter(), False
    for line in text.splitlines():
        if line.startswith("calls="):
            is_call = True
        elif re.fullmatch(r"[+*-]?\d* \d+", line):
            costs[is_call] += int(line.split()[1])
            is_call = False
    return costs[False]


def of_verify(count, seconds=0, **options):
    """
    Instructions of one GET /verify with a token that is cached, by the mean of so many: of all threads but the control
    thread, which works by the clock, and valgrind is slow. seconds: how long something may still be done for them.
    """
    with Counted(password__cost=4, io__engine="epoll", core__threads=1, **options) as daemon:
        token = Client(daemon).register("counted@example.org")["access_token"]
        request = (f"GET {daemon.paths['verify']} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as s:
            def ask(times):
                for _ in range(times):
                    s.sendall(request)
                    if not s.recv(4096).startswith(b"HTTP/1.1 204"):
                        raise RuntimeError("/verify did not answer 204")
            ask(WARM)
            daemon.counting(True)
            time.sleep(0.2)  # each thread begins to count when it next runs
            ask(count)
            time.sleep(seconds)
            daemon.counting(False)
        daemon.stop()
        threads = [file.read_text() for file in daemon.folder.glob("counted-*")]
        return sum(own_costs(text) for text in threads if BY_THE_CLOCK not in text) / count
