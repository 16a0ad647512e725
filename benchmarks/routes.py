"""
What is asked of each system of the comparison, in its own words: templates for load/ and for the accounts that are made
before. {line} is what the route needs of an account, in its field `line`; registrations have the start of the new
addresses there, and {n} counts them.
"""
import dataclasses
import http.client
import json
import queue
import threading
import time

from client import PASSWORD, lines_write

JSON, FORM = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
NAMES = ["health", "verify", "me", "login", "register", "refresh"]


@dataclasses.dataclass(frozen=True)
class Route:
    path: str
    body: str | None = None  # with one it is a POST
    headers: tuple = ()
    line: str | None = None  # a field of accounts; for a registration "prefix"
    renew: str | None = None  # the key in the answer whose text is the account's next {line}
    content: str = JSON  # of the body

    @property
    def method(self):
        return "GET" if self.body is None else "POST"

    def all_headers(self):
        return [*self.headers, *([self.content] if self.body is not None else [])]

    def stream(self, name, folder, accounts, prefix, **kind):
        """The stream of load/ that asks this: `kind` and its numbers besides."""
        stream = {"name": name, "method": self.method, "path": self.path, "headers": self.all_headers(), **kind}
        if self.body is not None:
            stream["body"] = self.body
        if self.line == "prefix":
            stream["lines"] = lines_write(folder / f"lines-{name}", [prefix])
        elif self.line:
            path = folder / f"lines-{name}"
            if not self.renew or not path.exists():  # load/ leaves the newest lines there
                lines_write(path, [account[self.line] for account in accounts])
            stream["lines"] = str(path)
        if self.renew:
            stream["renew"] = self.renew
        return stream


def contract(base):
    """authd's own interface, which the Express application has too."""
    bearer = ("Authorization: Bearer {line}",)
    return {
        "health": Route("/health"),
        "verify": Route(base + "/verify", headers=bearer, line="access_token"),
        "me": Route(base + "/me", headers=bearer, line="access_token"),
        "login": Route(base + "/login", f'{{"email":"{{line}}","password":"{PASSWORD}"}}', line="email"),
        "register": Route(base + "/register", f'{{"email":"{{line}}{{n}}@example.org","password":"{PASSWORD}"}}',
                          line="prefix"),
        "refresh": Route(base + "/refresh", '{"refresh_token":"{line}"}', line="refresh_token", renew="refresh_token"),
    }


BUSY_S = 60  # as long an account that is refused for load is tried again


class Unexpected(Exception):
    """Another answer than a 2xx."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def ask(connection, route, line="", number=0):
    """Headers and body of a 2xx."""
    def filled(text):
        return text.replace("{line}", line).replace("{n}", str(number))
    headers = dict(filled(h).split(": ", 1) for h in route.all_headers())
    connection.request(route.method, route.path, route.body and filled(route.body), headers)
    response = connection.getresponse()
    text = response.read()
    if response.status // 100 != 2:
        raise Unexpected(response.status, f"{route.method} {route.path}: {response.status} {text[:200]}")
    return response.headers, json.loads(text) if text else None


def granted(system, connection, name, line, number=0):
    """The tokens that a registration or a login gives, if any. Who is refused for load tries again for a while."""
    end, is_again = time.monotonic() + BUSY_S, False
    while True:
        try:
            return system.granted(*ask(connection, system.routes[name], line, number))
        except Unexpected as answer:
            if is_again and answer.status // 100 == 4 and answer.status != 408:
                return None  # it was done the first time, and the answer came too late
            if answer.status not in (408, 503) or time.monotonic() > end:
                raise
            is_again = True
            time.sleep(0.05)


def accounts_make(system, count, prefix, clients=8):
    """Accounts PREFIX0@example.org.. of `count`: registered, logged in where that gives more, each {"email", tokens}."""
    numbers, accounts, failures = queue.SimpleQueue(), [None] * count, []
    for number in range(count):
        numbers.put(number)

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
        try:
            while not failures:
                number = numbers.get_nowait()
                email = f"{prefix}{number}@example.org"
                grant = granted(system, connection, "register", prefix, number)
                grant = grant or granted(system, connection, "login", email)
                accounts[number] = {"email": email, **grant}
        except queue.Empty:
            pass
        except Exception as failure:  # told to who waits
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(min(clients, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return accounts
