"""A tree of dataclasses becomes plain data: what a file can say, and `build` takes back."""

from __future__ import annotations

import collections.abc
import enum
import math
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_origin

from lattice_addons.errors import ConfigError

from ._hints import class_of, members, stripped
from ._path import dotted, shown
from ._ron_data import Map, Tagged
from ._unions import kinds_of, needs_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["plain", "same"]

# Gives what a file says for the values of types that others know; NotImplemented is: not this one.
Writer: TypeAlias = "Callable[[Any, Any, tuple[Any, ...]], Any]"
_GONE: Any = object()


def plain(
    instance: Any, tp: Any = None, *, defaults: bool = True, null: bool = True, leaf: Writer | None = None
) -> Any:
    """Give the plain data of an instance: dicts, lists, scalars, and `Tagged` where a class must be named.

    Args:
        instance: Of a dataclass, or of the type ``tp``.
        tp: The type of the field that it is in; left out for the class itself.
        defaults: False leaves out fields that have their default.
        null: False leaves out fields that are None, as TOML needs it.
        leaf: Gives the data of types that are not known here: type, value, path; or NotImplemented.

    Raises:
        ConfigError: a value is of another type than its field, or none that a file can say.
    """
    return _Plain(leaf, defaults=defaults, null=null).value(
        type(instance) if tp is None else tp, instance, ()
    )


def same(one: Any, other: Any) -> bool:
    """Tell whether two pieces of plain data are the same: 1, 1.0 and True are three values, and nan is one."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Tagged):
        return one.name == other.name and same(one.fields, other.fields)
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


class _Plain:
    """Goes through an instance and its types side by side."""

    def __init__(self, leaf: Writer | None, *, defaults: bool, null: bool) -> None:
        self.leaf, self.defaults, self.null = leaf, defaults, null

    def value(self, tp: Any, value: Any, path: tuple[Any, ...]) -> Any:
        """Give the data of one value."""
        if self.leaf is not None:
            said = self.leaf(tp, value, path)
            if said is not NotImplemented:
                return said
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, enum.Enum):
            return _name(value, path)
        if class_of(type(value)) is not None:
            return self._instance(tp, value, path)
        for kind in (int, float, str):
            # Subclasses, as NumPy's float64 is one: a file knows only what they are at bottom.
            if isinstance(value, kind):
                return kind(value)
        return str(value) if isinstance(value, PurePath) else self._many(tp, value, path)

    def _many(self, tp: Any, value: Any, path: tuple[Any, ...]) -> Any:
        kind = _kind_for(tp, value)
        args = get_args(kind)
        if isinstance(value, collections.abc.Mapping):
            of_values = args[1] if len(args) == 2 else Any  # noqa: PLR2004 - keys and values
            return Map(
                (self._key(key, path), self.value(of_values, each, (*path, key)))
                for key, each in value.items()
            )
        if isinstance(
            value, (collections.abc.Set, collections.abc.Sequence, collections.deque)
        ) and not isinstance(value, (bytes, bytearray)):
            ordered = isinstance(value, (collections.abc.Sequence, collections.deque))
            items = list(value) if ordered else sorted(value, key=lambda each: (str(type(each)), repr(each)))
            each_kind = (
                args if isinstance(value, tuple) and args and args[-1] is not ... else args[:1] * len(items)
            )
            kinds = each_kind if len(each_kind) == len(items) else (Any,) * len(items)
            return [self.value(kinds[at], each, (*path, at)) for at, each in enumerate(items)]
        if hasattr(value, "item") and type(value).__module__ == "numpy":
            return self.value(tp, value.item(), path)
        return _by_pydantic(kind, value, path)

    def _instance(self, tp: Any, value: Any, path: tuple[Any, ...]) -> Any:
        kinds = [kind for kind in kinds_of(tp) if class_of(kind) is not None]
        mine = next((kind for kind in kinds if class_of(kind) is type(value)), None)
        if kinds and mine is None:
            declared = " or ".join(getattr(class_of(kind), "__name__", "") for kind in kinds)
            what = (
                f"{dotted(path) or 'it'} is a {type(value).__name__}, and its field is declared as {declared}"
            )
            raise ConfigError(f"{what}; declare a union of both", file="", faults=())
        found = {}
        telling = len(kinds) > 1
        for name, member in members(mine or type(value)).items():
            if member.is_only_for_init:
                continue
            given = getattr(value, name)
            said = self.value(member.type, given, (*path, name))
            literal = telling and get_origin(stripped(member.type)[0]) is Literal
            if not self.defaults and not literal and self._is_default(member, said, (*path, name)):
                continue
            if said is None and not self.null:
                if member.default is not None and member.default() is not None:
                    what = f"{dotted((*path, name))} is null and its default is not, which TOML cannot say"
                    raise ConfigError(f"{what}; write YAML, JSON or RON", file="", faults=())
                continue
            found[name] = said
        return Tagged(type(value).__name__, found) if needs_name(tp) else found

    def _is_default(self, member: Any, said: Any, path: tuple[Any, ...]) -> bool:
        if member.default is None:
            return False
        return same(said, self.value(member.type, member.default(), path))

    def _key(self, key: Any, path: tuple[Any, ...]) -> Any:
        said = self.value(Any, key, path)
        if said is None or isinstance(said, (bool, int, float, str)):
            return said
        what = f"{dotted(path) or 'a mapping'} has the key {shown(key)}"
        raise ConfigError(
            f"{what}; a file takes texts, numbers, bools and enums for keys", file="", faults=()
        )


def _name(value: enum.Enum, path: tuple[Any, ...]) -> Any:
    if isinstance(value, enum.Flag) and type(value).__members__.get(value.name or "") is not value:
        names = [name for name, each in type(value).__members__.items() if each in value and each.value]
        whole = type(value)(0)
        for name in names:
            whole |= type(value)[name]
        return "|".join(names) if names and whole == value else value.value
    if value.name is None:
        raise ConfigError(f"{dotted(path)} is {value!r}, which has no name", file="", faults=())
    return value.name


def _kind_for(tp: Any, value: Any) -> Any:
    """Give the type of a union that a value is of."""
    for kind in kinds_of(tp):
        origin = get_origin(kind) or kind
        # Any and a TypedDict are classes that know no instances.
        with suppress(TypeError):
            if isinstance(origin, type) and isinstance(value, origin):
                return kind
    return Any


def _by_pydantic(kind: Any, value: Any, path: tuple[Any, ...]) -> Any:
    from pydantic import TypeAdapter

    try:
        said = TypeAdapter(type(value) if kind is Any else kind).dump_python(
            value, mode="json", warnings="error"
        )
    except Exception as error:  # noqa: BLE001 - the serialisers are those of any type
        why = str(error).partition("\n")[0]
        what = f"{dotted(path) or 'the value'} is {shown(value)}, which no config file can say ({why})"
        raise ConfigError(what, file="", faults=()) from None
    return said
