"""Many small slots cost what one pickle of them costs, and an update what an assignment does, nearly."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import time
from typing import TYPE_CHECKING

from benchmarks import _state
from benchmarks._measure import Contender, Times, in_turn, ratio
from benchmarks._row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks._setup import Setup
    from lattice_addons import StateManagerGroup

__all__ = ["discovery", "small_slots", "updates"]

CHANGED = 10
UPDATES = 100_000
#: What takes in proportion to the number of slots may take so much longer for each.
LINEAR = 1.5


def small_slots(setup: Setup) -> Iterator[Row]:
    """Compare the life of many small slots with a pickle of them, and with that of fewer."""
    slots = f"{setup.slots:,} small slots"
    with setup.room() as folder:
        many = _Small(folder, setup.slots)
        few = _Small(folder, setup.slots // 10)
        steps: dict[str, Times] = {}
        times = in_turn(
            [
                Contender("whole life", lambda: many.live(steps, "all"), rounds=setup.few),
                Contender("life of a tenth", lambda: few.live(steps, "tenth"), rounds=setup.few),
                Contender("pickle and fsync", many.pickled),
            ],
            setup.rounds,
        )
    plain = times["pickle and fsync"]
    empty = Times("it", error=times["whole life"].error or times["life of a tenth"].error or "never ran")

    def step(name: str) -> Times:
        return steps.get(name, empty)

    first, second = step("first save, all"), step("second save, all")
    yield ratio(f"first save of {slots} / one pickle.dumps and fsync", first, plain, 2)
    yield ratio(f"second save of {slots}, {CHANGED} changed / first save", second, first, 0.5)
    yield ratio(f"second save of {slots}, {CHANGED} changed / one pickle.dumps and fsync", second, plain, 1)
    for name in ("register", "restart"):
        tenth = step(f"{name}, tenth")
        scaled = Times(f"{tenth.name} × 10", [10 * each for each in tenth.seconds], tenth.error)
        yield ratio(f"{name} of {slots} / ten times that of a tenth", step(f"{name}, all"), scaled, LINEAR)


class _Small:
    """Slots with a small dictionary each, in a new job at each turn."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.values = {f"slot-{n:06}": {"step": n, "loss": n / 7} for n in range(count)}
        self.turns = itertools.count()

    def pickled(self) -> None:
        """Write one pickle of everything, and have it on disk."""
        with (self.folder / f"pickle-{next(self.turns)}").open("wb") as file:
            file.write(pickle.dumps(self.values))
            file.flush()
            os.fsync(file.fileno())

    def live(self, steps: dict[str, Times], size: str) -> None:
        """Register, save, change a little, save again, and start anew, each in its own time."""
        turn = next(self.turns)
        job = f"{size}-{turn}"

        def timed(name: str, begun: float) -> None:
            times = steps.setdefault(f"{name}, {size}", Times(f"{name}, {size}"))
            if turn:  # the first one warms up
                times.seconds.append(time.perf_counter() - begun)

        group = _state.opened(self.folder / "store", job)
        begun = time.perf_counter()
        self._give(group)
        timed("register", begun)
        os.sync()
        for name in ("first save", "second save"):
            begun = time.perf_counter()
            group.save()
            timed(name, begun)
            for key in list(self.values)[:CHANGED]:
                group.update(key, {"step": -1, "loss": 0.5})
        group.close()
        begun = time.perf_counter()
        group = _state.opened(self.folder / "store", job)
        for key in self.values:
            group.register(key)
            group.get(key)
        timed("restart", begun)
        group.close()

    def _give(self, group: StateManagerGroup) -> None:
        for key, value in self.values.items():
            group.register(key)
            group.update(key, value)


def discovery(setup: Setup) -> Iterator[Row]:
    """Compare opening a job that keeps many checkpoints with one that keeps few."""
    with setup.room() as folder:
        for job, count in (("few", 3), ("many", setup.saves)):
            group = _state.opened(folder, job)
            group.register("slot")
            for number in range(count):
                group.update("slot", number)
                group.save()
            group.close()
        times = in_turn(
            [
                Contender(job, lambda job=job: _state.opened(folder, job).close())  # type: ignore[misc]
                for job in ("many", "few")
            ],
            setup.rounds,
        )
    yield ratio(
        f"opening a job that keeps {setup.saves} checkpoints / 3", times["many"], times["few"], LINEAR
    )


def updates(setup: Setup) -> Iterator[Row]:
    """Compare `update` with a dict assignment."""
    group = _state.opened("benchmark-updates", type="memory")
    group.register("slot")
    plain: dict[str, object] = {}

    def update() -> None:
        for number in range(UPDATES):
            group.update("slot", number)

    def assign() -> None:
        for number in range(UPDATES):
            plain["slot"] = number

    times = in_turn([Contender("update", update), Contender("assignment", assign)], setup.rounds)
    yield ratio("update of a slot / dict assignment", times["update"], times["assignment"], 10)
    gc.collect()
    gc.disable()
    before = len(gc.get_objects())
    update()
    left = len(gc.get_objects()) - before
    gc.enable()
    group.close()
    # A handful is what the interpreter itself may make; one for each update would be 100,000.
    what = f"objects that {UPDATES:,} updates leave to the collector"
    yield Row(what, max(left, 0), 10, unit="")
