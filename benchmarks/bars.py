"""The numbers that authd is to reach: what each is, the bar, the ambition. One table; scenarios measure rows of it."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Bar:
    what: str
    unit: str
    bar: float
    ambition: float
    more_is_better: bool = False

    def verdict(self, value):
        def reaches(limit):
            return value >= limit if self.more_is_better else value <= limit
        return "PASS, ambition too" if reaches(self.ambition) else "PASS" if reaches(self.bar) else "FAIL"


BARS = {
    "verify_cpu": Bar("/verify CPU per request / nginx `return 200`", "x", 1.0, 0.8),
    "verify_cpu_pipelined": Bar("/verify CPU / nginx `return 200`, 16 requests at a time", "x", 1.0, 0.8),
    "observe_cpu": Bar("/verify CPU, metrics and traces on / all off", "x", 1.05, 1.02),
    "observe_instructions": Bar("instructions of a /verify, metrics and traces on / all off", "x", 1.04, 1.02),
    "scrape": Bar("CPU time of a scrape of /metrics, 2,000 series, 1,000 connections", "ms", 5, 2),
    "scrape_memory": Bar("the same when memory is looked at, every ten seconds", "ms", 5, 3),
    "hashes": Bar("hashes per CPU second / libxcrypt, many logins", "x", 2.5, 3.5, more_is_better=True),
    "lone_login": Bar("lone login latency / one libxcrypt hash", "x", 1.05, 1.0),
    "goodput": Bar("goodput at 20x offered logins / at peak", "x", 0.95, 0.99, more_is_better=True),
    "timeouts": Bar("logins without an answer, at any load", "", 0, 0),
    "verify_p99": Bar("/verify p99 under 20x logins / idle", "x", 3.0, 1.5),
    "health_p99": Bar("/health p99 under 20x logins / idle", "x", 3.0, 1.5),
    "hostile_p99": Bar("/health p99 under hostile clients / idle", "x", 3.0, 1.5),
    "hostile_errors": Bar("/health without 200 under hostile clients", "", 0, 0),
    "hostile_rss": Bar("RSS kept after hostile clients left", "MB", 8, 2),
    "rss_overload": Bar("RSS peak under overload and hostile clients", "MB", 64, 48),
    "rss_idle": Bar("RSS idle", "MB", 15, 8),
    "rss_connections": Bar("RSS with 10,000 idle connections", "MB", 30, 16),
    "rss_load": Bar("RSS peak with them and mixed load", "MB", 64, 48),
    "start": Bar("start to first 200, existing store", "ms", 50, 20),
    "start_fresh": Bar("start to first 200, new store", "ms", 50, 20),
    "ctl_status": Bar("authctl status, from exec to its end", "ms", 10, 5),
    "upgrade_failed": Bar("requests without 200 while `authctl upgrade` goes on", "", 0, 0),
    "restart_failed": Bar("requests without 200 while a service manager restarts it", "", 0, 0),
    "timing_login": Bar("how well a login's time tells who exists: 0 not, 1 surely", "", 0.15, 0.1),
    "timing_forgot": Bar("how well a forgotten password's time tells who exists", "", 0.15, 0.1),
    "timing_register": Bar("how well a hidden registration's time tells who exists", "", 0.15, 0.1),
    "plan_login": Bar("CPU of a login, Express after its plan / authd", "x", 2.0, 3.5, more_is_better=True),
    "plan_verify": Bar("CPU of a /verify, Express after its plan / authd", "x", 20, 100, more_is_better=True),
    "plan_verify_per_s": Bar("/verify answered per second, authd / Express after its plan", "x", 20, 40, more_is_better=True),
    "plan_rss": Bar("RSS peak at 20x logins, Express after its plan / authd", "x", 3, 5, more_is_better=True),
    "day_success": Bar("2xx of a mixed day of 100 requests a second", "", 0.95, 0.999, more_is_better=True),
    "day_timeouts": Bar("time-outs of a mixed day of 100 requests a second", "", 0.05, 0),
    "store_find_cpu": Bar("CPU of a look-up in MongoDB / a plain loop of libmongoc", "x", 1.75, 1.25),
    "store_login_cpu": Bar("CPU of a login's four commands in MongoDB / the plain loop's two", "x", 3.0, 2.0),
    "store_mongoose_cpu": Bar("CPU of a look-up in MongoDB / mongoose", "x", 0.2, 0.1),
    "lost_writes": Bar("acknowledged writes lost after kill -9", "", 0, 0),
}
