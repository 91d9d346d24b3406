"""Gives each test a home, a working directory and an environment of its own, and a server in them."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import os
import pathlib
import tempfile
from collections.abc import Iterator

import pytest
from servers import BINARY, Fake, Memoryd, Server, free_port

from memoryd_client import discovery

# What a client reads. A developer's own settings are nothing for a test.
SETTINGS = (
    "MCP_MEMORY_TOKEN MCP_TOKEN_FILE MCP_MEMORY_ENABLED DATA_DIR MEMORYOS_DATA_PATH RUN_DIR SSL_CERT_FILE"
)


def pytest_report_header() -> str:
    return f"memoryd: {BINARY} ({why_not_memoryd() or 'is tested as well'})"


@functools.cache
def why_not_memoryd() -> str:
    """Says why the tests do without the real server; nothing where it is at hand and has the routes."""
    if not BINARY.is_file():
        return "is not there"
    with tempfile.TemporaryDirectory() as folder:
        server = Memoryd(pathlib.Path(folder))
        server.start()
        try:
            paths = server.ask("GET", "/openapi.json")["paths"]
        finally:
            server.stop()
    return "" if "/memories" in paths else "has no route /memories yet"


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The working directory of the test, with nothing in it. Its `home` is the home.

    Nobody listens on the default port, which is another one: on the usual one a developer's server may.
    """
    monkeypatch.setattr(discovery, "DEFAULT_PORT", free_port())
    for name in (*SETTINGS.split(), "SSL_CERT_FILE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOCALAPPDATA", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(place: pathlib.Path) -> Iterator[Fake]:
    server = Fake(place)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["fake", "memoryd"])
def server(place: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Either server, running, with its data in `./data`."""
    server = make(request.param, place)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["fake", "memoryd"])
def secure_server(
    place: pathlib.Path, request: pytest.FixtureRequest, certificate: tuple[str, str]
) -> Iterator[Server]:
    """Either server over HTTPS, whose certificate nobody knows."""
    server = make(request.param, place, *certificate)
    server.start()
    yield server
    server.stop()


def make(kind: str, folder: pathlib.Path, certificate: str = "", key: str = "") -> Server:
    if kind == "fake":
        return Fake(folder, certificate, key)
    if why_not_memoryd():
        pytest.skip(f"{BINARY} {why_not_memoryd()}")
    return Memoryd(folder, certificate, key)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for this machine that is its own authority, and of its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "memoryd-client tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    handle = os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
    return str(folder / "certificate.pem"), str(folder / "key.pem")
