"""
kill -9 while clients register, refresh and log out; after each restart everything that was acknowledged must be true.
This tests what the daemon promises when its process dies. That a power cut loses nothing rests on SQLite's
synchronous=FULL and on the disk, and cannot be tried with a signal.
"""
import http.client
import random
import threading
import time

from client import Client, Refused, in_parallel
from systems.authd import Authd

WRITERS = 4
LATE_CHECKS = 2000  # accounts of any round that are looked at once more at the end


class Writer(threading.Thread):
    """Remembers what it was told was done. What was asked when the daemon died may be done or not."""

    def __init__(self, authd, name):
        super().__init__(daemon=True)
        self.client, self.email = Client(authd), f"{name}-{{}}@example.org"
        self.accounts, self.live, self.ended = [], [], []

    def write(self, number):
        email = self.email.format(number)
        grant = self.client.register(email)
        self.accounts.append(email)
        grant = self.client.refresh(grant["refresh_token"])
        if number % 2:
            self.live.append(grant["access_token"])
        elif self.client.logout(grant["access_token"]):
            self.ended.append(grant["access_token"])

    def run(self):
        number = 0
        try:
            while True:  # until it is killed
                self.write(number)
                number += 1
        except (OSError, http.client.HTTPException, ValueError):
            pass


def logs_in(client, email):
    try:
        return bool(client.login(email))
    except Refused:
        return False


def lost_of(authd, writers):
    """What is not as it was acknowledged."""
    def check(client, item):
        kind, what = item
        if kind == "account":
            return logs_in(client, what)
        return client.verify(what) == (204 if kind == "live" else 401)

    items = [item for w in writers for item in
             [*(("account", a) for a in w.accounts), *(("live", t) for t in w.live), *(("ended", t) for t in w.ended)]]
    return [item for item, holds in zip(items, in_parallel(authd, check, items, WRITERS)) if not holds], len(items)


def run(bench):
    kills, seed = bench.pick(1000, 20), 1
    pause, lost, acknowledged, accounts = random.Random(seed), [], 0, []
    began = time.monotonic()
    with Authd(password__cost=4) as authd:
        for number in range(kills):
            writers = [Writer(authd, f"kill{number}-{i}") for i in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(pause.uniform(0.02, 0.25))
            authd.kill()
            for writer in writers:
                writer.join()
            authd.start()
            wrong, count = lost_of(authd, writers)
            lost += wrong
            acknowledged += count
            accounts += [email for w in writers for email in w.accounts]
            if number and number % 100 == 0:
                bench.say(f"  {number} kills, {acknowledged} acknowledged writes, {len(lost)} lost")
        late = pause.sample(accounts, min(LATE_CHECKS, len(accounts)))
        lost += [("account", email) for email, found in zip(late, in_parallel(authd, logs_in, late)) if not found]
    if acknowledged < kills:
        raise RuntimeError(f"only {acknowledged} writes were acknowledged in {kills} rounds: nothing was tested")
    bench.table(f"kill -9, {WRITERS} writers, {time.monotonic() - began:.0f} s", ["kills", "acknowledged writes", "lost"],
                [[str(kills), str(acknowledged), str(len(lost))]])
    bench.detail("durability", {"kills": kills, "acknowledged": acknowledged, "lost": lost[:100], "seed": seed})
    bench.number("lost_writes", len(lost))
