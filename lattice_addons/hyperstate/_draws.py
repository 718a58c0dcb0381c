"""What is made only to be put back where it was draws no random numbers: it has drawn them in an earlier life."""

from __future__ import annotations

import copy
import random
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["as_if_nothing_was_drawn", "noticed"]

_SOURCES = ("numpy", "random", "torch")
# Generators of the state that were handed out meanwhile, each with what sets it back.
_handed: ContextVar[dict[int, tuple[object, Callable[[], None]]] | None] = ContextVar("handed", default=None)


def noticed(value: Any) -> Any:
    """Hand a value of the state out; where nothing is to be drawn, a generator is set back afterwards."""
    handed = _handed.get()
    if handed is not None and id(value) not in handed and type(value).__module__.split(".")[0] in _SOURCES:
        back = _way_back(value)
        if back is not None:
            handed[id(value)] = value, back
    return value


@contextmanager
def as_if_nothing_was_drawn() -> Iterator[None]:
    """Set the generators of `random`, NumPy and PyTorch back at the end, and those of the state that were used."""
    outer = _handed.get()
    handed: dict[int, tuple[object, Callable[[], None]]] = {}
    token = _handed.set(handed)
    globally = [way for each in _global_generators() if (way := _way_back(each)) is not None]
    try:
        yield
    finally:
        _handed.reset(token)
        for back in (*globally, *(way for _, way in handed.values())):
            back()
        for value, _ in handed.values() if outer is not None else ():
            noticed(value)


def _global_generators() -> Iterator[Any]:
    yield getattr(random, "_inst", None)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        yield numpy.random.mtrand._rand  # noqa: SLF001 - the only name that it has
    if torch is not None:
        yield torch.default_generator


def _way_back(value: Any) -> Callable[[], None] | None:
    """Give what sets a generator back to where it is now; None for what is none."""
    if hasattr(value, "bit_generator"):
        bits, here = value.bit_generator, copy.deepcopy(value.bit_generator.state)
        return lambda: setattr(bits, "state", here)
    for read, write in (("getstate", "setstate"), ("get_state", "set_state")):
        if hasattr(value, read) and hasattr(value, write):
            now = getattr(value, read)()
            return lambda: getattr(value, write)(now)
    return None
