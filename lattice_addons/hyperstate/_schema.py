"""The schema of a class: its fields with types and defaults, as plain data that a file can hold."""

from __future__ import annotations

import enum
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from lattice_addons.errors import SchemaError

from ._hints import class_of, members
from ._shape import alternatives
from ._versioned import is_versioned, version_of

__all__ = ["described", "schema_of"]

_SCALARS: dict[Any, str] = {
    int: "int",
    float: "float",
    str: "str",
    bool: "bool",
    bytes: "bytes",
    type(None): "none",
    None: "none",
    Any: "any",
    object: "any",
}


def schema_of(cls: Any) -> dict[str, Any]:
    """Give the schema of a dataclass: its name, its version, and the type with all that is in it."""
    kind = class_of(cls)
    if kind is None:
        raise SchemaError(f"{cls!r} is no dataclass, and has no schema; decorate it with @dataclass", path="")
    return {"class": kind.__name__, "version": version_of(cls), "type": described(cls, ())}


def described(tp: Any, within: tuple[Any, ...]) -> Any:
    """Give a type as plain data; ``within`` are the classes that it is in, which are not told once more."""
    kinds = alternatives(tp)
    if len(kinds) > 1:
        return {"union": [described(kind, within) for kind in kinds]}
    (kind,) = kinds
    cls = class_of(kind)
    if cls is not None:
        told: dict[str, Any] = {"struct": cls.__name__}
        # That of the whole stands before its type.
        if within and is_versioned(kind):
            told["version"] = version_of(kind)
        return told if kind in within else {**told, "fields": _fields(kind, (*within, kind))}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {
            "enum": kind.__name__,
            "members": {name: _plain(each.value) for name, each in kind.__members__.items()},
        }
    if get_origin(kind) is Literal:
        return {"literal": [_plain(each) for each in get_args(kind)]}
    return _container(kind, within) if kind not in _SCALARS else _SCALARS[kind]


def _fields(cls: Any, within: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in members(cls).items():
        found[name] = {"type": described(member.type, within)}
        if member.default is not None:
            found[name]["default"] = _default(member.default)
    return found


def _default(make: Callable[[], Any]) -> Any:
    try:
        return _plain(make())
    except Exception:  # noqa: BLE001 - a factory of the user's may need what is not here, and raise whatever it likes
        return "<made when it is needed>"


def _container(tp: Any, within: tuple[Any, ...]) -> Any:  # noqa: PLR0911 - one for each kind
    origin = get_origin(tp) or tp
    args = get_args(tp)
    if not isinstance(origin, type):
        return str(tp)
    if issubclass(origin, os.PathLike):
        return "path"
    if issubclass(origin, tuple) and not hasattr(origin, "_fields"):
        if tp in (tuple, typing.Tuple):  # noqa: UP006 - as it may be written
            return {"list": "any"}
        args = () if args == ((),) else args
        if args[1:] != (...,):
            return {"tuple": [described(arg, within) for arg in args]}
    if issubclass(origin, Mapping):
        key, value = args if len(args) == 2 else (Any, Any)  # noqa: PLR2004 - keys and values
        return {"dict": [described(key, within), described(value, within)]}
    for name, kinds in (("set", (set, frozenset)), ("list", (list, tuple))):
        if issubclass(origin, kinds):
            return {name: described(args[0] if args else Any, within)}
    if origin.__module__ == "collections.abc" and args:
        return {"set" if "Set" in origin.__name__ else "list": described(args[0], within)}
    return origin.__name__


def _plain(value: object) -> Any:  # noqa: PLR0911 - as above
    """Give a default as a file would say it; what no file can say as Python shows it."""
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(each) for each in value), key=repr)
    if is_dataclass(value):
        # An attribute that is made when it is used, and not made yet, is not asked for.
        made = getattr(value, "__dict__", {})
        return {each.name: _plain(made[each.name]) for each in fields(value) if each.name in made}
    # Without its address, which is another one in each process.
    return f"<{type(value).__name__}>"
