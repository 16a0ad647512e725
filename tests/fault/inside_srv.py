"""mongodb+srv:// against a DNS server of our own. Only test_srv.py runs these, in namespaces of their own."""
import fcntl
import pathlib
import socket
import struct
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / d) for d in ("support", "api")]
from authd import BUILD, Authd  # noqa: E402
from conftest import Client  # noqa: E402
from mongo import Secantus  # noqa: E402
from mongo_nodes import secantus  # noqa: E402
from names import Names, address, service, text  # noqa: E402
from replicas import Replicas  # noqa: E402

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
DOMAIN = "db.example.test"
HOST, OTHER = f"one.{DOMAIN}", f"two.{DOMAIN}"
FAST = {"store.connect_timeout": "500ms", "store.op_timeout": "2s", "store.select_timeout": "2s"}


@pytest.fixture(scope="session", autouse=True)
def network(tmp_path_factory):
    """Loopback, and nobody to ask for names but ourselves."""
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    conf = tmp_path_factory.mktemp("names") / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """That of HOST, signed by itself; and its key beside it."""
    file = tmp_path_factory.mktemp("tls") / "host.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", file.with_suffix(".key"), "-out", file, "-days", "2", "-subj", "/CN=one",
                    "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1"], check=True, capture_output=True)
    return file


@pytest.fixture(scope="module")
def secured(certificate):
    with Secantus("--tls-cert-file", certificate, "--tls-key-file", certificate.with_suffix(".key")) as started:
        yield started


def names(*services, **more):
    """What the DNS knows of the cluster; more: its TXT record."""
    records = {f"_mongodb._tcp.cluster.{DOMAIN}": list(services), HOST: [address("127.0.0.1")], OTHER: [address("127.0.0.1")]}
    if more:
        records[f"cluster.{DOMAIN}"] = [text("&".join(f"{k}={v}" for k, v in more.items()))]
    return Names(records)


def node(options="", host=f"cluster.{DOMAIN}"):
    return Authd({"store.backend": "mongodb", "store.uri": f"mongodb+srv://{host}/srv?{options}", **FAST})


def serves(authd):
    client = Client(authd.port)
    return client.verify(client.register()["access_token"]).status == 204


def refused(authd):
    """What it says, and ends."""
    done = subprocess.run([BUILD / "authd", "-c", authd.conf], capture_output=True, text=True, timeout=30)
    authd.__exit__()
    assert done.returncode == 1
    return done.stderr


def test_the_servers_are_found_by_their_service_and_asked_over_tls_by_default(secured, certificate):
    with names(service(HOST, secured.port)), node(f"tlsCAFile={certificate}") as authd:
        assert serves(authd)


def test_a_certificate_of_nobody_known_is_refused_unless_that_is_allowed(secured):
    with names(service(HOST, secured.port)):
        assert "TLS handshake failed" in refused(node())
        with node("tlsInsecure=true") as authd:
            assert serves(authd)


def test_tls_may_be_switched_off_and_is_not_left_out_by_itself(secantus):
    with names(service(HOST, secantus.port)):
        assert "TLS" in refused(node())
        with node("tls=false") as authd:
            assert serves(authd)


def test_the_set_is_named_by_a_text_record_and_its_members_are_followed(secantus):
    with Replicas(secantus.port) as replicas:
        ports = [member.port for member in replicas.members]
        with names(service(HOST, ports[0]), service(OTHER, ports[1]), replicaSet="rs"), node("tls=false") as authd:
            assert serves(authd)
            replicas.vanish(0)
            replicas.elect(2)  # no record names it: the others do
            client = Client(authd.port)
            assert client.post("/login", {"email": "nobody@example.org", "password": "wrong password"}).status in (401, 503)
            assert authd.ctl("db", "topology").stdout.count("127.0.0.1:") == 3


@pytest.mark.parametrize("host, says", [
    (f"nothing.{DOMAIN}", f"_mongodb._tcp.nothing.{DOMAIN}"),
    ("cluster.test", "a name of three parts"),
    (f"cluster.{DOMAIN}:27017", "no port"),
])
def test_a_name_without_service_ends_the_start_and_is_told(secantus, host, says):
    with names(service(HOST, secantus.port)):
        assert says in refused(node("tls=false", host))


def test_a_host_of_another_domain_is_not_believed(secantus):
    with names(service("one.elsewhere.test", secantus.port)):
        assert '"one.elsewhere.test"' in refused(node("tls=false"))


def test_a_text_record_may_not_switch_off_tls(secantus):
    with names(service(HOST, secantus.port), tls="false"):
        assert "prohibited" in refused(node())


def test_no_dns_server_at_all_is_told_in_time():
    assert "Failed to look up SRV record" in refused(node("tls=false"))
