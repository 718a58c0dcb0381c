"""A save that returned is on disk: full, against the disk and the peers; unchanged and nearly so, against a copy."""

from __future__ import annotations

import itertools
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks import _limits, _state
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._peers import PEERS, Peer, durable, remove
from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks._setup import Setup
    from lattice_addons import StateManagerGroup
    from lattice_addons.checkpoint import Checkpoint

__all__ = ["full", "peers", "unchanged"]

MIB = 1024 * 1024


def full(setup: Setup) -> Iterator[Row]:
    """Compare a durable full save with writes of the same bytes."""
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        aligned, bounces = _limits.Aligned(arrays), _limits.Aligned(arrays[:2])
        group = _state.grouped(arrays, folder / "store")
        direct = folder / "direct"
        bounced = folder / "bounced"
        times = in_turn(
            [
                Contender("save", group.save, before=lambda: _state.change(arrays)),
                Contender(
                    "O_DIRECT write",
                    lambda: _limits.write_direct(direct, aligned),
                    after=lambda: remove(direct),
                ),
                Contender(
                    "bounced write",
                    lambda: _limits.write_bounced(bounced, arrays, bounces),
                    after=lambda: remove(bounced),
                ),
            ],
            setup.rounds,
        )
        group.close()
        kind = "O_DIRECT write" if _limits.direct_io(folder) else "buffered write (no direct I/O here)"
    yield ratio(f"durable full save / aligned {kind}", times["save"], times["O_DIRECT write"], 1.35)
    yield ratio(
        "durable full save / the same through a bounce copy, 2 threads",
        times["save"],
        times["bounced write"],
        1.1,
    )


def peers(setup: Setup) -> Iterator[Row]:
    """Compare a durable full save with that of each peer."""
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        group = _state.grouped(arrays, folder / "store")
        contenders = [Contender("save", group.save, before=lambda: _state.change(arrays))]
        absent: dict[str, object] = {}
        for peer in PEERS:
            try:
                contenders.append(_saving(peer, arrays, folder, setup))
            except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
                there = find_spec(peer.library) is not None
                absent[peer.name] = f"does not run here: {error}" if there else "not installed"
        times = in_turn(contenders, setup.rounds)
        group.close()
    for peer in PEERS:
        what = f"durable full save / {peer.name} + fsync"
        if peer.name in absent:
            yield failed(what, absent[peer.name])
        elif times[peer.name].error:
            # The peer's failure, not ours: there is no target to miss.
            yield failed(what, f"does not run here: {times[peer.name].error}")
        else:
            yield ratio(what, times["save"], times[peer.name], peer.target)


def unchanged(setup: Setup) -> Iterator[Row]:
    """Compare a save when nothing or little has changed with a copy of the state."""
    with setup.room() as folder:
        arrays = _state.make(setup.mib)
        copies = _limits.Copies(arrays)
        group = _state.grouped(arrays, folder / "store")
        saved: list[tuple[Checkpoint, int]] = []
        turns = itertools.count()
        times = in_turn(
            [
                Contender("unchanged", group.save),
                Contender("2-thread copy", copies.copy),
                Contender(
                    "1 % changed",
                    lambda: saved.append(_counted(group)),
                    before=lambda: _state.change(_state.few_of(arrays, next(turns))),
                ),
            ],
            setup.rounds,
        )
        packs = _bytes_in_packs(folder)
        group.save()
        written = _bytes_in_packs(folder) - packs
        group.close()
    yield ratio(
        "save when nothing changed / 2-thread copy of the state",
        times["unchanged"],
        times["2-thread copy"],
        1.0,
    )
    yield Row("chunk bytes written when nothing changed", written / MIB, 0, unit="MiB")
    yield ratio("save when 1 % of chunks changed / unchanged", times["1 % changed"], times["unchanged"], 1.3)
    yield from _written(saved, len(_state.few_of(arrays)) * _state.PIECE)


def _saving(peer: Peer, arrays: _state.Arrays, folder: Path, setup: Setup) -> Contender:
    import_module(peer.library)
    save = peer.ready(_state.named(arrays))
    path = folder / f"peer-{PEERS.index(peer)}"

    def durably() -> None:
        save(path)
        durable(path)

    return Contender(
        peer.name,
        durably,
        before=_changing(arrays),
        after=lambda: remove(path),
        rounds=setup.few if peer.slow else None,
    )


def _changing(arrays: _state.Arrays) -> Callable[[], None]:
    return lambda: _state.change(arrays)


def _written(saved: list[tuple[Checkpoint, int]], changed: int) -> Iterator[Row]:
    what = "bytes written / bytes changed, 1 % of chunks changed"
    checkpoint, counted = saved[-1]
    told = checkpoint.metrics.get("bytes_written")
    if isinstance(told, int):
        yield Row(f"{what}: by the checkpoint", told / changed, 1.1, details=f"{told:,} / {changed:,} bytes")
    else:
        yield failed(f"{what}: by the checkpoint", "it does not say how many bytes were written", 1.1)
    yield Row(f"{what}: by the kernel", counted / changed, None, details=f"{counted:,} / {changed:,} bytes")


def _counted(group: StateManagerGroup) -> tuple[Checkpoint, int]:
    before = _written_by_us()
    checkpoint = group.save()
    if checkpoint is None:
        raise RuntimeError("nothing was saved")
    return checkpoint, _written_by_us() - before


def _written_by_us() -> int:
    with open("/proc/self/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))


def _bytes_in_packs(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.pack"))
