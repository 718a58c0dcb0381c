"""Large containers of plain rows within a value are written before the rest of it, each in one go.

To have one written alone, before what refers to it, is to make it at another time than a pickle does in its order. What
runs code when it is made again could see that, if a container held it, or led to it. So only those are taken that hold
nothing but numbers, texts, and rows of these: what leads to nothing is whole before anything can look.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["containers", "items_of"]

# What the C pickler puts into one batch. A tuple is written in one, however long it is.
_BATCH: Final = 1000
# So many containers are looked into, those nearest to the top first.
_LOOKS: Final = 100
# A reference to so many takes two bytes.
_MOST: Final = 256
_KINDS: Final = frozenset({list, dict, set})
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_ROWS: Final = frozenset({list, tuple, dict})


def containers(value: Any) -> list[Any]:
    """Give the containers to be written one after the other, each when those behind it are there.

    The value itself is the first, if it is a container. There are none where it is to be written as it is.
    """
    if type(value) in _KINDS and len(value) > _BATCH:
        return [value]
    found = [container for container in _large(value) if _is_plain(container)][: _MOST - 1]
    return [value, *found] if found and type(value) in _KINDS else found


def items_of(container: Any) -> tuple[Any, ...]:
    """Give what stands in a container, one behind the other."""
    return tuple(chain.from_iterable(container.items()) if type(container) is dict else container)


def _large(value: Any) -> list[Any]:
    """Give the large containers near the top of a value: in lists, tuples and dicts, one in the other."""
    found: list[Any] = []
    waiting = [value]
    seen = {id(value)}
    for looks, holder in enumerate(waiting):
        if looks == _LOOKS:
            break
        for part in _held(holder):
            if type(part) not in _ATOMS and id(part) not in seen:
                seen.add(id(part))
                large = type(part) in _KINDS and len(part) > _BATCH
                (found if large else waiting).append(part)
    return found


def _held(holder: Any) -> Iterable[Any]:
    """Give what stands in a container; nothing of what is too much for a structure."""
    if type(holder) not in _ROWS or len(holder) > _BATCH:
        return ()
    return list(holder.values() if type(holder) is dict else holder)


def _is_plain(container: Any) -> bool:
    """Tell whether a container holds atoms alone, and rows of them: it is read without running any code."""
    items = items_of(container)
    others = set(map(type, items)) - _ATOMS
    if not others:
        return True
    if not others <= _ROWS:
        return False
    rows = (items_of(item) for item in items if type(item) not in _ATOMS)
    return _ATOMS.issuperset(map(type, chain.from_iterable(rows)))
