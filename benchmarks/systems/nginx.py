"""
nginx that answers every request with an empty 200: the least a good HTTP server can do for one. And nginx that asks authd
about each request first (auth_request), before it answers one with a tiny file that it has in memory.
"""
import os
import pathlib

from routes import Route
from systems import Missing, System, free_port

PROGRAM = pathlib.Path("/usr/sbin/nginx")

CONFIG = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
worker_processes {workers};
events {{ worker_connections 20000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {rest}
}}
"""

RETURN_200 = """
    server {{
        listen {target} reuseport backlog=4096;
        location / {{ return 200; }}
    }}
"""

# As authd offers it: server/tls/tls_offer.c.
TLS = """
    server {{
        listen {target} ssl reuseport backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
        ssl_prefer_server_ciphers off;
        ssl_ecdh_curve X25519:prime256v1:secp384r1;
        ssl_session_cache off;
        ssl_session_tickets {tickets};
        location / {{ return 200; }}
    }}
"""

AUTH_REQUEST = """
    upstream authd {{ server {authd}; keepalive 64; }}
    server {{
        listen {target} reuseport backlog=4096;
        location = /health {{ return 200; }}
        location / {{ auth_request /verify; empty_gif; }}
        location = /verify {{
            internal;
            proxy_pass http://authd{verify};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
    }}
"""


class Nginx(System):
    name = "nginx return 200"
    paths = {"health": "/health", "verify": "/v1/auth/verify"}
    routes = {"verify": Route("/v1/auth/verify", headers=("Authorization: Bearer {line}",), line="access_token")}

    def rest(self):
        return RETURN_200.format(target=self.target)

    def prepare(self):
        if not PROGRAM.exists():
            raise Missing("nginx-light")
        (self.folder / "nginx.conf").write_text(
            CONFIG.format(folder=self.folder, workers=os.cpu_count(), rest=self.rest()))

    def command(self):
        return [PROGRAM, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"]


class NginxTls(Nginx):
    """Beside its plain port."""

    def __init__(self, certificate, has_tickets):
        super().__init__()
        self.tls_target = f"127.0.0.1:{free_port()}"
        self.tls = TLS.format(target=self.tls_target, certificate=certificate[0], key=certificate[1],
                              tickets="on" if has_tickets else "off")

    def rest(self):
        return super().rest() + self.tls


class NginxAuthRequest(Nginx):
    """Before an authd that runs; the CPU time is that of both."""
    name = "nginx auth_request + authd"
    paths = {"health": "/health", "verify": "/"}
    routes = {"verify": Route("/", headers=("Authorization: Bearer {line}",), line="access_token")}

    def __init__(self, authd):
        super().__init__()
        self.authd = authd

    def rest(self):
        return AUTH_REQUEST.format(target=self.target, authd=self.authd.target, verify=self.authd.paths["verify"])

    def pids(self):
        return [*super().pids(), *self.authd.pids()]
