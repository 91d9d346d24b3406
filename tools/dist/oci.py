#!/usr/bin/env python3
"""Writes the image as an OCI layout, without an engine: one manifest for each processor whose binary there is.

    python3 tools/dist/oci.py --amd64 BIN [--arm64 BIN] --certificates /etc/ssl/certs/ca-certificates.crt --out target/packages/image

The image holds the program and what it asks its surroundings for: a user, /tmp, /data, the public authorities (for
EMBEDDING_URL only). The same binaries and the same authorities give the same digest. It is pushed by what reads such a layout:

    skopeo copy --all oci:target/packages/image:1.2.3 docker://ghcr.io/OWNER/memoryd:1.2.3
    skopeo copy oci:target/packages/image:1.2.3 docker-archive:memoryd.tar:memoryd:1.2.3     # then docker load -i memoryd.tar
"""

import argparse
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import common

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
VARIANTS = {"arm64": "v8"}
SECOND = 1_000_000_000
USER = f"{common.NOBODY}:{common.NOBODY}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for arch in common.MACHINES:
        p.add_argument(f"--{arch}", type=pathlib.Path, help=f"the static binary for {arch}")
    p.add_argument("--certificates", type=pathlib.Path, required=True, help="a bundle of public authorities, PEM")
    p.add_argument("--owner", default="OWNER", help="the account on GitHub, for links")
    p.add_argument("--out", type=pathlib.Path, required=True, help="the folder of the layout; what is in it goes")
    o = p.parse_args()
    binaries = {arch: getattr(o, arch) for arch in common.MACHINES if getattr(o, arch)}
    print(build(binaries, o.certificates, o.owner, o.out))


def build(binaries, certificates, owner, out):
    """Writes the layout, and returns the digest of the image."""
    if not binaries:
        raise SystemExit("an image needs a binary")
    shutil.rmtree(out, ignore_errors=True)
    layout = Layout(out)
    manifests = [manifest(layout, arch, binary, certificates, owner) for arch, binary in sorted(binaries.items())]
    index = layout.blob(document({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
    named = {"mediaType": INDEX, **index, "annotations": {"org.opencontainers.image.ref.name": common.version()}}
    common.write(out / "index.json", document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}))
    common.write(out / "oci-layout", document({"imageLayoutVersion": "1.0.0"}))
    return index["digest"]


class Layout:
    def __init__(self, folder):
        self.folder = folder

    def blob(self, content):
        digest = common.sha256(content)
        common.write(self.folder / "blobs/sha256" / digest, content)
        return {"digest": f"sha256:{digest}", "size": len(content)}


def manifest(layout, arch, binary, certificates, owner):
    raw = root(binary, certificates).tar()
    layer = {"mediaType": LAYER, **layout.blob(common.gzipped(raw))}
    platform = {"architecture": arch, "os": "linux", **({"variant": VARIANTS[arch]} if arch in VARIANTS else {})}
    config = layout.blob(document(settings(owner) | platform | {
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{common.sha256(raw)}"]},
        "history": [{"created": common.moment("%Y-%m-%dT%H:%M:%SZ"), "created_by": "tools/dist/oci.py"}],
    }))
    told = layout.blob(document({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, **config}, "layers": [layer]}))
    return {"mediaType": MANIFEST, **told, "platform": platform}


def root(binary, certificates):
    """The files of the image. Compose and Kubernetes mount over /data and /tmp."""
    tree = common.Tree()
    tree.file("etc/passwd", f"memoryd:x:{USER}:memoryd:/data:/sbin/nologin\n")
    tree.file("etc/group", f"memoryd:x:{common.NOBODY}:\n")
    tree.copy("etc/ssl/certs/ca-certificates.crt", certificates)
    tree.folder("tmp", 0o1777)
    # A volume that is made of the image takes over this owner.
    tree.folder("data", 0o700, common.NOBODY)
    # Nothing can be written there until something is mounted.
    tree.folder("backups", 0o700, common.NOBODY)
    tree.copy("memoryd", binary, 0o755)
    return tree


def settings(owner):
    return {
        "created": common.moment("%Y-%m-%dT%H:%M:%SZ"),
        "config": {
            "User": USER,
            "Entrypoint": ["/memoryd"],
            "Cmd": ["serve"],
            # Who may reach it is said where the port is published.
            "Env": ["HOST=0.0.0.0", "DATA_DIR=/data", "BACKUP_DIR=/backups"],
            "WorkingDir": "/data",
            "Volumes": {"/data": {}},
            "ExposedPorts": {"3000/tcp": {}},
            "StopSignal": "SIGTERM",
            "Healthcheck": {"Test": ["CMD", "/memoryd", "healthcheck"], "Interval": 30 * SECOND, "Timeout": 3 * SECOND,
                            "StartPeriod": 10 * SECOND},
            "Labels": {
                "io.modelcontextprotocol.server.name": f"io.github.{owner}/memoryd",
                "org.opencontainers.image.description": common.SUMMARY,
                "org.opencontainers.image.licenses": common.manifest()["license"],
                "org.opencontainers.image.revision": common.revision(),
                "org.opencontainers.image.source": f"https://github.com/{owner}/memoryd",
                "org.opencontainers.image.title": "memoryd",
                "org.opencontainers.image.version": common.version(),
            },
        },
    }


def document(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
