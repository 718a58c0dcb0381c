"""Other libraries save the same arrays, and an fsync of their files makes them durable."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks._state import Array

__all__ = ["PEERS", "Peer", "dcp", "durable", "remove", "tensors"]


@dataclass(frozen=True)
class Peer:
    """A library that must be there, how it saves, and what a save of ours may take of its time at most."""

    name: str
    library: str
    ready: Callable[[Mapping[str, Array]], Callable[[Path], object]]
    target: float
    slow: bool = False


def durable(path: Path) -> None:
    """Have a file, or a folder with all that is in it, on disk."""
    folders = [folder for folder, _, _ in os.walk(path)] if path.is_dir() else []
    files = (
        [os.path.join(at, name) for at, _, names in os.walk(path) for name in names] if folders else [path]
    )
    for each in (*files, *folders, path.parent):
        opened = os.open(each, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def remove(path: Path) -> None:
    """Remove what a peer has written."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def tensors(state: Mapping[str, Array]) -> dict[str, Any]:
    """Give the same memory as torch's tensors."""
    torch: Any = import_module("torch")
    return {name: torch.from_numpy(array) for name, array in state.items()}


def dcp() -> Any:  # noqa: ANN401 - torch has no types where it is not installed
    """Give torch's distributed checkpointing."""
    return import_module("torch.distributed.checkpoint")


def _torch(state: Mapping[str, Array]) -> Callable[[Path], object]:
    torch: Any = import_module("torch")
    given = tensors(state)
    return lambda path: torch.save(given, path)


def _dcp(state: Mapping[str, Array]) -> Callable[[Path], object]:
    library, given = dcp(), tensors(state)
    return lambda path: library.save(given, checkpoint_id=str(path))


def _torchsnapshot(state: Mapping[str, Array]) -> Callable[[Path], object]:
    library: Any = import_module("torchsnapshot")
    given = {"state": library.StateDict(**tensors(state))}
    return lambda path: library.Snapshot.take(str(path), given)


def _savez(state: Mapping[str, Array]) -> Callable[[Path], object]:
    def save(path: Path) -> None:
        with path.open("wb") as file:  # with a name, it would add its own suffix
            np.savez(file, **dict(state))  # type: ignore[arg-type]

    return save


def _dumping(module: str, **how: object) -> Callable[[Mapping[str, Array]], Callable[[Path], object]]:
    def ready(state: Mapping[str, Array]) -> Callable[[Path], object]:
        library: Any = import_module(module)

        def save(path: Path) -> None:
            with path.open("wb") as file:
                library.dump(state, file, **how)

        return save

    return ready


def _safetensors(state: Mapping[str, Array]) -> Callable[[Path], object]:
    library: Any = import_module("safetensors.numpy")
    return lambda path: library.save_file(dict(state), path)


#: Of these it is enough to be ahead.
AHEAD = 1.0

PEERS = (
    Peer("torch.save", "torch", _torch, 0.6),
    Peer("torch DCP", "torch", _dcp, 0.6, slow=True),
    Peer("torchsnapshot", "torchsnapshot", _torchsnapshot, 0.6, slow=True),
    Peer("numpy.savez", "numpy", _savez, 0.6, slow=True),
    Peer("dill", "dill", _dumping("dill"), 0.6, slow=True),
    Peer("pickle 5", "pickle", _dumping("pickle", protocol=pickle.HIGHEST_PROTOCOL), AHEAD),
    Peer("cloudpickle", "cloudpickle", _dumping("cloudpickle"), AHEAD),
    Peer("joblib", "joblib", _dumping("joblib"), AHEAD),
    Peer("safetensors", "safetensors", _safetensors, AHEAD),
)
