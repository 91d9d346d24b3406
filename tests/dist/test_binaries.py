"""The binaries that are shipped: static, small, without a trace of the machine that made them."""

import os
import re

import pytest
from conftest import DIST, ROOT, VERSION, made, run, unpack

# With encoder, page and everything in.
MOST_BYTES = 40_000_000
ARCHITECTURES = ("amd64", "arm64")
# e_machine of ELF.
MACHINES = {"amd64": 62, "arm64": 183}
# p_type of a program header that names a loader.
INTERPRETER = 3


@pytest.fixture(params=ARCHITECTURES)
def shipped(request, tmp_path):
    name = f"memoryd-{VERSION}-linux-{request.param}"
    unpack(made(f"{name}.tar.gz"), tmp_path)
    return request.param, tmp_path / name / "memoryd"


def test_it_is_small(shipped):
    assert shipped[1].stat().st_size <= MOST_BYTES


def test_it_is_static_and_for_its_processor(shipped):
    arch, path = shipped
    elf = path.read_bytes()
    word = lambda at, length: int.from_bytes(elf[at:at + length], "little")
    first, size, count = word(32, 8), word(54, 2), word(56, 2)

    assert elf[:5] == b"\x7fELF\x02" and word(18, 2) == MACHINES[arch]
    assert INTERPRETER not in {word(first + number * size, 4) for number in range(count)}


def test_it_says_nothing_of_the_machine_that_made_it(shipped):
    elf = shipped[1].read_bytes()
    homes = {os.path.expanduser("~"), str(ROOT), os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))} - {"/"}

    for home in homes:
        assert home.encode() + b"/" not in elf, home
    assert not re.search(rb"/home/[a-z]+/|/registry/src/", elf)


def test_the_checksums_are_those_of_the_files():
    made("SHA256SUMS")

    told = run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=DIST)

    assert told.stdout == ""
