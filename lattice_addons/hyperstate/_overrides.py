"""``optimizer.lr=0.1`` puts a value into the data of a config, before it becomes one; the field says how it is read."""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args, get_origin

from lattice_addons.errors import ConfigError, OverrideError

from ._hints import class_of, members, stripped, told
from ._path import dotted, nearest, parts
from ._plain import plain
from ._ron_data import Tagged
from ._scalars import Misfit
from ._typed import build
from ._unions import TAGS, chosen, kinds_of
from ._values import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

__all__ = ["overridden", "sign_of", "type_at"]

_SIGN = re.compile(r"\+?=")
_QUOTED = re.compile(r"\[\s*(\"(?:[^\"\\]|\\.)*\"|'[^']*')\s*\]")
EXAMPLE = "write it as in 'optimizer.lr=0.1', 'layers[2].width=8' or 'layers+={width: 8}'"


class _Refused(Exception):  # noqa: N818 - never leaves this file: it becomes an error that names the override
    """An override cannot be put in."""


def overridden(
    data: Any,
    cls: Any,
    overrides: Iterable[str],
    lines: MutableMapping[tuple[Any, ...], Any] | None = None,
) -> Any:
    """Give the data with the overrides in it, one after the other; the data that was given stays as it is.

    Args:
        data: Plain data of a config.
        cls: The dataclass that it is for.
        overrides: Texts, each ``path=value`` or ``path+=value``.
        lines: Gets, for each place that an override has set, the override instead of the line.

    Raises:
        OverrideError: one names no field, or is no override; all such are told.
    """
    data = copy.deepcopy(data)
    refused: list[tuple[str, str, str]] = []
    for override in overrides:
        sign = sign_of(override)
        place = parts(override[: sign.start()].strip()) if sign is not None else None
        if sign is None or place is None:
            why = "has no '='" if sign is None else "has no path before its '='"
            refused.append((override, "", f"{why}; {EXAMPLE}"))
            continue
        try:
            data = _put(
                cls, data, place, _Change(override, override[sign.end() :], sign[0] == "+="), (), lines
            )
        except _Refused as error:
            refused.append((override, dotted(place), str(error)))
    if refused:
        text = "\n".join(f"the override {override!r} {why}" for override, _, why in refused)
        raise OverrideError(text, override=refused[0][0], path=refused[0][1])
    return data


def type_at(cls: Any, place: Iterable[Any]) -> Any:
    """Give the type of the field at a place, or None where there is none."""
    kinds = [cls]
    for part in place:
        kinds = [below for kind in kinds for each in kinds_of(kind) for below in _types_below(each, part)]
    return kinds[0] if kinds else None


def sign_of(override: str) -> re.Match[str] | None:
    """Find the sign before the value, = or +=: not inside a quoted key."""
    hidden = _QUOTED.sub(lambda found: "x" * len(found[0]), override.partition("=")[0])
    if hidden.count('"') % 2 or hidden.count("'") % 2:
        hidden = _QUOTED.sub(lambda found: "x" * len(found[0]), override)
        return _SIGN.search(hidden)
    return _SIGN.search(override)


class _Change:
    """What an override asks for: the text of a value, and whether it is put in place or added."""

    def __init__(self, override: str, text: str, adds: bool) -> None:  # noqa: FBT001 - read from the sign
        self.override, self.text, self.adds = override, text, adds

    def on(self, tp: Any, old: Any) -> Any:
        """Give the new data of a field of this type."""
        if not self.adds:
            return value_of(tp, self.text)
        kinds = kinds_of(tp)
        if any(
            (get_origin(kind) or kind) is dict or hasattr(get_origin(kind) or kind, "keys") for kind in kinds
        ):
            found = value_of(tp, self.text)
            if not isinstance(found, dict) or not (old is None or isinstance(old, dict)):
                what = "adds no mapping" if not isinstance(found, dict) else "adds a mapping to what is none"
                raise _Refused(f"{what}; write it as in 'env+={{name: value}}'")
            return {**(old or {}), **found}
        inside = next(
            (args[0] for kind in kinds if _is_list(kind) and (args := get_args(kind) or (Any,))), None
        )
        if inside is None or not (old is None or isinstance(old, (list, tuple))):
            raise _Refused(f"adds to what is {told(tp)}; '+=' is for lists, sets and mappings, write '='")
        return [*(old or []), *self._added(tp, inside)]

    def _added(self, tp: Any, inside: Any) -> list[Any]:
        """Give what is added: one value, or those of a list with its brackets."""
        text = self.text.strip()
        if text.startswith("[") and text.endswith("]"):
            found = value_of(tp, text)
            try:
                build(tp, found)
            except ConfigError:
                one = value_of(inside, self.text)
                return [one] if isinstance(one, list) or not isinstance(found, list) else found
            return list(found)
        return [value_of(inside, self.text)]


def _put(  # noqa: PLR0913, PLR0917 - a step of a recursion
    tp: Any,
    data: Any,
    place: tuple[Any, ...],
    change: _Change,
    above: tuple[Any, ...],
    lines: MutableMapping[tuple[Any, ...], Any] | None,
) -> Any:
    """Give the data of this type with the change at the place below it."""
    if not place:
        if lines is not None:
            for path in [path for path in lines if path[: len(above)] == above]:
                del lines[path]
            lines[above] = change.override
        return change.on(tp, data)
    part = place[0]
    kind = _kind(tp, data, part, above)
    named = data.name if isinstance(data, Tagged) else None
    inside = data.fields if isinstance(data, Tagged) else data
    if class_of(kind) is not None and part in TAGS and part not in members(kind):
        return _renamed(tp, data, part, change, above, lines)
    if class_of(kind) is not None:
        made = _in_class(kind, inside, place, change, above, lines)
        return Tagged(named, made) if named is not None else made
    if _is_list(kind):
        return _in_list(kind, inside, place, change, above, lines)
    if kind is Any or isinstance(inside, dict) or hasattr(get_origin(kind) or kind, "keys"):
        found = dict(inside) if isinstance(inside, dict) else {}
        key = next((key for key in found if key == part or str(key) == str(part)), part)
        below = (get_args(kind) or (Any, Any))[-1]
        if key not in found and (len(place) > 1 or change.adds) and inside is None and kind is Any:
            raise _Refused(f"names {dotted((*above, part))!r}, and there is nothing at {dotted(above)!r}")
        found[key] = _put(below, found.get(key), place[1:], change, (*above, key), lines)
        return found
    raise _Refused(
        f"goes into {dotted(above)!r}, which is {told(tp)} and has nothing called {part!r}; {EXAMPLE}"
    )


def _in_class(  # noqa: PLR0913, PLR0917 - as above
    kind: Any, data: Any, place: Any, change: _Change, above: Any, lines: Any
) -> dict[str, Any]:
    fields = members(kind)
    part = place[0]
    name = getattr(class_of(kind), "__name__", "")
    if isinstance(data, (list, tuple)):
        data = dict(zip(fields, data, strict=False))
    given = dict(data) if isinstance(data, dict) else {}
    if part not in fields:
        hint = nearest(part, fields)
        where = f"{dotted(above)!r}, a {name}," if above else name
        known = hint or f"it has {', '.join(fields) or 'none'}"
        raise _Refused(f"names no field: {where} has no field {part!r}; {known} ({EXAMPLE})")
    member = fields[part]
    old = given.get(part)
    if part not in given and member.default is not None and (len(place) > 1 or change.adds):
        # Only a part of the default is changed: the rest of it is what it would have been.
        old = plain(member.default(), member.type)
    given[part] = _put(member.type, old, place[1:], change, (*above, part), lines)
    return given


def _renamed(  # noqa: PLR0913, PLR0917 - as above
    tp: Any, data: Any, tag: Any, change: _Change, above: Any, lines: Any
) -> dict[str, Any]:
    """Let data be of another class of a union: what that has no field for goes."""
    name = change.text.strip()
    inside = data.fields if isinstance(data, Tagged) else data
    found = (
        {key: each for key, each in (inside or {}).items() if key not in TAGS}
        if isinstance(inside, dict)
        else {}
    )
    for kind in kinds_of(tp):
        if getattr(class_of(kind), "__name__", None) == name:
            found = {key: each for key, each in found.items() if key in members(kind)}
    if lines is not None:
        lines[(*above, tag)] = change.override
    return {tag: name, **found}


def _in_list(  # noqa: PLR0913, PLR0917 - as above
    kind: Any, data: Any, place: Any, change: _Change, above: Any, lines: Any
) -> list[Any]:
    items = list(data) if isinstance(data, (list, tuple)) else []
    at = place[0]
    count = len(items)
    if not isinstance(at, int):
        raise _Refused(
            f"goes into the list {dotted(above)!r} by {at!r}; write a number, as in '{dotted(above)}[0]'"
        )
    if not -count <= at < count:
        has = f"which has {count} values" if count else "which is empty"
        raise _Refused(f"names number {at} of {dotted(above)!r}, {has}; add one with '{dotted(above)}+=…'")
    at %= count
    inside = next(iter(_types_below(kind, at)), Any)
    items[at] = _put(inside, items[at], place[1:], change, (*above, at), lines)
    return items


def _kind(tp: Any, data: Any, part: Any, above: tuple[Any, ...]) -> Any:
    """Give the type, of those that a field may have, into which an override goes."""
    bare, _ = stripped(tp)
    kinds = kinds_of(bare)
    if len(kinds) > 1 and isinstance(data, (dict, Tagged)):
        if part in TAGS:
            return next((kind for kind in kinds if class_of(kind) is not None), kinds[0])
        # What stands there may fit none: the override is what mends it.
        with suppress(Misfit):
            kinds = [stripped(kind)[0] for kind in chosen(bare, data)] or kinds
    having = [kind for kind in kinds if _types_below(kind, part)]
    if not having and len(kinds) > 1:
        raise _Refused(f"names {part!r} in {dotted(above)!r}, which is {told(tp)}")
    return (having or kinds or [Any])[0]


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    if not isinstance(origin, type) or class_of(kind) is not None or origin in (str, bytes, bytearray):
        return False
    return hasattr(origin, "__iter__") and not hasattr(origin, "keys") and not hasattr(origin, "__members__")


def _types_below(kind: Any, part: Any) -> list[Any]:
    kind, _ = stripped(kind)
    if class_of(kind) is not None:
        return [members(kind)[part].type] if part in members(kind) else []
    if kind is Any:
        return [Any]
    args = [each for each in get_args(kind) if each is not ...]
    if _is_list(kind):
        if not isinstance(part, int):
            return []
        is_fixed = (get_origin(kind) or kind) is tuple and ... not in get_args(kind) and bool(args)
        return [args[part % len(args)] if is_fixed else args[0]] if args else [Any]
    return [args[1] if len(args) == 2 else Any] if hasattr(get_origin(kind) or kind, "keys") else []  # noqa: PLR2004 - keys, values
