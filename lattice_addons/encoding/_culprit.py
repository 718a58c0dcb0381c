"""Where in a value the part stands that could not be stored: ``value['jobs'][3].lock``."""

from __future__ import annotations

import contextlib
from collections import deque
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._references import found_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator

# A walk happens only after a failure, but perhaps in the last seconds before a kill.
_MOST = 100_000
_LONGEST_KEY = 60
_LEAVES = (str, bytes, bytearray, int, float, complex, type(None), ModuleType, BuiltinFunctionType)


def path_to(culprit: object, value: object) -> str | None:
    """Find how one gets from a value to a part of it; None where no attribute or item leads there."""
    if culprit is value:
        return "value"
    # Holds the objects, lest the id of one that is dropped be given to another.
    came_from: dict[int, tuple[object, int, str]] = {id(value): (value, 0, "value")}
    waiting = deque([value])
    while waiting and len(came_from) < _MOST:
        parent = waiting.popleft()
        for step, child in islice(_parts(parent), _MOST):
            if id(child) in came_from or issubclass(type(child), _LEAVES):
                continue
            came_from[id(child)] = (child, id(parent), step)
            if child is culprit:
                return _written(came_from, id(child))
            waiting.append(child)
    return None


def _written(came_from: dict[int, tuple[object, int, str]], place: int) -> str:
    steps = []
    while place:
        _, place, step = came_from[place]
        steps.append(step)
    return "".join(reversed(steps))


def _parts(thing: Any) -> Iterator[tuple[str, object]]:
    """Give what a value is made of, with how one gets there; nothing of the program's own is called."""
    # Not isinstance: that asks for its __class__, which may raise, or be that of what a proxy stands for.
    kind = type(thing)
    if issubclass(kind, dict):
        for key, item in list(dict.items(thing)):
            yield f"[{_key(key)}]", item
            yield f".keys()[{_key(key)}]", key
    elif issubclass(kind, (list, tuple, deque)):
        for number, item in enumerate(list(thing)):
            yield f"[{number}]", item
    elif issubclass(kind, (set, frozenset)):
        for item in list(thing):
            yield "{…}", item
    elif issubclass(kind, (FunctionType, MethodType, partial)):
        yield from _callable_parts(thing)
    if not issubclass(kind, type) or not found_by_name(thing):
        yield from _attributes(thing)


def _callable_parts(thing: FunctionType | MethodType | partial[Any]) -> Iterator[tuple[str, object]]:
    if isinstance(thing, FunctionType):
        yield from _function_parts(thing)
    elif isinstance(thing, MethodType):
        yield from ((".__self__", thing.__self__), (".__func__", thing.__func__))
    else:
        yield from ((".func", thing.func), (".args", thing.args), (".keywords", thing.keywords))


def _attributes(thing: Any) -> Iterator[tuple[str, object]]:
    try:
        own = object.__getattribute__(thing, "__dict__")
    except Exception:  # noqa: BLE001  no __dict__, or a class that hides it: then there is nothing to see
        own = {}
    for name, item in list(own.items()):
        yield f".{name}", item
    for base in type(thing).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            # An empty slot, or one whose name is mangled, has nothing to show.
            with contextlib.suppress(Exception):
                yield f".{name}", object.__getattribute__(thing, name)


def _function_parts(function: FunctionType) -> Iterator[tuple[str, object]]:
    if found_by_name(function):
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f".__closure__[{name!r}]", cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f".__globals__[{name!r}]", function.__globals__[name]
    for number, item in enumerate(function.__defaults__ or ()):
        yield f".__defaults__[{number}]", item


def _key(key: object) -> str:
    if type(key) in (str, int, float, bool, bytes, type(None)):
        text = repr(key)
        return text if len(text) <= _LONGEST_KEY else text[: _LONGEST_KEY - 2] + "…" + text[-1]
    return f"<{type(key).__qualname__}>"
