"""Moving a store to another one, and back: nothing is lost, tokens go on, and interruptions do no harm."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mongo_nodes import secantus  # noqa: E402
from test_mongo import mongo  # noqa: E402

ACCOUNTS = 70  # more than are read at a time


@pytest.fixture(scope="module")
def source():
    """A stopped daemon with accounts, sessions, used tokens and failures; and what its clients hold."""
    authd = Authd({"limits.enabled": "no"})
    authd.start()
    client, grants = Client(authd.port), []
    for number in range(ACCOUNTS):
        grant = client.register(f"User{number}@example.org", name=f"Nr {number} \u00e9\U0001f600")
        refreshed = client.post("/refresh", {"refresh_token": grant["refresh_token"]})
        grants.append(refreshed.json["data"])
    client.post("/login", {"email": "user0@example.org", "password": "wrong password"})
    authd.stop()
    authd.grants = grants
    yield authd
    authd.__exit__()


def authd(daemon, *words):
    return subprocess.run([BUILD / "authd", "-c", daemon.conf, *map(str, words)], capture_output=True, text=True, timeout=120)


def export(daemon, path):
    done = authd(daemon, "--export", path)
    assert done.returncode == 0, done.stderr
    return path.read_bytes()


def test_an_export_has_everything_and_belongs_to_its_owner(source, tmp_path):
    text = export(source, tmp_path / "all")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["type"] for line in lines[:1] + lines[-1:]] == ["authd", "end"]
    assert lines[-1]["accounts"] == ACCOUNTS and lines[-1]["sessions"] == ACCOUNTS and lines[-1]["keys"] == 1
    assert sum(line["type"] == "account" for line in lines) == ACCOUNTS
    assert all(len(line["tokens"]) == 2 for line in lines if line["type"] == "session")
    assert [line["attempts"] for line in lines if line.get("email_key") == "user0@example.org"] == [1]
    assert os.stat(tmp_path / "all").st_mode & 0o777 == 0o600
    again = authd(source, "--export", tmp_path / "all")
    assert again.returncode == 1 and "whole export already" in again.stderr


@pytest.fixture(params=["sqlite", "mongodb"])
def target(request, secantus):
    config = {"limits.enabled": "no"}
    if request.param == "mongodb":
        config |= {"store.backend": "mongodb", "store.uri": f"{secantus.uri}/move{os.urandom(4).hex()}"}
    daemon = Authd(config)
    yield daemon
    daemon.__exit__()


def test_what_was_moved_makes_the_same_export_and_every_token_goes_on(source, target, tmp_path):
    text = export(source, tmp_path / "from")
    done = authd(target, "--import", tmp_path / "from")
    assert done.returncode == 0, done.stderr
    assert f"imported {2 * ACCOUNTS + 1} records; 0 were there" in done.stdout
    assert export(target, tmp_path / "to") == text
    done = authd(target, "--import", tmp_path / "from")
    assert done.returncode == 0 and f"imported 0 records; {2 * ACCOUNTS + 1} were there" in done.stdout
    target.start()
    client = Client(target.port)
    for grant in source.grants[:10]:
        assert client.verify(grant["access_token"]).status == 204
        assert client.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 200
    assert client.post("/login", {"email": "USER3@example.org", "password": PASSWORD}).status == 200
    target.stop()


def test_a_move_from_mongodb_back_to_sqlite_loses_nothing(source, secantus, tmp_path):
    text = export(source, tmp_path / "from")
    uri = f"{secantus.uri}/back{os.urandom(4).hex()}"
    there, back = Authd({"store.backend": "mongodb", "store.uri": uri}), Authd()
    assert authd(there, "--import", tmp_path / "from").returncode == 0
    export(there, tmp_path / "there")
    assert authd(back, "--import", tmp_path / "there").returncode == 0
    assert export(back, tmp_path / "back") == text
    for daemon in (there, back):
        daemon.__exit__()


def test_ids_of_every_kind_are_exported_once(secantus, source, tmp_path):
    database = f"kinds{os.urandom(4).hex()}"
    daemon = Authd({"store.backend": "mongodb", "store.uri": f"{secantus.uri}/{database}"})
    export(source, tmp_path / "whole")
    assert authd(daemon, "--import", tmp_path / "whole").returncode == 0
    mongo(secantus, f"c.{database}.users.insert_many([{{'email': f'old{{n}}@example.org'}} for n in range(150)])")
    lines = [json.loads(line) for line in export(daemon, tmp_path / "all").splitlines()]
    ids = [line["id"] for line in lines if line["type"] == "account"]
    assert len(ids) == len(set(ids)) == ACCOUNTS + 150
    daemon.__exit__()


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.95, 0.999])
def test_an_export_that_was_interrupted_goes_on(source, tmp_path, share):
    text = export(source, tmp_path / "whole")
    part = tmp_path / "part"
    part.write_bytes(text[:int(len(text) * share)])
    assert export(source, part) == text


def test_an_import_that_was_interrupted_goes_on(source, tmp_path):
    text = export(source, tmp_path / "whole")
    (tmp_path / "part").write_bytes(text[:len(text) // 2])
    target = Authd()
    done = authd(target, "--import", tmp_path / "part")
    assert done.returncode == 1 and "cut off" in done.stderr
    done = authd(target, "--import", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    assert export(target, tmp_path / "copy") == text
    target.__exit__()


@pytest.mark.parametrize("change, says", [
    (lambda lines: lines[:5] + lines[6:], "lines are missing"),
    (lambda lines: [line.replace(b"Nr 3 ", b"Nr X ") for line in lines], "was changed"),
    (lambda lines: lines[:2] + [b"{}"] + lines[2:], ":3: is no line"),
    (lambda lines: lines[:2] + [b'{"type":"account","id":"' + b"x" * 70 + b'"}'] + lines[2:], ":3: is no line"),
    (lambda lines: lines[:2] + [b"x" * 100000] + lines[2:], "no line of ours is so long"),
    (lambda lines: [b'{"type":"authd","version":2}'] + lines[1:], ":1: is no line"),
])
def test_a_file_that_is_not_what_was_exported_is_told(source, tmp_path, change, says):
    lines = export(source, tmp_path / "whole").splitlines()
    (tmp_path / "bad").write_bytes(b"\n".join(change(lines)) + b"\n")
    target = Authd()
    done = authd(target, "--import", tmp_path / "bad")
    target.__exit__()
    assert done.returncode == 1 and says in done.stderr, done.stderr


def test_a_store_that_has_a_key_keeps_it_and_verifies_by_the_other(source, tmp_path):
    export(source, tmp_path / "whole")
    with Authd({"limits.enabled": "no"}) as target:
        own = Client(target.port).register("own@example.org")
        target.stop()
        assert authd(target, "--import", tmp_path / "whole").returncode == 0
        target.start()
        client = Client(target.port)
        assert client.verify(own["access_token"]).status == 204
        assert client.verify(source.grants[0]["access_token"]).status == 204
        assert len(client.get("/.well-known/jwks.json").json["keys"]) == 2
