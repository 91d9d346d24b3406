"""The archive for machines without a package manager that knows memoryd, and the one of the source."""

import subprocess

import common
import contents


def build(binary, arch, told):
    """Its name and its bytes. All lies in one folder."""
    name = f"memoryd-{common.version()}-linux-{arch}"
    tree = common.Tree()
    tree.copy("memoryd", binary, 0o755)
    for path in ("LICENSE", "README.md", "config.toml", "env.example"):
        tree.copy(path, common.ROOT / path)
    tree.copy("CHANGELOG.md", common.ROOT / "docs/CHANGELOG.md")
    tree.copy("INSTALL.md", common.ROOT / "docs/INSTALL.md")
    tree.copy("memoryd.service", common.PACKAGING / "systemd/memoryd.service")
    tree.file("memoryd.1", told.page)
    for shell in contents.SHELLS:
        tree.file(f"completions/memoryd.{shell}", told.completions[shell])
    return f"{name}.tar.gz", common.gzipped(tree.tar(f"{name}/"))


def source():
    """The same for the source of the commit, from which recipes build. What was changed since is not in it."""
    name = f"memoryd-{common.version()}"
    done = subprocess.run(["git", "archive", "--format=tar", f"--prefix={name}/", "HEAD"], cwd=common.ROOT, capture_output=True)
    if done.returncode:
        raise SystemExit(f"git archive: {done.stderr.decode().strip()}")
    return f"{name}-source.tar.gz", common.gzipped(done.stdout)
