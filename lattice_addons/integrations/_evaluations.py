"""The loaders of a framework's evaluations within a training: where their workers live on, these are kept."""

from __future__ import annotations

import weakref
from typing import Any

from lattice_addons.errors import DuplicateSlotError
from lattice_addons.training import LivingWorkers, release_loader

__all__ = ["Evaluations"]


class Evaluations:
    """The loaders of one training's evaluations, by name."""

    def __init__(self) -> None:
        self._loaders: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._waiting: dict[str, Any] = {}  # what was stored of loaders that are not made yet
        self._replaced: int | None = (
            None  # what the last ones without a name stand for, and how many they are
        )
        self._count = 0

    def follow(self, name: str, loader: Any) -> None:
        """Be told of a loader before it is gone through: as often as it is."""
        loader = getattr(loader, "base_dataloader", loader)  # Accelerate's has torch's within
        if not getattr(loader, "persistent_workers", False):
            return
        try:
            workers = LivingWorkers(loader)
        except DuplicateSlotError:
            return  # it is tracked itself
        self._loaders[name] = loader
        if name in self._waiting:
            workers.load_state_dict(self._waiting.pop(name))

    def follow_next(self, loader: Any, replaced: int) -> None:
        """Be told of one that goes by its number among those that are made together, in the place of others."""
        self._count = self._count + 1 if replaced == self._replaced else 1
        self._replaced = replaced
        self.follow(str(self._count), loader)

    def leave(self, loader: Any) -> None:
        """Follow a loader no more that trains, too."""
        for name, followed in list(self._loaders.items()):
            if followed is loader:
                del self._loaders[name]
                release_loader(loader)

    def state(self) -> dict[str, Any]:
        """Give what is known of all of their workers."""
        known = {name: LivingWorkers(loader).state_dict() for name, loader in self._loaders.items()}
        return self._waiting | known

    def restore(self, stored: dict[str, Any]) -> None:
        """Let workers, when they are next made, go on from what `state` gave."""
        self._waiting = dict(stored)
        for name, loader in list(self._loaders.items()):
            self.follow(name, loader)
