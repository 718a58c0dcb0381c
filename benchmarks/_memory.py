"""What a save needs in memory beyond the values: the highest residence of a fresh process less that before the save."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from benchmarks import _state
from benchmarks._apart import apart
from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks._setup import Setup

__all__ = ["beyond", "blocking_needs", "highest_memory", "later_needs", "memory", "peer_needs"]

MIB = 1024 * 1024
#: Writing this forgets the highest residence so far.
FORGET = "5"


def memory(setup: Setup) -> Iterator[Row]:
    """Measure what saves need beyond the values."""
    size = max(setup.mib // 4, 1) * 4
    with setup.room() as folder:
        yield _row("extra memory of a blocking save", 64, folder, "blocking_needs", setup.mib)
        what = "extra memory of async_save, all changed: part of the changed bytes"
        yield _part(_row(what, 1.0, folder, "later_needs", setup.mib, None), size)
        budget = max(size // 4, 1)
        what = "extra memory of async_save with a budget of a quarter of it: part of the budget"
        yield _part(_row(what, 1.0, folder, "later_needs", setup.mib, budget), budget)
        what = "extra memory of torch DCP async_save: part of the changed bytes"
        yield _part(_row(what, None, folder, "peer_needs", setup.mib), size)


def blocking_needs(folder: str, mib: int) -> int:
    """Give the bytes that the first save of a process needs."""
    arrays = _state.make(mib)
    group = _state.grouped(arrays, folder)
    return beyond(group.save)


def later_needs(folder: str, mib: int, budget: int | None) -> int:
    """Give the bytes that an asynchronous save needs beyond what a blocking one before it has left."""
    arrays = _state.make(mib)
    more: dict[str, Any] = {} if budget is None else {"memory": budget * MIB}
    group = _state.grouped(arrays, folder, **more)
    group.save()
    _state.change(arrays)
    return beyond(lambda: group.async_save().result())


def peer_needs(folder: str, mib: int) -> int:
    """Give the bytes that torch's asynchronous save needs, after a first one."""
    from benchmarks._peers import dcp, tensors

    library, given = dcp(), tensors(_state.named(_state.make(mib)))
    library.save(given, checkpoint_id=f"{folder}/first")
    return beyond(lambda: library.async_save(given, checkpoint_id=f"{folder}/second").result())


def highest_memory(name: str = "VmHWM") -> int:
    """Give a figure of this process's memory in bytes, the highest residence unless another is named."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))


def beyond(work: Callable[[], object]) -> int:
    """Give by how many bytes the highest residence exceeds that before the work."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write(FORGET)
    before = highest_memory("VmRSS")
    work()
    return highest_memory() - before


def _row(what: str, target: float | None, folder: Path, name: str, *arguments: object) -> Row:
    store = folder / name
    try:
        needed = apart("_memory", name, str(store), *arguments)
    except Exception as error:  # noqa: BLE001 - the other rows are measured
        return failed(what, error, target)
    finally:
        shutil.rmtree(store, ignore_errors=True)
    return Row(what, needed / MIB, target, unit="MiB")


def _part(row: Row, size: int) -> Row:
    if row.measured is None:
        return row
    return Row(row.what, row.measured / size, row.target, details=f"{row.measured:.0f} of {size} MiB")
