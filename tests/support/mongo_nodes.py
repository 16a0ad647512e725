"""Servers of MongoDB's protocol as fixtures, one for each file that imports them, and daemons on them.

Not a conftest.py of tests/fault: that of tests/api is imported by its name, and would be hidden.
"""
import itertools

import pytest

from authd import Authd
from mongo import Java, Secantus

_numbers = itertools.count()


@pytest.fixture(scope="module")
def secantus():
    """The server that has nearly everything."""
    with Secantus() as started:
        yield started


@pytest.fixture(scope="module", params=[Secantus, Java], ids=["secantus", "java"])
def server(request):
    """One after the other: change streams, and polling where there are none."""
    with request.param() as started:
        yield started


def fresh(name):
    """A database that nobody has used."""
    return f"{name}{next(_numbers)}"


def node(uri, database=None, **config):
    """A daemon on that server, in a database of its own unless it shares one."""
    return Authd({"store.backend": "mongodb", "store.uri": f"{uri}/{database or fresh('node')}", **config})
