"""``lattice config``: config files of older versions are brought to the one of their class."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons.errors import HyperStateError

from ._output import add_json_argument, print_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "action", choices=("upgrade",), help="upgrade: through every rule of the class, in order"
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="config files: YAML, RON, JSON or TOML")
    parser.add_argument(
        "--class", dest="config", metavar="CLASS", required=True, help="module:Class, or file.py:Class"
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing, and show what would change")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: that of the first file that could not be upgraded, or 0."""
    from lattice_addons.hyperstate import named_class, upgrade_file

    config = named_class(options.config)
    status = 0
    rows: list[dict[str, object]] = []
    for path in options.files:
        try:
            upgraded = upgrade_file(config, path)
            if not options.dry_run:
                upgraded.write()
        except HyperStateError as error:
            # The other files are no worse for it.
            sys.stderr.write(f"lattice config: {error}\n")
            status = status or error.exit_code
            rows.append({"file": path, "older": None, "newer": None, "diff": None, "error": str(error)})
            continue
        rows.append(
            {
                "file": path,
                "older": upgraded.older,
                "newer": upgraded.newer,
                "diff": upgraded.diff(),
                "error": None,
            }
        )
        if options.json:
            continue
        if upgraded.older == upgraded.newer:
            print(f"{path}: is of version {upgraded.newer} already")
        elif options.dry_run:
            sys.stdout.write(upgraded.diff())
        else:
            print(f"{path}: version {upgraded.older} → {upgraded.newer}")
    if options.json:
        print_json(rows)
    return status
