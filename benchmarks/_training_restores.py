"""A new process gets a training state back: all of it into its model, or one tensor."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import _training_state as _state
from benchmarks._apart import apart
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._restores import cold, warm, warm_up
from benchmarks._row import failed
from benchmarks._training_peers import TRAINING_PEERS, peer_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._row import Row
    from benchmarks._setup import Setup

__all__ = ["our_full", "our_one", "restores", "their_full", "their_one"]


def restores(setup: Setup) -> Iterator[Row]:
    """Compare full restores, and those of one tensor, with those of the peers."""
    with setup.room() as folder:
        model = _state.make(setup.mib)
        absent = _save_all(model, folder)
        for what, function in (("full restore", "full"), ("restore of one tensor", "one")):
            for state, prepare in (("warm", warm), ("cold", cold)):
                call = (str(folder / "store"), setup.mib)
                contenders = [_clocked("Lattice", folder / "store", prepare, f"our_{function}", *call)]
                contenders += [
                    _clocked(
                        peer.name,
                        folder / peer.name,
                        prepare,
                        f"their_{function}",
                        peer.name,
                        str(folder),
                        setup.mib,
                    )
                    for peer in TRAINING_PEERS
                    if peer.name not in absent
                ]
                times = in_turn(contenders, setup.few)
                for peer in TRAINING_PEERS:
                    title = f"training: {what}, {state}, Lattice / {peer.name}"
                    if peer.name in absent:
                        yield failed(title, absent[peer.name])
                    else:
                        yield ratio(title, times["Lattice"], times[peer.name], 1.0)


def _path(folder: Path | str, name: str) -> Path:
    # In a folder of its own: only what is read is brought into the page cache, or out of it.
    place = Path(folder) / name
    place.mkdir(exist_ok=True)
    return place / "state"


def _clocked(name: str, folder: Path, prepare: object, function: str, *call: object) -> Contender:
    return Contender(
        name,
        lambda: apart("_training_restores", function, *call),
        lambda: prepare(folder),  # type: ignore[operator]  # one of two functions
        clock=True,
    )


def _save_all(model: object, folder: Path) -> dict[str, str]:
    group = _state.tracked(model, folder / "store")
    group.save()
    group.close()
    absent = {}
    for peer in TRAINING_PEERS:
        try:
            peer.save(model.state_dict(), _path(folder, peer.name))  # type: ignore[attr-defined]  # a module of torch's
        except Exception as error:  # noqa: BLE001 - a peer that does not run here is a line of the table
            absent[peer.name] = f"does not run here: {error}"
    os.sync()
    return absent


def our_full(root: str, mib: int) -> float:
    """Give the seconds from opening a job until the model has its state."""
    model = _state.make(mib, empty=True)
    warm_up()
    begun = time.perf_counter()
    group = _state.tracked(model, root)
    took = time.perf_counter() - begun
    group.close()
    _check(model.get_buffer(_state.middle(mib)))
    return took


def their_full(name: str, folder: str, mib: int) -> float:
    """Give the seconds until a peer has loaded its file into the model, its import left out."""
    model, peer, path = _state.make(mib, empty=True), peer_named(name), _path(folder, name)
    small = Path(folder) / f"small-{name}-{os.getpid()}"
    peer.save(_state.make(4).state_dict(), small)  # imports what it needs
    begun = time.perf_counter()
    peer.load(model, path)
    took = time.perf_counter() - begun
    _check(model.get_buffer(_state.middle(mib)))
    return took


def our_one(root: str, mib: int) -> float:
    """Give the seconds from opening a job until one tensor of the model is there."""
    from importlib import import_module

    import_module("torch")
    warm_up()
    begun = time.perf_counter()
    group = _state.opened(root)
    group.register("model")
    tensor = group.get_part("model", _state.middle(mib))
    took = time.perf_counter() - begun
    group.close()
    _check(tensor)
    return took


def their_one(name: str, folder: str, mib: int) -> float:
    """Give the seconds until a peer has one tensor, its import left out."""
    peer, path = peer_named(name), _path(folder, name)
    small = Path(folder) / f"small-{name}-{os.getpid()}"
    peer.save(_state.make(4).state_dict(), small)  # imports what it needs
    begun = time.perf_counter()
    tensor = peer.one(_state.middle(mib), path)
    took = time.perf_counter() - begun
    _check(tensor)
    return took


def _check(tensor: object) -> None:
    if not tensor.any():  # type: ignore[attr-defined]  # a tensor
        raise RuntimeError("what came back is not what was saved")
