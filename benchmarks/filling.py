"""
A store with many accounts: made by authd's own import (server/offline/transfer.h has the lines), or faster by copies of
those that are there, behind the back of a daemon that is stopped.
"""
import base64
import hashlib
import json
import random
import sqlite3
import subprocess
import uuid

from generator import ROOT

SPREAD = 0x9E3779B97F4A7C15  # odd: a permutation of 64 bits, so that addresses come in no order


def address(number):
    return f"{number * SPREAD % 2**64:016x}@example.org"


def new_id(chance):
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


class Lines:
    """Writes lines as an export does, with the running digest that its last one has."""

    def __init__(self, out):
        self.out, self.digest = out, bytes(32)

    def put(self, line):
        self.out.write(line + "\n")
        self.digest = hashlib.sha256(self.digest + line.encode()).digest()

    def end(self, accounts):
        digest = base64.urlsafe_b64encode(self.digest).decode().rstrip("=")
        self.out.write(json.dumps({"type": "end", "accounts": accounts, "sessions": 0, "keys": 0, "sha256": digest}) + "\n")


def accounts_import(authd, count):
    """
    Adds accounts, address(0) and so on, to the store of a daemon that is stopped. Each has the password of one that is
    there, drawn by lot: there should be hundreds, because logins under way with the same hash share it.
    """
    exported, many = authd.folder / "exported", authd.folder / "many"
    subprocess.run([*authd.command(), "--export", exported], check=True, capture_output=True)
    head, *rest = exported.read_text().splitlines()
    models = [record for record in map(json.loads, rest) if record["type"] == "account"]
    chance = random.Random(1)
    with open(many, "w") as out:
        lines = Lines(out)
        lines.put(head)
        for number in range(count):
            account = chance.choice(models)
            account["id"] = new_id(chance)
            account["email"] = account["email_key"] = address(number)
            lines.put(json.dumps(account, separators=(",", ":")))
        lines.end(count)
    done = subprocess.run([*authd.command(), "--import", many], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"import: {done.stdout}{done.stderr}")
    exported.unlink()
    many.unlink()


def accounts_copy(authd, count):
    """The same without an import: a million in half a minute."""
    chance = random.Random(1)
    if not authd.store_pids():
        with sqlite3.connect(authd.folder / "authd.db") as db:
            db.execute("PRAGMA cache_size = -500000")
            columns = [row[1] for row in db.execute("PRAGMA table_info(accounts)")]
            models = db.execute("SELECT * FROM accounts").fetchall()
            rows = [(new_id(chance), number) for number in range(count)]
            rows.sort()  # as the table is kept
            db.executemany(f"INSERT INTO accounts VALUES ({', '.join('?' * len(columns))})",
                           (_row(columns, chance.choice(models), *row) for row in rows))
        db.close()
        return
    program = [ROOT / "build/venv/bin/python", ROOT / "benchmarks/filling_mongo.py", authd.options["store.uri"], str(count)]
    done = subprocess.run(program, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"filling: {done.stderr[-500:]}")


def _row(columns, model, identity, number):
    changed = {"id": identity, "email": address(number), "email_key": address(number)}
    return [changed.get(column, value) for column, value in zip(columns, model)]
