"""What is only copied from is not brought into memory first."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import DamagedError
from lattice_addons.state import StateManagerGroup, TrackedManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]


class Copying(TrackedManager):
    """Binds objects that copy what they are given."""

    copies = True


class Keeping(TrackedManager):
    """Binds objects that keep what they are given."""


class Weights:
    """Copies the stored array into its own, and notes what memory it was copied from."""

    def __init__(self, seed: int | None = None) -> None:
        # Nothing that can be compressed, for then it must be expanded first.
        self.values = np.zeros(100_000) if seed is None else np.random.default_rng(seed).random(100_000)
        self.mapped: bool | None = None

    def state_dict(self) -> dict[str, Any]:
        """Give the array itself."""
        return {"values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy from a stored array."""
        memory: Any = state["values"]
        while isinstance(memory, np.ndarray | memoryview):
            memory = memory.base if isinstance(memory, np.ndarray) else memory.obj
        self.mapped = isinstance(memory, mmap.mmap)
        self.values[:] = state["values"]


@pytest.mark.parametrize("manager", [Copying, Keeping])
def test_a_stored_array_is_mapped_for_who_copies_it(start: Start, manager: type[TrackedManager]) -> None:
    """Pages of the pack are given to an object that copies from them; who keeps what he gets has memory of his own."""
    group = start()
    group.register("weights", manager)
    group.update("weights", Weights(1))
    group.save()
    group.close()

    group = start()
    group.register("weights", manager)
    weights = Weights()
    group.update("weights", weights)
    assert weights.mapped is manager.copies
    assert (weights.values == Weights(1).values).all()

    group = start()
    group.register("weights", manager)
    assert not isinstance(group.get("weights")["values"].base, mmap.mmap), (
        "the program may keep what it asks for"
    )


def test_damage_is_found_before_it_is_copied(start: Start, tmp_path: Path) -> None:
    """A mapped pack is checked as any other: the object is as it was."""
    group = start()
    group.register("weights", Copying)
    group.update("weights", Weights(1))
    group.save()
    group.close()
    (pack,) = tmp_path.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)

    group = start()
    group.register("weights", Copying)
    weights = Weights()
    with pytest.raises(DamagedError):
        group.update("weights", weights)
    assert not weights.values.any()
