"""Finds the command, runs it, and turns an error into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lattice_addons import __version__
from lattice_addons.errors import LatticeError, StoreError

from . import (
    _choose,
    _clear,
    _config,
    _demo,
    _diff,
    _edit,
    _experiment,
    _export,
    _hp,
    _import,
    _keep,
    _list,
    _log,
    _prune,
    _repair,
    _run,
    _schedule,
    _schema,
    _set,
    _show,
    _upload,
    _verify,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    _list, _log, _show, _diff, _verify, _repair, _keep, _prune, _choose, _upload, _export, _import, _clear,
    _edit, _set, _run, _experiment, _hp, _schedule, _config, _schema, _demo,
)  # fmt: skip
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="lattice",
        description="Look at, check, copy and clear the checkpoints of programs that carry on where they were.",
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
    _open_closed_streams()
    options = build_parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except LatticeError as error:
        sys.stderr.write(f"lattice {options.command}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # `lattice list | head`: what reads us has seen enough.
        _write_no_more()
        return 0
    except OSError as error:
        # What the store raises is a LatticeError: this is our own output, as `> /dev/full`.
        _write_no_more()
        sys.stderr.write(f"lattice {options.command}: cannot write the answer ({error.strerror})\n")
        return StoreError.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def experiment() -> int:
    """Run ``experiment``, which is ``lattice experiment``; give the exit status."""
    return main(["experiment", *sys.argv[1:]])


def _open_closed_streams() -> None:
    """Let a command that was started without stdout or stderr (`>&-`) do its work; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end


def _write_no_more() -> None:
    """Drop what is still buffered: Python would complain of it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
