"""Every route of /openapi.json, asked by schemathesis: what is documented is answered, and nothing else; never a 500."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
from authd import ROOT, Authd  # noqa: E402

SCHEMATHESIS = ROOT / "build" / "venv" / "bin" / "schemathesis"
HERE = pathlib.Path(__file__).parent
TIME_S = 240  # an end, should a route hang

# Not asked: whether all that a schema allows is accepted. A schema cannot say which passwords are common, which
# addresses mail can be sent to, or that a token must be one of ours.
UNASKED = "positive_data_acceptance"


@pytest.mark.parametrize("backend,examples", [("memory", 60), ("sqlite", 25)])
def test_what_is_documented_is_what_is_answered(backend, examples, tmp_path):
    assert SCHEMATHESIS.exists(), "./dev test installs it"
    with Authd({"store.backend": backend}) as authd:
        url = f"http://127.0.0.1:{authd.port}"
        operations = sum(map(len, json.load(urllib.request.urlopen(url + "/openapi.json"))["paths"].values()))
        result = subprocess.run(
            [SCHEMATHESIS, "run", url + "/openapi.json", "--phases", "coverage,fuzzing", "--checks", "all", "--exclude-checks",
             UNASKED, "--max-examples", str(examples), "--continue-on-failure", "--seed", "1", "--generation-database", "none",
             "--no-color"],
            cwd=tmp_path, capture_output=True, text=True, timeout=TIME_S,
            env={**os.environ, "AUTHD_URL": url, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)})
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    # Of itself it does not ask for the document that it reads.
    assert f"Tested: {operations - 1}" in result.stdout, result.stdout[-3000:]
