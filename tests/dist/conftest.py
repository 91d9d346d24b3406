"""What `make dist` made, and machines to try it on.

MEMORYD_DIST names its folder (target/packages), MEMORYD_DIST_WORK a folder for a bare Debian and for roots of images. The packages
may also be of a binary of every day, which is dynamic: then what it needs is put beside it, and only the tests that look at the binary
itself fail.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(os.environ.get("MEMORYD_DIST", ROOT / "target/packages")).resolve()
WORK = pathlib.Path(os.environ.get("MEMORYD_DIST_WORK", ROOT / "target/dist-test")).resolve()
# A large start on a slow machine, or one that is emulated.
PATIENCE = 120

sys.path.insert(0, str(ROOT / "tools/dist"))
import common

VERSION = common.version()


def pytest_report_header():
    return f"packages: {DIST}"


def needs(*programs, root=False):
    """Says why a test is passed over: programs that are not here, or that root is needed."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)} here")
    if root and os.geteuid() != 0:
        pytest.skip("it takes root")


def made(name):
    path = DIST / name
    if not path.exists():
        # Not every machine can build for another processor, and `make dist` says so.
        (pytest.skip if "arm64" in name else pytest.fail)(f"{path} was not made; `make dist` makes it")
    return path


def run(*command, check=True, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **how)
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def unpack(archive, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run("tar", "-xzf", archive, "-C", folder)


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    """The packaged binary that runs on this machine."""
    arch = common.own_arch()
    folder = tmp_path_factory.mktemp("binary")
    unpack(made(f"memoryd-{VERSION}-linux-{arch}.tar.gz"), folder)
    return folder / f"memoryd-{VERSION}-linux-{arch}/memoryd"


def libraries(binary):
    """What a dynamic binary needs; nothing of a static one."""
    told = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    return sorted({word for word in told.split() if word.startswith("/") and os.path.exists(word)})


def with_libraries(root, binary):
    for library in libraries(binary):
        place = root / library.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)


class Served:
    """A server that somebody's command has started, and that ends with the block."""

    def __init__(self, command, port, key, tls=None, **how):
        self.port, self.key, self.said = port, key, []
        self.context = tls and ssl.create_default_context(cafile=tls)
        self.base = f"{'https' if tls else 'http'}://localhost:{port}"
        # The program that starts it is this machine's.
        command = [shutil.which(command[0]) or command[0], *command[1:]]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True, **how)
        self.up = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said.append(line)
            if "started successfully" in line:
                self.up.set()
        # It has ended; nobody needs to wait any longer.
        self.up.set()

    def __enter__(self):
        self.up.wait(PATIENCE)
        if self.process.poll() is not None or not self.up.is_set():
            self.end(signal.SIGKILL)
            pytest.fail(f"it did not start: {''.join(self.said)}")
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, number=signal.SIGTERM):
        """Ends the server and whatever started it, and returns the code."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self.context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def add(self, content):
        status, told = self.ask("POST", "/api/v1/memories", {"content": content})
        assert status == 201, told
        return json.loads(told)["id"]

    def finds(self, query):
        status, told = self.ask("GET", f"/api/v1/search?query={urllib.parse.quote(query)}")
        assert status == 200, told
        return [hit["id"] for hit in json.loads(told)["results"]]
