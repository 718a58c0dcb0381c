"""What a dataclass's fields are: their types with every string read and every type variable bound."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from dataclasses import MISSING, dataclass, is_dataclass
from functools import lru_cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from lattice_addons.errors import ConfigError

from ._path import shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Member", "class_of", "is_union", "members", "stripped", "told", "union_of"]

_BARE: dict[object, str] = {
    int: "an int",
    float: "a float",
    str: "a text",
    bool: "a bool",
    type(None): "null",
    Any: "any value",
}


@dataclass(frozen=True)
class Member:
    """A field of a dataclass; ``default`` makes its default, and is None where a value must be given."""

    name: str
    type: Any
    default: Callable[[], Any] | None
    is_only_for_init: bool = False


def class_of(tp: Any) -> type | None:
    """Give the dataclass that a type is (``Box`` of ``Box[int]``), or None."""
    origin = get_origin(tp) or tp
    return origin if isinstance(origin, type) and is_dataclass(origin) else None


def members(tp: Any) -> dict[str, Member]:
    """Give the fields that a dataclass is made from, by name, with their types resolved.

    Raises:
        ConfigError: a type is written as a text that names nothing.
    """
    cls = class_of(tp)
    if cls is None:
        raise ConfigError(f"{tp!r} is no dataclass; decorate it with @dataclass", file="", faults=())
    hints, bound = _hints(cls), _bound(cls, get_args(tp))
    found = {}
    fields: dict[str, dataclasses.Field[Any]] = vars(cls)["__dataclass_fields__"]
    for name, field in fields.items():
        # What dataclasses calls the kind of a field has no public name; InitVars are no fields(), but are given.
        kind = field._field_type.name  # type: ignore[attr-defined] # noqa: SLF001
        if kind == "_FIELD_CLASSVAR" or not field.init:
            continue
        owner = next((each for each in cls.__mro__ if name in inspect.get_annotations(each)), cls)
        made = _substituted(hints.get(name, Any), bound.get(owner, {}))
        found[name] = Member(name, made, _default(field), kind == "_FIELD_INITVAR")
    return found


def stripped(tp: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take away what only wraps a type; what ``Annotated`` says of it comes second."""
    said: tuple[Any, ...] = ()
    while True:
        origin = get_origin(tp)
        if origin is Annotated:
            said = (*tp.__metadata__, *said)
            tp = tp.__origin__
        elif isinstance(tp, dataclasses.InitVar):
            tp = tp.type
        elif tp is Final or isinstance(tp, typing.ParamSpec):
            return Any, said
        elif origin is Final:
            (tp,) = get_args(tp)
        elif hasattr(tp, "__supertype__"):
            tp = tp.__supertype__
        elif isinstance(tp, TypeVar):
            limits = tp.__constraints__
            tp = union_of(limits) if limits else (tp.__bound__ or Any)
        elif type(tp).__name__ == "TypeAliasType" or type(origin).__name__ == "TypeAliasType":
            tp = _aliased(tp, origin)
        else:
            return tp, said


def is_union(tp: Any) -> bool:
    """Tell whether a type is one of several, in either spelling."""
    return get_origin(tp) in (Union, types.UnionType)


def union_of(kinds: Any) -> Any:
    """Give the type that is one of these."""
    return Union[tuple(kinds)]  # noqa: UP007 - how many there are is known at run time


def told(tp: Any) -> str:
    """Say to people what a field of this type takes."""
    tp, _ = stripped(tp)
    if tp in _BARE:
        return _BARE[tp]
    origin, args = get_origin(tp), get_args(tp)
    if is_union(tp):
        return " or ".join(dict.fromkeys(told(each) for each in args))
    if origin is Literal:
        return "one of " + ", ".join(shown(getattr(each, "name", each)) for each in args)
    names = getattr(tp, "__members__", None)
    if names is not None:
        return f"one of {', '.join(names)}"
    cls = class_of(tp)
    if cls is not None:
        return f"{cls.__name__}({', '.join(members(tp))})"
    name = getattr(origin or tp, "__name__", None) or str(tp)
    return f"a {name}" + (f" of {told(args[0])}" if args and name in ("list", "set", "frozenset") else "")


class _OnlyForInit:
    """Stands for ``InitVar``, and gives what that is of."""

    def __class_getitem__(cls, tp: Any) -> Any:
        """Give the type itself."""
        return tp


@lru_cache(maxsize=1024)
def _hints(cls: type) -> dict[str, Any]:
    """Read the annotations of a class; names of a function in which it is made are looked for in the callers."""
    own: dict[str, Any] = {cls.__name__: cls}
    if sys.version_info < (3, 11):
        # It refuses a text that says InitVar[int], which is no type to it.
        own["InitVar"] = _OnlyForInit
    for each in cls.__mro__:
        # Type variables of a class in the newest spelling are no names of its module.
        own |= {variable.__name__: variable for variable in getattr(each, "__parameters__", ())}
        own |= {variable.__name__: variable for variable in each.__dict__.get("__type_params__", ())}
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no public way to a caller's names
    while True:
        try:
            return typing.get_type_hints(cls, localns=own, include_extras=True)
        except NameError as error:
            found = None
            while frame is not None and found is None:
                if error.name in frame.f_locals:
                    found = frame
                frame = frame.f_back
            if found is None:
                why = f"an annotation of {cls.__qualname__} names {error.name!r}, which its module does not have"
                message = f"{why}; import it there, not only for type checkers"
                raise ConfigError(message, file="", faults=()) from None
            own = {**found.f_locals, **own}
            frame = sys._getframe(1)  # noqa: SLF001 - as above


def _bound(cls: type, args: tuple[Any, ...]) -> dict[type, dict[Any, Any]]:
    """Give for a class and those above what their type variables stand for."""
    found: dict[type, dict[Any, Any]] = {}

    def bind(each: type, given: tuple[Any, ...]) -> None:
        mine = dict(zip(getattr(each, "__parameters__", ()), given, strict=False))
        found.setdefault(each, {}).update(mine)
        for base in each.__dict__.get("__orig_bases__", each.__bases__):
            above = get_origin(base) or base
            if isinstance(above, type) and above not in (Generic, object):
                bind(above, tuple(_substituted(arg, mine) for arg in get_args(base)))

    bind(cls, args)
    return found


def _substituted(tp: Any, bound: dict[Any, Any]) -> Any:
    if isinstance(tp, TypeVar):
        return bound.get(tp, tp)
    if isinstance(tp, dataclasses.InitVar):
        return _substituted(tp.type, bound)
    free = () if isinstance(tp, type) and get_origin(tp) is None else getattr(tp, "__parameters__", ())
    return tp[tuple(bound.get(each, each) for each in free)] if free and bound else tp


def _aliased(tp: Any, origin: Any) -> Any:
    if type(tp).__name__ == "TypeAliasType":
        return tp.__value__
    return _substituted(origin.__value__, dict(zip(origin.__type_params__, get_args(tp), strict=False)))


def _default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default_factory is not MISSING:
        return field.default_factory
    return (lambda: field.default) if field.default is not MISSING else None
