"""One line of the journal is one attempt at one setting, with the digest of what it says."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from blake3 import blake3

__all__ = [
    "AT",
    "Record",
    "Status",
    "as_line",
    "as_plain",
    "beginning",
    "from_line",
    "head_of_line",
    "plain_values",
]

Status = Literal["done", "failed", "killed", "pruned"]
_DIGEST = 16  # hexadecimal digits in front of a line
#: Where the text of a line begins.
AT = _DIGEST + 1
_LONGEST_TEXT = 200


@dataclass(frozen=True)
class Record:
    """What became of one attempt at one setting: plain data, as the journal keeps it.

    ``values`` are the fields (what JSON has no word for, as its text), ``rows`` what the run returned. ``started``
    and ``ended`` are seconds since 1970. ``error`` is the traceback, or how the worker died; ``log`` the key of the
    log in the place, empty where nothing was printed.
    """

    __module__ = "lattice_addons.experiments"

    identity: str
    name: str
    values: dict[str, Any]
    status: Status
    started: float
    ended: float
    host: str
    pid: int
    attempt: int = 1
    error: str = ""
    log: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    #: The worker's number among those of its runner.
    rank: int = 0
    #: How often everything had been begun anew before.
    round: int = 0

    @property
    def seconds(self) -> float:
        """Give how long it took."""
        return self.ended - self.started

    def supersedes(self, other: Record) -> bool:
        """Say whether it tells more recent news of the same setting."""
        return (self.attempt, self.ended) >= (other.attempt, other.ended)


_FIELDS = tuple(each.name for each in dataclasses.fields(Record))


def as_line(kind: str, what: Record | dict[str, Any]) -> bytes:
    """Give a line of the journal: of a ``record``, or of something that happened to its runner."""
    told = {name: getattr(what, name) for name in _FIELDS} if isinstance(what, Record) else what
    # As ASCII, in which a lone surrogate has a place; NaN and infinity are written as Python reads them.
    text = json.dumps({kind: told}, default=as_plain, separators=(",", ":")).encode("ascii")
    return blake3(text).hexdigest(_DIGEST // 2).encode("ascii") + b" " + text + b"\n"


def beginning(kind: str) -> bytes:
    """Give how the text of each line of a kind begins, behind its digest."""
    return f'{{"{kind}":'.encode("ascii")


def from_line(line: bytes) -> tuple[str, Any] | None:
    """Give what a line tells: its kind, and a `Record` or plain data; None when it is torn or damaged."""
    try:
        ((kind, told),) = json.loads(_text(line)).items()
        if kind == "record":
            # A later version may know more of a record.
            return kind, Record(**{name: told[name] for name in _FIELDS if name in told})
    except (ValueError, TypeError, AttributeError):
        return None
    return kind, told


def head_of_line(line: bytes) -> tuple[str, Any] | None:
    """Give what a line tells as plain data, quickly; numbers in rows and values may be rounded."""
    try:
        text = _text(line)
        try:
            ((kind, told),) = orjson.loads(text).items()
        except ValueError:  # it has no NaN, and no lone surrogates
            ((kind, told),) = json.loads(text).items()
    except (ValueError, TypeError, AttributeError):
        return None
    return kind, told


def _text(line: bytes) -> bytes:
    """Give the text of a line that is whole.

    Raises: ValueError
    """
    text = line[AT:-1]
    if line[-1:] != b"\n" or blake3(text).hexdigest(_DIGEST // 2).encode("ascii") != line[:_DIGEST]:
        raise ValueError("torn or damaged")
    return text


def plain_values(value: Any) -> Any:
    """Give values of fields as JSON can have them; keys that it has not as text."""
    try:
        return json.loads(json.dumps(value, default=as_plain))
    except (TypeError, ValueError, RecursionError):
        if isinstance(value, dict):
            return {str(key): plain_values(each) for key, each in value.items()}
        return as_plain(value) if not isinstance(value, (list, tuple)) else repr(value)


def as_plain(value: Any) -> Any:
    """Give something that JSON has, for a value that it has not: its items, or a short text."""
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)):  # a NumPy scalar
        return value.item()
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None:
        return (
            f"<{type(value).__name__} {'×'.join(map(str, shape))}{f' {dtype}' if dtype is not None else ''}>"
        )
    if isinstance(value, type) or callable(value):
        return getattr(value, "__qualname__", None) or type(value).__qualname__
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
