"""The checkpoint key is a whole number of the state that says how far the program is."""

from __future__ import annotations

from typing import Any

from lattice_addons.errors import HyperStateError

__all__ = ["key_of"]


def key_of(state: Any, path: str) -> int:
    """Give the number; the path is dotted.

    Raises:
        HyperStateError: the state has no such field, or it is no int.
    """
    value = state
    for name in path.split("."):
        fields = getattr(type(value), "__dataclass_fields__", {})
        if name not in fields:
            there = ", ".join(fields) or "no fields"
            message = (
                f"checkpoint_key={path!r} names no field of the state: {type(value).__name__} has {there}; "
                f"give the name of an int field that rises from step() to step()"
            )
            raise HyperStateError(message)
        value = getattr(value, name)
    if type(value) is not int:
        message = (
            f"the checkpoint key {path!r} is {value!r}, a {type(value).__name__}, and must be an int; "
            f"nothing was saved, and the checkpoints that are there stay"
        )
        raise HyperStateError(message)
    return value
