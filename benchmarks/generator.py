"""The programs that make the load: our own (load/) and wrk. Both run as children and return what they saw."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
LOAD = ROOT / "build" / "gcc" / "benchmarks" / "load"


def _urgent():
    """Clients live on other machines: ours must not wait for a CPU behind the server's hashing threads."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -15)
        except OSError:
            pass  # its lateness is reported in any case


def run_load(target, streams, seconds, warmup=0.0, urgent=False, log=None):
    """Runs load/ and returns its streams by name (see load/report.c). urgent: before all other processes."""
    with tempfile.TemporaryDirectory(prefix="authd-load-") as folder:
        plan, results = pathlib.Path(folder) / "plan.json", pathlib.Path(folder) / "results.json"
        plan.write_text(json.dumps({"target": target, "seconds": seconds, "warmup": warmup, "streams": streams}))
        run = subprocess.run([LOAD, "-o", results, plan], capture_output=True, text=True,
                             preexec_fn=_urgent if urgent else None)
        if run.returncode:
            raise RuntimeError(f"load failed: {run.stderr}")
        if log:
            log(run.stdout)
        return {s["name"]: s for s in json.loads(results.read_text())["streams"]}


WRK_SCRIPT = """
-- One text for {depth} requests, each with another token, made once and then taken in turn.
local texts, turn = {{}}, 0
init = function()
  local i, parts = 0, {{}}
  for token in io.lines("{tokens}") do
    parts[#parts + 1] = wrk.format("GET", "{path}", {{ ["Authorization"] = "Bearer " .. token{closes} }})
    if #parts == {depth} then texts[#texts + 1] = table.concat(parts); parts = {{}} end
  end
end
request = function() turn = turn % #texts + 1; return texts[turn] end
"""


def run_wrk(target, path, tokens, seconds, connections=64, depth=1, scheme="http", closes=False):
    """GET path with the tokens (a file, one a line) in turn; closes: each on a connection of its own. The number of
    requests; raises on any failure."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", prefix="authd-wrk-") as script:
        script.write(WRK_SCRIPT.format(depth=depth, tokens=tokens, path=path,
                                         closes=', ["Connection"] = "close"' if closes else ""))
        script.flush()
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"{scheme}://{target}"],
                             capture_output=True, text=True)
    done = re.search(r"(\d+) requests in", run.stdout)
    wrong = re.search(r"Non-2xx.*|Socket errors.*", run.stdout)
    if run.returncode or not done or wrong:
        raise RuntimeError(f"wrk: {wrong.group() if wrong else run.stdout + run.stderr}")
    return int(done.group(1))
