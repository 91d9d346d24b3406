"""The bundle for Claude Desktop. Bundles tell systems apart, not processors, so there is one for each."""

import io
import time
import zipfile

import common

# Zip knows no earlier time.
FIRST = 315_532_800
NAMES = {"amd64": "x64", "arm64": "arm64"}


def build(binary, arch):
    """Its name and its bytes."""
    manifest = common.filled("mcpb/manifest.json", {"VERSION": common.version(), "LICENSE": common.manifest()["license"]})
    parts = [("manifest.json", manifest.encode(), 0o644), ("LICENSE", (common.ROOT / "LICENSE").read_bytes(), 0o644),
             ("server/memoryd", binary.read_bytes(), 0o755)]
    return f"memoryd-mcp-{common.version()}-linux-{NAMES[arch]}.mcpb", packed(parts)


def packed(parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content, mode in parts:
            told = zipfile.ZipInfo(name, time.gmtime(max(common.epoch(), FIRST))[:6])
            # Unix wrote it, so the mode counts.
            told.create_system, told.external_attr, told.compress_type = 3, (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(told, content)
    return out.getvalue()
