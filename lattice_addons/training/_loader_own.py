"""A data set or a sampler that counts in attributes of its own goes another way after a restart: that is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset, Sampler

from ._loader_randomness import objects_within

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Own", "is_stateful"]


def is_stateful(thing: object) -> bool:
    """Say whether an object gives its state and takes it back."""
    return callable(getattr(thing, "state_dict", None)) and callable(getattr(thing, "load_state_dict", None))


class Own:
    """The numbers that data sets and samplers have as attributes, as they were when an epoch began.

    They are not put back, since nobody knows what belongs to them: with the number of a file goes the open file.
    """

    def __init__(self, things: Mapping[str, object]) -> None:
        self._objects: dict[str, Any] = {}
        for role, thing in things.items():
            if is_stateful(thing):
                continue  # it says itself what it needs
            for path, item in objects_within(thing):
                if (item is thing or isinstance(item, (Dataset, Sampler))) and not is_stateful(item):
                    self._objects.setdefault(f"{role}{path}", item)
        self._before = self._numbers()

    def changed(self) -> list[str]:
        """Name those that have changed since."""
        now = self._numbers()
        return sorted({name for name, value in self._before.items() if now.get(name, value) != value})

    def _numbers(self) -> dict[str, Any]:
        seen: set[int] = set()
        found: dict[str, Any] = {}
        for path, item in self._objects.items():
            if id(item) not in seen:
                seen.add(id(item))
                attributes = getattr(item, "__dict__", {})
                found.update(
                    (f"{path}.{name}", value)
                    for name, value in attributes.items()
                    if type(value) in (int, float)
                )
        return found
