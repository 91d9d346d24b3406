"""The systemd unit: how much it shuts away, and that the server gets by with what is left."""

import re

from conftest import ROOT, Served, free_port, needs, run

UNIT = ROOT / "packaging/systemd/memoryd.service"
KEY = "unit-test-key-0123456789abcdef"
MOST_EXPOSED = 1.5


def test_the_sandbox_is_tight():
    needs("systemd-analyze")

    told = run("systemd-analyze", "security", "--offline=true", UNIT, check=False).stdout

    exposed = float(re.search(r"Overall exposure level for memoryd.service: ([\d.]+)", told)[1])
    assert exposed <= MOST_EXPOSED, told


def test_the_server_makes_only_system_calls_that_the_unit_lets_through(binary, tmp_path):
    needs("systemd-analyze", "strace")
    port, trace = free_port(), tmp_path / "trace"
    env = {"PATH": "/usr/bin:/bin", "MCP_API_KEY": KEY}
    command = ["strace", "-f", "-c", "-S", "name", "-U", "name", "-o", trace, binary, "serve", "--port", port, "--data-dir", tmp_path / "data"]

    with Served(command, port, KEY, env=env, cwd=tmp_path) as served:
        memory = served.add("the boiler was serviced in May")
        assert served.finds("when was the heating looked after?") == [memory]
        served.end()

    calls = {line.strip() for line in trace.read_text().splitlines() if re.fullmatch(r"[a-z0-9_]+", line.strip())} - {"syscall", "total"}
    assert len(calls) > 20, calls
    assert calls <= allowed(), calls - allowed()


def allowed():
    """The names that the filter of the unit comes to."""
    found = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        words = line.removeprefix("~").split()
        named = set().union(*(names(word) for word in words))
        found = found - named if line.startswith("~") else found | named
    # systemd lets them through in any case: a program cannot begin without.
    return found | names("@default")


def names(word):
    if not word.startswith("@"):
        return {word}
    told = run("systemd-analyze", "syscall-filter", word).stdout.splitlines()
    listed = [line.strip() for line in told[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(names(each) for each in listed))
