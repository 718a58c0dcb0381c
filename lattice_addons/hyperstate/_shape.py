"""Types and data go down together: which types a part may have, and how a part is reached and changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from ._hints import class_of, is_union, members, stripped
from ._ron_data import Tagged
from ._unions import TAGS

__all__ = ["alternatives", "below", "may_be", "parts_of", "put"]


def alternatives(kinds: Any) -> list[Any]:
    """Give the types that a value may have: the members of unions, one by one, without what wraps them."""
    kind, _ = stripped(kinds)
    if is_union(kind):
        return [one for arg in get_args(kind) for one in alternatives(arg)]
    return [kind]


def parts_of(data: object) -> Iterator[tuple[Any, Any]]:
    """Give the parts of plain data or of a dataclass, each with its name or number."""
    if isinstance(data, Tagged):
        data = data.fields
    if isinstance(data, Mapping):
        yield from data.items()
    elif isinstance(data, (list, tuple)):
        yield from enumerate(data)
    elif is_dataclass(data) and not isinstance(data, type):
        for field in fields(data):
            if hasattr(data, field.name):
                yield field.name, getattr(data, field.name)


def below(kinds: list[Any], data: object, part: Any) -> list[Any]:
    """Give the types that a part may have where the whole has one of these."""
    return [
        one
        for kind in kinds
        if may_be(kind, data)
        for inner in _inner(kind, part)
        for one in alternatives(inner)
    ]


def may_be(kind: Any, data: object) -> bool:
    """Tell a dataclass that is not meant from one that may be: by its name in RON, or by what stands there."""
    cls = class_of(kind)
    if cls is None:
        return True
    if isinstance(data, Tagged):
        return data.name == cls.__name__
    if isinstance(data, Mapping):
        return _tag_fits(kind, data)
    return isinstance(data, (cls, list, tuple))


def _tag_fits(kind: Any, data: Mapping[Any, Any]) -> bool:
    fields = members(kind)
    for tag in TAGS:
        if tag in data and tag not in fields and isinstance(data[tag], str):
            return bool(data[tag] == getattr(class_of(kind), "__name__", None))
    for name, member in fields.items():
        tp, _ = stripped(member.type)
        if get_origin(tp) is Literal and name in data and data[name] not in get_args(tp):
            return False
    return True


def _inner(kind: Any, part: Any) -> list[Any]:
    if class_of(kind) is not None:
        fields = members(kind)
        # Values without names, as a tuple in RON has them, stand for the fields in their order.
        part = [*fields][part] if isinstance(part, int) and 0 <= part < len(fields) else part
        return [fields[part].type] if part in fields else []
    args = get_args(kind)
    origin = get_origin(kind)
    if not isinstance(origin, type) or not args or issubclass(origin, AbstractSet):
        return []
    if issubclass(origin, tuple) and not (len(args) > 1 and args[1] is Ellipsis):
        return [args[part]] if isinstance(part, int) and 0 <= part < len(args) else []
    return [args[1]] if issubclass(origin, Mapping) and len(args) > 1 else [args[0]]


def put(target: Any, place: tuple[Any, ...], value: object) -> Any:
    """Set what stands at a place; give the whole, which is another one only where it is a tuple."""
    if not place:
        return value
    part, *rest = place
    if isinstance(target, Tagged):
        put(target.fields, place, value)
    elif isinstance(target, dict):
        target[part] = put(target.get(part, {}), tuple(rest), value)
    elif isinstance(target, list):
        target[part] = put(target[part], tuple(rest), value)
    elif isinstance(target, tuple):
        items = [
            put(item, tuple(rest), value) if number == part else item for number, item in enumerate(target)
        ]
        return type(target)(*items) if hasattr(target, "_fields") else tuple(items)
    else:
        # Also where it is frozen: the config is ours to keep up to date, and nobody else's to change.
        object.__setattr__(target, part, put(getattr(target, part), tuple(rest), value))
    return target
