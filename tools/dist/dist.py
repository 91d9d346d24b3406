#!/usr/bin/env python3
"""Makes everything that is shipped, from static binaries that are there.

    python3 tools/dist/dist.py --amd64 target/x86_64-unknown-linux-gnu/dist/memoryd [--arm64 BIN] --out target/packages [--sbom FILE]

For each binary a .deb, a tarball and a bundle for Claude Desktop; of all together an image (OCI layout), the recipes, the alerts and
the filter; then SHA256SUMS. What is made follows from the commit, the binaries and the bundle of authorities, and from nothing else:
times are that of the commit (or SOURCE_DATE_EPOCH). The man page and the completions come from the binary that runs on this machine.
"""

import argparse
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import common
import contents
import deb
import mcpb
import oci
import recipes
import tarball

AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for arch in common.MACHINES:
        p.add_argument(f"--{arch}", type=pathlib.Path, help=f"the static binary for {arch}; without it nothing is made for it")
    p.add_argument("--out", type=pathlib.Path, required=True, help="the folder to make; what is in it goes")
    p.add_argument("--owner", default="OWNER", help="the account on GitHub, for links (%(default)s)")
    p.add_argument("--certificates", type=pathlib.Path, default=AUTHORITIES, help="public authorities for the image (%(default)s)")
    p.add_argument("--sbom", type=pathlib.Path, action="append", default=[], help="a bill of materials to put beside")
    p.add_argument("--tells", type=pathlib.Path, help="a binary of this version that runs here (the one of this machine)")
    o = p.parse_args()
    binaries = {arch: getattr(o, arch) for arch in common.MACHINES if getattr(o, arch)}
    tells = o.tells or binaries.get(common.own_arch())
    if not tells:
        raise SystemExit("no binary of these runs here, and the man page comes from one: name one with --tells")
    shutil.rmtree(o.out, ignore_errors=True)
    told = contents.Told(tells)
    made = dict(each for arch, binary in binaries.items() for each in packages(binary, arch, told, o.owner))
    made.update([tarball.source()])
    made.update((path.name, path.read_bytes()) for path in o.sbom)
    for name, content in made.items():
        common.write(o.out / name, content)
    for name, content in recipes.build(o.owner, made):
        common.write(o.out / "recipes" / name, content)
    digest = oci.build(binaries, o.certificates, o.owner, o.out / "image")
    common.write(o.out / "image.digest", f"{digest}\n")
    common.write(o.out / "SHA256SUMS", sums(o.out))
    print(f"{o.out}: {', '.join(sorted(made))}, an image for {' and '.join(binaries)} ({digest})")
    for arch in common.MACHINES:
        if arch not in binaries:
            print(f"{arch}: nothing, there is no binary for it")


def packages(binary, arch, told, owner):
    yield deb.build(binary, arch, told, owner)
    yield tarball.build(binary, arch, told)
    yield mcpb.build(binary, arch)


def sums(folder):
    """Of everything but the layout of the image, which names its parts by their digests."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "image" not in path.relative_to(folder).parts[:1])
    return "".join(f"{common.sha256(path.read_bytes())}  {path.relative_to(folder)}\n" for path in paths)


if __name__ == "__main__":
    main()
