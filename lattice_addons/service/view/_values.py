"""The value of a slot as far as it is plain data; reading a pickle runs code, so one is described and not opened."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from lattice_addons.checkpoint import found
from lattice_addons.encoding import decode, needs_pickle
from lattice_addons.errors import LatticeError, UnknownSlotError

from ._arrays import arrays_text
from ._facts import SlotFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lattice_addons.checkpoint import Checkpoint, Entry, Line, Summary

__all__ = ["Node", "SlotValue", "number_in", "numbers_in", "preview", "slot_value", "tree_of"]

# A page shows so many places of a value, so deep, and so much of a text.
_NODES, _DEPTH, _TEXT = 3000, 40, 4000
# Longer texts are not read for one page.
_BYTES = 32 * 1024 * 1024
_PREVIEW, _PREVIEWED = 80, 4096


@dataclass(slots=True)
class Node:
    """One place within a value: its name there, what it is, and what is in it; ``left_out`` more are not shown."""

    label: str
    kind: str
    text: str = ""
    children: tuple[Node, ...] = ()
    count: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class SlotValue(SlotFacts):
    """What there is to see of one slot's value."""

    __module__ = "lattice_addons.service"

    chunks: int
    #: Whether ``value`` is the value; otherwise it is at most what the encoding tells about it.
    plain: bool
    value: Any
    why_not: str = ""
    problem: str = ""
    #: What the program said of the arrays in it when it saved.
    arrays: tuple[Summary, ...] = ()


def slot_value(line: Line, checkpoint: Checkpoint, name: str) -> SlotValue:
    """Read a slot's value, or what can be told of it.

    Raises:
        UnknownSlotError: there is no such slot.
    """
    entry = checkpoint.slots.get(name)
    if entry is None:
        message = f"checkpoint {checkpoint.number} of {checkpoint.job!r} has no slot {name!r}"
        raise UnknownSlotError(message, slot=name)
    plain, value, why_not, problem = False, None, "", ""
    try:
        # What another rank stores for all is shown as that has it.
        line, entry, _ = found(line, entry, name)
        plain, value, why_not = _read(line, entry, name)
    except LatticeError as error:
        problem = str(error)
    facts, chunks = SlotFacts.told(name, entry), sum(1 for _ in entry.chunks())
    return SlotValue(*facts, chunks, plain, value, why_not, problem, entry.summaries)


def _read(line: Line, entry: Entry, name: str) -> tuple[bool, Any, str]:
    if needs_pickle(entry.encoding):
        told = (
            f"It is pickled ({entry.encoding}). Reading a pickle runs what it says, so it is not opened here."
        )
        return False, None, told
    if entry.encoding == "json":
        # By its chunks, which are what is read: a size is what somebody says.
        if entry.value is None and sum(chunk.length for chunk in entry.chunks()) > _BYTES:
            return False, None, "It is too long to be shown on a page."
        value, buffers = line.read(entry, slot=name) if entry.value is None else (entry.value, [])
        return True, decode("json", value, buffers, trust="safe", type=entry.type), ""
    header = json.loads(entry.value) if entry.value is not None else None
    return False, header, "Its bytes are stored as they are; this is what is told of them."


def tree_of(value: Any, label: str = "") -> Node:  # noqa: ANN401 - any plain data
    """Give a value as places within places, as many as a page has room for."""
    return _node(label, value, [_NODES], 0)


def _node(label: str, value: Any, room: list[int], depth: int) -> Node:  # noqa: ANN401
    room[0] -= 1
    if isinstance(value, dict):
        items: Iterable[tuple[str, Any]] = ((str(key), each) for key, each in value.items())
        return _inner(label, "dict", items, len(value), room, depth)
    if isinstance(value, (list, tuple)):
        return _inner(
            label, "list", ((str(at), each) for at, each in enumerate(value)), len(value), room, depth
        )
    if isinstance(value, str):
        shown = value if len(value) <= _TEXT else value[:_TEXT]
        return Node(label, "text", shown, count=len(value), left_out=len(value) - len(shown))
    kind = {bool: "bool", type(None): "none"}.get(type(value), "number")
    return Node(label, kind, scalar_text(value))


def _inner(  # noqa: PLR0913, PLR0917 - one call, of one kind
    label: str, kind: str, items: Iterable[tuple[str, Any]], count: int, room: list[int], depth: int
) -> Node:
    children: list[Node] = []
    if depth < _DEPTH:
        for name, each in islice(items, max(room[0], 0)):
            children.append(_node(name, each, room, depth + 1))
            if room[0] <= 0:
                break
    return Node(label, kind, children=tuple(children), count=count, left_out=count - len(children))


def scalar_text(value: object) -> str:
    """Write a number, a truth or nothing as Python does, but for digits that nobody reads."""
    text = repr(value)
    return text if len(text) <= _TEXT else f"{text[:_PREVIEW]}… ({len(text)} digits)"


def preview(entry: Entry) -> str:
    """Give a short text of a value that stands in the manifest, or of what it says of arrays; else an empty one."""
    if entry.summaries:
        return arrays_text(entry.summaries)
    if entry.value is None:
        return ""
    if entry.encoding not in ("json", "numpy"):
        return ""
    text = entry.value[:_PREVIEWED].decode("utf-8", "replace")
    if entry.encoding == "numpy":
        return _numpy(json.loads(entry.value))
    return text if len(text) <= _PREVIEW else text[: _PREVIEW - 1] + "…"


def _numpy(told: object) -> str:
    """Write what a manifest tells of an array; nothing of what no array of ours is told by."""
    if not isinstance(told, dict) or not isinstance(told.get("shape"), list):
        return ""
    shape = " × ".join(map(str, told["shape"])) or "scalar"
    text = f"{told.get('dtype')}, {shape}"
    return text if len(text) <= _PREVIEW else text[: _PREVIEW - 1] + "…"


def number_in(told: object) -> float | None:
    """Give a number that can be drawn; None for anything else."""
    if isinstance(told, bool):
        return float(told)
    if isinstance(told, (int, float)):
        try:
            return float(told) if math.isfinite(told) else None
        except OverflowError:
            return None
    return None


def numbers_in(name: str, told: object, depth: int = 3) -> Iterator[tuple[str, float]]:
    """Give the numbers within a value by their paths: ``state.loss``."""
    number = number_in(told)
    if number is not None:
        yield name, number
    elif isinstance(told, dict) and depth:
        for key, each in islice(told.items(), 64):
            yield from numbers_in(f"{name}.{key}", each, depth - 1)
