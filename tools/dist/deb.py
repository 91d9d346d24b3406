#!/usr/bin/env python3
"""Writes a Debian package, without the tools of Debian: the same binary gives the same package on any machine.

    python3 tools/dist/deb.py --bin target/dist/memoryd --arch amd64 --out target/packages [--tells BIN]

The binary is static, so the package depends on no library. --tells names a binary of the same version that runs here, for the man
page and the completions, where the packaged one is for another processor.
"""

import argparse
import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import common
import contents

SCRIPTS = ("postinst", "prerm", "postrm")
CONFFILES = ["/etc/memoryd/config.toml"]
DOCUMENTS = "usr/share/doc/memoryd"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, required=True)
    p.add_argument("--arch", choices=common.MACHINES, required=True)
    p.add_argument("--tells", type=pathlib.Path, help="a binary that runs here (the packaged one)")
    p.add_argument("--owner", default="OWNER", help="the account on GitHub, for links")
    p.add_argument("--out", type=pathlib.Path, required=True)
    o = p.parse_args()
    name, package = build(o.bin, o.arch, contents.Told(o.tells or o.bin), o.owner)
    print(common.write(o.out / name, package))


def build(binary, arch, told, owner, revision=1):
    """The name of the package and its bytes."""
    data = files(binary, told, revision)
    control = common.Tree()
    values = {"VERSION": f"{common.version()}-{revision}", "ARCHITECTURE": arch, "INSTALLED_KB": -(-data.size() // 1024), "OWNER": owner}
    control.file("control", common.filled("deb/control", values))
    control.file("conffiles", "".join(f"{path}\n" for path in CONFFILES))
    control.file("md5sums", "".join(f"{hashlib.md5(entry.bytes).hexdigest()}  {entry.path}\n" for entry in data.entries.values()
                                    if entry.bytes is not None and f"/{entry.path}" not in CONFFILES))
    for script in SCRIPTS:
        control.copy(script, common.PACKAGING / "deb" / script, 0o755)
    parts = [("debian-binary", b"2.0\n"), ("control.tar.gz", packed(control)), ("data.tar.gz", packed(data))]
    return f"memoryd_{common.version()}-{revision}_{arch}.deb", archive(parts)


def files(binary, told, revision):
    tree = common.Tree()
    tree.copy("usr/bin/memoryd", binary, 0o755)
    tree.copy("etc/memoryd/config.toml", common.ROOT / "config.toml")
    tree.copy("usr/lib/systemd/system/memoryd.service", common.PACKAGING / "systemd/memoryd.service")
    tree.file("usr/share/man/man1/memoryd.1.gz", common.gzipped(told.page))
    tree.file("usr/share/bash-completion/completions/memoryd", told.completions["bash"])
    tree.file("usr/share/zsh/vendor-completions/_memoryd", told.completions["zsh"])
    tree.file("usr/share/fish/vendor_completions.d/memoryd.fish", told.completions["fish"])
    tree.copy(f"{DOCUMENTS}/copyright", common.PACKAGING / "deb/copyright")
    tree.file(f"{DOCUMENTS}/changelog.Debian.gz", common.gzipped(changelog(revision).encode()))
    tree.file(f"{DOCUMENTS}/changelog.gz", common.gzipped((common.ROOT / "docs/CHANGELOG.md").read_bytes()))
    tree.copy(f"{DOCUMENTS}/README.md", common.ROOT / "README.md")
    for path in contents.examples():
        tree.copy(f"{DOCUMENTS}/examples/{path.relative_to(common.PACKAGING)}", path)
    return tree


def changelog(revision):
    return (f"memoryd ({common.version()}-{revision}) stable; urgency=medium\n\n  * Release {common.version()}; see changelog.gz.\n\n"
            f" -- memoryd project <maintainers@memoryd.invalid>  {common.moment('%a, %d %b %Y %H:%M:%S +0000')}\n")


def packed(tree):
    # Most of it is the encoder's weights, which no compressor makes much smaller: xz would take a minute for a twentieth.
    return common.gzipped(tree.tar("./"))


def archive(parts):
    """An `ar` archive, as dpkg reads it."""
    out = [b"!<arch>\n"]
    for name, content in parts:
        out.append(f"{name:<16}{common.epoch():<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n".encode())
        out.append(content + b"\n" * (len(content) % 2))
    return b"".join(out)


if __name__ == "__main__":
    main()
