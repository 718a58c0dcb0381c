"""The text of an option becomes a value of its field's type, or the points that are searched for it."""

from __future__ import annotations

import ast
import enum
import re
import types
import typing
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Literal, Union

from lattice_addons.errors import SettingError

from ._search import Search, search

__all__ = ["told_value"]

_CALL = re.compile(r"(uniform|log_uniform|integers|choice|search)\((.*)\)", re.DOTALL)
_WORDS: dict[str, Any] = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_PLAIN = {"true": True, "false": False, "none": None, "null": None}
_NOTHING = ("none", "null", "")
_OPEN, _CLOSED = "([{", ")]}"


class _Misfit(Exception):  # noqa: N818 - never leaves this module
    """The text is of no value of this type."""


def told_value(text: str, hint: Any, default: Any) -> Any:
    """Give what the text of an option means for a field with this type and default.

    ``16`` is a value; ``16,32`` and ``choice(16,32)`` are points to search, ``log_uniform(1e-5,0.1)`` is a range. The
    condition of a search that is replaced stays.

    Raises:
        SettingError: it is no such value.
    """
    hint = _hint(hint, default)
    if default is None and text.strip().lower() in _NOTHING:
        return None
    try:
        found = _searched(text.strip(), hint)
    except _Misfit:
        raise SettingError(f"{text!r} is not {_article(hint)}", field="") from None
    return _under_conditions(found, default)


def _searched(text: str, hint: Any) -> Any:
    call = _CALL.fullmatch(text)
    if call is not None and call[1] not in ("choice", "search"):
        try:
            return getattr(search, call[1])(*map(ast.literal_eval, _parts(call[2])))
        except (ValueError, SyntaxError, TypeError) as error:
            if isinstance(error, SettingError):
                raise
            raise _Misfit from error
    if call is None and _is_series(hint) and not text.startswith(tuple(_OPEN)):
        return _one(text, hint)  # 1,2 for a list: the list, and not two of them
    points = [_one(part, hint) for part in _parts(text if call is None else call[2])]
    return points[0] if len(points) == 1 and call is None else search(*points)


def _under_conditions(found: Any, default: Any) -> Any:
    if not isinstance(default, Search) or (default.when is None and default.zipped is None):
        return found
    if isinstance(found, Search):
        found.when, found.otherwise, found.zipped = default.when, default.otherwise, default.zipped
        return found
    if default.when is None:
        return found
    return search(found, when=default.when, otherwise=default.otherwise)


def _hint(hint: Any, default: Any) -> Any:
    """Give the type of a field; where the class says none, that of its default."""
    if hint is not Any:
        return hint
    if isinstance(default, Search):
        default = default.low if default.points is None else default.points[0]
    known = isinstance(default, (bool, int, float, str, enum.Enum))
    # An int by its default alone may be meant to become 0.5.
    return Any if not known or isinstance(default, (int, float)) else type(default)


def _one(text: str, hint: Any) -> Any:  # noqa: PLR0911, C901 - one line a kind of type
    """Read one value of a type."""
    text = text.strip()
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(text, typing.get_args(hint))
    if origin in (typing.Annotated, typing.Final):
        return _one(text, typing.get_args(hint)[0])
    if origin is Literal:
        return _named(text, {str(each): each for each in typing.get_args(hint)})
    if hint is None or hint is type(None):
        return _named(text.lower(), dict.fromkeys(_NOTHING))
    if hint is bool:
        return _named(text.lower(), {**_WORDS, "1": True, "0": False})
    if hint in (int, float, complex):
        return _number(text, hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _named(text, {**{str(each.value): each for each in hint}, **hint.__members__})
    if _is_series(hint):
        return _series(text, origin or hint, typing.get_args(hint))
    if hint is str:
        return _unquoted(text)
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return hint(_unquoted(text))
    if callable(getattr(hint, "fromisoformat", None)):
        return _number(text, hint.fromisoformat)
    return _any(text)


def _one_of(text: str, hints: tuple[Any, ...]) -> Any:
    # Every text is a str: that is tried last.
    for hint in sorted(hints, key=lambda each: each is str):
        with suppress(_Misfit):
            return _one(text, hint)
    raise _Misfit


def _named(text: str, known: Mapping[str, Any]) -> Any:
    if text not in known:
        raise _Misfit
    return known[text]


def _number(text: str, read: Any) -> Any:
    try:
        return read(text)
    except ValueError:
        raise _Misfit from None


def _is_series(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    return (
        isinstance(kind, type)
        and issubclass(kind, (Sequence, AbstractSet))
        and not issubclass(kind, (str, bytes))
    )


def _series(text: str, kind: Any, inner: tuple[Any, ...]) -> Any:
    if text.startswith(tuple(_OPEN)) and text.endswith(tuple(_CLOSED)):
        text = text[1:-1]
    parts = [part for part in _parts(text) if part.strip()]
    if issubclass(kind, tuple) and inner and inner[-1] is not ...:
        if len(inner) != len(parts):
            raise _Misfit
        return tuple(map(_one, parts, inner))
    found = [_one(part, inner[0] if inner else Any) for part in parts]
    return next((each(found) for each in (tuple, frozenset, set) if issubclass(kind, each)), found)


def _any(text: str) -> Any:
    if text.lower() in _PLAIN:
        return _PLAIN[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _parts(text: str) -> list[str]:
    """Split at commas that are in no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not parts[-1].strip():
            quote = letter
        else:
            depth += (letter in _OPEN) - (letter in _CLOSED)
        if letter == "," and not quote and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _article(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(hint.__members__)
    word = hint.__qualname__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    word = word.replace("typing.", "")
    return f"{'an' if word[:1] in 'aeiouAEIOU' else 'a'} {word}"
