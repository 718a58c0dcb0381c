"""The ``lattice`` command: one file for each of its commands."""

from ._main import build_parser, experiment, main

__all__ = ["build_parser", "experiment", "main"]
