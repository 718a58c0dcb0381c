"""What Lattice itself costs in a sweep: many trivial settings, and the first sign of a very long one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks._apart import apart
from benchmarks._experiments_shared import shared
from benchmarks._memory import MIB, highest_memory
from benchmarks._row import Row, failed
from lattice_addons.experiments import Display, Experiment, search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._setup import Setup
    from lattice_addons.experiments import Record

__all__ = ["experiments", "first_sign", "sweep"]

#: Settings of the sweep, of a longer one to tell what each needs in memory, and of one too long to wait for.
MANY, MORE, COUNTLESS = 10_000, 30_000, 100_000
WORKERS = 2
#: Each trial of Ray Tune takes too long for thousands.
TRIALS = 8


class Trivial(Experiment):
    """Settings whose runs take next to nothing: what is measured is all the rest."""

    number: int = search(*range(MORE))

    def run(self) -> dict[str, Any]:
        """Give two results."""
        return {"square": self.number**2, "loss": 1 / (1 + self.number)}


class Countless(Experiment):
    """A sweep so long that nobody would wait for it to be counted out."""

    rate: float = search(*(1 / (1 + number) for number in range(COUNTLESS // 100)))
    seed: int = search(*range(100))

    def run(self) -> dict[str, Any]:
        """Give a result."""
        return {"loss": self.rate}


def experiments(setup: Setup) -> Iterator[Row]:
    """Compare sweeps of trivial settings, and the sharing of large data."""
    yield from _trivial(setup)
    yield from _first(setup)
    yield from _peers()
    yield from shared(setup)


def _trivial(setup: Setup) -> Iterator[Row]:
    memory: dict[int, int] = {}
    each: list[float] = []
    for count, rounds in ((MORE, 1), (MANY, setup.few)):
        each = []
        for _ in range(rounds):
            with setup.room() as folder:
                took, memory[count] = apart("_experiments", "sweep", str(folder), count)
            each.append(took / count * 1000)
    each.sort()
    details = f"{MANY:,} settings, {each[0]:.2f}–{each[-1]:.2f} ms each, all told"
    yield Row("experiments: a trivial setting, on two processes", each[len(each) // 2], 5, "ms", details)
    more = (memory[MORE] - memory[MANY]) / MIB
    details = f"{memory[MANY] / MIB:.0f} MiB with {MANY:,} settings, {memory[MORE] / MIB:.0f} with {MORE:,}"
    yield Row(f"experiments: memory of the runner, {MORE:,} settings less {MANY:,}", more, 16, "MiB", details)


def _first(setup: Setup) -> Iterator[Row]:
    seconds = []
    for _ in range(setup.few):
        with setup.room() as folder:
            seconds.append(apart("_experiments", "first_sign", str(folder)))
    seconds.sort()
    details = f"{seconds[0]:.2f}–{seconds[-1]:.2f} s from run_all, in a program that has just begun"
    what = f"experiments: until the first of {COUNTLESS:,} settings is done and shown"
    yield Row(what, seconds[len(seconds) // 2], 2, "s", details)


def _peers() -> Iterator[Row]:
    """Others without a journal (joblib), or with trials that are programs (Ray Tune), to compare with."""
    for name, count, note in (
        ("joblib", MANY, "which keeps no results"),
        ("ray_tune", TRIALS, f"of {TRIALS} trials, without the start of Ray"),
    ):
        what = f"experiments: a trivial setting by {name.replace('_', ' ')}, on two processes"
        try:
            took = apart("_experiments_peers", name, count)
        except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
            yield failed(what, f"does not run here: {error}")
            continue
        yield Row(what, took / count * 1000, None, "ms", note)


def sweep(folder: str, count: int) -> tuple[float, int]:
    """Run so many settings; give the seconds, and this process's highest residence."""
    begun = time.perf_counter()
    summary = Trivial(number=search(*range(count))).run_all(num_proc=WORKERS, root=folder, display=Display())
    took = time.perf_counter() - begun
    if summary.done != count:
        raise AssertionError(f"{summary.done} of {count} settings were done")
    return took, highest_memory()


def first_sign(folder: str) -> float:
    """Give the seconds until something is done and shown."""
    first = First()
    begun = time.perf_counter()
    Countless().run_all(num_proc=WORKERS, root=folder, limit=200, display=first)
    return first.at - begun


class First(Display):
    """Takes the time of the first setting that has ended."""

    at = 0.0

    def ended(self, record: Record) -> None:
        """Take note of the time."""
        del record
        self.at = self.at or time.perf_counter()
