"""
The loads of the comparison, for any System with routes: closed loops that find what it can do, logins offered at many
times that, and a mixed day. Each gives one dict of plain numbers beside what load/ saw.
"""
import time

from generator import run_load
from measure import cpu_s, rss_mb, rss_peak_mb, rss_peak_reset

CLIENT_PATIENCE_S = 1  # longer than the server may take, so that only a broken promise is a time-out
CONNECTIONS = 24  # of a closed loop: enough to keep every lane of two hashing threads busy
OUTSTANDING_MAX = 8000
PROBES_PER_S = 20

# Of 100 requests of a mixed day: every tenth hashes a password.
DAY = {"verify": 60, "me": 20, "refresh": 10, "login": 8, "register": 2}


def restart(system):
    """Killed, as by a supervisor, and started: milliseconds from exec to the first 200."""
    if system.process and system.process.poll() is None:
        system.kill()
    began = time.monotonic()
    system.spawn()
    return (system.wait() - began) * 1000


def stream(system, name, accounts, prefix, **kind):
    made = system.routes[name].stream(name, system.folder, accounts, prefix, **kind)
    # Equal logins under way may share a hash, which would flatter whoever does that.
    if name == "login" and system.is_sharing_hashes:
        made["exclusive"] = True
    return made


def closed(system, name, accounts, prefix, seconds):
    """One route, as often as it goes; the CPU time is that of everything sent."""
    before, store_before = cpu_s(system.pids()), cpu_s(system.store_pids())
    seen = run_load(system.target, [stream(system, name, accounts, prefix, kind="closed", connections=CONNECTIONS,
                                           timeout=60)], seconds)[name]
    sent = max(seen["sent"], 1)
    return {"per_s": seen["goodput"], "ok_share": seen["outcomes"]["ok"] / sent, "sent": seen["sent"],
            "cpu_us": (cpu_s(system.pids()) - before) / sent * 1e6,
            "store_us": (cpu_s(system.store_pids()) - store_before) / sent * 1e6,
            "p50_ms": seen["latency_ms"]["all"]["p50"], "p99_ms": seen["latency_ms"]["all"]["p99"]}


def shares(streams, limit_s):
    """
    Of everything that was due: the share with a 2xx, and the share of time-outs. A time-out is no answer within the
    client's limit, and also an error that came only when the server's own (limit_s) was over: the user waited as long.
    """
    due = ok = late = 0
    for seen in streams:
        due += seen["sent"] + seen["unsent"]
        ok += seen["outcomes"]["ok"]
        late += sum(seen["outcomes"][how] for how in ("timeout", "unconnected", "broken"))
        late += sum(count for last_ns, count in seen["latency_ms"]["refused"]["buckets"]
                    if last_ns >= 0.95 * limit_s * 1e9)
    return {"due": due, "success": ok / max(due, 1), "timeouts": late / max(due, 1)}


def offered_logins(system, accounts, rate, seconds, limit_s):
    """Logins at a rate, whatever becomes of them, with a few probes of /verify beside them."""
    rss_peak_reset(system.pids())
    patience = {"kind": "open", "timeout": limit_s + CLIENT_PATIENCE_S}
    seen = run_load(system.target, [
        stream(system, "login", accounts, "", rate=rate, outstanding_max=OUTSTANDING_MAX, **patience),
        stream(system, "verify", accounts, "", rate=PROBES_PER_S, **patience)], seconds, urgent=True)
    login = seen["login"]
    return {"rate": rate, "goodput": login["goodput"], "unsent": login["unsent"], **shares([login], limit_s),
            "ok_p50_ms": login["latency_ms"]["ok"]["p50"], "all_p99_ms": login["latency_ms"]["all"]["p99"],
            "verify_p99_ms": seen["verify"]["latency_ms"]["all"]["p99"], "verify_success": shares([seen["verify"]], limit_s)["success"],
            "rss_peak_mb": rss_peak_mb(system.pids()), "streams": seen}


def day(system, accounts, per_s, seconds, warmup, prefix, limit_s):
    """A mixed day of so many requests a second."""
    rss_peak_reset(system.pids())
    seen = run_load(system.target, [
        stream(system, name, accounts, prefix, kind="open", rate=per_s * share / 100, timeout=limit_s + CLIENT_PATIENCE_S,
               outstanding_max=OUTSTANDING_MAX // 5)
        for name, share in DAY.items()], seconds, warmup, urgent=True)
    return {"per_s": per_s, **shares(seen.values(), limit_s),
            "p99_ms": {name: s["latency_ms"]["all"]["p99"] for name, s in seen.items()},
            "rss_peak_mb": rss_peak_mb(system.pids()), "rss_after_mb": rss_mb(system.pids()), "streams": seen}
