"""Every public name of the installed package has a type that all checkers read alike: run by ``tox -e types``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

# What is made for a framework, or for fsspec, is of that one's own classes, which have no types.
_OF_OTHERS = re.compile(r"lattice_addons\.(integrations\..*|storage\.(.*\.)?LatticeFileSystem)")


def report() -> dict[str, Any]:
    """Ask pyright about the package that is installed where this runs."""
    command = ["basedpyright", "--verifytypes", "lattice_addons", "--ignoreexternal", "--outputjson"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def main() -> int:
    """Name what is lacking; give the exit status."""
    found = report()["typeCompleteness"]
    lacking = [
        symbol
        for symbol in found["symbols"]
        if not symbol["isTypeKnown"] and not _OF_OTHERS.fullmatch(symbol["name"])
    ]
    for symbol in lacking:
        print(symbol["name"], *(fault["message"] for fault in symbol["diagnostics"]), sep=": ")
    there = len(found["symbols"])
    print(f"{there - len(lacking)} of {there} names have a type")
    return 1 if lacking or not there else 0


if __name__ == "__main__":
    sys.exit(main())
