"""A field's value is of the type that its class says, or is turned into it where nothing is lost."""

from __future__ import annotations

import collections.abc
import numbers
import operator
import types
import typing
from typing import Any, Literal, Union

from lattice_addons._allowed import shown
from lattice_addons.errors import SettingError

__all__ = ["fit", "fitted"]


class _Misfit(Exception):  # noqa: N818 - never leaves this module
    """The value is of another type."""


def fitted(value: Any, hint: Any, *, cls: type, field: str, optional: bool = False) -> Any:
    """Give a value as a field's type has it.

    Raises:
        SettingError: it is of another type.
    """
    if value is None and optional:
        return None
    try:
        return fit(value, hint)
    except _Misfit:
        said = f"{cls.__qualname__}.{field} is {_told(hint)}, and {shown(value)} is {_article(type(value).__name__)}"
        hint_at = (
            ""
            if isinstance(value, str) or not isinstance(value, collections.abc.Sequence)
            else _several(value)
        )
        raise SettingError(said + hint_at, experiment=cls.__qualname__, field=field) from None


def _several(value: Any) -> str:
    points = ", ".join(map(repr, value[:3])) if len(value) else "…"
    return f"; to search several values, write search({points}{', …' if len(value) > 3 else ''})"  # noqa: PLR2004 - two arguments, or so many shown


def fit(value: Any, hint: Any) -> Any:  # noqa: PLR0911 - one a kind of type
    """Give a value as one of this type."""
    kind = type(value)
    if hint is kind or hint is Any or hint is object or isinstance(hint, str):
        return value
    if hint is None or hint is type(None):
        return _if(value is None, value)
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(value, typing.get_args(hint))
    if origin is Literal:
        return _if(any(type(each) is kind and each == value for each in typing.get_args(hint)), value)
    if origin in (typing.Annotated, typing.Final):
        return fit(value, typing.get_args(hint)[0])
    if origin is type or hint is type:
        return _if(isinstance(value, type), value)
    if hint in (int, float, complex, bool):
        return _number(value, hint)
    if origin is not None:
        return _inside(value, origin, typing.get_args(hint))
    return _instance(value, hint)


def _if(fits: object, value: Any) -> Any:
    if not fits:
        raise _Misfit
    return value


def _set_of(kind: Any, items: Any) -> Any:
    try:
        return kind(items)
    except TypeError:  # an item, as a list, that no set can hold
        raise _Misfit from None


def _one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    for hint in hints:
        if hint is type(value):
            return value
    for hint in hints:
        try:
            return fit(value, hint)
        except _Misfit:
            continue
    raise _Misfit


def _number(value: Any, hint: type) -> Any:
    if hint is bool:
        return bool(_if(type(value).__name__ in ("bool", "bool_"), value))  # NumPy's is another class
    _if(not isinstance(value, bool), value)
    try:
        if hint is int:
            return value if isinstance(value, int) else operator.index(value)
        if hint is float and isinstance(value, numbers.Real):
            return float(value)
        if hint is complex and isinstance(value, numbers.Number):
            return complex(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        raise _Misfit from None
    raise _Misfit


def _inside(value: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    """Give a list, tuple, set, dict or another generic, with what is in it."""
    if origin is list:
        return [fit(each, args[0]) for each in _instance(value, list)]
    if origin is tuple:
        items = tuple(_instance(value, tuple))
        kinds = [args[0]] * len(items) if len(args) == 2 and args[1] is ... else list(args)  # noqa: PLR2004 - two arguments, or so many shown
        _if(len(kinds) == len(items), value)
        return tuple(fit(each, kind) for each, kind in zip(items, kinds, strict=True))
    if origin in (set, frozenset):
        return _set_of(origin, [fit(each, args[0]) for each in _instance(value, origin)])
    if origin is dict:
        return {fit(key, args[0]): fit(each, args[1]) for key, each in _instance(value, dict).items()}
    return _instance(value, origin)


def _instance(value: Any, hint: Any) -> Any:
    if hint in (list, tuple) and isinstance(value, (list, tuple)):
        return value if isinstance(value, hint) else hint(value)
    if hint in (set, frozenset) and isinstance(value, (list, tuple, set, frozenset)):
        return value if isinstance(value, hint) else _set_of(hint, value)
    if isinstance(hint, type) and isinstance(value, str) and hint.__module__.partition(".")[0] == "pathlib":
        return hint(value)
    if not isinstance(hint, type):
        supertype = getattr(hint, "__supertype__", None)  # NewType
        return value if supertype is None else fit(value, supertype)
    try:
        return _if(isinstance(value, hint), value)
    except TypeError:  # a protocol that says nothing at run time
        return value


def _told(hint: Any) -> str:
    if hint is None or hint is type(None):
        return "None"
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_told(each) for each in typing.get_args(hint)))
    if origin is None and isinstance(hint, type):
        return _article(hint.__qualname__)
    return str(hint).replace("typing.", "")


def _article(word: str) -> str:
    if word == "NoneType":
        return "None"
    return f"an {word}" if word[:1] in "aeiouAEIOU" else f"a {word}"
