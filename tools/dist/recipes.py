"""Files with which others install memoryd: filled with the version, the account and the digests of what was made."""

import json

import common

# Their place below the folder of recipes, by their place in `packaging/`.
RECIPES = {
    "compose.yaml": "compose.yaml",
    "homebrew/memoryd.rb": "homebrew/memoryd.rb",
    "aur/memoryd/PKGBUILD": "aur/memoryd/PKGBUILD",
    "aur/memoryd-bin/PKGBUILD": "aur/memoryd-bin/PKGBUILD",
    "homeassistant/config.yaml": "homeassistant/memoryd/config.yaml",
    "homeassistant/Dockerfile": "homeassistant/memoryd/Dockerfile",
}
# Both recipes for Arch need them.
BESIDE_PKGBUILD = ("memoryd.sysusers", "memoryd.tmpfiles", "memoryd.install")
UNKNOWN = "0" * 64


def build(owner, made):
    """Path and content of each; `made` has the bytes of the packages by name. A digest of what was not made is zeros."""
    def digest(name):
        return common.sha256(made[name]) if name in made else UNKNOWN

    name = f"memoryd-{common.version()}"
    values = {
        "OWNER": owner,
        "VERSION": common.version(),
        "LICENSE": common.manifest()["license"],
        "SHA256_AMD64": digest(f"{name}-linux-amd64.tar.gz"),
        "SHA256_ARM64": digest(f"{name}-linux-arm64.tar.gz"),
        "SHA256_SOURCE": digest(f"{name}-source.tar.gz"),
        "SHA256_SYSUSERS": common.sha256((common.PACKAGING / "aur/memoryd.sysusers").read_bytes()),
        "SHA256_TMPFILES": common.sha256((common.PACKAGING / "aur/memoryd.tmpfiles").read_bytes()),
    }
    for source, target in RECIPES.items():
        yield target, common.filled(source, values).encode()
    for beside in BESIDE_PKGBUILD:
        for package in ("memoryd", "memoryd-bin"):
            yield f"aur/{package}/{beside}", (common.PACKAGING / "aur" / beside).read_bytes()
    yield "server.json", listing(owner, made, values)


def listing(owner, made, values):
    """The entry for the registry of MCP servers, with a bundle for each processor that there is one of."""
    told = json.loads(common.filled("registry/server.json", values))
    for name in sorted(name for name in made if name.endswith(".mcpb")):
        told["packages"].append({
            "registryType": "mcpb",
            "identifier": f"https://github.com/{owner}/memoryd/releases/download/v{common.version()}/{name}",
            "fileSha256": common.sha256(made[name]),
            "transport": {"type": "stdio"},
        })
    return (json.dumps(told, indent=2) + "\n").encode()
