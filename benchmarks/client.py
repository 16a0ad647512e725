"""A small client for what scenarios prepare and check: accounts, tokens. It is never what is measured."""
import concurrent.futures
import http.client
import json
import time

PASSWORD = "correct horse battery"
BUSY_S = 120  # as long something is tried again that is refused for load


class Refused(Exception):
    """Another status than the expected one."""


class Client:
    """One kept connection. A failed call raises; the next one connects anew."""

    def __init__(self, system):
        self.system = system
        self.connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)

    def call(self, method, path, body=None, token=None):
        """Status and body."""
        headers = {"Authorization": "Bearer " + token} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self.connection.request(method, path, body and json.dumps(body), headers)
            response = self.connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self.connection.close()
            raise

    def _grant(self, name, status, body):
        answered, text = self.call("POST", self.system.paths[name], body)
        if answered != status:
            raise Refused(f"{name}: {answered} {text[:200]}")
        return json.loads(text)["data"]

    def register(self, email):
        return self._grant("register", 201, {"email": email, "password": PASSWORD})

    def login(self, email):
        return self._grant("login", 200, {"email": email, "password": PASSWORD})

    def refresh(self, token):
        return self._grant("refresh", 200, {"refresh_token": token})

    def logout(self, token):
        return self.call("POST", self.system.paths["logout"], token=token)[0] == 204

    def verify(self, token):
        return self.call("GET", self.system.paths["verify"], token=token)[0]


def login_body(email):
    return json.dumps({"email": email, "password": PASSWORD})


def in_parallel(system, work, items, clients=8):
    """[work(client, item) for item in items], by some clients at the same time, in order."""
    items = list(items)
    shares = [items[i::clients] for i in range(clients)]

    def run(share):
        client = Client(system)
        return [work(client, item) for item in share]

    results = [None] * len(items)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for i, done in enumerate(pool.map(run, shares)):
            results[i::clients] = done
    return results


def patient(call, *words):
    """A call that is refused for load is made again, for a while."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            return call(*words)
        except Refused as refused:
            if ": 503" not in str(refused) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def register_many(system, count, prefix="user"):
    """Accounts PREFIX0..; their grants."""
    return in_parallel(system, lambda client, number: patient(client.register, f"{prefix}{number}@example.org"), range(count))


def login_many(system, emails):
    """A session for each; their grants."""
    return in_parallel(system, lambda client, email: patient(client.login, email), emails)


def lines_write(path, lines):
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)
