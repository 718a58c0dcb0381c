"""A restart reads what was saved, and checks it: into fresh memory, or into arrays that are there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import _limits, _state
from benchmarks._apart import apart
from benchmarks._measure import Contender, in_turn, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._row import Row
    from benchmarks._setup import Setup

__all__ = ["cold", "peer_loads", "plain_reads", "restores", "restoring", "warm", "warm_up"]


def restores(setup: Setup) -> Iterator[Row]:
    """Compare full restores with reads of the same bytes."""
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        _write_all(arrays, folder)
        times = in_turn(_fresh(setup, folder, len(arrays)), setup.rounds)
        for state in ("warm", "cold"):
            for how, target in (("read", 1.3), ("map", None)):
                what = f"restore into fresh memory ({how}), {state} / plain reads"
                yield ratio(what, times[f"{how} {state}"], times[f"plain reads {state}"], target)
            for peer in ("torch", "safetensors"):
                what = f"restore into fresh memory (read), {state} / {peer} load"
                yield ratio(what, times[f"read {state}"], times[f"{peer} {state}"], None)
        times = in_turn(_existing(folder, arrays), setup.rounds)
        yield ratio(
            "restore into existing arrays, cold / O_DIRECT read", times["into"], times["O_DIRECT"], 1.3
        )


def _write_all(arrays: _state.Arrays, folder: Path) -> None:
    group = _state.grouped(arrays, folder / "store")
    group.save()
    group.close()
    _limits.write_direct(folder / "plain", _limits.Aligned(arrays))
    for peer, save in (("torch", _save_torch), ("safetensors", _save_safetensors)):
        try:
            save(arrays, folder / peer)
        except ImportError:
            continue  # its row says so
    os.sync()


def _save_torch(arrays: _state.Arrays, path: Path) -> None:
    from importlib import import_module

    from benchmarks._peers import tensors

    library: Any = import_module("torch")
    library.save(tensors(_state.named(arrays)), path)


def _save_safetensors(arrays: _state.Arrays, path: Path) -> None:
    from importlib import import_module

    library: Any = import_module("safetensors.numpy")
    library.save_file(_state.named(arrays), path)


def _fresh(setup: Setup, folder: Path, count: int) -> list[Contender]:
    calls: dict[str, tuple[object, ...]] = {
        "read": ("restoring", str(folder / "store"), count, "read"),
        "map": ("restoring", str(folder / "store"), count, "map"),
        "plain reads": ("plain_reads", str(folder / "plain"), count),
        "torch": ("peer_loads", "torch", str(folder / "torch")),
        "safetensors": ("peer_loads", "safetensors", str(folder / "safetensors")),
    }
    contenders = []
    for state in ("warm", "cold"):
        prepare = cold if state == "cold" else warm
        for name, call in calls.items():
            contenders.append(
                Contender(
                    f"{name} {state}",
                    lambda call=call: apart("_restores", *call),  # type: ignore[misc]
                    before=lambda prepare=prepare: prepare(folder),  # type: ignore[misc]
                    rounds=None if name in ("read", "plain reads") else setup.few,
                    clock=True,
                )
            )
    return contenders


def restoring(root: str, count: int, how: str) -> float:
    """Give the seconds from opening a job to having each of its arrays."""
    warm_up()
    more: dict[str, Any] = {} if how == "read" else {"restore": how}
    begun = time.perf_counter()
    group = _state.opened(root, **more)
    values = []
    for number in range(count):
        group.register(f"array-{number:04}")
        values.append(group.get(f"array-{number:04}"))
    took = time.perf_counter() - begun
    if sum(value.nbytes for value in values) != count * _state.PIECE:
        raise RuntimeError("not everything came back")
    return took


def plain_reads(path: str, count: int) -> float:
    """Give the seconds that plain reads of a file into fresh arrays take."""
    begun = time.perf_counter()
    arrays = _limits.read_plain(Path(path), count)
    took = time.perf_counter() - begun
    if len(arrays) != count:
        raise RuntimeError("not everything was read")
    return took


def peer_loads(peer: str, path: str) -> float:
    """Give the seconds in which a peer loads its file, its import left out."""
    from importlib import import_module

    library: Any = import_module("torch" if peer == "torch" else "safetensors.numpy")
    load = library.load if peer == "torch" else library.load_file
    begun = time.perf_counter()
    loaded = load(path)
    took = time.perf_counter() - begun
    if not loaded:
        raise RuntimeError("nothing was loaded")
    return took


def warm_up() -> None:
    """Import what a restore imports: a store in memory is written and read."""
    for _ in range(2):
        group = _state.opened("benchmark-warm-up", type="memory")
        group.register("array")
        if group.get("array") is None:
            group.update("array", np.zeros(_state.PIECE // 4, np.float32))
            group.save()
        group.close()


def cold(folder: Path | str) -> None:
    """Let the page cache forget every file below a folder."""
    os.sync()
    for path in Path(folder).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(folder: Path) -> None:
    """Let the page cache have every file below a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(_state.PIECE):
                    pass


def _existing(folder: Path, arrays: _state.Arrays) -> list[Contender]:
    targets = {name: np.ones_like(array) for name, array in _state.named(arrays).items()}
    aligned = _limits.Aligned(arrays)
    groups: list[Any] = []

    def into() -> None:
        group: Any = _state.opened(folder / "store")
        groups.append(group)
        for name in targets:
            group.register(name)
        group.restore(into=targets)

    def check() -> None:
        groups.pop().close()
        if not all(map(np.array_equal, targets.values(), arrays)):
            raise RuntimeError("what came back is not what was saved")
        for target in targets.values():
            target[:] = 1

    return [
        Contender("into", into, before=lambda: cold(folder), after=check),
        Contender(
            "O_DIRECT",
            lambda: _limits.read_direct(folder / "plain", aligned),
            before=lambda: cold(folder),
        ),
    ]
