"""An option that says it needs no restart must be taken over while the daemon runs."""
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
ROW = re.compile(r'^\t\{ "(\w+)", "(\w+)", OPTION_.*, (true|false), "(?:[^"\\]|\\.)*", AT\(([\w.]+)\)', re.M)


def test_every_live_option_is_applied():
    rows = ROW.findall((ROOT / "server/config/options.c").read_text())
    live = [(f"{section}.{key}", field) for section, key, restart, field in rows if restart == "false"]
    assert len(rows) > 50 and len(live) > 10
    applied = (ROOT / "server/start/live.c").read_text() + (ROOT / "server/control/control.c").read_text()
    missing = [name for name, field in live if f"config->{field}" not in applied]
    assert not missing, f"{missing}: apply it in server/start/live.c, or say that it needs a restart"
