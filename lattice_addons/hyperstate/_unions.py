"""Which type of a union a value in a file is of: by its name, by a field that tells them apart, by its fields."""

from __future__ import annotations

import collections.abc
import enum
from typing import Any, Literal, get_args, get_origin

from ._hints import class_of, is_union, members, stripped
from ._path import nearest, shown
from ._ron_data import Tagged
from ._scalars import Misfit, literal_of

__all__ = ["TAGS", "chosen", "kinds_of", "needs_name", "possible", "telling_field"]

# The keys that may hold the name of a class; the first is for classes that have a field of the second's name.
TAGS = ("$type", "type")
_MAPPINGS = (dict, collections.abc.Mapping)
_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Set)


def kinds_of(tp: Any) -> list[Any]:
    """Give the types of a union, without None; unions in it are parts of it."""
    tp, _ = stripped(tp)
    if not is_union(tp):
        return [] if tp is type(None) else [tp]
    return [kind for each in get_args(tp) for kind in kinds_of(each)]


def chosen(tp: Any, data: Any) -> list[Any]:
    """Give the types of a union that data may be of, the likelier first.

    Raises:
        Misfit: the data names a type, and the union does not have it.
    """
    # Not stripped: what Annotated asks of one of them counts for it.
    kinds = _annotated_kinds(tp)
    classes = [kind for kind in kinds if class_of(stripped(kind)[0]) is not None]
    if isinstance(data, Tagged):
        named = [kind for kind in classes if _name(kind) == data.name]
        if not named and data.fields and classes:
            raise _no_such(data.name, classes, ())
        return named or kinds
    if not isinstance(data, dict) or not classes:
        return kinds
    others = [kind for kind in kinds if kind not in classes]
    named = _named_in(data, classes)
    fitting = named or _by_fields(data, _told_apart(data, classes), are_alone=not others)
    return fitting + others


def possible(kinds: list[Any], data: Any) -> list[Any]:
    """Give the types that are of the shape that data has: when it is one, its faults are those of the value."""
    return [kind for kind in kinds if _shape(stripped(kind)[0]) == _shape_of(data)]


def needs_name(tp: Any) -> bool:
    """Tell whether a dataclass in a field of this type is written with its name."""
    classes = [kind for kind in kinds_of(tp) if class_of(kind) is not None]
    return len(classes) > 1 and telling_field(classes) is None


def telling_field(classes: list[Any]) -> str | None:
    """Give the field whose ``Literal`` tells these classes apart, if there is one."""
    for name in members(classes[0]):
        seen: list[Any] = []
        for cls in classes:
            member = members(cls).get(name)
            literal = stripped(member.type)[0] if member is not None else None
            if get_origin(literal) is not Literal:
                break
            seen += get_args(literal)
        else:
            if len(seen) == len({(type(each), each) for each in seen}):
                return name
    return None


def _annotated_kinds(tp: Any) -> list[Any]:
    found = []
    for each in get_args(tp):
        bare, said = stripped(each)
        if is_union(bare):
            found += _annotated_kinds(bare)
        elif bare is not type(None):
            found.append(each if said else bare)
    return found


def _named_in(data: dict[Any, Any], classes: list[Any]) -> list[Any]:
    for tag in TAGS:
        if isinstance(data.get(tag), str):
            named = [
                kind for kind in classes if _name(kind) == data[tag] and tag not in members(stripped(kind)[0])
            ]
            if named:
                return named
            if not any(tag in members(stripped(kind)[0]) for kind in classes):
                raise _no_such(data[tag], classes, (tag,))
    return []


def _told_apart(data: dict[Any, Any], classes: list[Any]) -> list[Any]:
    """Leave out the classes of which a ``Literal`` field does not have the value in the data."""
    left, wrong = [], []
    for kind in classes:
        misfit = None
        for name, member in members(stripped(kind)[0]).items():
            literal = stripped(member.type)[0]
            if get_origin(literal) is Literal and name in data:
                try:
                    literal_of(literal, data[name])
                except Misfit:
                    misfit = (name, get_args(literal))
        if misfit is None:
            left.append(kind)
        else:
            wrong.append(misfit)
    if left or len({name for name, _ in wrong}) > 1:
        return left or classes
    name = wrong[0][0]
    values = [str(getattr(each, "name", each)) for _, literal in wrong for each in literal]
    found = data[name]
    raise Misfit(f"one of {', '.join(map(repr, values))}", shown(found), nearest(found, values), (name,))


def _by_fields(data: dict[Any, Any], classes: list[Any], *, are_alone: bool) -> list[Any]:
    """Give the classes whose fields these are; where none fits, the one that most of them are of."""
    given = {key for key in data if key not in TAGS}
    fitting, shared = [], []
    for kind in classes:
        fields = members(stripped(kind)[0])
        needed = {name for name, member in fields.items() if member.default is None}
        if needed <= data.keys() and given <= fields.keys():
            fitting.append(kind)
        shared.append(len(given & fields.keys()))
    if fitting or not classes or not are_alone:
        return fitting or classes
    most = max(shared)
    return [classes[shared.index(most)]] if shared.count(most) == 1 else classes


def _no_such(name: str, classes: list[Any], place: tuple[str, ...]) -> Misfit:
    names = [_name(kind) for kind in classes]
    return Misfit(f"one of {', '.join(names)}", shown(name), nearest(name, names), place)


def _name(kind: Any) -> str:
    return getattr(class_of(stripped(kind)[0]), "__name__", "")


def _shape(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if class_of(kind) is not None or origin in _MAPPINGS:
        return "mapping"
    if origin in _SEQUENCES:
        return "list"
    return "scalar" if not (isinstance(kind, type) and issubclass(kind, enum.Enum)) else "text"


def _shape_of(data: Any) -> str:
    if isinstance(data, (dict, Tagged)):
        return "mapping"
    return "list" if isinstance(data, (list, tuple)) else "scalar"
