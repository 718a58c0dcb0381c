"""``lattice schema``: the schema of a config or state class, and what has changed since it was dumped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons.errors import SchemaError

from ._output import add_json_argument, print_json

if TYPE_CHECKING:
    import argparse

    from lattice_addons.hyperstate import SchemaReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "action",
        choices=("dump", "check", "upgrade"),
        help="dump: write the schema; check: say what has changed since, and propose rules; "
        "upgrade: write it anew, where no change breaks older files",
    )
    parser.add_argument("config", metavar="CLASS", help="module:Class, or file.py:Class")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="the schema's file, by its ending YAML, JSON, TOML or RON"
    )
    parser.add_argument("--dry-run", action="store_true", help="upgrade: only show what would be written")
    parser.add_argument(
        "--strict", action="store_true", help="check: a changed default without a rule counts as well"
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    from lattice_addons.hyperstate import check_schema, dump_schema, named_class, read_schema, upgrade_schema

    config = named_class(options.config)
    if options.action == "dump":
        text = dump_schema(config, options.file)
        if options.json:
            print_json({"class": options.config, "file": options.file, "schema": text})
        elif options.file is None:
            sys.stdout.write(text)
        return 0
    if options.file is None:
        raise SchemaError(
            f"name the schema's file: lattice schema {options.action} {options.config} FILE", path=""
        )
    report = check_schema(config, read_schema(options.file))
    fails = report.breaks or (options.strict and bool(report.proposals))
    anew = upgrade_schema(config, options.file) if options.action == "upgrade" and not fails else None
    if options.json:
        print_json(_record(report) | ({"diff": anew.diff()} if anew is not None else {}))
    elif anew is None:
        _print(report, options.config)
    elif options.dry_run:
        sys.stdout.write(anew.diff())
    if anew is not None and not options.dry_run:
        anew.write()
    return SchemaError.exit_code if fails else 0


def _record(report: SchemaReport) -> dict[str, object]:
    changes = [
        {"path": str(".".join(map(str, each.place))), "effect": each.effect, "what": each.what}
        for each in report.changes
    ]
    return {
        "older": report.older,
        "newer": report.newer,
        "breaks": report.breaks,
        "changes": changes,
        "ruled": [str(each) for each in report.ruled],
        "proposed": [each.rule for each in report.proposals],
        "idle": list(report.idle),
    }


def _print(report: SchemaReport, name: str) -> None:
    print(f"{name}: version {report.older} in the schema, {report.newer} in the code")
    for each in report.changes:
        print(f"  {each}")
    for each in report.ruled:
        print(f"  {'has a rule':<13}  {str(each).split(None, 1)[1].strip()}")
    for rule in report.idle:
        print(f"  {'finds nothing':<13}  {rule}")
    if not report.changes and not report.ruled:
        print("  no difference")
    if report.proposals:
        raised = ", in a new version" if report.needs_version else ""
        print(f"\nThese rules would lead older files on{raised}:\n\n{report.proposed()}")
