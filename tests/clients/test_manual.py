"""The page for `man`, made of the help of the built binary as `make dist` makes it: a help that it cannot read stops that."""

import os
import subprocess
import sys

from conftest import BINARY, ROOT


def test_the_page_for_man_can_be_made_of_the_help_of_every_verb():
    command = [sys.executable, "-B", str(ROOT / "tools/dist/man.py"), "--bin", str(BINARY)]
    env = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "0"}

    made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    assert made.returncode == 0, made.stderr
    for told in (".SS memoryd export\n", "markdown", ".SS memoryd backup restore\n", "\\-\\-data\\-dir"):
        assert told in made.stdout, told
