"""What a save of a training state needs in memory beyond the state, in a fresh process each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import _training_state as _state
from benchmarks._apart import apart
from benchmarks._memory import MIB, beyond
from benchmarks._row import Row, failed
from benchmarks._training_peers import TRAINING_PEERS, peer_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._setup import Setup

__all__ = ["memory", "our_need", "their_need"]

#: What is saved first, so that all is imported.
SMALL = 4
#: Figures below this are noise of the allocator.
LEAST = 8 * MIB


def memory(setup: Setup) -> Iterator[Row]:
    """Compare the highest residence beyond the state."""
    ours: dict[bool, int] = {}
    for later in (False, True):
        with setup.room() as folder:
            ours[later] = int(apart("_training_memory", "our_need", str(folder), setup.mib, later))
    for peer in TRAINING_PEERS:
        for later in (False, True) if peer.later is not None else (False,):
            kind = " async" if later else ""
            what = f"training: peak memory of a save, Lattice{kind} / {peer.name}{kind}"
            try:
                with setup.room() as folder:
                    theirs = int(
                        apart("_training_memory", "their_need", peer.name, str(folder), setup.mib, later)
                    )
            except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
                yield failed(what, f"does not run here: {error}")
                continue
            details = f"{ours[later] / MIB:.0f} / {theirs / MIB:.0f} MiB"
            yield Row(what, max(ours[later], LEAST) / max(theirs, LEAST), 1.0, details=details)


def our_need(folder: str, mib: int, later: bool) -> int:  # noqa: FBT001 - as it is given on a command line
    """Give the bytes that the first save of a process needs, everything being imported."""
    _save_small(folder)
    model = _state.make(mib)
    group = _state.tracked(model, Path(folder) / "store")
    return beyond(lambda: group.async_save().result() if later else group.save())


def their_need(name: str, folder: str, mib: int, later: bool) -> int:  # noqa: FBT001 - as above
    """Give the bytes that the first save of a process needs by a peer, everything being imported."""
    peer = peer_named(name)
    save_later, path = peer.later, Path(folder) / "large"
    peer.save(_state.make(SMALL).state_dict(), Path(folder) / "small")
    model = _state.make(mib)

    def save() -> None:
        if later and save_later is not None:
            save_later(model.state_dict(), path)()
        else:
            peer.save(model.state_dict(), path)

    return beyond(save)


def _save_small(folder: str) -> None:
    group = _state.tracked(_state.make(SMALL), Path(folder) / "small")
    group.async_save().result()
    group.save()
    group.close()
