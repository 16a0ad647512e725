"""Reading along with the log at some thousand records a second: who reads misses nothing, who does not is told how much."""
import pathlib
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import BUILD, Authd  # noqa: E402
from control import Raw  # noqa: E402
from wire import until  # noqa: E402

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = 50  # far fewer than a core's lane has room for


@pytest.fixture(scope="module")
def authd():
    with Authd({"log.access": "yes", "log.level": "info"}) as daemon:
        yield daemon


def answers(connection, count):
    seen = b""
    while seen.count(b"HTTP/1.1 200") < count or not seen.endswith(b"}"):
        seen += connection.recv(65536)


def make_records(authd, count, per_s):
    """So many, no faster than that; later ones do not hurry for those that were late."""
    with socket.create_connection(("127.0.0.1", authd.port), timeout=20) as connection:
        for _ in range(count // AT_ONCE):
            began = time.monotonic()
            connection.sendall(REQUEST * AT_ONCE)
            answers(connection, AT_ONCE)
            time.sleep(max(0, began + AT_ONCE / per_s - time.monotonic()))


def dropped(authd):
    """By the log itself, before anybody could read them."""
    with Raw(authd) as raw:
        return sum(row["value"] for row in raw.ask("metrics.list", {"name": "authd_log_dropped_total"})[0])


def test_who_reads_misses_nothing_of_five_thousand_records_a_second(authd, tmp_path):
    before, count = dropped(authd), 10000
    with (tmp_path / "seen").open("wb") as out, (tmp_path / "said").open("wb") as err:
        tail = subprocess.Popen([BUILD / "authctl", "--socket", authd.socket, "-o", "ndjson", "log", "tail", "--filter",
                                 "http.access"], stdout=out, stderr=err)
        time.sleep(0.3)  # it shows what comes from now on
        try:
            make_records(authd, count, 5000)
            wanted = count - (dropped(authd) - before)
            until(lambda: (tmp_path / "seen").read_bytes().count(b"\n") >= wanted, "all records are seen")
        finally:
            tail.terminate()
            tail.wait()
    assert b"lost" not in (tmp_path / "said").read_bytes()
    assert wanted > count * 0.9, "it is the log that drops, and nothing was tried"


def test_who_does_not_read_is_told_exactly_how_much_was_lost(authd):
    with Raw(authd) as raw:
        raw.send("log.tail", {"filter": "http.access"})
        assert raw.hear()["t"] == "head"
        before, count = dropped(authd), 10000
        make_records(authd, count, 20000)
        seen = lost = 0
        while seen + lost < count - (dropped(authd) - before):
            event = raw.hear()
            if event["t"] != "evt":
                # All that waited has been read: the next record tells of those lost before it.
                make_records(authd, AT_ONCE, 5000)
                count += AT_ONCE
                continue
            seen, lost = seen + 1, lost + event["lost"]
            assert event["seq"] == seen + lost, "a gap that nobody told of"
        assert lost > 0 and seen + lost == count - (dropped(authd) - before)
