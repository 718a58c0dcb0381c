"""Config and state as plain data that a manifest can show, with marks where blobs are."""

from __future__ import annotations

import json
from typing import Any, TypeVar, get_origin

from ._blob import MARK, Blob
from ._plain import plain
from ._typed import build
from ._versioned import stamp, upgrade
from ._write import write_text

__all__ = ["as_json", "from_text", "to_text"]

S = TypeVar("S")


def to_text(state: object) -> Any:
    """Give a state as plain data."""
    return as_json(stamp(type(state), plain(state, leaf=_marked)))


def from_text(kind: type[S], data: object, where: str) -> S:
    """Make a state of plain data; blobs are not read."""
    made: S = build(kind, upgrade(kind, data), where=where, leaf=_blob)
    return made


def as_json(data: object) -> Any:
    """Give plain data as JSON has it: all keys are texts, and a struct with a name is a mapping."""
    return json.loads(write_text(data, "json"))


def _marked(tp: object, value: object, path: object) -> object:
    del tp, path
    return value.mark() if isinstance(value, Blob) else NotImplemented


def _blob(tp: object, data: object, path: object) -> object:
    del path
    if tp is not Blob and get_origin(tp) is not Blob:
        return NotImplemented
    is_mark = isinstance(data, dict) and isinstance(data.get(MARK), str)
    return Blob.stored(data[MARK]) if is_mark else NotImplemented  # type: ignore[index]
