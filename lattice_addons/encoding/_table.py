"""Many small values become one JSON array, in a few calls for all of them instead of some for each.

It is what :func:`to_json` would write of each value, for those that are *flat*: plain scalars, or lists and dicts of
them. In these nothing can be at two places, and no key or text needs a tag.
"""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lattice_addons.encoding._plain import SCALARS

_CONTAINERS = frozenset({list, dict})
_FLAT = SCALARS | _CONTAINERS
# Of marshal, the version that writes no references: equal values are equal bytes, wherever their parts come from.
_VERSION = 2


@dataclass(frozen=True, slots=True)
class FlatTable:
    """The JSON array of some values, and their mark: bytes that tell them from all other flat values."""

    mark: bytes
    text: bytes


def encode_table(values: list[object], last: FlatTable | None = None) -> FlatTable | None:
    """Write flat values as one JSON array; None when one of them is not flat.

    ``last`` is what an earlier call gave: it is given again when the values are the same.
    """
    kinds = set(map(type, values))
    if not kinds <= _FLAT:
        return None
    # Equal marks are equal values of equal types: marshal writes other types otherwise, and is one step under the
    # GIL, so that it sees what the values were at one instant.
    if last is not None and _mark(values) == last.mark:
        return last
    # Only copies count: another thread may put a tuple where a number was just seen.
    copies = _copies(values, kinds)
    if not _are_flat(copies, kinds):
        return None
    text, mark = _text(copies), _mark(copies)
    return FlatTable(mark, text) if text is not None and mark is not None else None


def _copies(values: list[Any], kinds: set[type]) -> list[Any]:
    if kinds == {dict}:
        return list(map(dict.copy, values))
    return [value.copy() if type(value) in _CONTAINERS else value for value in values]


def _are_flat(values: list[Any], kinds: set[type]) -> bool:
    """Say whether containers, of these kinds, have only scalars in them; keys are not looked at."""
    dicts = values if kinds == {dict} else [value for value in values if type(value) is dict]
    lists = [value for value in values if type(value) is list] if list in kinds else []
    return set(map(type, chain.from_iterable(chain(map(dict.values, dicts), lists)))) <= SCALARS


def _text(values: list[object]) -> bytes | None:
    import orjson  # not at the top: see `to_json`

    try:
        text = orjson.dumps(values)
    except TypeError:  # keys that are not str, a lone surrogate, an integer beyond 64 bits
        return None
    if b'"$' in text:
        return None
    # JSON has null for floats that are not finite.
    if b"null" in text and _mark(orjson.loads(text)) != _mark(values):
        return None
    return text


def _mark(values: list[object]) -> bytes | None:
    try:
        return marshal.dumps(values, _VERSION)
    except ValueError:  # something that is not plain came in meanwhile
        return None
