"""All that a program has made which has a state: who is a part of another is kept with that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._found import Found
from ._remains import Remains

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Everything"]


class Everything:
    """The objects that were found, of each kind."""

    def __init__(self) -> None:
        self.modules = Found()
        self.optimizers = Found()
        self.schedulers = Found()
        self.scalers = Found()
        self.loaders = Found()
        self.remains = Remains(self._own_optimizers, self._is_kept)
        self._tracked: dict[str, Any] = {}
        self._parameters: set[int] = set()
        self._used: set[int] = set()

    def new(self) -> list[tuple[str, Any]]:
        """Give what is to be tracked and is not yet, modules first and loaders last."""
        kinds = (self._roots(), self._own_optimizers(), self.schedulers, self.scalers, self._used_loaders())
        found = [(name, made) for kind in kinds for name, made in kind if name not in self._tracked]
        self._tracked.update(found)
        return found

    def use(self, loader: object) -> None:
        """Take note that the program goes through a loader: others need not be tracked."""
        self._used.add(id(loader))

    def round_is_done(self) -> bool:
        """Say whether each optimizer has made a step: a moment at which nothing of one waits for another."""
        return self.remains.round_is_done()

    def _roots(self) -> Iterator[tuple[str, Any]]:
        """Give the modules that are part of no other, and have a state."""
        made = list(self.modules)
        parts = {id(part) for _, module in made for part in module.children()}
        for name, module in made:
            if id(module) not in parts and name not in self._tracked and module.state_dict():
                self._parameters.update(map(id, module.parameters()))
                yield name, module

    def _own_optimizers(self) -> Iterator[tuple[str, Any]]:
        """Give the optimizers that are not the mere cover of another."""
        for name, optimizer in self.optimizers:
            covered = vars(optimizer).get("optimizer")
            if "param_groups" in vars(optimizer) and self.optimizers.name(covered) is None:
                yield name, optimizer

    def _used_loaders(self) -> Iterator[tuple[str, Any]]:
        return ((name, loader) for name, loader in self.loaders if id(loader) in self._used)

    def _is_kept(self, parameter: Any) -> bool:
        return id(parameter) in self._parameters
