"""libxcrypt's bcrypt alone: what one CPU does without authd. As a program: python3 libxcrypt.py COST SECONDS."""
import ctypes
import ctypes.util
import subprocess
import sys
import time

HASH = b"$2b$%02d$abcdefghijklmnopqrstuu"


def library():
    crypt = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
    crypt.restype, crypt.argtypes = ctypes.c_char_p, [ctypes.c_char_p, ctypes.c_char_p]
    return crypt


def hash_once(crypt, cost):
    setting = HASH % cost
    hashed = crypt(b"correct horse battery", setting)
    if not hashed or not hashed.startswith(setting[:-1]):
        raise RuntimeError("libxcrypt cannot make a bcrypt hash")


def lone_ms(crypt, cost):
    began = time.monotonic()
    hash_once(crypt, cost)
    return (time.monotonic() - began) * 1000


def on_every_cpu(cost, seconds, cpus):
    """As many processes as CPUs at the same time: (hashes per second of all, hashes per CPU second)."""
    runs = [subprocess.Popen([sys.executable, __file__, str(cost), str(seconds)], stdout=subprocess.PIPE, text=True)
            for _ in range(cpus)]
    seen = [[float(word) for word in run.communicate()[0].split()] for run in runs]
    return sum(hashes / elapsed for hashes, elapsed, _ in seen), sum(s[0] for s in seen) / sum(s[2] for s in seen)


def main():
    crypt, cost, seconds = library(), int(sys.argv[1]), float(sys.argv[2])
    hashes, began, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() < began + seconds:
        hash_once(crypt, cost)
        hashes += 1
    print(hashes, time.monotonic() - began, time.process_time() - cpu)


if __name__ == "__main__":
    main()
