"""The store of the systems that speak MongoDB's protocol: SecantusDB, each system one of its own, with nothing in it."""
import sys

from generator import ROOT
from systems import Missing

sys.path.insert(0, str(ROOT / "tests" / "support"))
from mongo import BUILD as SERVERS, Secantus  # noqa: E402


class WithStore:
    """Mixed into a System, before it: store_start() in prepare(); the store ends with close()."""
    store = None

    def store_start(self):
        """The URI of a database."""
        if not (SERVERS / "venv/bin/secantusd-py").exists():
            raise Missing("SecantusDB, which ./dev bench installs")
        self.store = Secantus().__enter__()
        return f"{self.store.uri}/comparison"

    def store_pids(self):
        return [self.store.process.pid]

    def close(self):
        super().close()
        if self.store:
            self.store.__exit__()
            self.store = None
