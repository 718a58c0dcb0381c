"""Large containers within a value are written before the rest of it, each in one go, where no reader can tell.

To have one written alone, before what refers to it, is to have it there and empty until then. That is seen by what runs
code when it is made again, and refers to it; and only so does the order matter. So they are taken of which nothing
holds a reference but the one place that leads to them, and beside these those that cannot be in each other's way.
"""

from __future__ import annotations

import copyreg
from itertools import chain
from sys import getrefcount
from typing import Any, Final

from lattice_addons.encoding._encoders import encoder_for

__all__ = ["containers", "items_of"]

# What the C pickler puts into one batch. A tuple is written in one, however long it is.
_BATCH: Final = 1000
# So many objects are looked into, those nearest to the top first.
_LOOKS: Final = 100
# A reference to so many takes two bytes.
_MOST: Final = 256
_KINDS: Final = frozenset({list, dict, set})
# The flag of classes that were made by a program, and not in C.
_OF_THE_PROGRAM: Final = 1 << 9
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


def containers(value: Any) -> list[Any]:
    """Give the containers to be written one after the other, each when those behind it are there.

    The value itself is the first, if it is a container. There are none where it is to be written as it is.
    """
    if type(value) in _KINDS and len(value) > _BATCH:
        return [value]
    found = _within(value)
    if found and type(value) in _KINDS:
        return [value, *found]
    return found


def items_of(container: Any) -> tuple[Any, ...]:
    """Give what stands in a container, one behind the other."""
    return tuple(chain.from_iterable(container.items()) if type(container) is dict else container)


def _within(value: Any) -> list[Any]:
    """Give the large containers near the top of a value, those first which nothing needs to be there for."""
    alone: list[Any] = []
    others: list[Any] = []
    for container, is_alone in _found(value):
        (alone if is_alone else others).append(container)
    if len(others) > 1:
        # What these hold may refer to all of them, and run code when it is made again.
        others.sort(key=len, reverse=True)
        inert = [container for container in others if _is_inert(container)]
        others = [*[each for each in others if not any(each is one for one in inert)][:1], *inert]
    # Written from the last to the first.
    return [*reversed(alone), *others][-(_MOST - 1) :]


def _found(value: Any) -> list[tuple[Any, bool]]:
    """Give large containers, and of each whether only what holds it within the value has a reference to it."""
    found: list[tuple[Any, bool]] = []
    waiting = [(value, True)]
    seen = {id(value)}
    for looks, (holder, is_alone) in enumerate(waiting):
        if looks == _LOOKS:
            break
        for part, count in _counted(_held(holder)):
            if id(part) not in seen:
                seen.add(id(part))
                large = type(part) in _KINDS and len(part) > _BATCH
                (found if large else waiting).append((part, is_alone and count <= _ALONE))
    return found


def _held(holder: Any) -> Any:
    """Give what an object holds that is made again from just that; nothing of what is too much for a structure."""
    kind = type(holder)
    if kind is not list and kind is not tuple and kind is not dict:
        holder = _attributes(holder)
        kind = dict
    if len(holder) > _BATCH:
        return ()
    return list(holder.values() if kind is dict else holder)


def _counted(held: Any) -> list[tuple[Any, int]]:
    """Give what may hold something, each with the number of references to it."""
    if _ATOMS.issuperset(map(type, held)):
        return []
    return [(part, getrefcount(part)) for part in held if type(part) not in _ATOMS]


def _attributes(thing: Any) -> dict[str, Any]:
    """Give the attributes of an object of which all are stored, and as they are."""
    kind = type(thing)
    try:
        # Functions and modules have attributes, and go by name.
        if not kind.__flags__ & _OF_THE_PROGRAM or _is_reduced(kind):
            return {}
        own = object.__getattribute__(thing, "__dict__")
    except Exception:  # noqa: BLE001  no __dict__, or a class that hides it or what it has: nothing is to be seen then
        return {}
    return own if type(own) is dict else {}


def _is_reduced(kind: Any) -> bool:
    """Tell whether objects of a class say by themselves what is stored of them."""
    return (
        kind.__reduce_ex__ is not object.__reduce_ex__
        or kind.__reduce__ is not object.__reduce__
        or getattr(kind, "__getstate__", None) is not getattr(object, "__getstate__", None)
        or kind in copyreg.dispatch_table
        or encoder_for(kind) is not None
    )


def _is_inert(container: Any) -> bool:
    """Tell whether all that a container holds is read without running any code, and refers to nothing."""
    if type(container) is not dict:
        return _ATOMS.issuperset(map(type, container))
    return _ATOMS.issuperset(map(type, container)) and _ATOMS.issuperset(map(type, container.values()))


def _count_when_alone() -> int:
    """Find out how many references `_counted` counts of what one container holds, and nobody else; versions differ."""
    holder: list[Any] = [[]]
    return _counted(_held(holder))[0][1]


# The container's own, that of the list, and those by which it is looked at. A debugger that looks on has some as well.
_MOST_WHEN_ALONE: Final = 5
_ALONE: Final = min(_count_when_alone(), _MOST_WHEN_ALONE)
