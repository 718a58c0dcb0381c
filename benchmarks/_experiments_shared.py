"""A large array reaches the runs of a sweep: what that takes in time, and in memory of each worker."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import _experiments_peers as peers
from benchmarks._apart import apart
from benchmarks._memory import MIB
from benchmarks._row import Row, failed
from lattice_addons.experiments import Experiment, search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._setup import Setup

__all__ = ["ours", "shared", "theirs"]

BYTES, SMALL, TASKS, WARM = 400 * 10**6, 4096, 8, 16
WORKERS = 2


class Sharing(Experiment):
    """Runs that read an array; the first few only start the workers, and take their time."""

    data: Any = None
    number: int = search(*range(WARM + TASKS))

    def run(self) -> dict[str, Any]:
        """Read a number of each page."""
        if self.number < WARM:
            return {"pid": peers.begin()}
        begun = time.time()
        total, more = peers.touch(self.data)
        return {"total": total, "more": more, "begun": begun, "ended": time.time()}


def shared(setup: Setup) -> Iterator[Row]:
    """Compare the time and the memory for 400 MB that 8 tasks on 2 workers read."""
    seconds: dict[str, list[float]] = {}
    private: dict[str, list[int]] = {}
    errors: dict[str, object] = {}
    names = ["Lattice", *peers.SHARING]
    for _ in range(setup.few):
        for name in names:
            if name in errors:
                continue
            try:
                with setup.room() as folder:
                    took, more = _once(name, str(folder))
            except Exception as error:  # noqa: BLE001 - who does not run here is a line of the table
                errors[name] = error
                continue
            seconds.setdefault(name, []).append(took)
            private.setdefault(name, []).append(more)
    if "Lattice" in errors:
        yield failed("experiments: 400 MB to 8 tasks on 2 workers", errors["Lattice"], 0.1, broken=True)
        return
    mine = median(private["Lattice"]) / MIB
    yield Row("experiments: memory of a worker's own for 400 MB that it shares", mine, 30, "MiB")
    for name in peers.SHARING:
        what = f"experiments: 400 MB to 8 tasks on 2 workers, Lattice / {name}"
        # Ten times as fast as to pickle it; the others also map it.
        target = 0.1 if name == "multiprocessing.Pool" else None
        if name in errors:
            yield failed(what, f"does not run here: {errors[name]}", target)
            continue
        times = [median(seconds[each]) for each in ("Lattice", name)]
        memory = f"{mine:.0f} / {median(private[name]) / MIB:.0f} MiB of its own a worker"
        details = f"{times[0]:.2f} / {times[1]:.2f} s, {memory}"
        yield Row(what, times[0] / times[1], target, details=details)


def _once(name: str, folder: str) -> tuple[float, int]:
    """Give the seconds that the data costs, and the private bytes of a worker; the workers' start is in neither."""
    if name == "Lattice":
        # All of a sweep, with the array less with next to none: the way from the array in this program is in it.
        with_data, more = apart("_experiments_shared", "ours", folder, BYTES)
        without, _ = apart("_experiments_shared", "ours", folder + "/none", SMALL)
        return max(with_data - without, 0.001), more
    took, more = apart("_experiments_shared", "theirs", name, BYTES)
    return took, more


def ours(folder: str, size: int) -> tuple[float, int]:
    """Run the settings with an array of so many bytes as a field; give the seconds and the private bytes."""
    from lattice_addons.experiments import Display

    data = np.ones(size // 8)
    begun = time.perf_counter()
    Sharing(data=data).run_all(num_proc=WORKERS, root=folder, display=Display())
    took = time.perf_counter() - begun
    rows = Sharing.results("arrow", folder).to_pylist()
    more = [row["more"] for row in rows if row["total"] is not None]
    if len(more) != TASKS:
        raise AssertionError(f"{len(more)} tasks have read the array")
    return took, int(max(more))


def theirs(name: str, size: int) -> tuple[float, int]:
    """Hand an array of so many bytes to as many tasks by a peer."""
    return peers.SHARING[name](np.ones(size // 8), TASKS)
