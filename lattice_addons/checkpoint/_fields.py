"""Every field of a manifest has a type and a range, and is checked before anything is done with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons.checkpoint._model import CHUNK, Chunk, Entry
from lattice_addons.checkpoint._part import At, Part
from lattice_addons.checkpoint._summary import Summary

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BadFieldError",
    "entry",
    "field",
    "hyperparams",
    "integer",
    "part",
    "tables",
    "texts",
    "unchecked_format",
]

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PACK = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
_LOCK = re.compile(r"[0-9A-Za-z+/]{64}", re.ASCII)
_LARGEST = 2**63 - 1
_FORMAT = re.compile(rb'\{\n"format": ([0-9]{1,9}),\n')


class BadFieldError(Exception):
    """What is wrong with a field; the reader of the manifest says where."""


def unchecked_format(text: bytes) -> int | None:
    """Give the format that the first line tells, which no later format changes."""
    match = _FORMAT.match(text)
    return int(match[1]) if match else None


def field(fields: Mapping[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind asked for
    """Give a field that must be there and of exactly this type (a bool is no integer)."""
    value = fields.get(name)
    if type(value) is not kind:
        raise BadFieldError(f"{name!r} should be {kind.__name__}, and is {_shown(value)}")
    return value


def integer(fields: Mapping[str, Any], name: str, least: int = 0, *, optional: bool = False) -> Any:  # noqa: ANN401
    """Give an integer field within its range, or None where the field may be null."""
    if optional and name in fields and fields[name] is None:
        return None
    return _whole(name, fields.get(name), least, _LARGEST)


def texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Give a field that is a list of strings."""
    value = field(fields, name, list)
    if not all(type(item) is str for item in value):
        raise BadFieldError(f"{name!r} should be a list of strings, and is {_shown(value)}")
    return tuple(value)


def entry(name: str, told: Any) -> Entry:  # noqa: ANN401 - anything that JSON can say
    """Give a slot of a manifest."""
    try:
        return _entry(told)
    except BadFieldError as error:
        raise BadFieldError(f"in slot {name!r} {error}") from None


def tables(fields: Mapping[str, Any]) -> tuple[tuple[Chunk, ...], ...]:
    """Give the chunks of each table; most manifests have none, and no such field."""
    return tuple(map(_buffer, field(fields, "tables", list))) if "tables" in fields else ()


def part(fields: Mapping[str, Any]) -> Part | None:
    """Give what part of a job's checkpoint it is; None where the job was one process, and there is no such field."""
    try:
        return Part.from_told(fields["part"]) if "part" in fields else None
    except ValueError as error:
        raise BadFieldError(f"in 'part' {error}") from None


def hyperparams(fields: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    """Give the values of hyper-parameters; most programs have none, and no such field."""
    told: dict[str, Any] = field(fields, "hyperparams", dict) if "hyperparams" in fields else {}
    return {manager: field(told, manager, dict) for manager in told}


def _entry(told: Any) -> Entry:  # noqa: ANN401 - anything that JSON can say
    if type(told) is not dict:
        raise BadFieldError(f"an object should stand, not {_shown(told)}")
    extra = told.keys() - {"manager", "encoding", "type", "size", "value", "buffers", "at", "summaries"}
    if extra:
        raise BadFieldError(f"there is no field {_shown(min(extra))}")
    at = _at(told["at"]) if "at" in told else None
    if ("value" in told or "buffers" in told) is (at is not None):
        raise BadFieldError("there is neither 'value' nor 'buffers', or one of them beside 'at'")
    return Entry(
        manager=field(told, "manager", str),
        encoding=field(told, "encoding", str),
        type=field(told, "type", str),
        size=integer(told, "size"),
        value=_value(told["value"]) if "value" in told else None,
        buffers=tuple(map(_buffer, field(told, "buffers", list))) if "buffers" in told else (),
        at=at,
        summaries=tuple(map(_summary, field(told, "summaries", list))) if "summaries" in told else (),
    )


def _at(told: Any) -> At:  # noqa: ANN401 - anything that JSON can say
    try:
        return At.from_told(told)
    except ValueError as error:
        raise BadFieldError(f"in 'at' {error}") from None


def _summary(told: Any) -> Summary:  # noqa: ANN401 - anything that JSON can say
    try:
        return Summary.from_told(told)
    except ValueError as error:
        raise BadFieldError(f"in 'summaries' {error}") from None


def _value(value: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # what is read nests up to 1024 deep, what is written up to 254
        raise BadFieldError("'value' is nested deeper than is ever written") from None


def _buffer(told: Any) -> tuple[Chunk, ...]:  # noqa: ANN401 - anything that JSON can say
    if type(told) is not list:
        raise BadFieldError(f"a buffer should be a list of chunks, and is {_shown(told)}")
    return tuple(map(_chunk, told))


def _chunk(told: Any) -> Chunk:  # noqa: ANN401 - anything that JSON can say
    if type(told) is not list or len(told) not in (4, 5, 6):
        message = "a chunk should be [digest, length, pack, offset] or have its compressed length, and lock, besides"
        raise BadFieldError(f"{message}, and is {_shown(told)}")
    digest, length, pack, offset, *more = told
    if type(digest) is not str or not _DIGEST.fullmatch(digest):
        raise BadFieldError(f"a chunk's digest is {_shown(digest)}")
    if type(pack) is not str or not _PACK.fullmatch(pack):
        raise BadFieldError(f"a chunk's pack is {_shown(pack)}")
    length = _whole("length", length, 1, CHUNK)
    # With a lock it may be 0: encrypted, and not compressed.
    stored = _whole("stored", more[0], 2 - len(more), length) if more else 0
    lock = more[1] if len(more) > 1 else ""
    if type(lock) is not str or (len(more) > 1 and not _LOCK.fullmatch(lock)):
        raise BadFieldError("a chunk's lock is none")
    return Chunk(digest, length, pack, _whole("offset", offset, 0, _LARGEST), stored, lock)


def _whole(name: str, value: Any, least: int, most: int) -> int:  # noqa: ANN401 - anything that JSON can say
    if type(value) is not int or not least <= value <= most:
        raise BadFieldError(f"{name!r} should be an integer from {least} to {most}, and is {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - what a message has room for
