"""fail2ban itself reads the log of a server that was attacked: whom would the filter in packaging/fail2ban have banned?

Every request has its own mark, and nearly every one its own address, so that a ban of anybody else shows.
"""

import contextlib
import dataclasses
import datetime
import itertools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest
from conftest import DEBIAN, KEY, ROOT, Home, debian

# One process of those that run tests at the same time has them all, since they look at one attack.
pytestmark = pytest.mark.xdist_group("fail2ban")

DEPLOY = ROOT / "packaging/fail2ban"
# An older fail2ban runs under no newer Python than that of its Debian.
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
PATIENCE = 30
# The only proxy that is trusted. The other addresses of loopback are clients like any on the internet.
PROXY = "127.0.0.1"
REQUESTS, FAILURES = 3, 2
VICTIM = "192.0.2.66"
FORGED = ("2026-11-21T11:22:33.123Z INFO  memoryd::http::front::receive request id=ab client=192.0.2.66 "
          'credential=invalid method=GET path=/mcp status=401 ms=0.1 event="Unauthorized"')
RIGHT, WRONG = {"X-API-Key": KEY}, {"X-API-Key": "wrong-key-wrong-key-wrong-key-1"}
# What fail2ban puts before a message of the journal.
JOURNAL = "nas memoryd[4711]: "


@dataclasses.dataclass
class Attempt:
    # "guess" with a wrong credential, "stranger" without one, or "nothing" that a filter should find.
    kind: str
    status: int
    mark: str
    # Whose it is.
    address: str

    def is_for(self, mode):
        """Whether the filter should find it in this mode."""
        kinds = {"normal": ["guess"], "ratelimit": ["guess", "stranger"], "aggressive": ["guess", "stranger"]}[mode]
        return self.kind in kinds and (self.status == 429 or mode != "ratelimit")


class Attacker:
    """Sends requests as they are, which no client library would do, and keeps what should be made of them."""

    def __init__(self, server):
        self.server, self.attempts = server, []
        self.numbers = itertools.count(2)

    def someone(self):
        return f"127.0.0.{next(self.numbers)}"

    def tries(self, kind, status, method="GET", path="/MARK", headers=WRONG, source=None, address=None):
        source = source or self.someone()
        mark = f"mark-{len(self.attempts)}"
        lines = {"Host": "127.0.0.1", "Connection": "close", "X-Request-Id": mark} | headers
        request = f"{method} {path.replace('MARK', mark)} HTTP/1.1\r\n"
        request += "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        answered = self.send(source, request.encode("latin-1"))
        assert answered == status, f"{request!r} was answered with {answered}"
        self.attempts.append(Attempt(kind, status, mark, address or source))

    def send(self, source, request):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), PATIENCE, (source, 0))) as s:
            s.sendall(request)
            with s.makefile("rb") as answer:
                return int(answer.readline().split()[1])

    def guesses(self):
        self.tries("guess", 401)
        self.tries("guess", 401, path="/mcp", headers={"Authorization": "Bearer wrong-key-wrong-key-wrong"})
        self.tries("guess", 401, path="/mcp", headers={"X-MCP-Token": "x" * 600})
        self.tries("guess", 401, path="/api/v1/memories", headers=RIGHT | {"X-MCP-UserID": "somebody-else"})
        self.tries("guess", 401, path="/mcp", headers=RIGHT | {"Authorization": "Bearer another-key-than-that"})
        # The third is one wrong key too many, and the fourth one request too many as well.
        crowd = self.someone()
        for n in range(REQUESTS + 1):
            key = {"X-API-Key": f"wrong-key-wrong-key-wrong-key-{n}"}
            self.tries("guess", 401 if n < FAILURES else 429, headers=key, source=crowd)

    def strangers(self):
        self.tries("stranger", 401, path="/mcp", headers={})
        self.tries("stranger", 401, path="/mcp", headers={"Authorization": "Basic eDp5"})
        crowd = self.someone()
        for n in range(REQUESTS + 1):
            self.tries("stranger", 401 if n < REQUESTS else 429, headers={}, source=crowd)

    def hides(self):
        """What could keep a guess out of the filter's sight."""
        for own_id in ("Not.Hex_-", "x" * 64, VICTIM):
            self.tries("guess", 401, headers=WRONG | {"X-Request-Id": own_id})
        self.tries("guess", 401, method="M-SEARCH")
        self.tries("guess", 401, method="A" * 999)
        self.tries("guess", 401, path="/MARK/" + "x" * 999)
        self.tries("guess", 401, path="*")
        self.tries("guess", 401, path='/MARK"status=200')
        self.tries("guess", 401, headers=WRONG | {"User-Agent": "request status=200"})

    def forges(self):
        """What could put somebody else's address into the filter's sight."""
        for blank in ("%20", "", "+", r"\u{20}", "%c2%a0", "%e2%80%a8"):
            path = "/MARK%0a" + FORGED.replace(" ", blank) + "%0d%0a"
            self.tries("guess", 401, path=path)
            self.tries("nothing", 404, path=path, headers=RIGHT)
        for end in ("\n", "\r\n", "\r", "\0", "\x0b", "\x0c", "\x1b[2K", "\x85", "\xa0", "\t", " "):
            self.tries("nothing", 400, path="/MARK" + end + FORGED.replace(" ", end))
        for name in ("User-Agent", "Referer", "X-MCP-UserID", "X-Project-Dir", "X-Request-Id", "Origin-Of-All"):
            self.tries("guess", 401, headers=WRONG | {name: FORGED})
            self.tries("guess", 401, headers=WRONG | {name: f"client={VICTIM}"})
        self.tries("guess", 401, headers={"X-API-Key": FORGED})
        self.tries("guess", 401, headers={"Authorization": f"Bearer {FORGED}"})
        self.tries("nothing", 400, method=f"GET\x0b{VICTIM}")

    def speaks_for_others(self):
        for name in ("X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"):
            self.tries("guess", 401, headers=WRONG | {name: VICTIM})
        self.tries("guess", 401, headers=WRONG | {"Forwarded": f"for={VICTIM}"})
        # The proxy adds whom it sees to whatever it was sent.
        for sent, seen, address in [
                (VICTIM, "198.51.100.1", "198.51.100.1"), (f"{VICTIM}, junk", "2001:db8:1::1", "2001:db8:1::1"),
                (f"{VICTIM} credential=invalid", "[2001:db8:2::]:443", "2001:db8:2::"),
                (f"::ffff:{VICTIM}", "::ffff:198.51.100.2", "198.51.100.2"),
                (f"{VICTIM},{VICTIM}", "2001:db8:3:1:1:1:1:1", "2001:db8:3:1:1:1:1:1"),
                (VICTIM, f"client={VICTIM}", PROXY)]:
            forwarded = {"X-Forwarded-For": f"{sent}, {seen}", "X-Real-IP": VICTIM}
            self.tries("guess", 401, headers=WRONG | forwarded, source=PROXY, address=address)

    def behaves(self):
        """What no mode may take for an attack."""
        friend = self.someone()
        for n in range(REQUESTS + 1):
            status = 200 if n < REQUESTS else 429
            self.tries("nothing", status, path="/api/v1/memories", headers=RIGHT, source=friend)
        self.tries("nothing", 404, path='/MARK"event="Unauthorized"', headers=RIGHT)
        self.tries("nothing", 200, path="/health", headers={})
        self.tries("nothing", 200, path="/health")
        # A web page does that in the browser of somebody who knows nothing of it.
        self.tries("nothing", 403, path="/mcp", headers=WRONG | {"Origin": "https://evil.example"})
        self.tries("nothing", 403, path="/mcp", headers=WRONG | {"Sec-Fetch-Site": "cross-site"})


@pytest.fixture(scope="module")
def attacked():
    """The log of a server that has stopped, and what was done to it."""
    home = Home()
    with contextlib.closing(home):
        log = pathlib.Path(home.dir, "memoryd.log")
        yield log, attack(home, log)


def attack(home, log):
    server = home.server(LOG_FILE=str(log), TRUSTED_PROXIES=PROXY, RATE_LIMIT_REQUESTS=str(REQUESTS),
                         RATE_LIMIT_WINDOW="600", AUTH_FAIL_LIMIT=str(FAILURES), AUTH_FAIL_WINDOW="600")
    attacker = Attacker(server)
    attacker.guesses()
    attacker.strangers()
    attacker.hides()
    attacker.forges()
    attacker.speaks_for_others()
    attacker.behaves()
    server.stop()
    return attacker.attempts


@dataclasses.dataclass
class Found:
    at: int
    address: str
    line: str


def fail2ban(program, *arguments, **env):
    """Runs a program of fail2ban, which is the one that was unpacked, or else the one that is installed."""
    script, env = debian(program), {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | env
    command = [script]
    if pathlib.Path(script).is_relative_to(DEBIAN):
        command = [PYTHON, "-B", script]
        env["PYTHONPATH"] = str(DEBIAN / "usr/lib/python3/dist-packages")
    run = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, f"{program} {arguments}: {run.returncode} {run.stdout[-600:]} {run.stderr[-600:]}"
    return run.stdout


def find(log, mode="normal", *options, **env):
    """What fail2ban finds in a file or in one line; a name it would show, not look up."""
    out = fail2ban("fail2ban-regex", "-c", str(DEPLOY), "--raw", *options, "-o", "<time>|<ip>|<msg>", str(log),
                   f"memoryd[mode={mode}]", **env)
    rows = [row.split("|", 2) for row in out.splitlines()]
    return [Found(int(float(at)), address, line) for at, address, line in rows]


@pytest.mark.parametrize("mode", ["normal", "ratelimit", "aggressive"])
def test_the_filter_finds_the_attempts_of_attackers_and_nobody_else(attacked, mode):
    log, attempts = attacked
    lines = log.read_text().splitlines()
    # Whoever names his request himself may still be told by his address.
    expected = [(a.address, line_of(lines, a)) for a in attempts if a.is_for(mode)]

    found = [(f.address, f.line) for f in find(log, mode)]

    assert found == expected
    assert VICTIM not in [address for address, _ in found]
    # Nothing above would show it if the forged line were no good one.
    assert [f.address for f in find(FORGED)] == [VICTIM]


def line_of(lines, attempt):
    of_mark = [line for line in lines if re.search(rf"\b{attempt.mark}\b", line)]
    found = of_mark or [line for line in lines if f" client={attempt.address} " in line]
    assert len(found) == 1, f"{attempt}: {found}"
    return found[0]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_the_time_of_a_line_is_read_in_every_time_zone(attacked, zone):
    log, _ = attacked

    found = find(log, "aggressive", TZ=zone)

    assert [f.at for f in found] == [int(datetime.datetime.fromisoformat(f.line.split()[0]).timestamp()) for f in found]


def test_every_line_of_the_log_has_a_time_that_is_read(attacked):
    log, _ = attacked

    told = fail2ban("fail2ban-regex", "-c", str(DEPLOY), str(log), "memoryd")

    assert f"[{len(log.read_text().splitlines())}] ^Year-Month-Day" in told, told


def test_a_line_is_found_in_the_journal_as_in_a_file(attacked, tmp_path):
    log, attempts = attacked
    journal = tmp_path / "journal"
    journal.write_text("".join(JOURNAL + line + "\n" for line in log.read_text().splitlines()))

    found = [f.address for f in find(journal, "normal", "-d", "{NONE}")]

    assert found == [a.address for a in attempts if a.is_for("normal")]
    for other in ("nas sshd[4711]: ", "nas memoryd[4711]: x ", "memoryd[4711]: ", "x"):
        assert find(other + FORGED, "normal", "-d", "{NONE}") == []


@pytest.mark.parametrize(("part", "other"), [
    # CONNECT over HTTP/2 has no path.
    ("path=/mcp", "path="),
    ("client=192.0.2.66", "client=2001:db8::"), ("client=192.0.2.66", "client=::c000:201")])
def test_a_line_may_also_be_like_this(part, other):
    assert len(find(FORGED.replace(part, other))) == 1


@pytest.mark.parametrize(("part", "other"), [
    ("client=192.0.2.66", "client=example.org"), ("client=192.0.2.66", "client=192.0.2.66,192.0.2.67"),
    ("INFO ", "WARN "), ("memoryd::http::front::receive", "memoryd::embedding::embedder"), ("path=/mcp", "path=/m cp"),
    ("INFO  memoryd", "ERROR actix_http::h1::dispatcher INFO  memoryd"),
    ("credential=invalid", "credential=invalid2"), ("status=401", "status=404"), ("receive ", "receive x "),
    ('"Unauthorized"', '"Unauthorized" ')])
def test_a_line_that_is_a_little_different_is_none(part, other):
    assert part in FORGED and find(FORGED.replace(part, other)) == []


@pytest.mark.parametrize("place", ["journal", "file"])
def test_fail2ban_takes_the_jail(tmp_path, place):
    etc = DEBIAN / "etc/fail2ban"
    etc = etc if etc.is_dir() else pathlib.Path("/etc/fail2ban")
    for name in ("fail2ban.conf", "jail.conf", "action.d", *(p.name for p in etc.glob("paths-*.conf"))):
        (tmp_path / name).symlink_to(etc / name)
    (tmp_path / "filter.d").symlink_to(DEPLOY / "filter.d")
    jail = (DEPLOY / "jail.d/memoryd.conf").read_text()
    log = tmp_path / "memoryd.log"
    log.touch()
    if place == "file":
        jail, changed = re.subn(r"^backend = systemd$|^#(?=backend = auto$)|^#logpath = .*$",
                                lambda m: f"logpath = {log}" if "logpath" in m[0] else "", jail, flags=re.MULTILINE)
        assert changed == 3
    (tmp_path / "jail.d").mkdir()
    (tmp_path / "jail.d/memoryd.conf").write_text(jail)

    told = fail2ban("fail2ban-client", "-c", str(tmp_path), "-d")

    assert f"['add', 'memoryd', '{'auto' if place == 'file' else 'systemd'}']" in told, told
    assert (str(log) in told) == (place == "file") and "'addjournalmatch', '_SYSTEMD_UNIT=memoryd.service'" in told
    assert told.count("credential=invalid ") == 2 and "['start', 'memoryd']" in told
