"""Whatever a pipeline puts into its metadata becomes plain data, which a manifest shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Any, Final

__all__ = ["readable"]

_DEEPEST: Final = 20
_LONGEST: Final = 1000


def readable(value: Any, depth: int = 0) -> Any:
    """Give a value as plain data that shares nothing with it; what has no such form as its repr."""
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if depth < _DEEPEST:
        # A copy in one step first: another thread may put something in meanwhile.
        if isinstance(value, Mapping):
            return {_key(key): readable(each, depth + 1) for key, each in dict(value).items()}
        if isinstance(value, (list, tuple)):
            return [readable(each, depth + 1) for each in list(value)]
        if isinstance(value, AbstractSet):
            return sorted((readable(each, depth + 1) for each in list(value)), key=repr)
    return _single(value)


def _key(key: object) -> str:
    return key if type(key) is str else str(key)


def _single(value: Any) -> Any:
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    try:
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if callable(getattr(value, "tolist", None)):  # an array, a tensor, a number of NumPy's
            return readable(value.tolist(), _DEEPEST - 2)
        return repr(value)[:_LONGEST]
    except Exception as error:  # noqa: BLE001 - a value of the program's own: it must not stop a save
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
