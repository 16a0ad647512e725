"""Ports for daemons of tests: those of nobody else as long as the test runs, also while a daemon is away."""
import fcntl
import functools
import os
import pathlib
import random
import socket
import tempfile

FIRST, LAST = 10000, 65535
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")


@functools.cache
def _locks():
    """A byte for each port, locked by the process that has it; the end of the process ends that."""
    path = pathlib.Path(tempfile.gettempdir()) / f"authd-ports-{os.getuid()}"
    return open(path, "ab")  # never closed: that would end the locks


@functools.cache
def _ports():
    """Those that the kernel gives to nobody who connects somewhere; each is taken once, whatever becomes of it."""
    low, high = map(int, RANGE.read_text().split())
    ports = [port for port in range(FIRST, LAST + 1) if not low <= port <= high]
    random.shuffle(ports)
    return ports


def _is_ours(port):
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("", port))  # by whatever address somebody has it
        except OSError:
            return False
    return True


def free_port():
    """
    A port that nobody listens on and nobody else will be given: not by the kernel, which gives one of its own range to
    any outgoing connection (and then a daemon that is restarted finds its port taken), and not by this function in
    another process, as long as this one lives.
    """
    while _ports():
        port = _ports().pop()
        if _is_ours(port) and _is_free(port):
            return port
    raise AssertionError("no port is left")
