"""Values as files and manifests have them: JSON that people can read, from which the same value comes back."""

from __future__ import annotations

import ast
import math
from typing import Any

__all__ = ["NoPlainError", "described", "is_restorable", "plain", "restored"]

_LITERAL, _FLOAT, _REPR = "$literal", "$float", "$repr"
_MARKS = (_LITERAL, _FLOAT, _REPR)
_SMALL = 2**63
_LONGEST = 16 * 1024
_LARGEST = 64 * 1024
_SHOWN = 200


class NoPlainError(ValueError):
    """A value has no text from which it could be made again."""


def plain(value: Any, *, strict: bool = False, tuples: bool = True) -> Any:  # noqa: ANN401 - of any type
    """Give a value as JSON can say it.

    A tuple is a list where the default says that it is a tuple (``tuples``). What JSON cannot say is the text of its
    literal; what has none is described, or with ``strict`` a `NoPlainError`.
    """
    if tuples and type(value) is tuple and all(map(_is_plain, value)):
        return [_float(each) for each in value]
    if _is_plain(value):
        return _float(value)
    text = repr(value)
    try:
        known = ast.literal_eval(text)
        if type(known) is type(value) and known == value and (strict or len(text) <= _LONGEST):
            return {_LITERAL: text}
    except Exception:  # noqa: BLE001, S110 - the repr and the comparison are those of any class
        pass
    if strict:
        raise NoPlainError(f"{text[:_SHOWN]} is no literal, and cannot be written to a file")
    return {_REPR: text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"}


def described(value: Any) -> Any:  # noqa: ANN401 - of any type
    """Give a value as JSON can say it, whatever it is: one of which even that fails is told by its type."""
    try:
        told = plain(value)
        # What fills the manifest is no parameter, and there must be room for the slots.
        return told if len(repr(told)) <= _LARGEST else {_REPR: repr(value)[:_SHOWN] + "…"}
    except Exception:  # noqa: BLE001 - a repr of the program's own, endless nesting: no reason not to save
        return {_REPR: f"<{type(value).__name__}>"}


def restored(told: Any) -> Any:  # noqa: ANN401 - of any type
    """Give the value of which `plain` gave this; of a list the caller knows whether it was a tuple."""
    if isinstance(told, dict) and len(told) == 1:
        (mark, text), *_ = told.items()
        if mark == _FLOAT:
            return float(text)
        if mark == _LITERAL:
            return ast.literal_eval(text)
    if isinstance(told, list):
        return [restored(each) for each in told]
    return {key: restored(each) for key, each in told.items()} if isinstance(told, dict) else told


def is_restorable(told: Any) -> bool:  # noqa: ANN401 - of any type
    """Tell whether a value can be made again: not one that was only described, or that somebody has edited since."""
    if isinstance(told, dict) and told.keys() == {_REPR}:
        return False
    try:
        restored(told)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - of any type
    """Tell whether JSON says exactly this value, and in bounds that a manifest has."""
    kind = type(value)
    if kind is str:
        # What cannot be seen is better spelt out, and safe from what writers of YAML make of it.
        return bool(len(value) <= _LONGEST) and value.replace("\n", "").isprintable()
    if kind is int:
        return bool(-_SMALL <= value < _SMALL)
    if kind is list:
        return bool(len(value) <= _LONGEST and all(map(_is_plain, value)))
    if kind is dict:
        keys = all(type(key) is str and _is_plain(key) for key in value)
        return bool(keys and value.keys().isdisjoint(_MARKS) and all(map(_is_plain, value.values())))
    return value is None or kind in (bool, float)


def _float(value: Any) -> Any:  # noqa: ANN401 - of any type
    """Give numbers that are none, which JSON does not have, another form."""
    if type(value) is float and not math.isfinite(value):
        return {_FLOAT: str(value)}
    if type(value) is list:
        return [_float(each) for each in value]
    return {key: _float(each) for key, each in value.items()} if type(value) is dict else value
