"""``lattice experiment``: runs experiments by their names, and shows their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from lattice_addons.experiments import program_arguments

    program_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    from lattice_addons.experiments import run_program

    return run_program(options)
