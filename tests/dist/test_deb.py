"""The .deb on a bare Debian: from the first install to the purge, with the service run as its unit runs it."""

import os
import re
import shutil
import socket
import stat

import common
import contents
import deb
import pytest
from conftest import PATIENCE, VERSION, WORK, Served, free_port, made, needs, run, with_libraries

SUITE = "bookworm"
UNIT = "memoryd.service"
CONTENT = "the spare key hangs behind the meter"


@pytest.fixture(scope="module")
def debian():
    """A Debian with nothing but the essential packages, and adduser, which the package asks for."""
    needs("debootstrap", "dpkg-deb", root=True)
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    bare, root = WORK / "bare", WORK / "debian"
    if not (bare / "usr/sbin/adduser").exists():
        shutil.rmtree(bare, ignore_errors=True)
        run("debootstrap", "--variant=minbase", "--include=adduser", SUITE, bare, mirror)
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", "--reflink=auto", bare, root)
    yield Debian(root)
    shutil.rmtree(root)


class Debian:
    def __init__(self, root):
        self.root, self.port = root, free_port()

    def run(self, *command, **how):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        return run("chroot", self.root, *command, env=env, **how)

    def install(self, package):
        shutil.copy(package, self.root / "tmp")
        return self.run("dpkg", "-i", "--force-confold", "--force-unsafe-io", f"/tmp/{package.name}").stdout

    def path(self, place):
        return self.root / place.lstrip("/")

    def owner(self, place):
        found = self.path(place).stat()
        return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)

    def user(self):
        return tuple(int(self.run("id", flag, "memoryd").stdout) for flag in ("-u", "-g"))

    def unit(self, name):
        return re.findall(rf"^{name}=(.*)$", self.path(f"/usr/lib/systemd/system/{UNIT}").read_text(), re.M)

    def key(self):
        return self.path("/etc/memoryd/key").read_text().strip()

    def serve(self):
        """Starts the command of the unit, as systemd would: its user, its folder, its variables, its credential."""
        user, group = self.user()
        name, source = self.unit("LoadCredential")[0].split(":")
        credentials = self.path(f"/run/credentials/{UNIT}")
        credentials.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.path(source), credentials / name)
        os.chmod(credentials / name, 0o400)
        for place in (credentials, credentials / name):
            os.chown(place, user, group)
        for name in self.unit("StateDirectory")[0].split():
            place = self.path(f"/var/lib/{name}")
            place.mkdir(mode=0o700, exist_ok=True)
            os.chown(place, user, group)
        env = dict(word.split("=", 1) for line in self.unit("Environment") for word in line.replace("%n", UNIT).split())
        env |= {"PORT": str(self.port), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": "/run/notify"}
        folder = self.unit("WorkingDirectory")[0]
        inside = ["env", f"--chdir={folder}", "setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs",
                  "--inh-caps=-all", "--bounding-set=-all", *self.unit("ExecStart")[0].split()]
        return Served(["chroot", self.root, *inside], self.port, self.key(), env=env)

    def connect(self, *arguments):
        """What somebody does who has read the key; their own folder has no data."""
        env = ["env", "--chdir=/root", "HOME=/root", f"MCP_API_KEY={self.key()}"]
        return self.run(*env, "memoryd", "connect", *arguments, "--url", f"http://127.0.0.1:{self.port}")

    def notified(self):
        """A socket on which the service manager would listen."""
        place = self.path("/run/notify")
        place.unlink(missing_ok=True)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(str(place))
        os.chmod(place, 0o666)
        manager.settimeout(PATIENCE)
        return manager


@pytest.fixture(scope="module")
def package():
    return made(f"memoryd_{VERSION}-1_{common.own_arch()}.deb")


def test_it_installs_serves_survives_an_upgrade_and_leaves_the_data(debian, package, binary, tmp_path):
    with_libraries(debian.root, binary)

    # The first install.
    said = debian.install(package)
    user, group = debian.user()
    key = debian.key()
    assert "/etc/memoryd/key" in said and key not in said, said
    assert len(key) == 43
    assert debian.owner("/etc/memoryd/key") == (0, 0, 0o600)
    assert debian.owner("/var/lib/memoryd") == (user, group, 0o700)
    assert debian.owner("/etc/memoryd/config.toml") == (0, 0, 0o644)
    assert debian.path("/etc/systemd/system/multi-user.target.wants/memoryd.service").is_symlink()

    # The service, as its unit runs it.
    notified = debian.notified()
    with debian.serve() as served:
        assert served.ask("GET", "/health")[0] == 200
        told = [notified.recv(500).decode() for _ in range(2)]
        assert told[1].startswith("READY=1\n"), told
        memory = served.add(CONTENT)
        assert debian.owner("/var/lib/memoryd/journal")[:2] == (user, group)
        debian.run("setpriv", "--reuid", "memoryd", "--regid", "memoryd", "--clear-groups", "memoryd", "backup", "create", "--data-dir", "/var/lib/memoryd")
        assert list(debian.path("/var/lib/memoryd-backups").iterdir())
        connected = debian.connect("cursor", "--yes")
        assert "7 tools" in connected.stdout + connected.stderr, connected
        assert "mcp_" in debian.path("/root/.cursor/mcp.json").read_text()
        debian.connect("cursor", "--yes", "--undo")
        assert not debian.path("/root/.cursor/mcp.json").exists()
        assert served.end() == 0, served.said

    # An upgrade keeps the key, the settings that were changed, and the data.
    config = debian.path("/etc/memoryd/config.toml")
    config.write_text(config.read_text() + "\n# mine\n")
    name, newer = deb.build(binary, common.own_arch(), contents.Told(binary), "OWNER", revision=2)
    (tmp_path / name).write_bytes(newer)
    debian.install(tmp_path / name)
    assert debian.run("dpkg-query", "-W", "-f", "${Version}", "memoryd").stdout == f"{VERSION}-2"
    assert debian.key() == key and config.read_text().endswith("# mine\n")
    with debian.serve() as served:
        assert served.finds("where is the spare key?") == [memory]

    # Back again, as a downgrade to a version of the same format.
    debian.install(package)
    with debian.serve() as served:
        assert served.finds("where is the spare key?") == [memory]

    # Removed, it leaves settings and data.
    debian.run("dpkg", "-r", "memoryd")
    assert not debian.path("/usr/bin/memoryd").exists() and config.exists() and debian.key() == key
    assert debian.path("/var/lib/memoryd/journal").is_dir()

    # Purged, it leaves the data, and says so.
    said = debian.run("dpkg", "-P", "memoryd").stdout
    assert "/var/lib/memoryd" in said, said
    assert not debian.path("/etc/memoryd").exists()
    assert not debian.path("/etc/systemd/system/multi-user.target.wants/memoryd.service").is_symlink()
    assert debian.path("/var/lib/memoryd/journal").is_dir()

    # And installed anew, it finds them.
    debian.install(package)
    assert debian.key() != key
    with debian.serve() as served:
        assert served.finds("where is the spare key?") == [memory]

    # What its owner has put beside the settings is no package's to delete: without it the data may be lost.
    own = debian.path("/etc/memoryd/memoryd.env")
    own.write_text("ENCRYPTION_KEY=of-its-owner\n")
    debian.run("dpkg", "-P", "memoryd")
    assert [place.name for place in debian.path("/etc/memoryd").iterdir()] == [own.name]


def test_what_is_installed_is_where_others_look_for_it(package, tmp_path):
    needs("dpkg-deb")
    run("dpkg-deb", "-x", package, tmp_path)

    for place in ("usr/bin/memoryd", "usr/lib/systemd/system/memoryd.service", "usr/share/man/man1/memoryd.1.gz",
                  "usr/share/bash-completion/completions/memoryd", "usr/share/zsh/vendor-completions/_memoryd",
                  "usr/share/fish/vendor_completions.d/memoryd.fish", "usr/share/doc/memoryd/copyright",
                  "usr/share/doc/memoryd/changelog.Debian.gz", "usr/share/doc/memoryd/examples/fail2ban/filter.d/memoryd.conf",
                  "usr/share/doc/memoryd/examples/grafana/memoryd.json"):
        assert (tmp_path / place).is_file(), place
    assert stat.S_IMODE((tmp_path / "usr/bin/memoryd").stat().st_mode) == 0o755


def test_the_man_page_can_be_set(package, tmp_path):
    needs("man", "dpkg-deb")
    run("dpkg-deb", "-x", package, tmp_path)

    told = run("man", "--warnings", "-l", tmp_path / "usr/share/man/man1/memoryd.1.gz", env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "120"})

    assert told.stderr == ""
    for word in ("--data-dir", "memoryd backup restore", "/var/lib/memoryd", "EXIT STATUS"):
        assert word in told.stdout, word
