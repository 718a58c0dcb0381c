"""What a class that came by value was called in its program, and which types its annotations meant there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping

    C = TypeVar("C", bound=type)

__all__ = ["Told", "arrived", "told_of"]


class Told(NamedTuple):
    """What cannot be found out in another process, whose ``__main__`` is another program."""

    label: str
    hints: Mapping[str, Any]


_known: WeakKeyDictionary[type, Told] = WeakKeyDictionary()


def arrived(cls: C, told: Told) -> C:
    """Take note of a class that has come by value, and give it."""
    _known[cls] = told
    return cls


def told_of(cls: type) -> Told | None:
    """Give what came with a class; None where it is of this program."""
    return _known.get(cls)
