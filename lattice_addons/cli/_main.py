"""Finds the command, runs it, and turns an error into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from lattice_addons import __version__

from ._commands import COMMANDS
from ._status import DEFECT, INTERRUPTED, OK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["COMMANDS", "build_parser", "experiment", "main"]

_COMPLETES = "_ARGCOMPLETE"


def build_parser(wanted: Collection[str] | None = None) -> argparse.ArgumentParser:
    """Give the parser of the whole command line; with ``wanted``, only of these commands' arguments."""
    parser = argparse.ArgumentParser(
        prog="lattice",
        description="Look at, check, copy, roll back and serve the checkpoints of programs that carry on where they "
        "were. Without a command: the jobs here, and what to do next.",
        epilog="`lattice COMMAND --help` says what a command takes, and shows an example.",
    )
    parser.add_argument("--version", action="version", version=f"lattice {__version__}")
    _add_debug(parser)
    parser.set_defaults(run=_overview)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.help,
            description=command.help + ".",
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if wanted is None or name in wanted:
            room = command.room()
            room.add_arguments(sub)
            if sub.epilog != command.epilog:  # it says more of its own
                sub.epilog = f"{sub.epilog}\n\n{command.epilog}"
            _add_debug(sub)
            sub.set_defaults(run=room.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status.

    0: it went well; 2: the command line is wrong; else the exit code of the error (see `lattice_addons.errors`).
    """
    _open_closed_streams()
    told = list(sys.argv[1:] if arguments is None else arguments)
    if _COMPLETES in os.environ:
        from ._completion import complete

        complete(build_parser)
    name = next((word for word in told if not word.startswith("-")), None)
    options = build_parser((name,) if name is not None else ()).parse_args(told)
    return _run(options.run, options, name=options.command, debug=getattr(options, "debug", False))


def experiment() -> int:
    """Run ``experiment``, which is ``lattice experiment``; give the exit status."""
    return main(["experiment", *sys.argv[1:]])


def _run(
    run: Callable[[argparse.Namespace], int], options: argparse.Namespace, *, name: str | None, debug: bool
) -> int:
    said = f"lattice {name}" if name is not None else "lattice"
    try:
        status = run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `lattice list | head`: what reads us has seen enough.
        _write_no_more()
        return OK
    except Exception as error:  # noqa: BLE001 - whatever it is: people get a line of it, and a status
        if debug:
            import traceback

            traceback.print_exc()
        return _tell(error, said, debug=debug)
    return status


def _tell(error: Exception, said: str, *, debug: bool) -> int:
    """Say in a line what went wrong; give the exit code."""
    from lattice_addons.errors import LatticeError, StoreError

    from ._output import plain

    if isinstance(error, LatticeError):
        sys.stderr.write(f"{said}: {plain(str(error))}\n")
        return error.exit_code
    if isinstance(error, OSError) and error.filename is None:
        # What the store raises is a LatticeError: this is our own output, as `> /dev/full`.
        _write_no_more()
        sys.stderr.write(f"{said}: cannot write the answer ({error.strerror})\n")
        return StoreError.exit_code
    if isinstance(error, OSError):
        sys.stderr.write(f"{said}: {error.filename}: {error.strerror}\n")
        return StoreError.exit_code
    told = "" if debug else "; with --debug it says where: please report it"
    sys.stderr.write(f"{said}: a defect of Lattice: {type(error).__name__}: {error}{told}\n")
    return DEFECT


def _overview(options: argparse.Namespace) -> int:
    from ._overview import run

    return run(options)


def _add_debug(parser: argparse.ArgumentParser) -> None:
    # Before or behind the command: where it is not said, the other one's word counts.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )


def _open_closed_streams() -> None:
    """Let a command that was started without stdout or stderr (`>&-`) do its work; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end


def _write_no_more() -> None:
    """Drop what is still buffered: Python would complain of it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
