"""
As much of systemd as a service with Type=notify sees: its notify socket, the store of descriptors, activation, and
who its main process is. So that tests and benchmarks need not be under PID 1.
"""
import array
import ctypes
import fcntl
import os
import signal
import socket
import struct
import threading
import time

WAIT_S = 60
PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One that we have started, or that became ours when its parent ended: what subprocess.Popen has."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:  # still somebody else's
                if not os.path.exists(f"/proc/{self.pid}"):
                    self.returncode = -1
        return self.returncode

    def wait(self, timeout=WAIT_S):
        end = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < end, f"process {self.pid} does not end"
            time.sleep(0.002)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def adopt_orphans():
    """Processes whose parent ends become our children, as they would become PID 1's."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def same_socket(a, b):
    return os.fstat(a).st_ino == os.fstat(b).st_ino


class Manager:
    """with Manager(folder) as manager: process = manager.start([program, ...], log=path)"""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.store = []  # (name, descriptor)
        self.units = []  # of .socket units: the same
        self.messages, self.refused = [], []
        self.main = None
        self.ready = 0
        self.changed = threading.Condition()
        adopt_orphans()
        threading.Thread(target=self._hear, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.forget()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def forget(self):
        with self.changed:
            for _, fd in self.store:
                os.close(fd)
            self.store = []

    # --- what it is told ---

    def _hear(self):
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4 * 253) + socket.CMSG_SPACE(12))
            except OSError:
                return
            if not data:
                return
            fds, pid = array.array("i"), None
            for level, kind, value in ancillary:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(value)
                elif kind == socket.SCM_CREDENTIALS:
                    pid = struct.unpack("3i", value)[0]
            with self.changed:
                self._take(dict(line.split("=", 1) for line in data.decode().split("\n") if line), list(fds), pid)
                self.changed.notify_all()

    def _take(self, message, fds, pid):
        if "BARRIER" not in message and self.main and pid != self.main.pid:  # NotifyAccess=main
            self.refused.append((pid, message))
        elif "FDSTORE" in message:
            for fd in fds:
                if not any(same_socket(fd, kept) for _, kept in self.store):
                    self.store.append((message["FDNAME"], os.dup(fd)))
        elif "FDSTOREREMOVE" in message:
            for row in [row for row in self.store if row[0] == message["FDNAME"]]:
                os.close(row[1])
                self.store.remove(row)
        else:
            self.messages.append(message)
            if "MAINPID" in message:
                self.main = Process(int(message["MAINPID"]))
            self.ready += "READY" in message
        for fd in fds:
            os.close(fd)

    def until(self, condition, what):
        end = time.monotonic() + WAIT_S
        with self.changed:
            while not condition():
                assert time.monotonic() < end, f"{what}\n{self.messages[-5:]}\n{self.refused[-5:]}"
                self.changed.wait(0.05)  # a process that has ended sends no message

    def names(self):
        with self.changed:
            return sorted(name for name, _ in self.store)

    # --- what it does ---

    def start(self, argv, log, env=None, wait=True):
        """Runs the main process with the descriptors that it is to have, until it is ready."""
        with self.changed:
            given = [*self.units, *self.store]
            argv = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *map(str, argv)]
            env = {**os.environ, "NOTIFY_SOCKET": self.path, **(env or {})}
            if given:
                env |= {"LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": ":".join(name for name, _ in given)}
            else:
                argv[2] = 'exec "$@"'
            output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            # None of them is where another one goes.
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3 + len(given)) for _, fd in given]
            actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
            actions += [(os.POSIX_SPAWN_DUP2, fd, 3 + i) for i, fd in enumerate(high)]
            before = self.ready
            self.main = Process(os.posix_spawn(argv[0], argv, env, file_actions=actions))
            for fd in [output, *high]:
                os.close(fd)
        if wait:
            self.until(lambda: self.ready > before or self.main.poll() is not None, "the service is not ready")
            assert self.main.poll() is None, log.read_text()
        return self.main

    def end(self):
        """SIGTERM, as at a restart: what is in the store stays."""
        main = self.main
        main.send_signal(signal.SIGTERM)
        code = main.wait()
        self.main = None
        return code
