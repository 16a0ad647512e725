"""nginx that answers every request with an empty 200: the least a good HTTP server can do for one."""
import os

from systems import System

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
    server {{
        listen {target} reuseport backlog=4096;
        location / {{ return 200; }}
    }}
}}
"""


class Nginx(System):
    name = "nginx return 200"
    paths = {"health": "/health", "verify": "/v1/auth/verify"}

    def prepare(self):
        (self.folder / "nginx.conf").write_text(
            CONFIG.format(folder=self.folder, workers=os.cpu_count(), target=self.target))

    def command(self):
        return ["/usr/sbin/nginx", "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"]
