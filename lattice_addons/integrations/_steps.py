"""Between two steps of a framework's loop is a safe point, and within a step none."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lattice_addons.state import StateManagerGroup

__all__ = ["Steps", "next_key"]

# How many loops of a name each group has seen begin in this process.
_BEGUN: weakref.WeakKeyDictionary[StateManagerGroup, dict[str, int]] = weakref.WeakKeyDictionary()


class Steps:
    """The steps of one loop: what falls due within one waits for its end, for at most half of ``grace``."""

    def __init__(self, group: StateManagerGroup) -> None:
        self._group = group
        self._gate: Any = group.atomic()

    def boundary(self, *, save: bool = False) -> None:
        """Stand between two steps, or before the first: what was fetched is done, or held; what is due is served."""
        if save:
            self._group.async_save()
        self._group.safe_point()

    def end(self, *, whole: bool) -> None:
        """Leave the loop: behind its last step, or (not ``whole``) somewhere within one, which stays undone."""
        if whole:
            self._group.safe_point(last=True)
        else:
            self._gate.leave("step")


def next_key(group: StateManagerGroup, key: str) -> str:
    """Name a loop by how many came before it: a program that is started again goes through the same ones."""
    begun = _BEGUN.setdefault(group, {})
    begun[key] = begun.get(key, 0) + 1
    return key if begun[key] == 1 else f"{key}-{begun[key]}"
