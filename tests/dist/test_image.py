"""The image: its layout as other tools read it, and its root as an engine would run it."""

import json
import os
import shutil
import tarfile

import common
import pytest
from conftest import DIST, VERSION, WORK, Served, free_port, made, needs, run, with_libraries

KEY = "image-test-key-0123456789abcdef"
USER = f"{common.NOBODY}:{common.NOBODY}"
# What the README promises, of what is loaded over the network and of what then lies on the disk.
MOST_BYTES = 45_000_000


@pytest.fixture(scope="module")
def layout():
    return made("image")


def blob(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


def manifests(layout):
    """The manifest and the configuration of each processor."""
    index = json.loads((layout / "index.json").read_text())["manifests"][0]
    for each in json.loads(blob(layout, index["digest"]).read_text())["manifests"]:
        manifest = json.loads(blob(layout, each["digest"]).read_text())
        yield each["platform"], manifest, json.loads(blob(layout, manifest["config"]["digest"]).read_text())


def test_every_part_has_the_digest_that_names_it(layout):
    blobs = list((layout / "blobs/sha256").iterdir())

    assert len(blobs) >= 4
    for path in blobs:
        assert common.sha256(path.read_bytes()) == path.name


def test_there_is_one_image_for_each_binary(layout):
    architectures = [platform["architecture"] for platform, _, _ in manifests(layout)]

    assert architectures == sorted(path.name.rsplit("_")[-1].removesuffix(".deb") for path in DIST.glob("memoryd_*.deb"))


def test_it_runs_as_nobody_and_says_what_it_is(layout):
    for platform, _, settings in manifests(layout):
        config = settings["config"]
        assert settings["architecture"] == platform["architecture"]
        assert (config["User"], config["Entrypoint"], config["Cmd"]) == (USER, ["/memoryd"], ["serve"])
        assert config["Healthcheck"]["Test"] == ["CMD", "/memoryd", "healthcheck"]
        assert config["Labels"]["org.opencontainers.image.version"] == VERSION
        assert config["Labels"]["io.modelcontextprotocol.server.name"].endswith("/memoryd")
        assert config["Volumes"] == {"/data": {}} and config["StopSignal"] == "SIGTERM"


def test_a_volume_made_of_it_belongs_to_its_user(layout):
    for _, manifest, settings in manifests(layout):
        with tarfile.open(blob(layout, manifest["layers"][0]["digest"])) as archive:
            for name in ("data", "backups"):
                folder = archive.getmember(name)
                assert (folder.uid, folder.gid, folder.mode) == (common.NOBODY, common.NOBODY, 0o700)
                assert any(value == f"/{name}" for value in (word.split("=")[1] for word in settings["config"]["Env"]))


def test_it_is_small(layout):
    for _, manifest, _ in manifests(layout):
        layer = blob(layout, manifest["layers"][0]["digest"])
        with tarfile.open(layer) as archive:
            unpacked = sum(member.size for member in archive)
        assert layer.stat().st_size <= MOST_BYTES and unpacked <= MOST_BYTES, (layer.stat().st_size, unpacked)


def test_skopeo_reads_it_for_every_processor_and_makes_of_it_what_docker_loads(layout, tmp_path):
    needs("skopeo")
    source = f"oci:{layout}:{VERSION}"

    for platform, _, _ in manifests(layout):
        arch = platform["architecture"]
        told = json.loads(run("skopeo", "inspect", "--override-arch", arch, source).stdout)
        run("skopeo", "--override-arch", arch, "copy", source, f"docker-archive:{tmp_path}/{arch}.tar:memoryd:{VERSION}")
        with tarfile.open(tmp_path / f"{arch}.tar") as archive:
            loaded = json.load(archive.extractfile("manifest.json"))
        assert told["Architecture"] == arch
        assert loaded[0]["RepoTags"] == [f"docker.io/library/memoryd:{VERSION}"]


@pytest.fixture
def container(layout):
    """A root of this machine's processor, and a folder for its data."""
    needs("unshare", "mount", "chroot", root=True)
    arch = common.own_arch()
    found = [manifest for platform, manifest, _ in manifests(layout) if platform["architecture"] == arch]
    if not found:
        pytest.skip(f"there is no image for {arch}")
    folder = WORK / "container"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "root").mkdir(parents=True)
    run("tar", "-xzf", blob(layout, found[0]["layers"][0]["digest"]), "-C", folder / "root", "--numeric-owner", "-p")
    with_libraries(folder / "root", folder / "root/memoryd")
    yield Container(folder)
    shutil.rmtree(folder)


class Container:
    """Runs what an engine would: the user of the image, a root that cannot be written, no right of root, /tmp of its own."""

    def __init__(self, folder):
        self.root, self.data, self.port = folder / "root", folder / "data", free_port()
        self.data.mkdir()
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost nas.example\n")
        # As a volume that is made of the image.
        found = (self.root / "data").stat()
        os.chown(self.data, found.st_uid, found.st_gid)
        self.data.chmod(found.st_mode & 0o7777)

    def command(self, *arguments):
        root = self.root
        script = (f"mount --bind {root} {root} && mount -o remount,ro,bind {root} && mount --bind {self.data} {root}/data && "
                  f"mount -t tmpfs -o size=16m,mode=1777,noexec,nosuid,nodev tmpfs {root}/tmp && "
                  f'exec setpriv --no-new-privs chroot --userspec={USER} --groups= {root} /memoryd "$@"')
        return ["unshare", "--mount", "sh", "-c", script, "sh", *arguments]

    def env(self):
        # A container of the default bridge has a network of its own, so there it is for all addresses.
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOST": "127.0.0.1", "DATA_DIR": "/data", "PORT": str(self.port), "MCP_API_KEY": KEY}

    def serve(self):
        return Served(self.command("serve"), self.port, KEY, env=self.env())


def test_its_root_is_enough_and_need_not_be_written(container):
    content = "the bicycle has a blue lock"

    with container.serve() as served:
        memory = served.add(content)
        assert served.finds("color of the lock of the bicycle") == [memory]
        checked = run(*container.command("healthcheck"), env=container.env())
        assert checked.stdout == "healthy\n"
        # Static glibc looks names up by itself, in this file and by DNS; an engine mounts it.
        told = run(*container.command("selftest", "--url", f"http://nas.example:{container.port}"), env=container.env(), check=False)
        assert told.returncode == 0, told
        assert served.end() == 0, served.said
    with container.serve() as served:
        assert served.finds("bicycle lock") == [memory]
    assert run(*container.command("healthcheck"), env=container.env(), check=False).returncode == 1

    journal = (container.data / "journal").stat()
    assert (journal.st_uid, journal.st_gid) == (common.NOBODY, common.NOBODY)


def test_a_mounted_folder_of_somebody_else_is_told_with_what_to_do(container):
    os.chown(container.data, 0, 0)

    refused = run(*container.command("serve"), env=container.env(), check=False)

    assert refused.returncode == 1, refused
    assert refused.stderr.startswith("error: ") and "/data" in refused.stderr, refused.stderr
    assert f"chown -R {USER} /data" in refused.stderr, refused.stderr
