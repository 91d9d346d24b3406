#!/usr/bin/env python3
"""Writes what the release binary is made of, as CycloneDX 1.5 (JSON).

    python3 tools/sbom/sbom.py [--out FILE] [--target x86_64-unknown-linux-gnu] [--check target/release/memoryd]

From `cargo metadata` and `cargo tree` (which build nothing) and Cargo.lock: each crate that is linked in, with its version, purl,
licence and the checksum that Cargo.lock demands, and whom it depends on; those that only build it (build scripts, macros) as
`excluded`; the standard library; and the models that the binary carries, with their digests. The same tree gives the same file.
--check holds it against a built binary, which names the sources of many crates in the places of its panics, and fails where one
is missing. Standard library only.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What is compiled in besides code: src/retrieval names them in `include_bytes!` and `include_str!`. All come from one model.
CARRIED = re.compile(r'include_(?:bytes|str)!\("(?:\.\./)*(assets/[^"]+)"\)')
# Where a panic happened, as the binary knows it: `.../actix-http-3.11.0/src/h1/codec.rs`.
# What lies below `/rust/deps/` belongs to the standard library, which is one component.
SOURCE = re.compile(rb"(?<!/rust/deps)/([a-z][a-zA-Z0-9_-]*?)-(\d+\.\d+\.\d+[0-9a-zA-Z.+-]*)/src/")
# A binary without such places would pass any check.
FEW = 30
MODEL = {"licenses": [{"license": {"id": "Apache-2.0"}}],
         "description": "made of sentence-transformers/all-MiniLM-L6-v2 by tools/distill and tools/encoder"}


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cargo {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def of_compiler(word):
    told = subprocess.run(["rustc", "-vV"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return re.search(rf"^{word}: (\S+)$", told, re.M)[1]


def of_sources(folder):
    """Of a crate of this tree: its sources, one after the other, and then the rooms that it takes from elsewhere."""
    digest = hashlib.sha256()
    for path in sorted((folder / "src").rglob("*.rs")):
        digest.update(path.read_bytes())
        for room in re.findall(r'^#\[path = "(.+)"\]$', path.read_text(), re.M):
            for taken in sorted((path.parent / room).resolve().parent.rglob("*.rs")):
                digest.update(taken.read_bytes())
    return digest.hexdigest()


# ---- which crates -------------------------------------------------------------------------------
class Crates:
    def __init__(self, target):
        found = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
        self.packages = {one["id"]: one for one in found["packages"]}
        self.nodes = {one["id"]: one for one in found["resolve"]["nodes"]}
        self.root = found["resolve"]["root"]
        with open(ROOT / "Cargo.lock", "rb") as lock:
            self.checksums = {(one["name"], one["version"]): one.get("checksum") for one in tomllib.load(lock)["package"]}
        self.by_name = {(one["name"], one["version"]): id_ for id_, one in self.packages.items()}
        # `cargo metadata` joins the features of everything in the tree, tests too; `cargo tree` says what is really linked.
        self.linked = self.listed("normal,no-proc-macro", target)
        self.building = self.listed("normal,build", target) - self.linked

    def listed(self, edges, target):
        told = cargo("tree", "--locked", "--edges", edges, "--target", target, "--prefix", "none", "--format", "{p}")
        named = {tuple(line.split()[:2]) for line in told.splitlines() if line.strip()}
        return {self.by_name[name, version.removeprefix("v")] for name, version in named}

    def depends_on(self, one, among):
        return sorted(self.purl(edge["pkg"]) for edge in self.nodes[one]["deps"]
                      if edge["pkg"] in among and any(kind["kind"] is None for kind in edge["dep_kinds"]))

    def purl(self, one):
        return "pkg:cargo/{name}@{version}".format(**self.packages[one])

    def component(self, one, scope):
        package = self.packages[one]
        told = {"type": "library", "bom-ref": self.purl(one), "name": package["name"], "version": package["version"],
                "scope": scope, "purl": self.purl(one)}
        if checksum := self.checksums[package["name"], package["version"]]:
            told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        elif package["source"] is None and one != self.root:
            told["hashes"] = [{"alg": "SHA-256", "content": of_sources(pathlib.Path(package["manifest_path"]).parent)}]
        # Older manifests have a slash where an expression has OR.
        licence = re.sub(r"\s*/\s*", " OR ", package["license"] or "")
        told["licenses"] = [{"expression": licence}] if licence else [{"license": {"name": package["license_file"] or "unknown"}}]
        if package["repository"]:
            told["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return told


# ---- what is carried ----------------------------------------------------------------------------
def models():
    names = {name for path in sorted((ROOT / "src").rglob("*.rs")) for name in CARRIED.findall(path.read_text())}
    for name in sorted(names):
        digest = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        yield {"type": "data", "bom-ref": f"file:{name}", "name": name, "scope": "required", **MODEL,
               "hashes": [{"alg": "SHA-256", "content": digest}]}


def standard_library():
    version = of_compiler("release")
    return {"type": "framework", "bom-ref": f"rust-std@{version}", "name": "rust-std", "version": version, "scope": "required",
            "licenses": [{"expression": "MIT OR Apache-2.0"}], "description": "the Rust standard library, with what it brings"}


def document(crates):
    root = crates.packages[crates.root]
    required = [crates.component(one, "required") for one in sorted(crates.linked - {crates.root})]
    building = [crates.component(one, "excluded") for one in sorted(crates.building)]
    carried = [standard_library(), *models()]
    own = {**crates.component(crates.root, "required"), "type": "application"}
    del own["scope"]
    graph = [{"ref": crates.purl(one), "dependsOn": crates.depends_on(one, crates.linked)} for one in sorted(crates.linked)]
    for node in graph:
        if node["ref"] == own["bom-ref"]:
            node["dependsOn"] += [one["bom-ref"] for one in carried]
    parts = {"metadata": {"component": own}, "components": [*required, *building, *carried], "dependencies": graph}
    # By its content, so that the same tree gives the same number.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([root["version"], parts], sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{number}", "version": 1, **parts}


# ---- the check ----------------------------------------------------------------------------------
def faults(told, binary):
    """What is missing: of crates whose sources the built binary names, of those that we ask for ourselves, of what each needs."""
    listed = {(one["name"], one["version"]) for one in told["components"] if one["scope"] == "required" and "purl" in one}
    named = {(name.decode(), version.decode()) for name, version in SOURCE.findall(binary.read_bytes())}
    found = [f"{name} {version} is in the binary and not listed" for name, version in sorted(named - listed)]
    if len(named) < FEW:
        found.append(f"{binary} names only {len(named)} crates: that shows nothing")
    with open(ROOT / "Cargo.toml", "rb") as manifest:
        wanted = tomllib.load(manifest)["dependencies"]
    wanted = {name for name, asked in wanted.items() if not (isinstance(asked, dict) and asked.get("optional"))}
    built_with = {one["name"] for one in told["components"]}
    found += [f"{name} is asked for and not listed" for name in sorted(wanted - built_with)]
    for one in told["components"]:
        if "hashes" not in one and one["type"] != "framework":
            found.append(f"{one['bom-ref']} has no digest")
        if one["licenses"][0].get("license", {}).get("name") == "unknown":
            found.append(f"{one['bom-ref']} has no licence")
    if not any(one["type"] == "data" for one in told["components"]):
        found.append("no model is listed, and the binary carries some")
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "target/memoryd.cdx.json")
    p.add_argument("--target", help="the triple that the binary is for (this machine's)")
    p.add_argument("--check", type=pathlib.Path, metavar="BINARY", help="hold it against this binary, Cargo.toml and Cargo.lock")
    o = p.parse_args()
    target = o.target or of_compiler("host")
    told = document(Crates(target))
    o.out.parent.mkdir(parents=True, exist_ok=True)
    o.out.write_text(json.dumps(told, indent=1) + "\n")
    count = sum(one["scope"] == "required" for one in told["components"])
    print(f"{o.out}: {count} parts of the binary for {target}")
    wrong = faults(told, o.check) if o.check else []
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
