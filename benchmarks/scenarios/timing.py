"""
Does time tell who exists? Logins with a wrong password, registrations where existing addresses are hidden, and forgotten
passwords: for addresses that have an account and for such that have none, one at a time, in random order, each address
once. What counts is how well one answer's time tells the two apart (Cliff's delta from the Mann-Whitney statistic): 0 is
a coin, 1 is certainty. At cost 4, the least: the hash would drown what there is to see.
"""
import random
import time

from client import PASSWORD, Client
from measure import median
from stats import mann_whitney
from systems.authd import BASE, Authd

NEVER_LOCKED = {"lockout__free": 1000, "password__cost": 4, "accounts__hide_existing": "yes", "accounts__verify_email": "yes"}


def timed(client, path, body, status):
    start = time.perf_counter_ns()
    answered, text = client.call("POST", BASE + path, body)
    took_us = (time.perf_counter_ns() - start) / 1000
    if answered != status:
        raise RuntimeError(f"{path}: {answered} {text[:200]}")
    return took_us


def compare(bench, system, name, known, unknown, ask):
    """ask(client, address) gives a time."""
    client = Client(system)
    addresses = [(address, True) for address in known] + [(address, False) for address in unknown]
    random.Random(1).shuffle(addresses)
    times = {True: [], False: []}
    for address, is_known in addresses:
        times[is_known].append(ask(client, address))
    delta, p = mann_whitney(times[True], times[False])
    bench.detail(name, {"known_us": times[True], "unknown_us": times[False], "delta": delta, "p": p})
    bench.number(name, abs(delta))
    return [name.removeprefix("timing_"), median(times[True]), median(times[False]), delta, p]


def run(bench):
    count = bench.pick(500, 150)
    rows = []
    with Authd(**NEVER_LOCKED) as authd:
        client = Client(authd)
        known = [f"known{i}@example.org" for i in range(3 * count)]
        for address in known:
            timed(client, "/register", {"email": address, "password": PASSWORD}, 202)
        unknown = [f"other{i}@example.org" for i in range(3 * count)]
        asks = (
            ("timing_login", lambda c, a: timed(c, "/login", {"email": a, "password": "not the right one"}, 401)),
            ("timing_forgot", lambda c, a: timed(c, "/password/forgot", {"email": a}, 202)),
            # Last, because it makes known what was not.
            ("timing_register", lambda c, a: timed(c, "/register", {"email": a, "password": PASSWORD}, 202)),
        )
        time.sleep(bench.pick(5, 2))  # the mails of the registrations are written meanwhile
        for i, (name, ask) in enumerate(asks):
            part = slice(i * count, (i + 1) * count)
            rows.append(compare(bench, authd, name, known[part], unknown[part], ask))
    bench.table(f"Answers in us, {count} known and {count} unknown addresses", ["", "known", "unknown", "delta", "p"], rows)
