"""TLS for tests: certificates by openssl's command, a daemon that serves them, and wires through Python's ssl."""
import contextlib
import os
import socket
import ssl
import subprocess
import time
import warnings

from authd import Authd, free_port
from wire import Wire


def _openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def certificate(folder, name, names=None, key="ec", days=30, ca=None):
    """FOLDER/NAME.crt and FOLDER/NAME.key, vouched for by `ca` (another one of these) or by itself."""
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", f"rsa:{key}"]
    words = ["req", "-x509", *kind, "-nodes", "-days", days, "-subj", f"/O=Tests/CN={name}", "-keyout", paths[1],
             "-out", paths[0]]
    for n in [names] if names else []:
        words += ["-addext", "subjectAltName=" + ",".join(f"DNS:{x}" for x in n)]
    if ca:
        words += ["-CA", ca[0], "-CAkey", ca[1]] if _has_ca() else []
    _openssl(*words)
    os.chmod(paths[1], 0o640)
    return paths


class Revocations:
    """An authority's register: what it has revoked, and FOLDER/NAME.crl of it."""

    def __init__(self, folder, ca, name="ca"):
        self.path, self.ca = folder / f"{name}.crl", ca
        self.config, index = folder / f"{name}.register.cnf", folder / f"{name}.register"
        index.write_text("")
        self.config.write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {index}\ndefault_md = sha256\n")

    def _ca(self, *words):
        _openssl("ca", "-config", self.config, "-cert", self.ca[0], "-keyfile", self.ca[1], *words)

    def revoke(self, *certificates):
        for crt, _ in certificates:
            self._ca("-revoke", crt)
        return self

    def write(self, hours=24, since_hours=0):
        """A list that was made `since_hours` ago, good for `hours` from then on."""
        made = time.time() - since_hours * 3600
        moments = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t)) for t in (made, made + hours * 3600)]
        self._ca("-gencrl", "-out", self.path, "-crl_lastupdate", moments[0], "-crl_nextupdate", moments[1])
        return self.path


def _has_ca():
    return b"-CA " in subprocess.run(["openssl", "req", "-help"], capture_output=True, timeout=60).stderr


class TlsAuthd(Authd):
    """with TlsAuthd(tmp_path): two certificates, for a.example and b.example, beside the plain port."""

    def __init__(self, folder, config=None):
        self.folder = folder
        self.first = certificate(folder, "a", ["a.example", "*.a.example"])
        self.second = certificate(folder, "b", ["b.example"], key=2048)
        self.tls_port = free_port()
        super().__init__({"tls.listen": f"127.0.0.1:{self.tls_port}",
                          "tls.certificate_files": f"{self.first[0]} {self.second[0]}",
                          "tls.key_files": f"{self.first[1]} {self.second[1]}", **(config or {})})


def context(version=None, shows=None, ciphers=None, alpn=None):
    """A client that looks at no certificate. version: "1.1", "1.2", "1.3" and no other."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if ciphers:
        made.set_ciphers(ciphers)
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that old ones are old is what we test
            made.minimum_version = made.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
    if shows:
        made.load_cert_chain(*shows)
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


class TlsWire(Wire):
    """A wire through TLS; .plain is the socket below."""

    def __init__(self, port, tls=None, name="a.example", session=None, **kw):
        super().__init__(port, **kw)
        self.plain = self.socket
        self.socket = (tls or context()).wrap_socket(self.plain, server_hostname=name, session=session,
                                                     suppress_ragged_eofs=False)

    def _more(self):
        try:
            return super()._more()
        except ssl.SSLEOFError:
            raise AssertionError("the connection ended without close_notify") from None

    @property
    def shown(self):
        """The common name of the server's certificate."""
        text = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject", "-nameopt", "multiline"],
                              input=self.socket.getpeercert(True), capture_output=True, check=True, timeout=60).stdout
        return text.decode().split("commonName")[1].split("=")[1].split()[0]


@contextlib.contextmanager
def tcp(port):
    """A bare connection to the TLS port."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        yield s


class HandWire:
    """TLS whose records the test carries itself. .tls says what is in them, .socket is bare TCP."""

    def __init__(self, port, tls=None, first=b"", step=None):
        """first: bytes in front of the first record; step: so many bytes are sent at a time."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (tls or context()).wrap_bio(self.incoming, self.outgoing, server_hostname="a.example")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.first, self.step = first, step

    def __enter__(self):
        self.run(self.tls.do_handshake)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def records(self):
        """What is to be sent."""
        data, self.first = self.first + self.outgoing.read(), b""
        return data

    def send(self, data):
        for i in range(0, len(data), self.step or len(data) or 1):
            self.socket.sendall(data[i:i + (self.step or len(data))])

    def run(self, step):
        """step(), with what it needs sent and received."""
        while True:
            try:
                result = step()
                self.send(self.records())
                return result
            except ssl.SSLWantReadError:
                self.send(self.records())
                data = self.socket.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def say(self, data):
        """The records of it, not sent."""
        self.tls.write(data)
        return self.records()

    def hear(self):
        return self.run(lambda: self.tls.read(65536))


def refused(port, **kw):
    """Why the handshake fails, as the client says it; None: it does not."""
    try:
        with TlsWire(port, **kw) as wire:  # with 1.3 it is told with the first read
            wire.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").answer()
            return None
    except ssl.SSLError as error:
        return error.reason or str(error)
    except (AssertionError, ConnectionError) as error:
        return str(error)
