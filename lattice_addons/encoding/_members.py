"""What belongs to an object or a class goes by its name there: bound methods, and members of enums."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any, Final

__all__ = ["reduced_member", "reduced_method"]

_FUNCTIONS: Final = (FunctionType, classmethod, staticmethod, property)


def reduced_method(method: Any) -> Any:
    """Reduce a bound method to its object and its name there, or where its class has none for it, to its parts.

    The name of the function is not enough: a private one stands under a longer name, one that an object was given, or
    that a decorator has made, under another; and what ``super()`` has found under a name is not what the object has.
    """
    function, bound = method.__func__, method.__self__
    of_class = isinstance(bound, type)
    shadowed = () if of_class else getattr(bound, "__dict__", ())
    known: dict[str, Any] = {}
    for base in reversed((bound if of_class else type(bound)).__mro__):
        known.update(vars(base))
    called = getattr(function, "__name__", "")
    for name in (called, *known):
        found: Any = known.get(name)
        if of_class:
            found = found.__func__ if issubclass(type(found), classmethod) else None
        if found is function and name not in shadowed:
            return getattr, (bound, name)
    if called in known and called not in shadowed and not issubclass(type(known[called]), _FUNCTIONS):
        # Something of the program's makes it there.
        return NotImplemented
    return MethodType, (function, bound)


def reduced_member(member: Any) -> Any:
    """Reduce a member of an enum to its name where its value is equal to nothing but itself."""
    kind: Any = type(member)
    name, value = member._name_, member._value_  # a class may have others under the names without lines
    equal: Any = type(value).__eq__
    if equal is object.__eq__ and kind.__members__.get(name) is member:
        return getattr, (kind, name)
    return NotImplemented
