"""``lattice doctor``: what saving needs, looked at piece by piece, and what to do about what is not right."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lattice_addons.errors import SettingsError
from lattice_addons.settings import Settings

from ._output import plain, print_json
from ._status import NO, OK
from ._store import add_store_arguments, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .doctor import Check

_WAIT, _AFTER = 30.0, 1.0
_COLORS = {"ok": "32", "warning": "33", "problem": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument(
        "--wait",
        type=float,
        default=_WAIT,
        metavar="SECONDS",
        help=f"how long the program may take before it uses Lattice (default: {_WAIT:g})",
    )
    parser.add_argument(
        "--after",
        type=float,
        default=_AFTER,
        metavar="SECONDS",
        help=f"how long after that it is stopped (default: {_AFTER:g})",
    )
    parser.add_argument(
        "program",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="a program, which is started with a store of its own, and stopped by SIGTERM: does it save then?",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: 1 when there is a problem."""
    command = options.program[1:] if options.program[:1] == ["--"] else options.program
    found = []
    for check in _checks(options, command):
        found.append(check)
        if not options.json:
            _tell(check)
    if options.json:
        print_json([check._asdict() for check in found])
    return NO if any(check.state == "problem" for check in found) else OK


def _checks(options: argparse.Namespace, command: list[str]) -> Iterator[Check]:
    from .doctor import PROBLEM, Check, here, of_store, program

    try:
        settings = settings_of(options.root)
    except SettingsError as error:
        yield Check("settings", PROBLEM, str(error), "mend it: no program that uses Lattice starts like this")
        settings = Settings()
    yield from here(settings)
    yield from of_store(settings)
    if command:
        yield from program(settings, command, options.wait, options.after)


def _tell(check: Check) -> None:
    state = f"{check.state:<8}"
    if sys.stdout.isatty():
        state = f"\x1b[{_COLORS[check.state]}m{state}\x1b[0m"
    sys.stdout.write(
        f"{state} {check.name:<9} " + plain(check.found + (f" → {check.todo}" if check.todo else "")) + "\n"
    )
    sys.stdout.flush()
