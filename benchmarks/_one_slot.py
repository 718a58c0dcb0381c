"""Of a large checkpoint one array is asked for; the rest of it costs nothing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import _state
from benchmarks._apart import apart
from benchmarks._measure import Contender, in_turn
from benchmarks._restores import cold, warm_up
from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._measure import Times
    from benchmarks._setup import Setup

__all__ = ["getting_all", "getting_one", "one_slot", "saving_many"]

#: The checkpoint is so many times as large as the state of the other benchmarks.
TIMES_AS_LARGE = 10


def one_slot(setup: Setup) -> Iterator[Row]:
    """Measure how one slot of a large checkpoint is read."""
    count = max(setup.mib // 4, 1) * TIMES_AS_LARGE
    found: list[dict[str, float]] = []
    with setup.room() as folder:
        apart("_one_slot", "saving_many", str(folder), count)

        def one() -> float:
            found.append(apart("_one_slot", "getting_one", str(folder), count))
            return found[-1]["get"]

        times = in_turn(
            [
                Contender("get", one, before=lambda: cold(folder), clock=True),
                Contender(
                    "full restore",
                    lambda: apart("_one_slot", "getting_all", str(folder), count),
                    before=lambda: cold(folder),
                    rounds=1,
                    clock=True,
                ),
            ],
            setup.rounds,
        )
    size = f"{count * 4 / 1024:.3g} GiB checkpoint"
    if not found:
        yield failed(f"get of one 4 MiB slot of a {size}, cold", times["get"].error, 20)
        return
    yield from _rows(size, times, found[1:] or found)


def _rows(size: str, times: dict[str, Times], found: list[dict[str, float]]) -> Iterator[Row]:
    def median(what: str) -> float:
        return float(np.median([one[what] for one in found]))

    what = f"get of one 4 MiB slot of a {size}, cold"
    yield Row(what, median("get") * 1000, 20, unit="ms")
    whole = times["full restore"]
    if whole.seconds:
        yield Row(f"{what} / full restore", median("get") / whole.median, 0.01, details=str(whole))
    else:
        yield failed(f"{what} / full restore", whole.error, 0.01)
    yield Row(f"bytes read for it / its bytes ({size})", median("read") / _state.PIECE, 2)
    yield Row(f"opening a {size}, cold", median("open") * 1000, 10, unit="ms")


def saving_many(root: str, count: int) -> bool:
    """Save so many different arrays."""
    arrays = _state.make(64)
    more = [arrays[number % len(arrays)] + np.float32(number) for number in range(len(arrays), count)]
    group = _state.grouped((arrays + more)[:count], root)
    group.save()
    group.close()
    return True


def getting_one(root: str, count: int) -> dict[str, float]:
    """Give the seconds to open a job and to get the array in the middle, and how many bytes that read."""
    name = f"array-{count // 2:04}"
    warm_up()
    begun = time.perf_counter()
    group = _state.opened(root)
    opened = time.perf_counter()
    before = _read_by_us()
    group.register(name)
    value = group.get(name)
    got = time.perf_counter()
    if value.nbytes != _state.PIECE:
        raise RuntimeError("the slot did not come back")
    return {"open": opened - begun, "get": got - opened, "read": _read_by_us() - before}


def getting_all(root: str, count: int) -> float:
    """Give the seconds to open a job and to get each array, letting go of the ones before: memory is finite."""
    warm_up()
    begun = time.perf_counter()
    group = _state.opened(root)
    for number in range(count):
        name = f"array-{number:04}"
        group.register(name)
        group.get(name)
        group.delete(name)
    took = time.perf_counter() - begun
    os.sync()
    return took


def _read_by_us() -> int:
    """Give the bytes that this process has read, from the disk or by calls, whichever is more."""
    with open("/proc/self/io", encoding="ascii") as file:
        counts = dict(line.split(": ") for line in file)
    return max(int(counts["rchar"]), int(counts["read_bytes"]))
