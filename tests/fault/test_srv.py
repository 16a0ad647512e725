"""mongodb+srv:// needs a DNS server on port 53: inside_srv.py runs where that port is nobody else's."""
import os
import pathlib
import subprocess
import sys

import pytest

UNSHARE = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def test_servers_named_by_the_dns_are_found_in_a_network_of_their_own():
    if subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("no namespaces are allowed here")
    inside = pathlib.Path(__file__).with_name("inside_srv.py")
    done = subprocess.run([*UNSHARE, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", inside],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
