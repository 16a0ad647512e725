"""Two nodes on one MongoDB: what one of them changes the other one knows, and of many who try at a time one wins."""
import concurrent.futures
import pathlib
import sys
import threading

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from conftest import PASSWORD, Client  # noqa: E402
from mongo import Proxy  # noqa: E402
from mongo_nodes import fresh, node, secantus, server  # noqa: E402
from test_admin import Admin, make_admin  # noqa: E402
from test_mongo import FAST, LOGIN, mongo, refuses, within_a_second  # noqa: E402
from test_rotation import header, kids  # noqa: E402
from test_store import until  # noqa: E402

AT_A_TIME = 50


class Pair:
    """Two nodes in a database of their own."""

    def __init__(self, uri, **config):
        self.database = fresh("pair")
        self.nodes = [node(uri, self.database, **config) for _ in range(2)]

    def __enter__(self):
        for one in self.nodes:
            one.start()
        self.clients = [Client(one.port) for one in self.nodes]
        return self

    def __exit__(self, *_):
        for one in self.nodes:
            one.__exit__()

    def together(self, call):
        """call(client), as many as there are to be, half of them at either node: their answers."""
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as threads:
            return list(threads.map(call, self.clients * (AT_A_TIME // 2)))


# --- one is told what the other one has done ---

def test_whoever_is_suspended_or_deleted_by_one_node_is_refused_by_the_other_within_a_second(server):
    with Pair(server.uri) as pair:
        here, there = pair.clients
        here.register("boss@example.org")
        assert make_admin(pair.nodes[0], "boss@example.org").returncode == 0
        boss = here.post("/login", {**LOGIN, "email": "boss@example.org"}).json["data"]["access_token"]
        admin = Admin(here, boss)
        for path, method in (("/suspend", "POST"), ("/revoke-sessions", "POST"), ("", "DELETE")):
            grant = here.register()
            for _ in range(20):
                assert there.verify(grant["access_token"]).status == 204
            body = {} if method == "POST" else None
            assert admin.call(method, f"/{grant['user']['id']}{path}", body).status in (200, 204)
            within_a_second(lambda: refuses(there, grant))


def test_when_one_node_revokes_all_sessions_the_other_refuses_them_within_a_second(server):
    with Pair(server.uri) as pair:
        here, there = pair.clients
        grants = [here.register(f"{name}@example.org") for name in "ab"]
        for grant in grants * 10:
            assert there.verify(grant["access_token"]).status == 204
        assert pair.nodes[0].ctl("session", "revoke", "--all", "--yes").returncode == 0
        for grant in grants:
            assert refuses(here, grant)
            within_a_second(lambda grant=grant: refuses(there, grant))
            assert there.post("/refresh", {"refresh_token": grant["refresh_token"]}).status == 401


# --- of many who try at a time ---

def test_of_fifty_refreshes_with_one_token_on_two_nodes_one_wins(server):
    with Pair(server.uri, **{"session.grace": "0"}) as pair:
        for _ in range(3):
            grant = pair.clients[0].register()
            answers = pair.together(lambda client: client.post("/refresh", {"refresh_token": grant["refresh_token"]}))
            statuses = [answer.status for answer in answers]
            assert sorted(set(statuses)) == [200, 401] and statuses.count(200) == 1, statuses
            # The others used a token that was used: a thief's, for all one knows. All of the family ends.
            (winner,) = [answer.json["data"] for answer in answers if answer.status == 200]
            for client in pair.clients:
                within_a_second(lambda: refuses(client, winner))


def test_the_lockout_begins_exactly_at_its_limit_however_many_guess_at_either_node(server):
    limits = {"lockout.free": 7, "lockout.base": "1m", "admission.queue_time_max": "60s"}
    with Pair(server.uri, **limits) as pair:
        for email in ("a@example.org", "nobody@example.org"):
            if email == LOGIN["email"]:
                pair.clients[0].register(email)
            bad = {"email": email, "password": "wrong password"}
            statuses = [answer.status for answer in pair.together(lambda client: client.post("/login", bad))]
            assert sorted(set(statuses)) == [401, 429] and statuses.count(401) == 8, statuses
            for client in pair.clients:
                assert client.post("/login", {**bad, "password": PASSWORD}).status == 429


def test_of_many_who_register_one_address_at_either_node_one_wins(server):
    with Pair(server.uri) as pair:
        answers = pair.together(lambda client: client.post("/register", LOGIN))
        statuses = [answer.status for answer in answers]
        assert sorted(set(statuses)) == [201, 409] and statuses.count(201) == 1, statuses
        (grant,) = [answer.json["data"] for answer in answers if answer.status == 201]
        for client in pair.clients:
            assert client.verify(grant["access_token"]).status == 204
            assert client.post("/login", LOGIN).status == 200


# --- signing keys ---

def age_keys(secantus, pair, days):
    """As if all keys had been made earlier."""
    mongo(secantus, f"""
keys = c[{pair.database!r}].authd_keys
document = keys.find_one({{'_id': 'signing'}})
for key in document['keys']: key['createdAt'] -= datetime.timedelta(days={days})
keys.replace_one({{'_id': 'signing'}}, document)""")


def restart(*nodes):
    """At a time."""
    threads = [threading.Thread(target=one.start) for one in nodes]
    for one in nodes:
        one.stop()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def signed(client):
    token = client.post("/login", LOGIN).json["data"]["access_token"]
    return token, header(token)["kid"]


def test_nodes_that_find_a_key_too_old_at_a_time_make_one(secantus):
    with Pair(secantus.uri, **{"token.rotate_every": "90d"}) as pair:
        pair.clients[0].register(LOGIN["email"])
        (old,) = kids(pair.clients[0])
        age_keys(secantus, pair, 91)
        restart(*pair.nodes)
        sets = [kids(client) for client in pair.clients]
        assert sets[0] == sets[1] and len(sets[0]) == 2 and sets[0][1] == old
        assert [signed(client)[1] for client in pair.clients] == [old, old]


def test_keys_that_operators_of_both_nodes_wish_for_at_a_time_are_known_to_both(secantus):
    with Pair(secantus.uri) as pair:
        token = pair.clients[0].register(LOGIN["email"])["access_token"]
        threads = [threading.Thread(target=one.ctl, args=("key", "rotate")) for one in pair.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: kids(pair.clients[0]) == kids(pair.clients[1]) and len(kids(pair.clients[0])) > 1, 60)
        for client in pair.clients:
            assert client.verify(token).status == 204 and signed(client)[1] == header(token)["kid"]


def test_a_node_that_was_down_for_longer_than_keys_overlap_knows_those_of_now(secantus):
    with Pair(secantus.uri, **{"token.rotate_every": "90d"}) as pair:
        up, down = pair.nodes
        here, there = pair.clients
        old = here.register(LOGIN["email"])["access_token"]
        down.stop()
        for days in (91, 1 / 24, 2):  # too old; its successor signs; nobody has a token of it
            age_keys(secantus, pair, days)
            restart(up)
        new, kid = signed(here)
        assert kids(here) == [kid] and kid != header(old)["kid"]
        down.start()
        assert kids(there) == [kid] and there.verify(new).status == 204 and there.verify(old).status == 401
        token, signer = signed(there)
        assert signer == kid and here.verify(token).status == 204


def test_a_node_that_was_cut_off_for_longer_than_keys_overlap_follows_when_it_is_back(secantus):
    line = Proxy(secantus.port)
    with Pair(secantus.uri, **{"token.rotate_every": "90d"}) as pair, node(line.uri, pair.database, **FAST) as cut:
        here, there = pair.clients[0], Client(cut.port)
        old = here.register(LOGIN["email"])["access_token"]
        assert there.verify(old).status == 204
        pair.nodes[1].stop()
        line.refuse()
        for days in (91, 1 / 24, 2):
            age_keys(secantus, pair, days)
            restart(pair.nodes[0])
        new, kid = signed(here)
        assert kids(here) == [kid]
        assert there.verify(new).status == 401  # it cannot know better
        line.refuse(False)
        until(lambda: there.post("/login", LOGIN).status == 200, 30)
        assert cut.ctl("key", "rotate").returncode == 0  # it looks at once, not within half a minute
        until(lambda: kid in kids(there), 30)
        assert there.verify(new).status == 204
        token, signer = signed(there)
        assert signer == kid and here.verify(token).status == 204
        assert header(old)["kid"] not in kids(there)
        pair.nodes[1].start()
    line.close()
