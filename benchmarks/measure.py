"""What a process used, read from /proc; and how quiet the machine was meanwhile."""
import contextlib
import os
import pathlib
import resource
import statistics
import threading
import time

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pids):
    """User and system time of processes with all their threads. Linux scales both to the exact run time."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


class CpuWindow(threading.Thread):
    """with CpuWindow(pids, warmup, seconds) as window: ... ; window.cpus is how many CPUs were used after the warm-up."""

    def __init__(self, pids, warmup, seconds):
        super().__init__(daemon=True)
        self.pids, self.warmup, self.seconds = pids, warmup, seconds

    def run(self):
        time.sleep(self.warmup)
        began, before = time.monotonic(), cpu_s(self.pids)
        time.sleep(self.seconds)
        self.cpus = (cpu_s(self.pids) - before) / (time.monotonic() - began)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join()


def _status_mb(pids, key):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                total += int(line.split()[1])
    return total / 1024


def rss_mb(pids):
    return _status_mb(pids, "VmRSS")


def rss_peak_mb(pids):
    """The most since the start, or since rss_peak_reset(): the kernel's own mark, not samples."""
    return _status_mb(pids, "VmHWM")


def rss_peak_reset(pids):
    for pid in pids:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def settled_rss_mb(pids, seconds=5.0):
    """RSS once it was the same for two seconds, at most that much later."""
    end, last, since = time.monotonic() + seconds, rss_mb(pids), time.monotonic()
    while time.monotonic() < min(end, since + 2):
        time.sleep(0.2)
        now = rss_mb(pids)
        if now != last:
            last, since = now, time.monotonic()
    return last


class RssTrace(threading.Thread):
    """with RssTrace(pids) as trace: ... ; trace.points is (seconds, MB), ten times a second."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids, self.points, self.ending = pids, [], threading.Event()
        self.began = time.monotonic()

    def run(self):
        while not self.ending.wait(0.1):
            self.points.append((time.monotonic() - self.began, rss_mb(self.pids)))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()


def median(values):
    return statistics.median(values)


class Noise:
    """with Noise(pids) as noise: ... ; noise.share is what *others* used of the machine's CPUs, stolen time included."""

    def __init__(self, pids=()):
        self.pids = list(pids)

    def _busy_s(self):
        fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _idle, _wait, irq, soft, steal = fields
        return (user + nice + system + irq + soft + steal) * TICK_S

    def _mine_s(self):
        mine = sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
                   for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        for pid in self.pids:
            with contextlib.suppress(OSError):  # it ended, and is among our children then
                mine += cpu_s([pid])
        return mine

    def __enter__(self):
        self.start = time.monotonic(), self._busy_s(), self._mine_s()
        return self

    def __exit__(self, *_):
        elapsed = time.monotonic() - self.start[0]
        others = self._busy_s() - self.start[1] - (self._mine_s() - self.start[2])
        self.share = max(0.0, others / (elapsed * os.cpu_count()))


def _field(path, key, separator):
    """The value of the first line of a file of the kernel or the distribution that begins with key."""
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.split(separator, 1)[1].strip().strip('"')
    return "unknown"


def machine():
    """What a number cannot be read without."""
    return {"cpu": _field("/proc/cpuinfo", "model name", ":"), "cpus": os.cpu_count(), "kernel": os.uname().release,
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "system": _field("/etc/os-release", "PRETTY_NAME", "="), "load_average": os.getloadavg()[0]}
