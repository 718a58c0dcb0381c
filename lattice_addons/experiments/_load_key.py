"""What loads data is known by its code, by what it is called with, and by the fields that it reads."""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from ._fields import fields_of
from ._identity import cells_of, class_label, code_told, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Reads", "key_of", "settings_of", "watched"]

#: Which fields of which of the settings that it holds are read; ``*`` stands for all of a setting.
Reads = list[tuple[int, str]]
_ALL = "*"


def settings_of(load: Any) -> list[Any]:
    """Give the settings that a function holds: as the ``self`` of a method, in a variable around it, or bound to it."""
    from ._experiment import Experiment

    found: dict[int, Any] = {}
    _walk(
        load, lambda each: found.setdefault(id(each), each) if isinstance(each, Experiment) else None, set()
    )
    return list(found.values())


def _walk(value: Any, seen: Callable[[Any], object], walked: set[int]) -> None:
    if id(value) in walked:
        return
    walked.add(id(value))
    seen(value)
    for each in _held(value):
        _walk(each, seen, walked)


def _held(value: Any) -> list[Any]:
    """Give what a function brings along."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, types.FunctionType):
        return [*cells_of(value), *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return []


def key_of(load: Any, reads: Reads | None = None) -> str:
    """Give the key of what a function loads; with ``reads``, for these values of the fields that it reads."""
    held = settings_of(load)
    said = _said(load, {id(each): at for at, each in enumerate(held)}, set())
    values = [[at, name, _value(held[at], name)] for at, name in reads or ()]
    return identity_of({"load": said, "values": values})


def _value(setting: Any, name: str) -> Any:
    value = setting.identity if name == _ALL else getattr(setting, name)
    return value.as_dict() if hasattr(value, "as_dict") and hasattr(value, "identity") else value


def _said(value: Any, settings: dict[int, int], walked: set[int]) -> Any:
    """Say what a function is in plain data."""
    if id(value) in settings:
        return ["setting", settings[id(value)], class_label(type(value))]
    if isinstance(value, (functools.partial, types.MethodType, types.FunctionType)):
        if id(value) in walked:  # it refers to itself
            return "again"
        walked.add(id(value))
        inside = [_said(each, settings, walked) for each in _held(value)]
        if isinstance(value, types.FunctionType):
            return ["function", class_label(value), code_told(value.__code__), inside]
        return [type(value).__name__, list(getattr(value, "keywords", ())), inside]
    return value


def watched(load: Callable[[], Any], reads: Reads) -> Callable[[], Any]:
    """Give the same function with its settings exchanged for ones that note which of their fields are read."""
    exchanged: dict[int, Any] = {}
    for at, each in enumerate(settings_of(load)):
        exchanged[id(each)] = _watching(each, functools.partial(_note, reads, at))
    return _rebuilt(load, exchanged)  # type: ignore[no-any-return] # as callable as it was


def _note(reads: Reads, at: int, name: str) -> None:
    if (at, name) not in reads:
        reads.append((at, name))


def _rebuilt(value: Any, exchanged: dict[int, Any]) -> Any:
    if id(value) in exchanged:
        return exchanged[id(value)]
    if isinstance(value, functools.partial):
        keywords = {name: _rebuilt(each, exchanged) for name, each in value.keywords.items()}
        return functools.partial(
            _rebuilt(value.func, exchanged), *(_rebuilt(each, exchanged) for each in value.args), **keywords
        )
    if isinstance(value, types.MethodType):
        return types.MethodType(value.__func__, _rebuilt(value.__self__, exchanged))
    if isinstance(value, types.FunctionType) and _held(value):
        return _function(value, exchanged)
    return value


def _function(value: types.FunctionType, exchanged: dict[int, Any]) -> types.FunctionType:
    exchanged[id(value)] = value  # one that refers to itself is left as it is there
    cells = [types.CellType() for _ in value.__closure__ or ()]
    defaults = tuple(_rebuilt(each, exchanged) for each in value.__defaults__ or ())
    made = types.FunctionType(
        value.__code__, value.__globals__, value.__name__, defaults or None, tuple(cells)
    )
    made.__kwdefaults__ = {
        name: _rebuilt(each, exchanged) for name, each in (value.__kwdefaults__ or {}).items()
    }
    exchanged[id(value)] = made
    for cell, each in zip(cells, value.__closure__ or (), strict=True):
        try:
            cell.cell_contents = _rebuilt(each.cell_contents, exchanged)
        except ValueError:
            continue
    return made


def _watching(setting: Any, read: Callable[[str], object]) -> Any:
    """Give what looks like a setting, and says which of its fields is read."""
    from ._experiment import Experiment

    cls = type(setting)
    fields, nothing = fields_of(cls), object()

    class Watching:
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            if name == "__class__":
                return cls
            if name in fields:
                read(name)
                return getattr(setting, name)
            found = (
                nothing
                if name in vars(Experiment) or name.startswith("__")
                else inspect.getattr_static(cls, name, nothing)
            )
            if (
                found is not nothing
            ):  # a method or property, in which this one is self; else a constant of the class
                bind = getattr(type(found), "__get__", None)
                return found if bind is None else bind(found, self, cls)
            read(_ALL)
            return getattr(setting, name)

        def __setattr__(self, name: str, value: Any) -> None:
            read(_ALL)
            setattr(setting, name, value)

    return Watching()
