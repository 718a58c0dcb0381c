"""The state that is saved: float32 arrays of 4 MiB each, random normal values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lattice_addons import Settings, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "PIECE",
    "Array",
    "Arrays",
    "change",
    "count_of_few",
    "few_of",
    "grouped",
    "make",
    "named",
    "opened",
]

Array: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float32]]"
Arrays: TypeAlias = "list[Array]"

PIECE = 4 * 1024 * 1024
#: So many that a benchmark never sees an old checkpoint removed, where it does not ask for it.
KEEP_ALL = 10**6


def make(mib: int) -> Arrays:
    """Make so many MiB of arrays."""
    draw = np.random.default_rng(0)
    return [draw.standard_normal(PIECE // 4, dtype=np.float32) for _ in range(max(mib // 4, 1))]


def change(arrays: Arrays) -> None:
    """Change every value of these arrays, in place."""
    for array in arrays:
        np.add(array, np.float32(1), out=array)


def count_of_few(count: int) -> int:
    """Give how many 1 % of so many are, at least one."""
    return max((count + 50) // 100, 1)


def few_of(arrays: Arrays, turn: int = 0) -> Arrays:
    """Give 1 % of the arrays, at least one; others with every turn."""
    count = count_of_few(len(arrays))
    begin = turn * count % len(arrays)
    return (arrays + arrays)[begin : begin + count]


def named(arrays: Arrays) -> dict[str, Array]:
    """Give the arrays by the names of their slots."""
    return {f"array-{number:04}": array for number, array in enumerate(arrays)}


def opened(
    root: Path | str, job: str = "benchmark", keep: int = KEEP_ALL, **more: object
) -> StateManagerGroup:
    """Open a job; nothing is saved that a benchmark has not asked for."""
    settings = Settings(
        root=str(root),
        job_id=job,
        keep=keep,
        signals=(),
        atexit_saving=False,
        **more,  # type: ignore[arg-type]
    )
    return StateManagerGroup(settings)


def grouped(arrays: Arrays, root: Path | str, names: Sequence[str] = (), **more: object) -> StateManagerGroup:
    """Give a group whose slots hold the arrays, nothing of it saved yet."""
    group = opened(root, **more)  # type: ignore[arg-type]
    for name, array in zip(names or named(arrays), arrays, strict=True):
        group.register(name)
        group.update(name, array)
    return group
