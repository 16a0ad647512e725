"""An SMTP server for tests that does as it is told: takes mails, refuses them, is slow, wants TLS or a password."""
import asyncio
import socket
import ssl
import subprocess

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from authd import free_port
from mails import parse, until


class Receiver:
    """`rcpt` and `data` are lists of replies, used up one a command; when they are empty all is taken."""

    def __init__(self, port=None, tls=None, wants_tls=False, implicit=False, password=None, delay=0, **kw):
        self.port = port or free_port()
        self.rcpt, self.data = [], []
        self.mails, self.envelopes, self.logins, self.sessions = [], [], [], 0
        self.delay = delay
        options = {"auth_require_tls": False, **kw}
        if tls and not implicit:
            options.update(tls_context=tls, require_starttls=wants_tls)
        if password:
            options.update(authenticator=self.check, auth_required=True)
        self.password = password
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=10,
                                     ssl_context=tls if implicit else None, **options)

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()

    def check(self, server, session, envelope, mechanism, auth):
        self.logins.append((auth.login, auth.password))
        return AuthResult(success=(auth.login, auth.password) == self.password, handled=False)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.rcpt:
            reply = self.rcpt.pop(0)
            if not reply.startswith("250"):
                return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, server.transport.get_extra_info("ssl_object") is not None, session.host_name))
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.data:
            reply = self.data.pop(0)
            if not reply.startswith("250"):
                return reply
        self.mails.append(envelope.content)
        return "250 OK"

    def wait(self, count=1, seconds=20):
        until(lambda: len(self.mails) >= count, seconds)
        return [parse(m) for m in self.mails]


class Silent:
    """Accepts connections and never says a word."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()


def certificate(folder, name="127.0.0.1"):
    """A certificate that vouches for itself: its file and a context that serves it."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
