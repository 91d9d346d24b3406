"""The same binaries make the same packages, byte for byte."""

import pathlib
import sys

from conftest import ROOT, VERSION, made, run, unpack

ARCHITECTURES = ("amd64", "arm64")


def test_everything_comes_out_the_same_twice(binary, tmp_path):
    made("SHA256SUMS")
    given = []
    for arch in ARCHITECTURES:
        name = f"memoryd-{VERSION}-linux-{arch}"
        if made("SHA256SUMS").parent.joinpath(f"{name}.tar.gz").exists():
            unpack(made(f"{name}.tar.gz"), tmp_path / arch)
            given += [f"--{arch}", tmp_path / arch / name / "memoryd"]

    # From another folder, at another time, with another umask.
    for number, umask in ((1, 0o022), (2, 0o077)):
        out = tmp_path / str(number) / "packages"
        run(sys.executable, "-B", ROOT / "tools/dist/dist.py", "--out", out, "--tells", binary, *given, cwd=tmp_path, umask=umask)

    first, second = (everything(tmp_path / str(number)) for number in (1, 2))
    assert first.keys() == second.keys() and len(first) > 10
    assert [name for name in first if first[name] != second[name]] == []


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}
