"""
Does time tell who exists? Logins with a wrong password, registrations where existing addresses are hidden, and forgotten
passwords: for addresses that have an account and for such that have none, one at a time, in random order, each address
once. What counts is how well one answer's time tells the two apart (Cliff's delta from the Mann-Whitney statistic): 0 is
a coin, 1 is certainty. At cost 4, the least: the hash would drown what there is to see.
"""
import math
import random
import time

from client import PASSWORD, Client
from measure import median
from systems.authd import BASE, Authd

NEVER_LOCKED = {"lockout__free": 1000, "password__cost": 4, "accounts__hide_existing": "yes", "accounts__verify_email": "yes"}


def ranks(values):
    """The rank of each value, from 1; equal ones share theirs. And the correction for ties of the variance."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result, ties, at = [0.0] * len(values), 0, 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for i in order[at:end]:
            result[i] = (at + 1 + end) / 2
        ties += (end - at) ** 3 - (end - at)
        at = end
    return result, ties


def mann_whitney(a, b):
    """Cliff's delta of a above b, and the two-sided p of the normal approximation."""
    n, m = len(a), len(b)
    ranked, ties = ranks(a + b)
    u = sum(ranked[:n]) - n * (n + 1) / 2
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    z = (u - n * m / 2) / math.sqrt(variance) if variance else 0.0
    return 2 * u / (n * m) - 1, math.erfc(abs(z) / math.sqrt(2))


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
