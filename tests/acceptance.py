#!/usr/bin/env python3
"""Runs the acceptance rows that tests/acceptance.txt claims, each by its whole id.

    python3 tests/acceptance.py [--bin target/release/memoryd] [ROW ...]

The rows are in ../shared/acceptance/run.py (or $ACCEPTANCE_RUNNER). Its own --only takes prefixes, so A1 would run A10
to A13 as well. Prints one line a row, then 'N passed, N failed'.
"""

import argparse
import http.client
import importlib.util
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
RUNNER = pathlib.Path(os.environ.get("ACCEPTANCE_RUNNER", ROOT.parent / "shared/acceptance/run.py"))


def claimed():
    lines = (line.split("#")[0].strip() for line in (ROOT / "tests/acceptance.txt").read_text().splitlines())
    return [line for line in lines if line]


def load_runner():
    # The runner's folder may be read-only.
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("acceptance_runner", RUNNER)
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    return runner


def mend_lost_connections():
    """Lets a connection that broke before it stood say so, as row F1, which kills the server, expects.

    The runner passes over a reset while a request is sent, to read the answer to a refused body. If the reset came with
    the connect there is no socket to read from, and http.client would raise an AttributeError, which no row expects.
    """
    getresponse = http.client.HTTPConnection.getresponse

    def checked(connection):
        if connection.sock is None:
            raise ConnectionResetError("the connection broke before it stood")
        return getresponse(connection)

    http.client.HTTPConnection.getresponse = checked


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=str(ROOT / "target/release/memoryd"))
    p.add_argument("rows", nargs="*", metavar="ROW", help="these instead of the claimed ones")
    o = p.parse_args()
    if not RUNNER.is_file():
        print(f"acceptance rows: not run, there is no {os.path.relpath(RUNNER)}")
        return 0
    mend_lost_connections()
    runner, rows = load_runner(), o.rows or claimed()
    known = [row[0] for row in runner.ROWS]
    unknown = [row for row in rows if row not in known]
    if unknown or len(set(rows)) != len(rows):
        print(f"acceptance rows: no such row {unknown}, or one twice: {rows}")
        return 2
    runner.ROWS[:] = [row for row in runner.ROWS if row[0] in rows]
    sys.argv[1:] = ["--bin", o.bin]
    return runner.main()


if __name__ == "__main__":
    sys.exit(main())
