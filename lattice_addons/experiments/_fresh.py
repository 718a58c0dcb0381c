"""A default or a point that can be altered is copied for each instance: none alters another's."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import types
from typing import Any

__all__ = ["LARGE", "fixed", "fresh", "size_of"]

#: Bytes from which an array or a frame is not copied: all settings look at the same one.
LARGE = 2**20

_SCALARS = frozenset((type(None), bool, int, float, complex, str, bytes, range, type, types.FunctionType,
                      types.BuiltinFunctionType, types.ModuleType, type(Ellipsis)))  # fmt: skip
_FIXED = (
    enum.Enum,
    pathlib.PurePath,
    decimal.Decimal,
    fractions.Fraction,
    dt.date,
    dt.timedelta,
    type,
)


def fixed(value: object) -> bool:
    """Tell whether nothing can alter a value."""
    if type(value) in _SCALARS or isinstance(value, _FIXED):
        return True
    return type(value) in (tuple, frozenset) and all(map(fixed, value))  # type: ignore[call-overload]


def fresh(value: Any) -> Any:
    """Give a value that nobody else alters: itself, or a copy; of large arrays a view that cannot be written to."""
    kind = type(value)
    if kind in _SCALARS or isinstance(value, _FIXED):
        return value
    if kind in (list, tuple, set, frozenset):
        return kind(map(fresh, value))
    if kind is dict:
        return {key: fresh(each) for key, each in value.items()}
    if size_of(value) >= LARGE:
        return _read_only(value)
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - a user's class raises what it likes
        return value


def size_of(value: Any) -> int:
    """Give the bytes of an array or a frame; 0 of anything else."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    usage = getattr(value, "memory_usage", None)  # pandas
    if callable(usage) and not isinstance(value, type):
        try:
            total = usage()
            return int(total if isinstance(total, int) else total.sum())
        except Exception:  # noqa: BLE001 - a user's class raises what it likes
            return 0
    estimated = getattr(value, "estimated_size", None)  # polars
    return int(estimated()) if callable(estimated) and not isinstance(value, type) else 0


def _read_only(value: Any) -> Any:
    import sys

    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray:
        return value
    view = value.view()
    view.flags.writeable = False
    return view
