"""While an asynchronous save takes its snapshot, the program stands still; no longer than a copy would take."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from benchmarks import _limits, _state
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._peers import dcp, remove, tensors
from benchmarks._row import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks._row import Row
    from benchmarks._setup import Setup

__all__ = ["asynchronous"]


def asynchronous(setup: Setup) -> Iterator[Row]:
    """Compare how long the program stands still for `async_save` with a copy of what changed."""
    yield from _all_changed(setup)
    yield from _little_changed(setup)


def _all_changed(setup: Setup) -> Iterator[Row]:
    against_dcp = "async_save standstill / torch DCP async_save"
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        copies = _limits.Copies(arrays)
        contenders = [_ours(arrays, folder, lambda: arrays), Contender("2-thread copy", copies.copy)]
        why: object = None
        try:
            contenders.append(_theirs(arrays, folder, setup))
        except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
            why = error
        times = in_turn(contenders, setup.rounds)
    ours = times["async_save"]
    yield ratio("async_save standstill, all changed / 2-thread copy of it", ours, times["2-thread copy"], 1.2)
    if why is None:
        yield ratio(against_dcp, ours, times["DCP async_save"], 0.3)
    else:
        yield failed(against_dcp, why)


def _little_changed(setup: Setup) -> Iterator[Row]:
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        everything = _limits.Copies(arrays)
        changed = _limits.Copies(_state.few_of(arrays))
        turns = itertools.count()
        times = in_turn(
            [
                _ours(arrays, folder, lambda: _state.few_of(arrays, next(turns))),
                Contender("2-thread copy of it", changed.copy),
                Contender("2-thread copy of all", everything.copy),
            ],
            setup.rounds,
        )
    what = "async_save standstill, 1 % changed"
    ours = times["async_save"]
    yield ratio(f"{what} / 2-thread copy of it", ours, times["2-thread copy of it"], 1.2)
    yield ratio(f"{what} / 2-thread copy of the state", ours, times["2-thread copy of all"], None)


def _ours(arrays: _state.Arrays, folder: Path, dirty: Callable[[], _state.Arrays]) -> Contender:
    group = _state.grouped(arrays, folder / "store")
    group.save()
    pending: list[Any] = []
    return Contender(
        "async_save",
        lambda: pending.append(group.async_save()),
        before=lambda: _state.change(dirty()),
        after=lambda: pending.pop().result(),
    )


def _theirs(arrays: _state.Arrays, folder: Path, setup: Setup) -> Contender:
    library, given = dcp(), tensors(_state.named(arrays))
    path = folder / "dcp"
    pending: list[Any] = []

    def done() -> None:
        pending.pop().result()
        remove(path)

    return Contender(
        "DCP async_save",
        lambda: pending.append(library.async_save(given, checkpoint_id=str(path))),
        before=lambda: _state.change(arrays),
        after=done,
        rounds=setup.few,
    )
