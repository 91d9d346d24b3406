"""Runs nginx and Caddy before a memoryd, with the very text of packaging/proxy.

Changed in it are names of files and ports, and lines that its comments offer are taken. The settings of memoryd are those
that it names. What comes from loopback is nobody's own: only the proxy's own address is trusted, so a client at 127.0.0.9
is a stranger as any on the internet.
"""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import signal
import socket
import subprocess

import pytest
from conftest import KEY, ROOT, Home, debian, free_port, poll

DEPLOY = ROOT / "packaging/proxy"
PATIENCE = 20
CLIENT = "127.0.0.9"
FILES = {"nginx": ".conf", "caddy": ".Caddyfile", "traefik": ".yaml"}
NGINX = """daemon off;
master_process off;
pid DIR/nginx.pid;
error_log stderr;
events {
    worker_connections 64;
}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
SITE
}
"""
# Ports below 1024 are not ours, and nobody is asked for certificates.
CADDY = """{
    admin off
    auto_https disable_redirects
}
SITE
"""


@dataclasses.dataclass(frozen=True)
class Way:
    """A proxy, where memoryd is behind it, and what is spoken between the two."""
    proxy: str
    place: str
    inner: str

    def __str__(self):
        return f"{self.proxy}-{self.place}-{self.inner}"

    @property
    def text(self):
        return configuration(self.proxy, self.place)

    @property
    def name(self):
        return "memory.example.com" if self.place == "host" else "example.com"

    @property
    def base(self):
        return "" if self.place == "host" else "/memory"


WAYS = [Way(proxy, place, inner) for proxy in ("nginx", "caddy") for place in ("host", "path") for inner in ("http", "tls")]


def configuration(proxy, place):
    return (DEPLOY / proxy / (place + FILES[proxy])).read_text()


def settings(text):
    """What a configuration says that memoryd has to be set to."""
    return dict(pair.split("=", 1) for pair in re.search(r"^# memoryd: (.*)$", text, re.MULTILINE)[1].split())


class Proxy:
    """A proxy that runs, and the requests through it."""

    def __init__(self, home, way, certs):
        self.home, self.way, self.certs, self.port = home, way, certs, free_port()
        self.log = os.path.join(home.dir, "proxy.log")
        more = {name: value.replace(way.name, f"{way.name}:{self.port}") if name == "PUBLIC_URL" else value
                for name, value in settings(way.text).items()}
        # A frame is allowed, so that it shows who may ask for one.
        more |= {"TRUSTED_PROXIES": "127.0.0.1", "DASHBOARD_INGRESS": "true", "REQUIRE_HTTPS": "true"}
        more |= {"OAUTH_ENABLED": "true"} if "PUBLIC_URL" in more else {}
        self.server = home.server(tls=certs if way.inner == "tls" else None, LOG_FILE=os.path.join(home.dir, "memoryd.log"),
                                  **more)
        self.process = self.start()

    def start(self):
        program, folder = debian(self.way.proxy), self.home.dir
        if self.way.proxy == "nginx":
            text = NGINX.replace("DIR", folder).replace("SITE", self.for_nginx())
            command = [program, "-e", "stderr", "-p", folder, "-c", os.path.join(folder, "proxy.conf")]
        else:
            text = CADDY.replace("SITE", self.for_caddy())
            command = [program, "run", "--adapter", "caddyfile", "--config", os.path.join(folder, "proxy.conf")]
        with open(os.path.join(folder, "proxy.conf"), "w") as file:
            file.write(text)
        with open(self.log, "wb") as out:
            process = subprocess.Popen(command, env=self.home.env(), cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT)
        try:
            poll(lambda: self.answers(process), what=f"an answer of {self.way}")
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    def stop(self):
        # At TERM Caddy waits for every request to end, without a limit; QUIT is its word for at once.
        self.process.send_signal(signal.SIGQUIT if self.way.proxy == "caddy" else signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.way} did not stop within {PATIENCE} s") from None

    def answers(self, process):
        with open(self.log, errors="replace") as log:
            assert process.poll() is None, f"{self.way} ended with {process.returncode}: {log.read()[-900:]}"
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/health")[0] == 200

    def for_nginx(self):
        text = changed(self.way.text, [("listen 443 ", f"listen 127.0.0.1:{self.port} ")] + self.common())
        if self.way.inner == "tls":
            text = changed(text, [(line, "") for line in re.findall(r"^ +proxy_pass http:.*\n", text, re.MULTILINE)])
            text = re.sub(r"^( *)#(?=\w)", r"\1", text, flags=re.MULTILINE)
        return text

    def for_caddy(self):
        name = self.way.name
        text = changed(self.way.text, [(f"\n{name} {{", f"\n{name}:{self.port} {{\n\tbind 127.0.0.1"), ("#tls /", "tls /")]
                       + self.common())
        return re.sub(r"#(?=tls_)", "", text) if self.way.inner == "tls" else text

    def common(self):
        name, key = self.way.name, self.certs.key
        changes = [("127.0.0.1:3000", f"127.0.0.1:{self.server.port}"), ("/etc/memoryd/certs/ca.pem", self.certs.ca)]
        return changes + [(f"/etc/ssl/{name}.pem", self.certs.cert), (f"/etc/ssl/{name}.key", key)]

    @contextlib.contextmanager
    def connection(self, source=CLIENT):
        """A connection of a client at that address, who comes by the public name."""
        context = self.certs.context()
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))
        with contextlib.closing(http.client.HTTPSConnection(self.way.name, self.port, context=context)) as connection:
            connection.sock = context.wrap_socket(plain, server_hostname=self.way.name)
            yield connection

    def ask(self, method, path, body=None, headers=None):
        """One request. Returns status, headers and bytes; what is no bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            headers["Content-Type"], body = "application/json", json.dumps(body).encode()
        with self.connection() as connection:
            connection.request(method, self.way.base + path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def call(self, method, path, body=None, headers=None):
        """A request with the key. Returns the JSON of its answer, which has to be good."""
        status, _, text = self.ask(method, path, body, {"X-API-Key": KEY} | (headers or {}))
        assert status in (200, 201), (status, text[-400:])
        return json.loads(text)


def changed(text, changes):
    for old, new in changes:
        assert old in text, f"{old!r} is not in {text}"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module", params=WAYS, ids=str)
def proxy(request, certs):
    home = Home()
    try:
        proxy = Proxy(home, request.param, certs)
        yield proxy
        proxy.stop()
    finally:
        home.close()
