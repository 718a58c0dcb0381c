"""Finds the command, runs it, and turns an error into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lattice_addons import __version__
from lattice_addons.errors import LatticeError

from . import _clear, _demo, _list, _show, _verify

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (_list, _show, _verify, _clear, _demo)
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="lattice",
        description="Look at, check and clear the checkpoints of programs that carry on where they were.",
    )
    parser.add_argument("--version", action="version", version=f"lattice {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP + ".")
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status.

    0: it went well; 2: the command line is wrong; else the exit code of the error (see `lattice_addons.errors`).
    """
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except LatticeError as error:
        sys.stderr.write(f"lattice {options.command}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # `lattice list | head`: what reads us has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
