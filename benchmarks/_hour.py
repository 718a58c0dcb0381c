"""A save every second for as long as anybody likes: nothing grows."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import _state
from benchmarks._apart import apart
from benchmarks._memory import highest_memory
from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._setup import Setup
    from lattice_addons import StateManagerGroup

__all__ = ["hour", "many_saves"]

MIB = 64
SMALL = 100
#: Before the first tenth: until as many checkpoints are there as are kept, the store has to grow.
FILLING = 30
#: In place of the second: what tidies up between the saves has its turn.
PAUSE = 0.02
FLAT = 1.2
#: How the figures of an instant are called, and shown.
SHOWN = {
    "seconds": ("time per save", 1000, "ms"),
    "descriptors": ("open files", 1, ""),
    "resident": ("memory", 2**-20, "MiB"),
    "files": ("files in the store", 1, ""),
    "disk": ("bytes on disk", 2**-20, "MiB"),
}


@dataclass(frozen=True)
class Instant:
    """What one save took, and what there was after it."""

    seconds: float
    descriptors: int
    resident: int
    files: int
    disk: int


def hour(setup: Setup) -> Iterator[Row]:
    """Compare the last tenth of many saves of small changes with the first."""
    what = f"{setup.saves} saves of small changes, last tenth / first tenth"
    with setup.room() as folder:
        try:
            medians = apart("_hour", "many_saves", str(folder), setup.saves)
        except Exception as error:  # noqa: BLE001 - the other rows are measured
            yield failed(what, error, FLAT)
            return
    for each, (first, last) in medians.items():
        name, scale, unit = SHOWN[each]
        details = f"{last * scale:.3g} / {first * scale:.3g} {unit}".rstrip()
        yield Row(f"{what}: {name}", last / first, FLAT, details=details)


def many_saves(root: str, count: int) -> dict[str, tuple[float, float]]:
    """Save so often, each time with one array and one small slot changed; give medians of the ends of the run."""
    arrays = _state.make(MIB)
    group = _state.grouped(arrays, root, keep=3)  # as many as are kept when nobody asks for more
    for number in range(SMALL):
        group.register(f"small-{number}")
        group.update(f"small-{number}", number)
    group.save()
    instants = [_save(group, arrays, Path(root), number) for number in range(FILLING + count)][FILLING:]
    group.close()
    tenth = max(count // 10, 1)
    return {
        name: (
            median(getattr(one, name) for one in instants[:tenth]),
            median(getattr(one, name) for one in instants[-tenth:]),
        )
        for name in Instant.__annotations__
    }


def _save(group: StateManagerGroup, arrays: _state.Arrays, root: Path, number: int) -> Instant:
    _state.change([arrays[number % len(arrays)]])
    group.update(f"small-{number % SMALL}", -number)
    begun = time.perf_counter()
    group.save()
    took = time.perf_counter() - begun
    time.sleep(PAUSE)
    sizes = list(_sizes(root))
    descriptors = len(os.listdir("/proc/self/fd"))
    return Instant(took, descriptors, highest_memory("VmRSS"), len(sizes), sum(sizes))


def _sizes(root: Path) -> Iterator[int]:
    for path in root.rglob("*"):
        try:
            yield path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # tidied away meanwhile
