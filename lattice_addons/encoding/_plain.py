"""Plain data is what JSON gives back exactly as it was.

Exact ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict`` with ``str`` keys. What JSON has
no word for is a dict of one key that begins with ``$``; keys that begin so themselves get one more::

    nan, inf, -inf        {"$float": "nan"}   {"$float": "inf"}   {"$float": "-inf"}
    beyond 64 bits        {"$int": "123…"}, from 617 digits on {"$int": "0x7b…"}
    {"$x": 1}             {"$$x": 1}

The same list or dict at two places is not plain: JSON would make two of it.
"""

from __future__ import annotations

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


def is_plain(value: object) -> bool:
    """Tell whether JSON gives this value back exactly, so that it is stored readable and without pickle."""
    return to_json(value) is not None


def to_json(value: object) -> bytes | None:
    """Write plain data as strict JSON; None when it is not plain."""
    kind = type(value)
    if kind not in _PLAIN:
        return None
    import orjson  # not at the top: it imports inspect, uuid and more, 13 ms that an idle program is spared

    if kind in SCALARS:
        try:
            return orjson.dumps(_tagged(value))
        except TypeError:  # a lone surrogate: no JSON text can hold it
            return None
    copies: list[Any] = []
    with_floats: list[Any] = []
    if not _copy(value, copies, with_floats):
        return None
    try:
        text = orjson.dumps(copies[0])
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or nested more than 254 deep
        text = None
    if text is None or b'"$' in text or not all(map(_is_finite, with_floats)):
        for copy in copies:
            _tag(copy)
        try:
            text = orjson.dumps(copies[0])
        except TypeError:  # a lone surrogate or too deep a nesting: pickle keeps these
            return None
    return text


def _copy(value: Any, copies: list[Any], with_floats: list[Any]) -> bool:
    """Copy the containers of a structure, outermost first; False when something in it is not plain.

    A copy is made in one step under the GIL, and it is the copy that is looked through and written: another
    thread may put a tuple where a list was just seen.
    """
    copies.append(value.copy())
    # Holds the originals too, lest the id of one that is dropped meanwhile be given to another.
    seen: dict[int, object] = {id(value): value}
    for copy in copies:
        if type(copy) is dict:
            if not _KEYS.issuperset(map(type, copy)):
                return False
            places: Any = copy.items()
            kinds = set(map(type, copy.values()))
        else:
            places = enumerate(copy)
            kinds = set(map(type, copy))
        if float in kinds:
            with_floats.append(copy)
        if kinds <= SCALARS:
            continue
        if not kinds <= _PLAIN:
            return False
        for place, item in places:
            if type(item) is list or type(item) is dict:
                if id(item) in seen:
                    return False
                seen[id(item)] = item
                copy[place] = item.copy()
                copies.append(copy[place])
    return True


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
    return _untag_all(value) if b'"$' in (text.tobytes() if isinstance(text, memoryview) else text) else value


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
