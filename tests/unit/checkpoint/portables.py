"""A line whose checkpoint has all kinds of values, and how to export it and take it in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from lattice_addons.checkpoint import Portable, exported, imported
from lattice_addons.checkpoint._portable import PACK
from tests.unit.checkpoint.lines import save

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint, Line

NAME = f"{PACK}.pack"
VALUES = {
    "n": 1,
    "long": "text " * 20_000,
    "array": np.random.default_rng(0).standard_normal(700_000),
    "numbers": np.arange(100_000),
    "pickled": {1: os.urandom(3_000_000), 2: (None,)},
    "same": np.arange(100_000),
}


def export(line: Line, checkpoint: Checkpoint | None, path: Path) -> str:
    """Write a portable file."""
    assert checkpoint is not None
    with open(path, "wb") as file:
        file.writelines(exported(line, checkpoint))
    return str(path)


def fill(line: Line) -> None:
    """Save two checkpoints, of which the second has these values."""
    save(line, **(VALUES | {"array": np.ones(700_000)}))
    save(line, **VALUES)


def take_in(line: Line, path: str) -> Checkpoint:
    """Import a file."""
    with Portable(path, line.settings.key) as portable:
        return imported(line, portable)


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Compare values, of which some are arrays."""
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name])  # type: ignore[arg-type]
        if isinstance(one[name], np.ndarray)
        else one[name] == other[name]
        for name in one
    )
