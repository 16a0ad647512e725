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


class Counted(Authd):
    def command(self):
        return ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.folder}/counted",
                *super().command()]

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


def of_verify(count, **options):
    """Instructions of one GET /verify with a token that is cached, by the mean of so many."""
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
            daemon.counting(False)
        daemon.stop()
        return own_costs((daemon.folder / "counted").read_text()) / count
