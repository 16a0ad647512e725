"""The curves: where they are said to bend, and that a store is filled with accounts that are there."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "support")]
import authd as support  # noqa: E402
import systems.authd  # noqa: E402
from bench import Bench  # noqa: E402
from client import Client, Refused, register_many  # noqa: E402
from filling import accounts_import, address  # noqa: E402
from scenarios.growth import bend, bend_text, curve  # noqa: E402


@pytest.mark.parametrize("ys, at", [
    ([5, 5, 5, 5], None), ([5, 6, 6, 6], None), ([5, 5, 50, 70], 3), ([5, 7, 7, 7], 2), ([9, 5, 4, 4], None), ([5], None)])
def test_a_curve_bends_where_it_leaves_what_was_before(ys, at):
    points = list(enumerate(ys, 1))
    assert bend(points) == at
    assert ("bends at" in bend_text(points)) == (at is not None)


def test_a_curve_is_kept_with_its_spread(capsys):
    bench = Bench("growth", "", light=True)
    curve(bench, "tokens", "Tokens", "tokens", {"holds 1,000": {500: [3, 4, 5], 2000: [40, 50, 45]}, "me": {500: [1.0]}},
          {500: 20.0, 2000: 22.0}, "It is so.")
    assert "holds 1,000: 11.25x from 500 to 2,000, bends at 2,000" in capsys.readouterr().out
    assert bench.measurements["tokens_holds_1000_us"]["repeats"] == [40, 50, 45]
    assert bench.plots[0]["lines"][0]["points"] == [[500, 4, 3, 5], [2000, 45, 40, 50]]
    assert bench.tables[0]["rows"] == [["500", 4, 1.0, 20.0], ["2,000", 45, None, 22.0]]
    assert bench.notes == ["Tokens. holds 1,000: 11.25x from 500 to 2,000, bends at 2,000; me: 1.00x from 500 to 500, straight. It is so."]


def test_imported_accounts_are_there_and_no_others():
    systems.authd.BUILD = support.BUILD
    with systems.authd.Authd(password__cost=4) as authd:
        register_many(authd, 2)
        authd.stop()
        accounts_import(authd, 50)
        authd.start()
        for number in (0, 49):
            assert Client(authd).login(address(number))["user"]["email"] == address(number)
        with pytest.raises(Refused, match="login: 401"):
            Client(authd).login(address(50))
    assert len({address(n) for n in range(10000)}) == 10000
