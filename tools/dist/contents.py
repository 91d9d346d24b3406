"""What several packages hold."""

import functools

import common
import man

SHELLS = ("bash", "zsh", "fish")


class Told:
    """What a binary that runs on this machine says for the packages of its version."""

    def __init__(self, binary):
        self.binary = binary
        said = common.run(binary, "--version").decode().split()[-1]
        if said != common.version():
            raise SystemExit(f"{binary} is memoryd {said}, and this tree is {common.version()}")

    @functools.cached_property
    def page(self):
        return man.page(self.binary).encode()

    @functools.cached_property
    def completions(self):
        return {shell: common.run(self.binary, "completions", shell) for shell in SHELLS}


def examples():
    """Files for other programs, which their owners put in place."""
    found = [path for folder in ("fail2ban", "grafana") for path in (common.PACKAGING / folder).rglob("*") if path.is_file()]
    return sorted(found)
