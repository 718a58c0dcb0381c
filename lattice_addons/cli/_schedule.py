"""``lattice schedule``: draws every schedule of a config."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons._whole_file import write_whole
from lattice_addons.errors import NoConfigError

from ._output import add_json_argument, print_json

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="a config file: YAML, RON, JSON or TOML")
    parser.add_argument("--png", metavar="PNG", help="also paint them into this PNG file")
    parser.add_argument(
        "--ascii", action="store_true", help="draw in ASCII; so it is where stdout takes no more"
    )
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    from lattice_addons.hyperstate import draw_schedules, paint_schedules, schedules_in

    schedules = schedules_in(options.file)
    if options.png and schedules:
        _write(options.png, paint_schedules(schedules))
    if options.json:
        print_json({name: _record(each.key, each.knots) for name, each in schedules.items()})
    elif schedules:
        print(draw_schedules(schedules, only_ascii=options.ascii or not _takes("│⠿")))
    else:
        print(f"{options.file}: no field has a schedule")
    return 0


def _record(key: str | None, knots: tuple[object, ...]) -> dict[str, object]:
    return {"by": key, "knots": [vars(knot) for knot in knots]}


def _takes(letters: str) -> bool:
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _write(path: str, data: bytes) -> None:
    """Write the picture whole, or leave what is there."""
    try:
        write_whole(path, data)
    except OSError as error:
        raise NoConfigError(f"the picture {path!r} cannot be written ({error.strerror})", path=path) from None
