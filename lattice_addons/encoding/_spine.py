"""What leads to the large containers of a value, and leads there in a way that needs no code of the program's.

That is the value itself, lists, tuples and dicts, and objects that are stored as their class and their attributes.
"""

from __future__ import annotations

import copyreg
import sys
from dataclasses import dataclass
from itertools import chain
from types import GetSetDescriptorType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CONTAINERS", "Reach", "attributes_of", "is_large", "items_of", "spine_of"]

# What the C pickler puts into one batch. A tuple is written in one, however long it is.
_BATCH: Final = 1000
# So many holders are looked into, those nearest to the top first, until so much was seen in them.
_LOOKS: Final = 100
_SEEN: Final = 2000
# A number in a pickle that takes two bytes is less than this.
_MOST: Final = 256
_ALL: Final = 3
CONTAINERS: Final = frozenset({list, dict, set})
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_HOLDERS: Final = frozenset({list, tuple, dict})
# What a class, or an object by itself, may say of how it is stored. Where none is there, nothing of the program's runs.
_SAYS: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getattribute__",
    "__getattr__",
    "__class__",
)


@dataclass(slots=True)
class Reach:
    """Which large containers of a value are looked for: none (0), the first (1), those held once (2), or all (3)."""

    # What marks a part that must not be met needs numbers of more than 32 bits.
    level: int = 3 if sys.maxsize > 2**32 else 0

    def lower(self) -> None:
        """Look for fewer from now on."""
        self.level -= 1


def is_large(container: Any) -> bool:
    """Tell whether a container has more than one batch."""
    return type(container) in CONTAINERS and len(container) > _BATCH


def items_of(container: Any) -> tuple[Any, ...]:
    """Give what stands in a container at this moment, one behind the other."""
    return tuple(chain.from_iterable(container.items()) if type(container) is dict else container)


def spine_of(value: Any, reach: Reach, ordinary: Callable[[Any], bool]) -> dict[int, Any]:
    """Give large containers and what leads to them by its ``id``; objects only if they are ``ordinary``."""
    if not reach.level or type(value) in _ATOMS:
        return {}
    if is_large(value):
        return {id(value): value}
    looked, found = _looked(value)
    if not found:
        return {}
    holders, shared = _holders(looked, ordinary)
    ways = [_way_to(container, holders) for container in found if id(container) in holders]
    spine = _joined({}, ways)
    if reach.level == _ALL or not spine:
        return spine
    first = {id(thing): thing for thing in _first_way(value, spine, set())}
    if reach.level == 1:
        return first
    return _joined(first, [way for way in ways if (way.keys() - first.keys()).isdisjoint(shared)])


def _looked(value: Any) -> tuple[list[Any], list[Any]]:
    """Give what is near the top of a value and may hold something, and the large containers that are there."""
    found: list[Any] = []
    # All of it stays, lest the id of something that was seen be given to another.
    waiting, seen = [value], {id(value)}
    for looks, holder in enumerate(waiting):
        if looks == _LOOKS or len(seen) > _SEEN:
            return waiting[:looks], found
        for part in _held(holder):
            if id(part) not in seen:
                seen.add(id(part))
                (found if is_large(part) else waiting).append(part)
    return waiting, found


def _held(holder: Any) -> Iterable[Any]:
    """Give what stands in a container or object, but for atoms; nothing of what is too much for a structure."""
    if type(holder) not in _HOLDERS:
        attributes = _own(holder)
        return () if attributes is None else (attributes,)
    if len(holder) > _BATCH:
        return ()
    parts = list(holder.values() if type(holder) is dict else holder)
    if _ATOMS.issuperset(map(type, parts)):
        return ()
    return [part for part in parts if type(part) not in _ATOMS]


def _own(thing: Any) -> dict[str, Any] | None:
    """Give the attributes that an object has itself, without asking it: a property may stand in their place."""
    shown: Any = None
    for base in type(thing).__mro__:
        shown = base.__dict__.get("__dict__")
        if shown is not None:
            break
    if type(shown) is not GetSetDescriptorType:
        return None
    try:
        attributes = shown.__get__(thing)
    except Exception:  # noqa: BLE001  a type of an extension may have none at the moment
        return None
    return attributes if type(attributes) is dict else None


def _holders(looked: list[Any], ordinary: Callable[[Any], bool]) -> tuple[dict[int, list[Any]], set[int]]:
    """Give by what each thing is held that one can come to, and which are held more than once.

    What is held by something that is farther from the top is no less held by what is nearer.
    """
    holders: dict[int, list[Any]] = {id(looked[0]): []}
    passed: set[int] = set()
    met: set[int] = set()
    shared: set[int] = set()
    for holder in looked:
        passed.add(id(holder))
        parts = _held(holder) if id(holder) in holders and _leads_on(holder, ordinary) else ()
        for part in parts:
            (shared if id(part) in met else met).add(id(part))
            if id(part) not in passed:
                holders.setdefault(id(part), []).append(holder)
    return holders, shared


def _leads_on(holder: Any, ordinary: Callable[[Any], bool]) -> bool:
    """Tell whether what a holder holds is stored as it stands in it."""
    if type(holder) in _HOLDERS:
        return True
    attributes = _own(holder)
    if attributes is None or not _held(attributes):
        return False
    return ordinary(holder) and attributes_of(holder) is not None


def _way_to(container: Any, holders: dict[int, list[Any]]) -> dict[int, Any]:
    """Give a container and all through which one comes to it, by the ``id``."""
    way = {id(container): container}
    rising = [container]
    for thing in rising:
        new = {id(holder): holder for holder in holders[id(thing)] if id(holder) not in way}
        way.update(new)
        rising += new.values()
    return way


def _joined(spine: dict[int, Any], ways: list[dict[int, Any]]) -> dict[int, Any]:
    """Give a spine with as many ways as there are numbers for."""
    spine = dict(spine)
    for way in ways:
        if len(spine.keys() | way.keys()) < _MOST:
            spine.update(way)
    return spine


def _first_way(thing: Any, spine: dict[int, Any], seen: set[int]) -> list[Any]:
    """Give what leads to the first large container that a pickler comes to."""
    if is_large(thing):
        return [thing]
    seen.add(id(thing))
    for part in _held(thing):
        if id(part) in spine and id(part) not in seen:
            way = _first_way(part, spine, seen)
            if way:
                return [thing, *way]
    return []


def attributes_of(thing: Any) -> dict[str, Any] | None:
    """Give the attributes of an object that is stored as its class and these; None for any other."""
    kind = type(thing)
    attributes = _own(thing)
    try:
        said = (vars(base) for base in kind.__mro__[:-1])
        if attributes is None or any(name in each for each in (attributes, *said) for name in _SAYS):
            return None
        made, told, state, *more = thing.__reduce_ex__(5)
    except Exception:  # noqa: BLE001  nothing that can be stored: whoever stores it says so
        return None
    alone = state is attributes and not any(each is not None for each in more)
    return attributes if alone and made is copyreg.__newobj__ and told == (kind,) else None  # type: ignore[attr-defined]
