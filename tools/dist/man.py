#!/usr/bin/env python3
"""Writes memoryd.1 from what the program says of itself.

    python3 tools/dist/man.py --bin target/release/memoryd > memoryd.1

The page is made of the help of every verb, so that it knows each flag of that very binary and nothing in the binary is there for it.
"""

import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import common

# A heading of clap's help, and a line of what stands below it: a name, two blanks or more, a text.
HEADING = re.compile(r"^(Usage|Arguments|Options|Commands):\s*(.*)$")
ROW = re.compile(r"^\s+(\S.*?)(?:\s{2,}(\S.*))?$")
NOT_SHOWN = {"help"}

ENVIRONMENT = """Every setting can be given as a variable, as a key of a file, or, for some, as a flag; the later wins. The file
/etc/memoryd/config.toml of the package names each with its variables and why it is there. A secret can lie in a file of its own:
MCP_API_KEY_FILE instead of MCP_API_KEY, and so on."""
FILES = [
    ("/etc/memoryd/config.toml", "The settings of the service."),
    ("/etc/memoryd/key", "The key that opens the service, for root only; the package made it."),
    ("/var/lib/memoryd", "The data of the service. Removing or purging the package leaves it."),
]
STATUS = [("0", "Done."), ("1", "Failed; one line on standard error says why."), ("2", "A command line that makes no sense.")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, required=True, help="the program")
    sys.stdout.write(page(p.parse_args().bin))


def page(binary):
    top = Help(binary, [])
    lines = [f'.TH MEMORYD 1 {common.moment("%Y-%m-%d")} "memoryd {common.version()}" "User Commands"',
             ".SH NAME", f"memoryd \\- {common.SUMMARY}",
             ".SH SYNOPSIS", f".B {roff(top.usage)}",
             ".SH DESCRIPTION", roff(top.about), *options(top), ".SH COMMANDS", *commands(binary, [], top)]
    lines += [".SH ENVIRONMENT", roff(ENVIRONMENT), ".SH FILES", *listed(FILES), ".SH EXIT STATUS", *listed(STATUS)]
    lines += [".SH SEE ALSO", "systemctl(1), journalctl(1)"]
    return "\n".join(lines) + "\n"


class Help:
    """The help of one verb, taken apart."""

    def __init__(self, binary, verb):
        self.sections, name, about = {}, None, []
        # The short one: once a flag has more to say, the long one has each text on lines of its own.
        for line in common.run(binary, *verb, "-h").decode().splitlines():
            if heading := HEADING.match(line):
                name = heading[1]
                self.sections[name] = [heading[2]] if heading[2] else []
            elif name is None:
                about.append(line)
            elif line.strip():
                self.sections[name].append(line)
        self.about = " ".join(line.strip() for line in about).strip()
        self.usage = self.sections["Usage"][0]

    def rows(self, section):
        """Names with their texts."""
        for line in self.sections.get(section, []):
            name, text = ROW.match(line).groups()
            if section != "Commands" and not name.startswith(("-", "<", "[")):
                raise SystemExit(f"man: a line of help that cannot be read: {line!r}")
            yield name, text or ""


def commands(binary, verb, around):
    """The verbs that the help of another one lists."""
    for name, _ in around.rows("Commands"):
        if name in NOT_SHOWN:
            continue
        inner = [*verb, name]
        told = Help(binary, inner)
        yield f".SS {roff(' '.join(['memoryd', *inner]))}"
        yield roff(told.about)
        if list(told.rows("Commands")):
            yield from commands(binary, inner, told)
        else:
            yield f".PP\n.B {roff(told.usage)}"
            yield from options(told, beside={"-h, --help", "-V, --version"})


def options(told, beside=frozenset()):
    yield from listed((name, text) for section in ("Arguments", "Options") for name, text in told.rows(section) if name not in beside)


def listed(rows):
    for name, text in rows:
        yield f".TP\n.B {roff(name)}\n{roff(text)}"


def roff(text):
    """Nothing in it is an instruction of the typesetter, and a hyphen can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(("\\&" + line) if line.startswith((".", "'")) else line for line in text.splitlines())


if __name__ == "__main__":
    main()
