"""Makes the image of a released layout that every later program must open: python3 tests/torture/image.py BINARY FOLDER [--encrypted].

The folder gets what the binary leaves of a small store: memories, a history, a long text, something deleted, a token,
what was given. An encrypted one has its key beside it, in FOLDER.test-key.
"""

import argparse
import pathlib
import shutil

import common

# What a store is made of; beside it lies what a running server keeps.
PARTS = ("checkpoint", "journal", "sled-*")
# The key of a store that everybody may read.
TEST_KEY = "74657374" * 8


def fill(door):
    def ask(method, path, body):
        status, answer = door.ask(method, path, body)
        assert status in (200, 201), (path, status, answer)
        return answer

    garden = [("The fence was mended in May", "fact"), ("Tomatoes want six hours of sun", "note")]
    for content, kind in garden:
        ask("POST", "/api/v1/memories", {"content": content, "kind": kind, "tags": ["garden"]})
    anna = ask("POST", "/api/v1/memories", {"content": "Anna is allergic to penicillin", "kind": "fact"})
    ask("PATCH", f"/api/v1/memories/{anna['memory']['id']}", {"content": "Anna is allergic to penicillin and nuts"})
    ask("POST", "/api/v1/memories", {"content": "A long text of this format. " * 200})
    gone = ask("POST", "/api/v1/memories", {"content": "To be deleted"})
    ask("DELETE", f"/api/v1/memories/{gone['memory']['id']}", None)
    ask("POST", "/admin/tokens", {"name": "laptop"})
    ask("GET", "/api/v1/search?query=penicillin", None)


def main():
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("binary")
    reader.add_argument("folder", type=pathlib.Path)
    reader.add_argument("--encrypted", action="store_true")
    said = reader.parse_args()
    said.folder.mkdir()
    with common.server_of_its_own(said.binary) as server:
        if said.encrypted:
            key = said.folder.with_name(said.folder.name + ".test-key")
            key.write_text(TEST_KEY + "\n")
            key.chmod(0o600)
            server.env["ENCRYPTION_KEY_FILE"] = str(key.resolve())
        server.start()
        fill(server.door())
        faults = server.stop()
        assert not faults, faults
        for part in PARTS:
            for found in server.data.glob(part):
                copy = shutil.copytree if found.is_dir() else shutil.copy
                copy(found, said.folder / found.name)


if __name__ == "__main__":
    main()
