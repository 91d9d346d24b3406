"""Real clients of both eras put a memory through its life: over HTTP, HTTPS and standard input and output."""

import pytest
from callers import (
    Inspector,
    RpcError,
    python,
    python_client,
    python_stdio_client,
    typescript_http,
    typescript_stdio,
)
from memory_flow import CORE, whole_life

LEGACY, MODERN = "2025-11-25", "2026-07-28"
PYTHON_MODES = [("auto", MODERN), ("legacy", LEGACY), (MODERN, MODERN)]
TYPESCRIPT_MODES = [("default", LEGACY), ("auto", MODERN), (MODERN, MODERN)]


@pytest.fixture
def secure_server(home, certs):
    return home.server(tls=certs)


@pytest.mark.parametrize("credential", ["key", "bearer"])
@pytest.mark.parametrize(("mode", "protocol"), PYTHON_MODES)
def test_python_over_http(server, mode, protocol, credential):
    with python(python_client(server, mode, credential)) as caller:
        assert caller.protocol == protocol
        whole_life(caller)


@pytest.mark.parametrize(("mode", "protocol"), PYTHON_MODES)
def test_python_over_https(secure_server, mode, protocol):
    with python(python_client(secure_server, mode)) as caller:
        assert caller.protocol == protocol
        whole_life(caller)


@pytest.mark.parametrize("daemon", [True, False], ids=["beside-a-daemon", "alone"])
@pytest.mark.parametrize(("mode", "protocol"), PYTHON_MODES)
def test_python_over_stdio(home, mode, protocol, daemon):
    if daemon:
        home.server()
    with python(python_stdio_client(home, mode)) as caller:
        assert caller.protocol == protocol
        whole_life(caller)


@pytest.mark.parametrize("credential", ["key", "bearer"])
@pytest.mark.parametrize(("mode", "protocol"), TYPESCRIPT_MODES)
def test_typescript_over_http(server, mode, protocol, credential):
    with typescript_http(server, mode, credential) as caller:
        assert (caller.protocol, caller.era) == (protocol, "modern" if protocol == MODERN else "legacy")
        whole_life(caller)


@pytest.mark.parametrize(("mode", "protocol"), TYPESCRIPT_MODES)
def test_typescript_over_https(secure_server, mode, protocol):
    with typescript_http(secure_server, mode) as caller:
        assert caller.protocol == protocol
        whole_life(caller)


@pytest.mark.parametrize("daemon", [True, False], ids=["beside-a-daemon", "alone"])
@pytest.mark.parametrize(("mode", "protocol"), TYPESCRIPT_MODES)
def test_typescript_over_stdio(home, mode, protocol, daemon):
    if daemon:
        home.server()
    with typescript_stdio(home, mode) as caller:
        assert caller.protocol == protocol
        whole_life(caller)


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_over_http(server, era):
    whole_life(Inspector(server, era))


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_finds_no_fault_in_the_tool_schemas(server, era):
    answer = Inspector(server, era).run("tools/list", "--strict")

    assert [t["name"] for t in answer["result"]["tools"]][: len(CORE)] == CORE
    assert answer.get("schemaFindings", []) == []


def test_the_inspector_over_https(secure_server):
    assert [t["name"] for t in Inspector(secure_server, "modern").tools()]


@pytest.mark.parametrize(("mode", "_protocol"), PYTHON_MODES)
def test_a_tool_that_does_not_exist_is_invalid_params(server, mode, _protocol):
    with python(python_client(server, mode)) as caller, pytest.raises(RpcError) as refused:
        caller.call("no_such_tool", {})

    assert refused.value.code == -32602
