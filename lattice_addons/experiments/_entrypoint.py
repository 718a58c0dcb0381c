"""A program of the user's own is one that runs experiments, as ``lattice experiment`` does."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["entrypoint"]

_INTERRUPTED = 130


def entrypoint(arguments: Sequence[str] | None = None) -> NoReturn:
    """Make this a program that runs experiments: its command line is that of ``lattice experiment``.

    ::

        # experiments/__main__.py
        from lattice_addons.experiments import entrypoint

        entrypoint()

    ``python experiments RQ1 --num_proc 2`` looks for experiments from the folder of the program on. Without a name it
    runs those that the program itself declares. It ends the program, with an exit status.

    Args:
        arguments: The command line (default: the program's own).
    """
    raise SystemExit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    from ._options import program_arguments
    from ._program import run_program

    source = getattr(sys.modules.get("__main__"), "__file__", None)
    parser = argparse.ArgumentParser(
        prog=_called(source), description="Run experiments, and look at their results."
    )
    program_arguments(parser)
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        return run_program(options, os.path.dirname(os.path.abspath(source)) if source else None)
    except LatticeError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # What reads us has seen enough; Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED


def _called(source: str | None) -> str:
    """Give the program's name: of a folder that is run, the folder's."""
    name = os.path.basename(source or sys.argv[0])
    return (
        os.path.basename(os.path.dirname(os.path.abspath(source or "."))) if name == "__main__.py" else name
    )
