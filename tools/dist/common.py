"""What the makers of packages share: the version, the time of the commit, archives that come out the same twice. Standard
library only."""

import dataclasses
import gzip
import hashlib
import io
import os
import pathlib
import platform
import re
import subprocess
import tarfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
# The user as whom the image runs: `nonroot` of the images that others build on.
NOBODY = 65532
# Debian's word for a processor, as Go and OCI have it too, and the one of everybody else.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
SUMMARY = "memory server for AI assistants"


def own_arch():
    """Debian's word for the processor of this machine; nothing if nothing is made for it."""
    return next((arch for arch, machine in MACHINES.items() if machine == platform.machine()), None)


def manifest():
    with open(ROOT / "Cargo.toml", "rb") as file:
        return tomllib.load(file)["package"]


def version():
    return manifest()["version"]


def epoch():
    """Seconds since 1970: SOURCE_DATE_EPOCH, else the time of the last commit. Nothing that is made is younger."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(told.stdout)


def moment(form):
    return time.strftime(form, time.gmtime(epoch()))


def revision():
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def run(binary, *arguments):
    """What the program prints, under its own name and with nothing of this machine's settings."""
    # Nothing of the folder in which we are counts, but the path of the program does.
    program = pathlib.Path(binary).resolve()
    done = subprocess.run(["memoryd", *arguments], executable=program, capture_output=True, env={"PATH": "/usr/bin:/bin"}, cwd="/")
    if done.returncode:
        raise SystemExit(f"memoryd {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def filled(path, values):
    """A file of `packaging/` with every `@NAME@` replaced. One that nobody knows is a mistake."""
    def value(match):
        if match[1] not in values:
            raise SystemExit(f"{path}: nobody knows what @{match[1]}@ is")
        return str(values[match[1]])
    return re.sub(r"@([A-Z0-9_]+)@", value, (PACKAGING / path).read_text())


@dataclasses.dataclass
class Entry:
    """A file, or a folder where there are no bytes."""
    path: str
    bytes: bytes | None
    mode: int
    owner: int = 0


class Tree:
    """The files of a package, in the order in which they were put there. Folders around them come by themselves."""

    def __init__(self):
        self.entries = {}

    def folder(self, path, mode=0o755, owner=0):
        self.entries[path] = Entry(path, None, mode, owner)

    def file(self, path, content, mode=0o644, owner=0):
        content = content.encode() if isinstance(content, str) else content
        self.around(path)
        self.entries[path] = Entry(path, content, mode, owner)

    def copy(self, path, source, mode=0o644):
        self.file(path, pathlib.Path(source).read_bytes(), mode)

    def around(self, path):
        for parent in reversed(pathlib.PurePosixPath(path).parents):
            if str(parent) != "." and str(parent) not in self.entries:
                self.folder(str(parent))

    def size(self):
        return sum(len(entry.bytes or b"") for entry in self.entries.values())

    def tar(self, prefix=""):
        """An archive without compression. A prefix that ends with a slash is a folder of its own."""
        out = io.BytesIO()
        root = [Entry("", None, 0o755)] if prefix else []
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for entry in [*root, *self.entries.values()]:
                told = tarfile.TarInfo(prefix + entry.path)
                told.mode, told.uid, told.gid, told.mtime = entry.mode, entry.owner, entry.owner, epoch()
                told.uname = told.gname = "root" if entry.owner == 0 else ""
                if entry.bytes is None:
                    told.type = tarfile.DIRTYPE
                    archive.addfile(told)
                else:
                    told.size = len(entry.bytes)
                    archive.addfile(told, io.BytesIO(entry.bytes))
        return out.getvalue()


def gzipped(raw):
    out = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(raw)
    return out.getvalue()


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()


def write(path, content):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
