"""Starts real memoryd processes for the client tests.

Every server has a free loopback port and a temporary home of its own; when a test ends, its processes and files are
gone, or the test fails. MEMORYD_BIN, MEMORYD_NPM, MEMORYD_MCPO, MEMORYD_MEM0 and MEMORYD_DEBIAN name the program, the
folder with node_modules, mcpo, a Python that has mem0, and the folder in which packages of Debian are unpacked.
"""

import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest
from cryptography import x509

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MEMORYD_BIN", ROOT / "target/release/memoryd")).resolve()
NPM = pathlib.Path(os.environ.get("MEMORYD_NPM", ROOT / "target/npm")).resolve()
MCPO = pathlib.Path(os.environ.get("MEMORYD_MCPO", ROOT / "target/venv-mcpo/bin/mcpo")).absolute()
MEM0 = pathlib.Path(os.environ.get("MEMORYD_MEM0", ROOT / "target/venv-mem0/bin/python")).absolute()
DEBIAN = pathlib.Path(os.environ.get("MEMORYD_DEBIAN", ROOT / "target/debian")).resolve()
# What proxies of the tests are called from outside, so that they can show the same certificate.
PUBLIC_NAMES = ["memory.example.com", "example.com"]
KEY = "client-test-key-0123456789abcdef-0123456789"


def pytest_report_header():
    return f"memoryd: {BINARY}"


def poll(question, seconds=20, every=0.02, what="it"):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(every)


# Below those that the system itself gives to connections and to who asks for any.
PORTS = range(20_000, 32_000)


def own_ports():
    """The ports of this process among those that run tests at the same time, from somewhere on and for ever."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = PORTS[worker::int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    start = random.randrange(len(own))
    return itertools.cycle([*own[start:], *own[:start]])


OWN_PORTS = own_ports()


def free_port():
    """A port that nobody has, and that nobody is given before the server takes it."""
    for port in OWN_PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


def node():
    found = sorted(NPM.glob("node_modules/node-linux-*/bin/node"))
    if not found:
        pytest.fail(f"no node under {NPM}: run `make test`, it installs it")
    return str(found[0])


def debian(program):
    """A program of Debian: the one that was unpacked, or else the one that is installed."""
    for folder in ("usr/sbin", "usr/bin"):
        if (DEBIAN / folder / program).is_file():
            return str(DEBIAN / folder / program)
    if installed := shutil.which(program):
        return installed
    pytest.fail(f"no {program}, neither in {DEBIAN} nor on the PATH: `make tools` unpacks the one of Debian; "
                f"where there is no apt-get, install {program}")


@dataclasses.dataclass
class Certs:
    ca: str
    cert: str
    key: str

    def context(self):
        return ssl.create_default_context(cafile=self.ca)


class Home:
    """A temporary folder, and the environment of every process that belongs to it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="memoryd-clients-")
        self.data = os.path.join(self.dir, "data")
        self.started = []

    def env(self, **more):
        env = {"PATH": os.environ["PATH"], "HOME": self.dir, "DATA_DIR": self.data}
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def pids(self):
        """Processes, of whatever ancestry, whose HOME is this folder."""
        mark, found = f"HOME={self.dir}".encode(), []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as f:
                    if mark in f.read().split(b"\0"):
                        found.append(int(entry))
        return found

    def server(self, tls=None, **env):
        server = Server(self, tls, env)
        self.started.append(server)
        server.start()
        return server

    def close(self):
        problems = []
        for server in self.started:
            try:
                server.stop()
            except AssertionError as e:
                problems.append(str(e))
        try:
            poll(lambda: not self.pids(), 10, 0.05, "the end of all processes")
        except TimeoutError:
            left = self.pids()
            problems.append(f"processes were left behind: {[cmdline(p) for p in left]}")
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir)
        assert not problems, "; ".join(problems)


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return f"pid {pid}"


class Server:
    def __init__(self, home, tls, env):
        self.home, self.tls, self.proc = home, tls, None
        self.port = free_port()
        self.settings = {"HOST": "127.0.0.1", "PORT": str(self.port), "MCP_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "0"}
        if tls:
            self.settings |= {"USE_HTTPS": "true", "SSL_CERT_PATH": tls.cert, "SSL_KEY_PATH": tls.key}
        self.settings |= env
        self.log = os.path.join(home.dir, f"server-{self.port}.log")

    @property
    def url(self):
        # `localhost` is in the certificate, and it is what people type.
        return f"https://localhost:{self.port}/mcp" if self.tls else f"http://127.0.0.1:{self.port}/mcp"

    def start(self):
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen([str(BINARY)], env=self.home.env(**self.settings), cwd=self.home.dir,
                                         stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        poll(self.is_up, what=f"an answer of /health ({self.log})")

    def is_up(self):
        assert self.proc.poll() is None, f"the server ended with {self.proc.returncode}: {self.output()[-600:]}"
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def request(self, method, path, body=None, headers=None):
        if self.tls:
            conn = http.client.HTTPSConnection("localhost", self.port, timeout=15, context=self.tls.context())
        else:
            conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        with contextlib.closing(conn):
            headers = dict(headers or {})
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
                body = json.dumps(body)
            conn.request(method, path, body, headers)
            answer = conn.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def grants(self):
        """What users have allowed to programs."""
        status, _, told = self.request("GET", "/admin/oauth", headers={"X-API-Key": KEY})
        assert status == 200, told
        return json.loads(told)["grants"]

    def stop(self, seconds=15):
        if self.proc is None or self.proc.poll() is not None:
            return
        self.proc.send_signal(signal.SIGTERM)
        try:
            code = self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise AssertionError(f"the server did not stop within {seconds} s of SIGTERM") from None
        assert code == 0, f"the server ended with {code}: {self.output()[-600:]}"


@pytest.fixture
def home():
    home = Home()
    yield home
    home.close()


@pytest.fixture
def server(home):
    return home.server()


@pytest.fixture
def outside(home):
    """A server with OAuth, whose public name is the address at which it listens."""
    server = Server(home, None, {"OAUTH_ENABLED": "true"})
    server.settings["PUBLIC_URL"] = f"http://127.0.0.1:{server.port}"
    home.started.append(server)
    server.start()
    return server


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """A local CA and a server certificate, as `memoryd certs` makes them, told apart by what is in them."""
    folder = tmp_path_factory.mktemp("certs")
    names = [word for name in PUBLIC_NAMES for word in ("--name", name)]
    run = subprocess.run([str(BINARY), "certs", *names], cwd=folder, capture_output=True, text=True, timeout=30,
                         env={"PATH": os.environ["PATH"], "HOME": str(folder)})
    assert run.returncode == 0, f"memoryd certs: {run.returncode} {run.stderr[-400:]}"
    ca = cert = None
    keys = {}
    for path in sorted((folder / "certs").iterdir()):
        text = path.read_bytes()
        if b"PRIVATE KEY" in text:
            keys[path] = text
            assert path.stat().st_mode & 0o777 == 0o600, f"{path.name} has mode {path.stat().st_mode & 0o777:o}"
        elif b"BEGIN CERTIFICATE-----" in text:
            first = x509.load_pem_x509_certificate(text)
            is_ca = first.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            ca, cert = (path, cert) if is_ca else (ca, path)
    assert ca and cert and keys, f"in certs/: {[p.name for p in (folder / 'certs').iterdir()]}"
    yield Certs(str(ca), str(cert), str(key_of(cert, keys)))
    shutil.rmtree(folder)


def key_of(cert, keys):
    from cryptography.hazmat.primitives import serialization

    want = x509.load_pem_x509_certificate(cert.read_bytes()).public_key()
    for path, text in keys.items():
        if serialization.load_pem_private_key(text, None).public_key() == want:
            return path
    raise AssertionError(f"no key in certs/ belongs to {cert.name}")
