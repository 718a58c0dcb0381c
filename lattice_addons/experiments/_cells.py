"""One value of a result becomes plain data that any JSON can hold, and back."""

from __future__ import annotations

import array
import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import math
import pathlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from lattice_addons.errors import UnstorableResultError

__all__ = ["cell", "flat", "free_name", "loose", "opened", "text_of"]

# Deeper than anybody's results: a value that contains itself.
_DEEPEST = 50
_LONGEST = 200
_INT64 = 2**63
# What takes its type from one that JSON has; a tag is a dictionary of one item, which no other cell is.
_OPENED: dict[str, Any] = {
    "float": float,
    "int": int,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "microseconds": lambda given: dt.timedelta(microseconds=given),
    "decimal": decimal.Decimal,
    "bytes": base64.b64decode,
}
_AS_TEXT = (complex, uuid.UUID, pathlib.PurePath, fractions.Fraction, dt.time)
_SEQUENCES = (list, tuple, set, frozenset, range, collections.deque)


def flat(value: Any, where: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Give the names, joined by dots, and the values within nested mappings and records.

    Raises: `UnstorableResultError` for a mapping that contains itself.
    """
    inner = mapping_of(value)
    if inner is None or (not inner and where):
        yield where, value
        return
    if depth > _DEEPEST:
        raise _endless(where)
    for key, each in inner.items():
        name = _key(key)
        yield from flat(each, f"{where}.{name}" if where else name, depth + 1)


def mapping_of(value: Any) -> Mapping[Any, Any] | None:
    """Give a mapping or a record (a dataclass, a named tuple, a pydantic model) as a mapping; None for all else."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    fields = getattr(type(value), "model_fields", None)
    if isinstance(fields, Mapping):
        return {name: getattr(value, name) for name in fields}
    return None


def cell(value: Any, where: str = "", depth: int = 0) -> Any:  # noqa: PLR0911, C901 - one line a type
    """Give a value as a cell: None, a bool, number, text, list of one kind, or a tag; JSON as text for the odd ones.

    Raises: `UnstorableResultError` for what is no data.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -_INT64 <= value < _INT64 else {"int": str(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if kind is str:
        return _text(value)
    if isinstance(value, enum.Enum):
        plain = isinstance(value.value, (bool, int, float, str))
        return cell(value.value if plain else value.name, where, depth)
    if isinstance(value, (int, float, str)):  # of a class of its own, as numpy.float64
        return cell(next(base for base in (int, float, str) if isinstance(value, base))(value), where, depth)
    if isinstance(value, (dt.date, dt.timedelta, decimal.Decimal, bytes, bytearray, memoryview)):
        return _tagged(value)
    if isinstance(value, _AS_TEXT):
        return _text(str(value))
    if isinstance(value, _SEQUENCES):
        return _list(list(value), where, depth)
    if mapping_of(value) is not None:  # within a list, or an empty one
        return _json(value, where, depth)
    return _foreign(value, where, depth)


def loose(value: Any) -> Any:
    """Give a value as a cell, whatever it is: of what is no data, what stands for it in a print."""
    try:
        return cell(value)
    except UnstorableResultError:
        return text_of(value)


def text_of(value: Any) -> str:
    """Say what a value is, briefly: its own words, or its type where they say where in memory it is."""
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(value, '__module__', '')}.{name}".removeprefix("builtins.")
    kind = type(value)
    plain = vars(object)["__repr__"] is kind.__repr__
    words = f"{kind.__module__}.{kind.__qualname__}" if plain else repr(value)
    return _text(words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…")


def opened(value: Any) -> Any:
    """Give what a cell stands for."""
    if type(value) is dict:
        ((tag, given),) = value.items()
        return _OPENED[tag](given)
    if type(value) is list:
        return [opened(each) for each in value]
    return value


def free_name(name: str, taken: Any) -> str:
    """Give a name that nothing has yet."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _endless(where: str) -> UnstorableResultError:
    name = where.partition(".")[0].partition("[")[0]
    message = f"{name} contains itself, or is nested more than {_DEEPEST} deep; return a part of it"
    return UnstorableResultError(message, where=name)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(str(key))
    if isinstance(key, tuple):  # as pandas names columns of several levels
        return ".".join(_key(part) for part in key if part != "") or "()"
    return _text(str(key.name if isinstance(key, enum.Enum) else key))


def _text(value: str) -> str:
    # A file name that is not UTF-8 comes with lone surrogates, which neither JSON nor Parquet can hold.
    return value.encode("utf-8", "backslashreplace").decode()


def _tagged(value: Any) -> Any:
    if value != value:  # noqa: PLR0124 - pandas.NaT, which says that it is a datetime
        return None
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()[:26] if value.tzinfo is None else _zoned(value)}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"microseconds": value // dt.timedelta(microseconds=1)}
    if isinstance(value, decimal.Decimal):
        return {"decimal": str(value)} if value.is_finite() else {"float": str(float(value))}
    return {"bytes": base64.b64encode(bytes(value)).decode()}


def _zoned(value: dt.datetime) -> str:
    return value.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat()[:26] + "+00:00"


def _list(values: list[Any], where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise _endless(where)
    if any(mapping_of(each) is not None for each in values):
        return _json(values, where, depth)
    cells = [cell(each, f"{where}[{number}]", depth + 1) for number, each in enumerate(values)]
    return _json(values, where, depth) if _kind(cells) is _MIXED else cells


_MIXED = object()


def _kind(value: Any) -> Any:
    """Tell of what kind a cell is; None fits all, and so does an empty list among lists."""
    if isinstance(value, list):
        inner = None
        for each in value:
            kind = _kind(each)
            if inner is None or kind is None or kind == inner:
                inner = inner if kind is None else kind
            else:
                return _MIXED
        return _MIXED if inner is _MIXED else ("list", inner)
    if isinstance(value, dict):
        tag = next(iter(value))
        return float if tag == "float" else tag
    return float if type(value) is int else None if value is None else type(value)


def _json(value: Any, where: str, depth: int) -> str:
    return json.dumps(_nested(value, where, depth), ensure_ascii=False)


def _nested(value: Any, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise _endless(where)
    inner = mapping_of(value)
    if inner is not None:
        named: dict[str, Any] = {}
        for key, each in inner.items():
            named[free_name(_key(key), named)] = _nested(each, f"{where}.{_key(key)}", depth + 1)
        return named
    if isinstance(value, _SEQUENCES):
        return [_nested(each, f"{where}[{number}]", depth + 1) for number, each in enumerate(value)]
    plain = opened(cell(value, where, depth))
    return plain if isinstance(plain, (type(None), bool, int, float, str, list)) else str(plain)


def _foreign(value: Any, where: str, depth: int) -> Any:
    """Give what another library's object holds: an array, a tensor, a scalar, a series, a table."""
    kind = type(value)
    if kind.__name__ == "NAType":
        return None
    if not isinstance(value, type):
        plain = _unwrapped(value)
        if type(plain) is not kind:
            return cell(plain, where, depth + 1)
        if getattr(getattr(value, "dtype", None), "kind", "") == "f":  # a long double gives itself
            return cell(float(value), where, depth)
        rows = _table_rows(value)
        if rows is not None:
            return _json(rows, where, depth)
    raise UnstorableResultError(
        f"{where or 'what it returned'} is {text_of(value)}, a {kind.__module__}.{kind.__qualname__}, which is no data "
        "for a table; return numbers, texts, lists, dictionaries or tables, and keep objects in self.state",
        where=where,
    )


def _unwrapped(value: Any) -> Any:
    """Give the numbers in an array as lists, and the one in a scalar; all else as it is."""
    if callable(getattr(value, "detach", None)):  # torch's, and perhaps in the memory of a device
        value = value.detach().cpu()
    dtype = getattr(value, "dtype", None)
    letter = getattr(dtype, "kind", "")
    if letter in ("M", "m") and hasattr(value, "astype") and hasattr(value, "tolist"):
        # Nanoseconds would come as bare numbers.
        value = value.astype("datetime64[us]" if letter == "M" else "timedelta64[us]")
    arrays = dtype is not None or isinstance(value, array.array)
    for name in ("tolist", "to_list", "to_pylist", "item", "as_py"):
        given = getattr(value, name, None)
        if callable(given) and (arrays or name not in ("tolist", "item")):
            return given()
    return value


def _table_rows(value: Any) -> list[Any] | None:
    for name, options in (("to_dicts", ()), ("to_pylist", ()), ("to_dict", ("records",))):
        given = getattr(value, name, None)
        if callable(given) and hasattr(value, "columns") and not isinstance(value, type):
            return list(given(*options))
    return None
