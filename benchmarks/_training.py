"""A training state is saved by Lattice and by what people use for it now, side by side."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import _training_state as _state
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._peers import durable, remove
from benchmarks._row import Row, failed
from benchmarks._training_memory import memory
from benchmarks._training_peers import TRAINING_PEERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks._setup import Setup
    from benchmarks._training_peers import TrainingPeer

__all__ = ["training"]

#: Of every peer it is enough to be ahead.
AHEAD = 1.0


def training(setup: Setup) -> Iterator[Row]:
    """Compare saves of a training state with those of other libraries."""
    yield from _until_durable(setup)
    yield from _standstill(setup)
    yield from _written(setup)
    yield from memory(setup)


@dataclass
class Peers:
    """What the peers save: a module, into files of a folder; who cannot take part is told by a row."""

    model: Any
    folder: Path
    setup: Setup
    pending: list[Callable[[], object]] = field(default_factory=list)

    def change(self) -> None:
        """Change every value, so that there is all to save."""
        _state.change(self.model.buffers())

    def saving(self, peer: TrainingPeer, *, safe: bool) -> Contender:
        """Give a save; ``safe`` until it is on disk."""
        path = self._path(peer)

        def save() -> None:
            peer.save(self.model.state_dict(), path)
            if safe:
                durable(path)

        return Contender(peer.name, save, self.change, lambda: remove(path), self.setup.few)

    def saving_later(self, peer: TrainingPeer, *, safe: bool) -> Contender:
        """Give a save in the background, until the program goes on, or ``safe`` until it is on disk."""
        path, later = self._path(peer), peer.later
        assert later is not None  # noqa: S101 - only those that can are asked; this tells the type checker

        def begin() -> None:
            self.pending.append(later(self.model.state_dict(), path))
            if safe:
                self.pending.pop()()
                durable(path)

        def end() -> None:
            while self.pending:
                self.pending.pop()()
            remove(path)

        return Contender(f"{peer.name} async", begin, self.change, end, self.setup.few)

    def _path(self, peer: TrainingPeer) -> Path:
        return self.folder / peer.name.replace(" ", "-")


def _until_durable(setup: Setup) -> Iterator[Row]:
    with setup.room() as folder:
        peers = Peers(_state.make(setup.mib), folder, setup)
        group = _state.tracked(peers.model, folder / "store")
        ours = [
            Contender("Lattice", group.save, peers.change),
            Contender("Lattice async", lambda: group.async_save().result(), peers.change),
        ]
        theirs = [peers.saving(peer, safe=True) for peer in TRAINING_PEERS]
        theirs += [peers.saving_later(peer, safe=True) for peer in TRAINING_PEERS if peer.later is not None]
        times = in_turn([*ours, *theirs], setup.rounds)
        group.close()
    for each in theirs:
        mine = "Lattice async" if each.name.endswith("async") else "Lattice"
        yield ratio(
            f"training: time until durable, {mine} / {each.name} + fsync",
            times[mine],
            times[each.name],
            AHEAD,
        )


def _standstill(setup: Setup) -> Iterator[Row]:
    with setup.room() as folder:
        peers = Peers(_state.make(setup.mib), folder, setup)
        group = _state.tracked(peers.model, folder / "store")
        group.save()
        pending: list[Any] = []
        ours = Contender(
            "Lattice async",
            lambda: pending.append(group.async_save()),
            peers.change,
            lambda: pending.pop().result(),
        )
        theirs = [
            peers.saving_later(peer, safe=False) if peer.later is not None else peers.saving(peer, safe=False)
            for peer in TRAINING_PEERS
        ]
        times = in_turn([ours, *theirs], setup.rounds)
        group.close()
    for each in theirs:
        what = f"training: time the loop stands still, all changed, Lattice / {each.name}"
        yield ratio(what, times[ours.name], times[each.name], AHEAD)


def _written(setup: Setup) -> Iterator[Row]:
    """Compare how many bytes the files have that a save of an unchanged, or hardly changed, state adds."""
    turns = itertools.count()
    with setup.room() as folder:
        model = _state.make(setup.mib)
        group = _state.tracked(model, folder / "store")
        group.save()
        added: dict[str, int] = {}
        for what in ("unchanged", "1 % changed"):
            if what != "unchanged":
                _state.change(_state.few_of(model, next(turns)))
            before = _size(folder / "store")
            group.save()
            added[what] = _size(folder / "store") - before
        group.close()
        for peer in TRAINING_PEERS:
            path = folder / "peer"
            try:
                peer.save(model.state_dict(), path)
                theirs = _size(path)
            except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
                yield failed(f"training: bytes written, Lattice / {peer.name}", f"does not run here: {error}")
                continue
            finally:
                if path.exists():
                    remove(path)
            for what, ours in added.items():
                details = f"{ours:,} / {theirs:,} bytes"
                yield Row(
                    f"training: bytes written, {what}, Lattice / {peer.name}",
                    ours / theirs,
                    AHEAD,
                    details=details,
                )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
