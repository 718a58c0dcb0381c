"""A config and a state as programs have them, and a way to load them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from lattice_addons.hyperstate import Blob, HyperState, fixed

if TYPE_CHECKING:
    from pathlib import Path


class Mode(Enum):
    """How it is trained."""

    FAST = "fast"
    GOOD = "good"


@dataclass
class Optimizer:
    """What a step is made with."""

    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Config:
    """All that is set."""

    optimizer: Optimizer = field(default_factory=Optimizer)
    batch: int = 8
    mode: Mode = Mode.FAST
    seed: int = fixed(1)


@dataclass
class State:
    """All that changes."""

    step: int = 0
    best: float = 0.0
    mode: Mode = Mode.GOOD
    empty: tuple[()] = ()
    seen: dict[int, str] = field(default_factory=dict)
    weights: Blob[np.ndarray[Any, Any]] = field(default_factory=lambda: Blob(np.zeros(20_000)))
    more: list[Blob[Any]] = field(default_factory=list)


CONFIG = "# what we found\noptimizer:\n  lr: 0.5  # large\nbatch: 16\n"


def load(folder: Path, key: str | None = "step", **more: Any) -> HyperState[Config, State]:
    """Load a run whose config and checkpoints are in a folder."""
    path = folder / "config.yaml"
    if not path.exists():
        path.write_text(CONFIG)
    given = {"path": path, "checkpoint_dir": folder / "checkpoints", "checkpoint_key": key} | more
    return HyperState.load(Config, State, lambda config: State(best=config.optimizer.lr), **given)


def stepped(run: HyperState[Any, Any], *values: float) -> None:
    """Make a step for each value, which the weights then have."""
    for value in values:
        run.state.step += 1
        run.state.weights.set(np.full(20_000, value))
        run.step()


def packs(folder: Path) -> list[Path]:
    """Give the files with the bytes of checkpoints, the oldest first."""
    return sorted((folder / "checkpoints").glob("*/rank-00000/packs/*.pack"))


def damage(path: Path) -> None:
    """Alter a byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
