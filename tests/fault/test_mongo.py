"""The store in MongoDB: the suite of every backend, nodes that share a cluster, adopted users, and lines that break."""
import concurrent.futures
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from conftest import PASSWORD, Client  # noqa: E402
from mongo import BUILD as SERVERS, Java, Proxy, Secantus  # noqa: E402
from mongo_nodes import fresh, node, secantus, server  # noqa: E402
from mongo_shapes import Shapes  # noqa: E402
from mongo_wire import Commands  # noqa: E402
from replicas import Replicas  # noqa: E402
from test_kill import Writer  # noqa: E402
from test_store import is_healthy, until  # noqa: E402

LOGIN = {"email": "a@example.org", "password": PASSWORD}
FAST = {"store.connect_timeout": "1s", "store.op_timeout": "2s", "store.select_timeout": "1s"}


# --- the suites in C ---

SUITES = ["mongodb", "admin-mongodb", "only-mongodb", "mails-mongodb"]
heard = Shapes()  # by the first of them on a server that explains


def suite_passes(suite, uri, **environment):
    done = subprocess.run([BUILD / "tests" / f"suite-store-{suite}"], env={**os.environ, "AUTHD_TEST_MONGODB": uri, **environment},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "[  PASSED  ]" in done.stdout + done.stderr


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_of_the_store_passes(server, suite):
    if isinstance(server, Java):
        suite_passes(suite, server.uri, AUTHD_TEST_PARTIAL="1")
        return
    with Replicas(server.port, members=1) as line:
        line.hook = heard
        suite_passes(suite, f"mongodb://{line.members[0].name}")


def test_every_way_in_which_the_suites_look_for_documents_is_explained(secantus):
    if len(heard.asked) < 20:
        pytest.skip("the suites have not run before")
    with Replicas(secantus.port, members=1) as line, node(f"mongodb://{line.members[0].name}") as authd:
        line.hook = heard
        assert authd.ctl("db", "explain").returncode in (0, 6)
    assert heard.asked <= heard.explained, heard.asked - heard.explained


# --- the daemon ---

def test_accounts_sessions_and_tokens_are_served_and_survive_a_restart(server):
    with node(server.uri) as authd:
        client = Client(authd.port)
        grant = client.register("a@example.org", name="Ann")
        assert client.post("/register", LOGIN).status == 409
        assert client.post("/login", {**LOGIN, "email": "A@EXAMPLE.org"}).status == 200
        assert client.post("/login", {**LOGIN, "password": "wrong password"}).status == 401
        refreshed = client.post("/refresh", {"refresh_token": grant["refresh_token"]})
        assert refreshed.status == 200
        token = refreshed.json["data"]["access_token"]
        authd.stop()
        authd.start()
        assert client.verify(token).status == 204
        me = client.get("/v1/auth/me", token=token)
        assert me.status == 200 and me.json["data"]["user"]["name"] == "Ann"
        assert client.post("/logout", token=token).status == 204
        assert client.verify(token).status == 401


def test_a_start_does_not_wait_for_an_event_that_need_not_come(secantus):
    """Whether there are change streams is tried by opening one, in which nothing happens."""
    asked = []
    with Replicas(secantus.port, members=1) as line:
        line.hook = lambda _member, message: asked.append(message.command)
        with node(f"mongodb://{line.members[0].name}"):
            pass
    waits = [command["maxTimeMS"] for command in asked if "getMore" in command]
    assert waits and waits[0] <= 10


def within_a_second(condition):
    end = time.monotonic() + 1
    while not condition():
        assert time.monotonic() < end, "not within a second"
        time.sleep(0.02)


def refuses(client, grant):
    """On every core: connections go to either."""
    return all(client.verify(grant["access_token"]).status in (401, 403) for _ in range(10))


def test_what_one_node_revokes_every_node_refuses_within_a_second(server):
    database = fresh("shared")
    with node(server.uri, database) as first, node(server.uri, database) as second:
        here, there = Client(first.port), Client(second.port)
        grants = [here.register("a@example.org")]
        grants += [here.post("/login", LOGIN).json["data"] for _ in range(2)]
        # One key signs for both; and every core of the other node has them in its cache now.
        for _ in range(20):
            for grant in grants:
                assert there.verify(grant["access_token"]).status == 204
        assert here.post("/logout", token=grants[0]["access_token"]).status == 204
        within_a_second(lambda: refuses(there, grants[0]))
        assert there.verify(grants[1]["access_token"]).status == 204
        assert here.post("/logout-all", token=grants[1]["access_token"]).status == 204
        within_a_second(lambda: refuses(there, grants[2]))


def test_nodes_that_start_at_a_time_agree_on_one_key(server):
    database = fresh("keys")
    first, second = node(server.uri, database), node(server.uri, database)
    processes = [subprocess.Popen([BUILD / "authd", "-c", n.conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                 for n in (first, second)]
    try:
        clients = [Client(n.port) for n in (first, second)]
        sets = []
        for client in clients:
            until(lambda: answers(client), 30)
            sets.append(client.get("/.well-known/jwks.json").json)
        assert sets[0] == sets[1] and len(sets[0]["keys"]) == 1
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(timeout=30) == 0
        first.__exit__()
        second.__exit__()


def answers(client):
    try:
        return client.get("/health/live").status == 200
    except OSError:
        return False


# --- an application's users ---

def mongo(secantus, script):
    """Runs Python with pymongo, which lives in the servers' environment."""
    program = f"import pymongo, bson, datetime, json\nc = pymongo.MongoClient({secantus.uri!r})\n{script}"
    done = subprocess.run([SERVERS / "venv/bin/python", "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_users_of_a_mongoose_application_log_in_and_keep_what_else_they_have(secantus):
    with node(secantus.uri, "donor") as donor:  # a hash of the password, made by ourselves
        Client(donor.port).register("a@example.org")
    hash_ = mongo(secantus, "print(c.donor.users.find_one()['password'])").strip()
    assert hash_.startswith("$2")
    mongo(secantus, f"""
c.adopted.users.insert_one({{'_id': bson.ObjectId('65a1b2c3d4e5f60718293a4b'), 'email': 'Bob@Example.org',
    'password': {hash_!r}, 'status': 'active', 'role': 'author', 'loginAttempts': {{'count': 0}},
    'profile': {{'shoes': 44}}, '__v': 3}})
c.adopted.users.insert_one({{'email': 'eve@example.org', 'password': {hash_!r}, 'status': 'banned'}})
c.adopted.users.create_index('email', unique=True)""")
    with node(secantus.uri, "adopted", **{"adopt.roles": "role"}) as authd:
        assert authd.logged("store.index_")  # theirs tells upper from lower case: ours is missing
        client = Client(authd.port)
        bob = {"email": "bob@example.org", "password": PASSWORD}
        for _ in range(2):
            assert client.post("/login", {**bob, "password": "wrong password"}).status == 401
        assert "2" == mongo(secantus, "print(c.adopted.users.find_one({'__v': 3})['loginAttempts']['count'])").strip()
        grant = client.post("/login", bob).json["data"]
        assert grant["user"]["id"] == "65a1b2c3d4e5f60718293a4b"
        assert grant["user"]["email"] == "Bob@Example.org" and grant["user"]["roles"] == ["author"]
        for _ in range(20):
            assert client.verify(grant["access_token"]).status == 204
        assert client.post("/login", {**bob, "email": "eve@example.org"}).status == 403
        assert client.post("/login", {**bob, "email": "nobody@example.org"}).status == 401
        after = mongo(secantus, "u = c.adopted.users.find_one({'__v': 3})\n"
                      "print(u['profile'], u['email'], u['loginAttempts']['count'], u['password'] == " + repr(hash_) + ")")
        assert after.strip() == "{'shoes': 44} Bob@Example.org 0 True"
        # The application suspends Bob behind our back.
        mongo(secantus, "c.adopted.users.update_one({'__v': 3}, {'$set': {'status': 'suspended'}})")
        within_a_second(lambda: refuses(client, grant))


def test_roles_and_ids_that_no_answer_can_carry_are_left_out(secantus):
    """A comma would make one role two, of which one may be an administrator's; a line end would end the field."""
    with node(secantus.uri, "giver_of_roles") as giver:
        Client(giver.port).register("a@example.org")
    mongo(secantus, """
hash = c.giver_of_roles.users.find_one()['password']
def add(id, roles): c.odd.users.insert_one({'_id': id, 'email': id.strip() + '@example.org', 'password': hash, 'roles': roles})
add('fine', ['clerk,admin', 'a\\nb', 'a\\x7fb', '', 'clerk', 'Café Manager', 'admin,'])
add('word', 'admin,x')
add('odd\\n', ['clerk'])""")
    done = adopt_check(f"{secantus.uri}/odd")
    assert "PROBLEM" in done.stdout and "1 have an id that is neither a line of text" in done.stdout
    assert "2 have a role with a comma" in done.stdout
    with node(secantus.uri, "odd") as authd:
        client = Client(authd.port)
        for id, roles in (("fine", ["clerk", "Café Manager"]), ("word", [])):
            grant = client.post("/login", {**LOGIN, "email": f"{id}@example.org"}).json["data"]
            assert grant["user"]["roles"] == roles
            verified = client.verify(grant["access_token"])
            assert verified.status == 204
            assert verified.headers["x-auth-roles"].encode("latin-1").decode() == ",".join(roles)
            assert client.get("/v1/admin/users", token=grant["access_token"]).status == 403
        assert client.post("/login", {**LOGIN, "email": "odd@example.org"}).status == 401


def adopt_check(uri, **config):
    daemon = Authd({"store.backend": "mongodb", "store.uri": uri, **config})
    done = subprocess.run([BUILD / "authd", "-c", daemon.conf, "--adopt-check"], capture_output=True, text=True, timeout=60)
    daemon.__exit__()
    return done


def test_an_application_that_fits_is_told_so(secantus):
    mongo(secantus, """
for n in range(120): c.fits.users.insert_one({'email': f'u{n}@example.org', 'password': '$2b$10$' + 'x' * 53})
c.fits.users.insert_one({'email': 'Capital@example.org', 'password': '$2a$10$' + 'x' * 53, 'status': 'banned'})""")
    done = adopt_check(f"{secantus.uri}/fits")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "121 accounts were read" in done.stdout and "PROBLEM" not in done.stdout
    assert "1 have capital letters in their address" in done.stdout and "Capital@example.org" in done.stdout
    assert "1 have a status that suspends them: banned" in done.stdout
    assert 'the index users.email { "email" : 1 } is missing' in done.stdout


def test_missing_indexes_are_built_on_demand_and_others_left_alone(secantus):
    mongo(secantus, """
c.late.users.insert_many([{'email': f'u{n}@example.org'} for n in range(300)])
c.late.users.create_index('email', name='loose', collation={'locale': 'en', 'strength': 2})
c.late.users.create_index('email', unique=True)
c.late.users.create_index('shoes')""")
    daemon = Authd({"store.backend": "mongodb", "store.uri": f"{secantus.uri}/late"})

    def create():
        return subprocess.run([BUILD / "authd", "-c", daemon.conf, "--create-indexes"], capture_output=True, text=True, timeout=60)
    done = create()
    assert done.returncode == 1 and "users.email" in done.stdout and "it is not unique" in done.stdout
    assert "users.status: built" in done.stdout
    mongo(secantus, "c.late.users.drop_index('loose')")
    done = create()
    assert done.returncode == 0 and "users.email: built" in done.stdout, done.stdout + done.stderr
    assert create().stdout == "no index is missing\n"
    names = mongo(secantus, "print(sorted(i['name'] for i in c.late.users.list_indexes()))")
    assert names.strip() == "['_id_', 'email_1', 'shoes_1', 'users.email', 'users.loginAttempts.count', 'users.status']"
    daemon.__exit__()


def test_a_large_collection_is_not_searched_without_case_until_the_index_is_there(secantus):
    with node(secantus.uri, "giver") as giver:
        Client(giver.port).register("a@example.org")
    mongo(secantus, """
hash = c.giver.users.find_one()['password']
c.large.users.insert_many([{'email': f'u{n}@example.org', 'password': hash} for n in range(10100)])
c.large.users.insert_one({'email': 'Capital@example.org', 'password': hash})
c.large.users.create_index('email', unique=True)""")
    with node(secantus.uri, "large") as authd:
        client = Client(authd.port)
        folded, capital = ({**LOGIN, "email": email} for email in ("U7@example.org", "capital@example.org"))
        assert client.post("/login", folded).status == 200
        assert client.post("/login", capital).status == 401
        authd.stop()
        subprocess.run([BUILD / "authd", "-c", authd.conf, "--create-indexes"], check=True, capture_output=True, timeout=120)
        authd.start()
        assert client.post("/login", folded).status == 200
        assert client.post("/login", capital).status == 200


def test_an_index_that_cannot_be_unique_says_which_address_is_twice(secantus):
    mongo(secantus, "c.twins.users.insert_many([{'email': 'twin@example.org'}, {'email': 'TWIN@example.org'}])")
    daemon = Authd({"store.backend": "mongodb", "store.uri": f"{secantus.uri}/twins"})
    done = subprocess.run([BUILD / "authd", "-c", daemon.conf, "--create-indexes"], capture_output=True, text=True, timeout=60)
    daemon.__exit__()
    assert done.returncode == 1 and "users.email: mongodb: " in done.stderr and "twin@example.org" in done.stderr.lower()


def test_what_does_not_fit_is_told_with_examples_and_nothing_is_changed(secantus):
    documents = """[{'_id': 7, 'email': 'seven@example.org', 'password': '$2b$10$x'},
 {'_id': 'none', 'password': '$2b$10$x'}, {'_id': 'long', 'email': 'x' * 255, 'password': '$2b$10$x'},
 {'_id': 'space', 'email': ' a@example.org', 'password': '$2b$10$x'},
 {'_id': 'one', 'email': 'twin@example.org', 'password': '$2b$10$x'},
 {'_id': 'two', 'email': 'TWIN@example.org', 'password': '$2b$10$x'},
 {'_id': 'argon', 'email': 'argon@example.org', 'password': '$argon2id$v=19$m=1'},
 {'_id': 'social', 'email': 'social@example.org'}]"""
    mongo(secantus, f"c.unfit.members.insert_many({documents})")
    done = adopt_check(f"{secantus.uri}/unfit", **{"adopt.collection": "members"})
    assert done.returncode == 1
    for line in ("PROBLEM: 1 have an id", "PROBLEM: 2 have no address", "PROBLEM: 1 have an address without",
                 "PROBLEM: 1 addresses are the same when case is ignored: twin@example.org",
                 "PROBLEM: 1 have a password hash of a kind that cannot be checked: argon",
                 "1 have no password"):
        assert line in done.stdout, done.stdout
    assert mongo(secantus, f"print(list(c.unfit.members.find()) == {documents})").strip() == "True"


def test_only_mongodb_has_users_to_adopt():
    daemon = Authd()
    done = subprocess.run([BUILD / "authd", "-c", daemon.conf, "--adopt-check"], capture_output=True, text=True, timeout=60)
    daemon.__exit__()
    assert done.returncode == 1 and "only MongoDB" in done.stderr


# --- what cannot be opened ---

@pytest.mark.parametrize("config, says", [
    ({"store.uri": "mongodb://127.0.0.1:1/x"}, "mongodb: "),
    ({"store.uri": "http://127.0.0.1/"}, "no URI of MongoDB"),
    ({"store.uri": "mongodb://me:secret@127.0.0.1/"}, "store.uri_file"),
    ({"store.uri_file": "/nonexistent/uri"}, "No such file"),
    ({"store.pool_min": 20, "store.pool_max": 20}, "pool_min"),
])
def test_what_cannot_be_opened_ends_the_start_with_a_sentence(config, says):
    refused(Authd({"store.backend": "mongodb", **FAST, **config}), says)


def refused(authd, says):
    done = subprocess.run([BUILD / "authd", "-c", authd.conf], capture_output=True, text=True, timeout=30)
    authd.__exit__()
    assert done.returncode == 1
    assert says in done.stderr and "secret" not in done.stderr


def test_a_file_with_the_uri_must_not_be_everybodys(secantus, tmp_path):
    file = tmp_path / "uri"
    file.write_text(f"{secantus.uri}/private\n")
    file.chmod(0o644)
    refused(Authd({"store.backend": "mongodb", "store.uri_file": file}), "chmod o=")
    file.chmod(0o600)
    with Authd({"store.backend": "mongodb", "store.uri_file": file}) as authd:
        assert is_healthy(Client(authd.port))


# --- strangers and eavesdroppers ---

def test_a_password_is_needed_where_the_server_asks_for_one(tmp_path):
    file = tmp_path / "uri"
    with Secantus() as server:
        mongo(server, "c.admin.command('createUser', 'me', pwd='right', roles=['root'])")
        server.kill()
        server.options = ("--auth",)
        server.start()
        for password, is_right in (("wrong", False), ("right", True)):
            file.write_text(f"mongodb://me:{password}@127.0.0.1:{server.port}/private?authSource=admin")
            file.chmod(0o600)
            authd = Authd({"store.backend": "mongodb", "store.uri_file": file})
            if is_right:
                with authd:
                    Client(authd.port).register("a@example.org")
                    assert "right" not in authd.log()
            else:
                refused(authd, "mongodb: ")
        refused(Authd({"store.backend": "mongodb", "store.uri": f"{server.uri}/private"}), "mongodb: ")


def test_tls_is_spoken_and_a_certificate_of_strangers_is_refused(tmp_path):
    for name in ("ours", "theirs"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.crt", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with Secantus("--tls-cert-file", tmp_path / "ours.crt", "--tls-key-file", tmp_path / "ours.key") as server:
        uri = f"{server.uri}/tls?tls=true&tlsCAFile={tmp_path}"
        with Authd({"store.backend": "mongodb", "store.uri": f"{uri}/ours.crt"}) as authd:
            client = Client(authd.port)
            assert client.verify(client.register("a@example.org")["access_token"]).status == 204
        refused(Authd({"store.backend": "mongodb", **FAST, "store.uri": f"{uri}/theirs.crt"}), "mongodb: ")


# --- lines that break ---

@pytest.fixture
def line(secantus):
    proxy = Proxy(secantus.port)
    yield proxy
    proxy.close()


def test_a_server_that_goes_away_is_told_and_is_used_again_when_it_is_back(line):
    with node(line.uri, **FAST) as authd:
        client = Client(authd.port)
        grant = client.register("a@example.org")
        assert client.verify(grant["access_token"]).status == 204
        line.refuse()
        assert client.post("/login", LOGIN).status == 503
        until(lambda: not is_healthy(client))
        line.refuse(False)
        until(lambda: client.post("/login", LOGIN).status == 200, 60)
        until(lambda: is_healthy(client), 60)


def test_never_more_connections_than_configured_whatever_comes(line):
    with node(line.uri, **{"store.pool_max": 8, "store.pool_min": 2}) as authd:
        Client(authd.port).register("a@example.org")
        with concurrent.futures.ThreadPoolExecutor(40) as threads:
            statuses = list(threads.map(lambda _: Client(authd.port).post("/login", LOGIN).status, range(200)))
        assert set(statuses) <= {200, 429, 503} and 200 in statuses
        assert 3 < line.most <= 8 + 2  # the driver watches the server with one or two of its own


def test_connections_that_are_cut_while_idle_are_made_again(line):
    with node(line.uri, **FAST) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        line.cut()
        until(lambda: client.post("/login", LOGIN).status == 200, 30)


@pytest.mark.parametrize("is_client", [True, False], ids=["asking", "answering"])
def test_a_write_that_is_cut_anywhere_is_done_or_refused_never_half(secantus, line, is_client):
    database = f"cut{is_client}"
    commands = Commands(secantus.port)
    with node(line.uri, database, **FAST, **{"breaker.calls_min": 1000}) as authd:
        client = Client(authd.port)
        for count in range(1, 2400, 150):  # bytes: three commands and their answers
            login = {"email": f"cut{count}@example.org", "password": PASSWORD}
            line.drop_after(count, is_client)
            answer = client.post("/register", login)
            line.drop_after(None)
            assert answer.status in (201, 503), answer.raw
            accounts = commands.find(database, "users", email=login["email"])
            if answer.status == 201:
                assert len(commands.find(database, "authd_sessions", user=accounts[0]["_id"])) == 1
                assert client.verify(answer.json["data"]["access_token"]).status == 204
            assert len(accounts) == 1 if answer.status == 201 else len(accounts) <= 1
            # Whoever was refused may register now, or was registered after all and can log in.
            again = client.post("/register", login)
            assert again.status == (409 if accounts else 201), again.raw
            assert client.post("/login", login).status == 200
    commands.close()


def test_a_server_that_takes_long_is_waited_for_and_one_that_takes_longer_is_not(secantus):
    commands = Commands(secantus.port)
    with node(secantus.uri, **FAST, **{"breaker.call_timeout": "1500ms", "breaker.calls_min": 1000}) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        commands.fail(1000, failCommands=["find", "insert", "update"], blockConnection=True, blockTimeMS=200)
        assert client.post("/login", LOGIN).status == 200
        commands.fail(1, failCommands=["insert"], blockConnection=True, blockTimeMS=3000)
        answer = client.post("/login", LOGIN)
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
        commands.fail(0)
        until(lambda: client.post("/login", LOGIN).status == 200)
    commands.close()


def test_a_server_that_stalls_costs_its_callers_their_time_and_nobody_else(line):
    with node(line.uri, **FAST, **{"http.request_timeout": "3s"}) as authd:
        client = Client(authd.port)
        grant = client.register("a@example.org")
        assert client.verify(grant["access_token"]).status == 204
        line.stall()
        started = time.monotonic()
        assert client.post("/login", {**LOGIN, "email": "b@example.org"}).status == 503
        assert time.monotonic() - started < 10
        assert client.get("/health/live").status == 200
        line.stall(False)
        until(lambda: client.post("/login", LOGIN).status == 200, 60)


def test_commands_that_fail_by_a_fail_point_are_503_and_then_served(secantus):
    with node(secantus.uri, "failing", **FAST) as authd:
        client = Client(authd.port)
        client.register("a@example.org")
        mongo(secantus, "c.admin.command({'configureFailPoint': 'failCommand', 'mode': {'times': 1},"
              " 'data': {'failCommands': ['insert'], 'errorCode': 8000, 'appName': 'authd'}})")
        statuses = [client.post("/login", LOGIN).status for _ in range(3)]
        mongo(secantus, "c.admin.command({'configureFailPoint': 'failCommand', 'mode': 'off'})")
        assert statuses == [503, 200, 200]


# --- the daemon dies ---

@pytest.mark.parametrize("round_number", range(3))
def test_what_was_acknowledged_survives_kill_9_and_what_was_not_can_be_done_again(secantus, round_number):
    with node(secantus.uri, **{"limits.enabled": "no"}) as authd:
        client = Client(authd.port)
        writers = [Writer(client, f"kill{round_number}-{i}") for i in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.3, 0.8))
        authd.kill()
        for writer in writers:
            writer.stopped = True
        for writer in writers:
            writer.join()
        authd.start()
        assert sum(len(writer.accounts) for writer in writers) > 0
        for writer in writers:
            assert all(client.verify(token).status == 204 for token in writer.live)
            assert all(client.verify(token).status == 401 for token in writer.ended)
            for email in writer.accounts:
                assert client.post("/login", {"email": email, "password": PASSWORD}).status == 200
            # The one that was under way when it died: made as a whole, or not at all.
            unknown = {"email": f"{writer.name}-{len(writer.accounts) + 1}@example.org", "password": PASSWORD}
            assert client.post("/register", unknown).status in (201, 409)
            assert client.post("/login", unknown).status == 200
