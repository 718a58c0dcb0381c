"""Plain data is what JSON gives back exactly as it was.

Exact ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict`` with ``str`` keys. What JSON has
no word for is a dict of one key that begins with ``$``; keys that begin so themselves get one more::

    nan, inf, -inf        {"$float": "nan"}   {"$float": "inf"}   {"$float": "-inf"}
    beyond 64 bits        {"$int": "123…"}, from 617 digits on {"$int": "0x7b…"}
    {"$x": 1}             {"$$x": 1}

The same list or dict at two places is not plain: JSON would make two of it.
"""

from __future__ import annotations

import re
import sys
from math import isfinite
from typing import Any

from lattice_addons.errors import DecodeError

SCALARS = frozenset({type(None), bool, int, float, str})
_PLAIN = SCALARS | {list, dict}
_KEYS = frozenset({str})
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
# Python refuses to read or write longer decimals (sys.set_int_max_str_digits may be as low as 640), but never
# hexadecimal ones.
_DECIMAL_BITS = 2048
_NON_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_TAG = re.compile(rb'"\$')
# What an item of a container counts for, beside the length of a text; and a container in it.
_ITEM, _CONTAINER = 16, 256


class TooLongError(Exception):
    """The text of a value would be longer than it may be."""


def is_plain(value: object) -> bool:
    """Tell whether JSON gives this value back exactly, so that it is stored readable and without pickle."""
    return to_json(value) is not None


def to_json(value: object, most: int | None = None) -> bytes | None:
    """Write plain data as strict JSON; None when it is not plain.

    With ``most`` what has about so many bytes or more ends it with `TooLongError`.
    """
    kind = type(value)
    if kind not in _PLAIN:
        return None
    import orjson  # not at the top: it imports inspect, uuid and more, 13 ms that an idle program is spared

    if kind in SCALARS:
        if most is not None and type(value) is str and len(value) > most:
            raise TooLongError
        try:
            return orjson.dumps(_tagged(value))
        except TypeError:  # a lone surrogate: no JSON text can hold it
            return None
    copied: Any = value
    if most is not None and len(copied) * _ITEM > most:
        raise TooLongError
    return copied_to_json(copied.copy(), {id(value): value}, most)


def copied_to_json(copy: Any, seen: dict[int, object], most: int | None = None) -> bytes | None:
    """Write a container, which nobody else has, as `to_json` does.

    What it holds is in none that was ``seen`` before, where all are kept that may be met again. On `TooLongError` those
    are in it that were there before.
    """
    import orjson

    copies: list[Any] = [copy]
    with_floats: list[Any] = []
    before = len(seen)
    try:
        if not _copy(copies, with_floats, seen, most, _ALONE):
            return None
    except TooLongError:
        while len(seen) > before:
            seen.popitem()
        raise
    try:
        text = orjson.dumps(copy)
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or nested more than 254 deep
        text = None
    if text is None or b'"$' in text or not all(map(_is_finite, with_floats)):
        for part in copies:
            _tag(part)
        try:
            text = orjson.dumps(copy)
        except TypeError:  # a lone surrogate or too deep a nesting: pickle keeps these
            return None
    return text


def _copy(
    copies: list[Any], with_floats: list[Any], seen: dict[int, object], most: int | None, alone: int
) -> bool:
    """Copy what the first of these copies holds, and so on; False when something in it is not plain.

    A copy is made in one step under the GIL, and it is the copy that is looked through and written: another
    thread may put a tuple where a list was just seen. What has more references than one that is ``alone`` may be met
    again.
    """
    weight = 0
    for copy in copies:
        if type(copy) is dict and not _KEYS.issuperset(map(type, copy)):
            return False
        kinds = set(map(type, copy.values() if type(copy) is dict else copy))
        if most is not None:
            weight += _weight(copy, kinds)
            if weight > most:
                raise TooLongError
        if float in kinds:
            with_floats.append(copy)
        if kinds <= SCALARS:
            continue
        if not kinds <= _PLAIN or not _copy_held(copy, copies, seen, most, alone):
            return False
    return True


def _copy_held(copy: Any, copies: list[Any], seen: dict[int, object], most: int | None, alone: int) -> bool:
    """Put copies of the containers that one holds into their places; False where one of them was seen before."""
    for place, item in copy.items() if type(copy) is dict else enumerate(copy):
        if type(item) is list or type(item) is dict:
            # Most are held by one container only, and cannot be met again. The others are kept, lest the id of one
            # that is dropped meanwhile be given to another.
            if sys.getrefcount(item) > alone:
                if id(item) in seen:
                    return False
                seen[id(item)] = item
            # Before what would be too much is copied.
            if most is not None and len(copies) * _CONTAINER + len(item) * _ITEM > most:
                raise TooLongError
            copy[place] = item.copy()
            copies.append(copy[place])
    return True


def _weight(copy: Any, kinds: set[type]) -> int:
    """Give how long the text of a container is, about, without those in it."""
    weight = len(copy) * _ITEM
    if type(copy) is dict:
        weight += sum(map(len, copy))
        copy = copy.values()
    if kinds == _KEYS:
        weight += sum(map(len, copy))
    elif str in kinds:
        weight += sum(map(sys.getsizeof, copy))
    return weight


def _is_finite(copy: Any) -> bool:
    """Tell whether all floats directly in a container are finite; JSON libraries write the others as null."""
    values = copy.values() if type(copy) is dict else copy
    return all(isfinite(item) for item in values if type(item) is float)


def _tag(copy: Any) -> None:
    """Put tags for what JSON has no word for, in place, so that containers around it need no change."""
    if type(copy) is list:
        copy[:] = map(_tagged, copy)
        return
    items = [("$" + key if key.startswith("$") else key, _tagged(item)) for key, item in copy.items()]
    copy.clear()
    copy.update(items)


def _tagged(value: Any) -> Any:
    if type(value) is float and not isfinite(value):
        return {"$float": repr(value)}
    if type(value) is int and not _SMALLEST <= value <= _LARGEST:
        return {"$int": str(value) if value.bit_length() <= _DECIMAL_BITS else hex(value)}
    return value


def from_json(text: bytes | bytearray | memoryview) -> Any:
    """Read back what :func:`to_json` wrote."""
    import orjson

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = (
            f"the stored value is not JSON ({error}); it was altered, or written by another program; "
            f"`lattice verify` checks every stored byte"
        )
        raise DecodeError(message, type="") from error
    return _untag_all(value) if _TAG.search(text) else value


def _untag_all(value: Any) -> Any:
    """Replace tags by what they stand for, without recursion: a text may be nested deeply."""
    outer = [value]
    containers: list[Any] = [outer]
    for container in containers:
        places = list(container.items() if type(container) is dict else enumerate(container))
        if type(container) is dict:
            container.clear()
        for place, item in places:
            key = _unescaped(place) if type(place) is str else place
            container[key] = found = _untagged(item)
            if type(found) is dict or type(found) is list:
                containers.append(found)
    return outer[0]


def _unescaped(key: str) -> str:
    if key.startswith("$"):
        if not key.startswith("$$"):
            message = (
                f"{key!r} is no tag of ours, and a key that begins with $ is written with one more: ${key}"
            )
            raise DecodeError(message, type="")
        return key[1:]
    return key


def _untagged(item: Any) -> Any:
    if type(item) is not dict or len(item) != 1:
        return item
    [(tag, text)] = item.items()
    if tag == "$float" and type(text) is str and text in _NON_FINITE:
        return _NON_FINITE[text]
    if tag == "$int" and type(text) is str:
        try:
            return int(text, 16 if "x" in text else 10)
        except ValueError as error:
            message = f"the integer in a $int tag cannot be read ({error})"
            raise DecodeError(message, type="int") from error
    return item


def _count_when_alone() -> int:
    """Find out how many references `_copy` counts of what one container holds, and nobody else; versions differ."""

    def noticed(held: Any, alone: int) -> bool:
        seen: dict[int, object] = {}
        _copy([held.copy()], [], seen, None, alone)
        return bool(seen)

    held: list[Any] = [[[]], {"": []}]
    counts = [next(alone for alone in range(99) if not noticed(each, alone)) for each in held]
    # A debugger that looks on has some as well.
    return min(*counts, _MOST_WHEN_ALONE)


# The container's own, that of its copy, and those by which it is looked at.
_MOST_WHEN_ALONE = 5
_ALONE = _count_when_alone()
