"""Measures saves, restores and start-up against plain means of the same run: ``python benchmarks``.

Every row is a ratio of two medians that were measured in turn, in one run, on one machine.
"""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lattice_addons import Settings, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
ARRAYS = 64
ARRAY_BYTES = 4 * 1024 * 1024


def compare(title: str, ours: Callable[[], object], other: Callable[[], object], against: str) -> None:
    """Time two calls in turn and print the ratio of their medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, taken in zip((ours, other), times, strict=True):
            begun = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begun)
    mine, its = (statistics.median(taken) for taken in times)
    print(f"{title:<44} {mine * 1000:>9.1f} ms   {mine / its:>6.2f} x  {against} ({its * 1000:.1f} ms)")


def write_plain(path: Path, pieces: list[memoryview]) -> None:
    """Write bytes to a new file and have them on disk."""
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        os.fsync(file.fileno())


def saves(folder: Path) -> None:
    """Compare full, unchanged and small saves, and one slot's restore."""
    arrays = [np.random.default_rng(n).random(ARRAY_BYTES // 8) for n in range(ARRAYS)]
    group = StateManagerGroup(Settings(root=str(folder / "store"), job_id="bench", signals=(), keep=100))
    for n, array in enumerate(arrays):
        group.register(f"a{n}")
        group.update(f"a{n}", array)
    plain = iter(range(1000))

    def change_all() -> None:
        for array in arrays:
            np.add(array, 1.0, out=array)

    def full() -> None:
        change_all()
        group.save()

    def plain_full() -> None:
        change_all()
        write_plain(folder / f"plain-{next(plain)}", [memoryview(array).cast("B") for array in arrays])

    def pickled() -> None:
        change_all()
        with (folder / f"pickle-{next(plain)}").open("wb") as file:
            pickle.dump(arrays, file, protocol=5)
            os.fsync(file.fileno())

    size = ARRAYS * ARRAY_BYTES // 2**20
    compare(f"save {size} MiB of arrays", full, plain_full, "write and fsync of the same bytes")
    compare(f"save {size} MiB of arrays", full, pickled, "pickle 5 and fsync")
    target = [np.empty_like(array) for array in arrays]

    def copied() -> None:
        for to, array in zip(target, arrays, strict=True):
            np.copyto(to, array)

    compare("save when nothing changed", group.save, copied, "a memory copy of the state")
    group.close()


def small_slots(folder: Path) -> None:
    """Compare many small slots with one pickle of them."""
    group = StateManagerGroup(Settings(root=str(folder / "store"), job_id="small", signals=(), keep=100))
    values = {f"slot{n}": n for n in range(10_000)}
    for key, value in values.items():
        group.register(key)
        group.update(key, value)
    count = iter(range(1000))
    compare(
        "save 10,000 small slots",
        group.save,
        lambda: write_plain(folder / f"small-{next(count)}", [memoryview(pickle.dumps(values))]),
        "one pickle and one fsync",
    )
    plain: dict[str, int] = {}

    def update() -> None:
        for n in range(100_000):
            group.update("slot7", n)

    def assign() -> None:
        for n in range(100_000):
            plain["slot7"] = n

    compare("100,000 updates of a slot", update, assign, "dict assignments")
    group.close()


def start_up(folder: Path) -> None:
    """Compare a bare interpreter with an import, and with a small program that restores and saves."""
    program = folder / "program.py"
    program.write_text(
        "from lattice_addons import StateManagerGroup\n"
        "g = StateManagerGroup()\ng.register('n')\ng.update('n', (g.get('n') or 0) + 1)\n"
    )

    def start(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], check=True, cwd=folder)

    compare(
        "import lattice_addons", start("-c", "import lattice_addons"), start("-c", ""), "a bare interpreter"
    )
    compare("a program with one slot", start(str(program)), start("-c", ""), "a bare interpreter")


def main() -> None:
    """Run every comparison in a folder of its own on the disk of the working directory."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="bench-") as folder:
        start_up(Path(folder))
        small_slots(Path(folder))
        saves(Path(folder))


if __name__ == "__main__":
    main()
