"""The binary for arm64, emulated where the processor is another one: what a small machine at home will do with it."""

import os
import signal

import pytest
from conftest import VERSION, Served, free_port, made, needs, run, unpack

KEY = "arm64-test-key-0123456789abcdef"


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """The command that runs it."""
    folder = tmp_path_factory.mktemp("arm64")
    name = f"memoryd-{VERSION}-linux-arm64"
    unpack(made(f"{name}.tar.gz"), folder)
    binary = folder / name / "memoryd"
    if os.uname().machine == "aarch64":
        return [binary]
    needs("qemu-aarch64-static")
    return ["qemu-aarch64-static", binary]


def test_it_serves_over_tls_finds_by_meaning_and_survives_a_kill(emulated, tmp_path):
    run(*emulated, "certs", "--out", tmp_path / "certs", env={"PATH": os.environ["PATH"]})
    port = free_port()
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": str(port), "MCP_API_KEY": KEY,
           "SSL_CERT_PATH": str(tmp_path / "certs/server.pem"), "SSL_KEY_PATH": str(tmp_path / "certs/server-key.pem")}

    def serve():
        return Served([*emulated, "serve"], port, KEY, tls=tmp_path / "certs/ca.pem", env=env, cwd=tmp_path)

    with serve() as served:
        memory = served.add("Anna is allergic to penicillin")
        served.add("the boiler was serviced in May")
        assert served.finds("which medicine does Anna not tolerate?")[0] == memory
        served.end(signal.SIGKILL)
    with serve() as served:
        assert served.finds("penicillin") == [memory]
        checked = run(*emulated, "healthcheck", env=env, cwd=tmp_path)
        assert checked.stdout == "healthy\n"
        assert served.end() == 0, served.said
