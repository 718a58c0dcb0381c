"""What a training run is made of, and where it was: exact resume for torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from ._loader import LoaderManager, Position, loader_position, release_loader
    from ._loader_living import LivingWorkers
    from ._metadata import Metadata
    from ._parts import WaitingLoader
    from ._sharded import ShardedManager
    from ._state import State
    from ._unwrap import unwrapped

# Each is imported when it is first used, for that may import torch: a name to the room where it lives.
_ROOMS = {
    "LivingWorkers": "_loader_living",
    "LoaderManager": "_loader",
    "Metadata": "_metadata",
    "Position": "_loader",
    "ShardedManager": "_sharded",
    "State": "_state",
    "WaitingLoader": "_parts",
    "loader_position": "_loader",
    "release_loader": "_loader",
    "unwrapped": "_unwrap",
}

__all__ = [
    "LivingWorkers",
    "LoaderManager",
    "Metadata",
    "Position",
    "ShardedManager",
    "State",
    "WaitingLoader",
    "loader_position",
    "release_loader",
    "unwrapped",
]

later(globals(), _ROOMS)
