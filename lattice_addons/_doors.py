"""A door finds a name when it is used: who wants one thing need not wait for the others to be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["later"]


def later(door: dict[str, Any], rooms: Mapping[str, str]) -> None:
    """Give a door, by its ``globals()``, its ``__getattr__`` and ``__dir__``; ``rooms`` say where a name is.

    They are put there, and not assigned in the door: a type checker that saw them would take any name for one of it.
    """

    def find(name: str) -> object:
        if name not in rooms:
            raise AttributeError(f"module {door['__name__']!r} has no attribute {name!r}")
        from importlib import import_module

        value = door[name] = getattr(import_module(f".{rooms[name]}", door["__name__"]), name)
        return value

    def names() -> list[str]:
        return sorted({*door, *door["__all__"]})

    door["__getattr__"], door["__dir__"] = find, names
