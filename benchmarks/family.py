"""
What a run of the benchmarks starts and leaves behind: every process that descends from it, orphans too, and one folder
for all temporary files. Whatever ends the run, a signal or an error, nothing of either is left.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from generator import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
from manager import adopt_orphans  # noqa: E402

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILL_S = 10


class Stopped(BaseException):
    """By a signal. No scenario may hold it for a failure of its own."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class TooLong(BaseException):
    """A scenario took longer than so many seconds."""


def _parents():
    """{process: its parent}, of those that have not ended."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(stat.parent.name)] = int(parent)
    return parents


def descendants():
    parents, found, new = _parents(), set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def kill_all():
    """Every descendant; how many there were. Who waits for one learns that it ended."""
    count, end = 0, time.monotonic() + KILL_S
    while (alive := descendants()) and time.monotonic() < end:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        count = max(count, len(alive))
        time.sleep(0.02)
    return count


class Family:
    """with Family() as family: ... ; family.within(seconds) is a time limit for what runs inside."""

    def __enter__(self):
        adopt_orphans()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="authd-bench-"))
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.folder)
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._too_long)
        return self

    def __exit__(self, *_):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.alarm(0)
        kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _stop(number, _frame):
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        kill_all()  # first: who is waited for on the way out has ended
        raise Stopped(number)

    def _too_long(self, *_):
        kill_all()
        raise TooLong(self.limit_s)

    @contextlib.contextmanager
    def within(self, seconds):
        self.limit_s = seconds
        signal.alarm(seconds)
        try:
            yield
        finally:
            signal.alarm(0)
