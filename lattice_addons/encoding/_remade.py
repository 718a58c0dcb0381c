"""An object is made again without its class being called, which may want arguments that nobody has kept.

Python makes many objects again by calling the class with what is in them: errors with their ``args``, dicts and lists
of a class of the program's empty, to be filled through its ``__setitem__`` and ``append`` before they have attributes.
Where the class has changed what these do, that fails when it is read, or gives another value. Those are made as
Python's own class makes them, and then filled.
"""

from __future__ import annotations

import builtins
import copyreg
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from enum import Enum
from functools import partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._members import reduced_member, reduced_method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["reducer_of", "refilled", "written_in_c"]

_FACTORY: Final[Any] = vars(defaultdict)["default_factory"]
_ARGUMENTS: Final[Any] = vars(BaseException)["args"]
#: How the content of each is told to its own ``__init__``, whatever methods a class built on it has.
_CONTENT: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
    # Not by `dict.copy`, which asks a class that has its own `__iter__`.
    Counter: lambda thing: (dict(dict.items(thing)),),
    defaultdict: lambda thing: (_FACTORY.__get__(thing), dict(dict.items(thing))),
    OrderedDict: lambda thing: ({key: dict.__getitem__(thing, key) for key in OrderedDict.__iter__(thing)},),
    dict: lambda thing: (dict(dict.items(thing)),),
    list: lambda thing: (list.copy(thing),),
    set: lambda thing: (list(set.__iter__(thing)),),
    deque: lambda thing: (list(deque.__iter__(thing)), thing.maxlen),
    bytearray: lambda thing: (bytes(memoryview(thing)),),
}
_VALUES: Final = (bool, int, float, complex, str, bytes, tuple, frozenset)
_OWN: Final = frozenset({*_CONTENT, *_VALUES, object})
# A class that has one of these says itself how it is stored.
_SAYS: Final = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
_MADE: Final = ("__init__", "__new__")
# An object without attributes is asked for its ``__setstate__``: no end, where ``__getattr__`` looks into an attribute.
_ASKED: Final = ("__getattr__",)
_CHANGED: Final = (*_MADE, *_ASKED, "__slots__", "__setitem__", "append", "extend", "items", "__iter__")
# Values of these modules say nothing of attributes that a class built on them may give them.
_FORGETFUL: Final = frozenset({"datetime", "decimal", "fractions", "pathlib"})
# What stands for a function that is written in C in the class that has it. Class methods tell nothing of its objects:
# `Generic` has some.
_OF_C: Final = frozenset({WrapperDescriptorType, MethodDescriptorType})
# In the flags of a function's code: it takes as many as there are.
_ANY_NUMBER: Final = 4
# A class, and what it is called with.
_WITHOUT_STATE: Final = 2
# What they are made of is told to their ``__new__``, and cannot be set.
_GROUPS: Final[Any] = getattr(builtins, "BaseExceptionGroup", ())
# The object that an error is about is not kept with it when Python stores it, either.
_NOT_KEPT: Final = {
    (AttributeError, "obj"),
    (BaseException, "__suppress_context__"),
    (_GROUPS, "message"),
    (_GROUPS, "exceptions"),
}


def reducer_of(kind: type) -> Callable[[Any], Any] | None:
    """Give what reduces the objects of a class; None where Python's own way brings them back."""
    if kind in copyreg.dispatch_table:
        return None
    if kind is MethodType:
        return reduced_method
    if issubclass(kind, Enum):
        return reduced_member if kind.__reduce_ex__ is Enum.__reduce_ex__ else None
    own = _own_of(kind)
    if own is None:
        return _inherited(kind)
    if own in _VALUES:
        changed = _changes(kind, own, ("__new__",))
        return partial(_value, own, _slots(kind)) if changed and not _is_in_c(kind, own) else None
    takes = _takes(kind.__new__, 1)
    if own is object:
        changed = not takes or _changes(kind, own, _ASKED)
    else:
        changed = own is Counter or (own is defaultdict and kind is not own) or _changes(kind, own, _CHANGED)
    return partial(_filled, own, takes, _slots(kind)) if changed and not _is_in_c(kind, own) else None


def _own_of(kind: type) -> type | None:
    """Give the class of Python's own on which one builds; None where another class says how it is stored."""
    found: type | None = None
    for base in kind.__mro__:
        if base in _OWN or (issubclass(base, BaseException) and base.__module__ == "builtins"):
            found = found or base
        # A named tuple says how any tuple is stored.
        elif any(
            getattr(vars(base)[name], "__module__", "") != "collections"
            for name in _SAYS
            if name in vars(base)
        ):
            return None
    return found


def _changes(kind: type, own: type, names: tuple[str, ...]) -> bool:
    """Tell whether a class has one of these otherwise than Python's own; a named tuple is as that made it."""
    bases = kind.__mro__[: kind.__mro__.index(own)]
    return any(name in vars(base) for base in bases if "_fields" not in vars(base) for name in names)


def written_in_c(kind: type) -> bool:
    """Tell whether a class has what only C can give it."""
    return any(
        found.__objclass__ is kind if type(found) in _OF_C else _is_made_by(found, kind)
        for found in vars(kind).values()
    )


def _is_made_by(found: Any, kind: type) -> bool:
    return type(found) is BuiltinFunctionType and found.__name__ == "__new__" and found.__self__ is kind


def _is_in_c(kind: type, own: type) -> bool:
    """Tell whether a class has data in C, beside those of Python's own, which nobody can see or fill."""
    return any(map(written_in_c, kind.__mro__[: kind.__mro__.index(own)]))


def _takes(function: Any, count: int) -> bool:
    """Tell whether a function can be called with so many arguments, as far as it says what it takes."""
    if not isinstance(function, FunctionType):
        return True
    code = function.__code__
    needed = code.co_argcount - len(function.__defaults__ or ())
    if count < needed or code.co_kwonlyargcount > len(function.__kwdefaults__ or ()):
        return False
    return count <= code.co_argcount or bool(code.co_flags & _ANY_NUMBER)


def _slots(kind: type) -> dict[str, Any]:
    """Give what leads to the values in slots, be they of the program's classes or of Python's errors."""
    return {
        name: found
        for base in reversed(kind.__mro__)
        if base not in _OWN
        for name, found in vars(base).items()
        if type(found) is MemberDescriptorType and (base, name) not in _NOT_KEPT
    }


def _filled(own: Any, by_class: bool, slots: dict[str, Any], thing: Any) -> Any:  # noqa: FBT001 - for `partial`
    """Reduce a container, error or object to how an empty one is made, and what is put into it."""
    kind: Any = type(thing)
    attributes = getattr(thing, "__dict__", None)
    if kind is Counter and not attributes:
        return NotImplemented
    content = (own, *_CONTENT[own](thing)) if own in _CONTENT else ()
    told: tuple[Any, ...] = ()
    if issubclass(own, BaseException):
        content = (BaseException, *_ARGUMENTS.__get__(thing))
        if issubclass(own, _GROUPS):
            told = (_GROUPS.message.__get__(thing), list(_GROUPS.exceptions.__get__(thing)))
    make: Any = copyreg.__newobj__ if by_class and not told else own.__new__  # type: ignore[attr-defined]
    state = (content, attributes, dict(_values(slots, thing)) if slots else None)
    return make, (kind, *told), state, None, None, refilled


def _values(slots: dict[str, Any], thing: Any) -> Iterator[tuple[str, Any]]:
    for name, slot in slots.items():
        try:
            value = slot.__get__(thing)
        except AttributeError:  # it has no value yet
            continue
        # An error of Python's that has no file name shows None for it, and would tell of it once it was given that.
        if value is not None or slot.__objclass__.__module__ != "builtins":
            yield name, value


def refilled(thing: Any, state: Any) -> None:
    """Fill an object that was just made; pickles name this function."""
    content, attributes, slots = state
    if isinstance(getattr(type(thing), "__setstate__", None), FunctionType):
        # Since it was stored the class has learnt to read what is older.
        thing.__setstate__((attributes, slots) if slots else attributes or {})
        slots = None
    elif attributes is not None and type(attributes) is not dict:
        # As in `self.__dict__ = self`, by which a dict has its items as attributes.
        object.__setattr__(thing, "__dict__", attributes)
    elif attributes:
        vars(thing).update(attributes)
    places = _slots(type(thing)) if slots else {}
    for name, value in (slots or {}).items():
        # A class may show something else under this name.
        if name in places:
            places[name].__set__(thing, value)
        else:
            object.__setattr__(thing, name, value)
    if not content:
        return
    own, *told = content
    if own is OrderedDict:
        for key, value in told[0].items():
            OrderedDict.__setitem__(thing, key, value)
    elif own.__init__ is object.__init__:
        # An array.
        own.__setstate__(thing, *told)
    else:
        # A Counter's own would count.
        (dict if own is Counter else own).__init__(thing, *told)


# Pickles keep this name for ever; the file it stands in may move.
refilled.__module__ = "lattice_addons.encoding"


def _value(own: Any, slots: dict[str, Any], thing: Any) -> Any:
    """Reduce what cannot be changed to what it is without its class, whose ``__new__`` may make another of it."""
    content = frozenset(frozenset.__iter__(thing)) if own is frozenset else own(*own.__getnewargs__(thing))
    made = (copyreg._reconstructor, (type(thing), own, content))  # type: ignore[attr-defined]  # noqa: SLF001 - as protocol 0
    attributes, others = getattr(thing, "__dict__", None) or None, dict(_values(slots, thing))
    state = (attributes, others) if others else attributes
    return made if state is None else (*made, state)


def _inherited(kind: type) -> Callable[[Any], Any] | None:
    """Give what looks at what another class tells of how a class is stored: it need not know all of it."""
    array: Any = getattr(sys.modules.get("numpy"), "ndarray", None)
    if array is not None and issubclass(kind, array) and not kind.__module__.startswith("numpy"):
        own = all(
            getattr(kind, name) is getattr(array, name)
            for name in ("__reduce_ex__", "__reduce__", "__setstate__")
        )
        return _array_of_class if own else None
    for place, base in enumerate(kind.__mro__[:-1]):
        if "__reduce__" in vars(base) or "__reduce_ex__" in vars(base):
            # What a module tells of a class, it tells of those that it builds on it, too.
            others = [each for each in kind.__mro__[:place] if each.__module__ != base.__module__]
            changed = any(name in vars(each) for each in others for name in _MADE)
            forgets = str(base.__module__).partition(".")[0] in _FORGETFUL and kind.__dictoffset__ != 0
            return partial(_as_told, forgets) if place and (changed or forgets) else None
    return None


def _array_of_class(array: Any) -> Any:
    """Reduce an array of a class of the program's as it does itself, and with its attributes."""
    reduced = array.__reduce_ex__(5)
    attributes = getattr(array, "__dict__", None)
    # One that shows a file has the open file among them.
    if not attributes or "_mmap" in attributes:
        return reduced
    own = sys.modules["numpy"].ndarray
    return (*reduced[:2], ((own, reduced[2]), attributes, None), None, None, refilled)


def _as_told(forgets: bool, thing: Any) -> Any:  # noqa: FBT001 - as above
    """Reduce an object as it does itself, with its attributes; refuse it if it could not be made again."""
    kind: Any = type(thing)
    reduced = thing.__reduce_ex__(5)
    if type(reduced) is not tuple or reduced[0] is not kind:
        return reduced
    told = reduced[1]
    takes = all(_takes(made, len(told) + 1) for made in (kind.__new__, kind.__init__))
    # A class of another kind than any may be called otherwise.
    if not takes and type(kind).__call__ is type.__call__:
        from pickle import PicklingError  # not at the top: see `encode`

        message = (
            f"it would be made again as {kind.__name__}(…) of {len(told)} arguments, which this class does not take; "
            "give it a __reduce__ of its own"
        )
        raise PicklingError(message)
    attributes = getattr(thing, "__dict__", None)
    return (kind, told, attributes) if forgets and attributes and len(reduced) == _WITHOUT_STATE else reduced
