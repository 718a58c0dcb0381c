"""What leads a file from one version of its class to the next: fields renamed, moved, deleted, added, mapped."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from lattice_addons.errors import SchemaError

from ._path import dotted, parts
from ._ron_data import Tagged
from ._shape import parts_of, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "AddField",
    "ChangeDefault",
    "DeleteField",
    "MapValue",
    "MoveField",
    "RenameField",
    "Rule",
    "finished",
    "place_of",
]

EVERY = "*"
Places: TypeAlias = "list[tuple[tuple[Any, ...], tuple[Any, ...]]]"


@dataclass(frozen=True)
class Rule:
    """What all rules are: ``apply`` changes the data of a file, in place.

    A path is dotted, as ``optimizer.lr``; ``layers[2]`` is the third of a list, and ``layers.*`` each value of a list
    or mapping. A rule whose field is not in a file changes nothing there.
    """

    def apply(self, data: Any) -> Places:
        """Change the data; give the fields that have another name now, each by its old place and its new one."""
        raise NotImplementedError


@dataclass(frozen=True)
class RenameField(Rule):
    """A field has another name: ``RenameField("optimizer.lr", "optimizer.learning_rate")``."""

    old: str
    new: str

    def __post_init__(self) -> None:
        """Refuse paths that lead to two places."""
        old, new = place_of(self.old), place_of(self.new)
        if old[:-1] != new[:-1]:
            say = (
                f"{dotted((*old[:-1], new[-1]))!r}"
                if len(new) == 1
                else "MoveField, which takes it elsewhere"
            )
            raise SchemaError(f"RenameField({self.old!r}, {self.new!r}): write {say}", path=self.old)

    def apply(self, data: Any) -> Places:
        """Give each such field its new name, in the place in which it stands."""
        changed = []
        for old in _found(data, place_of(self.old)):
            new = (*old[:-1], place_of(self.new)[-1])
            holder = _inside(_at(data, old[:-1]))
            _refuse_two(holder, new, self)
            if not isinstance(holder, dict):
                raise SchemaError(f"{self}: {dotted(old)} stands in a list, and has no name", path=self.old)
            items = [(new[-1] if name == old[-1] else name, value) for name, value in holder.items()]
            holder.clear()
            holder.update(items)
            changed.append((old, new))
        return changed


@dataclass(frozen=True)
class MoveField(Rule):
    """A field stands elsewhere: ``MoveField("lr", "optimizer.lr")``; mappings on the way are made."""

    old: str
    new: str

    def __post_init__(self) -> None:
        """Refuse another number of stars."""
        old, new = place_of(self.old), place_of(self.new)
        if old.count(EVERY) != new.count(EVERY):
            message = f"MoveField({self.old!r}, {self.new!r}): both paths have the same number of stars"
            raise SchemaError(message, path=self.old)

    def apply(self, data: Any) -> Places:
        """Move each such field."""
        pattern, target = place_of(self.old), place_of(self.new)
        for old in _found(data, pattern):
            stars = iter([part for part, wanted in zip(old, pattern, strict=True) if wanted == EVERY])
            new = tuple(next(stars) if part == EVERY else part for part in target)
            _refuse_two(_inside(_at(data, new[:-1])), new, self)
            value = _take(data, old)
            try:
                put(data, new, value)
            except (AttributeError, IndexError, TypeError):
                message = (
                    f"{self}: {dotted(new[:-1])} is no mapping, and {dotted(old)} cannot be moved into it"
                )
                raise SchemaError(message, path=self.new) from None
        return []


@dataclass(frozen=True)
class DeleteField(Rule):
    """A field is gone: ``DeleteField("optimizer.nesterov")``; what a file has there is dropped."""

    path: str

    def apply(self, data: Any) -> Places:
        """Drop each such field."""
        # From the end, so that the numbers of a list stay what they are.
        for place in reversed([*_found(data, place_of(self.path))]):
            _take(data, place)
        return []


@dataclass(frozen=True)
class AddField(Rule):
    """A field is new, and this is what older files get: ``AddField("optimizer.momentum", 0.9)``.

    It is added where the mapping that it stands in is there.
    """

    path: str
    default: Any

    def __post_init__(self) -> None:
        """Refuse a proposal that nobody has filled in."""
        _refuse_blank(self, self.default)

    def apply(self, data: Any) -> Places:
        """Add the field where it is missing."""
        for holder, name in _missing(data, place_of(self.path)):
            holder[name] = copy.deepcopy(self.default)
        return []


@dataclass(frozen=True)
class ChangeDefault(Rule):
    """A field has another default: ``ChangeDefault("optimizer.lr", 0.05)``; files that leave it out get this one.

    A later rule of the same kind for the same field counts more.
    """

    path: str
    new: Any

    def __post_init__(self) -> None:
        """Refuse a proposal that nobody has filled in."""
        _refuse_blank(self, self.new)

    def apply(self, data: Any) -> Places:
        """Write the new default where the field is left out."""
        place = place_of(self.path)
        for holder, name in _missing(data, place):
            holder[name] = _Default(self.new)
        for found in _found(data, place):
            if isinstance(_at(data, found), _Default):
                put(data, found, _Default(self.new))
        return []


@dataclass(frozen=True)
class MapValue(Rule):
    """A field's values are others: ``MapValue("dropout", lambda percent: percent / 100)``."""

    path: str
    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuse a proposal that nobody has filled in."""
        function: object = self.function
        # In a function of plain values the dots have no other meaning than that something is to be written there.
        written = getattr(getattr(function, "__code__", None), "co_consts", ())
        blank = function is ... or any(each is ... for each in written)
        _refuse_blank(self, ... if blank else None)
        if not callable(function):
            message = f"MapValue({self.path!r}, {self.function!r}): give a function of the old value"
            raise SchemaError(message, path=self.path)

    def apply(self, data: Any) -> Places:
        """Map the value of each such field; that of a field which is left out is none."""
        for place in [*_found(data, place_of(self.path))]:
            value = _at(data, place)
            try:
                new = self.function(value)
            except Exception as error:
                # The function is the user's, and may raise whatever it likes.
                message = (
                    f"MapValue({self.path!r}): {value!r} cannot be mapped ({type(error).__name__}: {error})"
                )
                raise SchemaError(message, path=dotted(place)) from error
            put(data, place, new)
        return []


# Once they are made: dataclasses look into the module that a class names.
for _rule in (Rule, RenameField, MoveField, DeleteField, AddField, ChangeDefault, MapValue):
    _rule.__module__ = "lattice_addons.hyperstate"


@dataclass(frozen=True)
class _Default:
    """A default that a rule has filled in: it may still change, as one that a file says may not."""

    value: Any


def finished(data: Any) -> Any:
    """Make plain values of the defaults that rules have filled in."""
    if isinstance(data, _Default):
        return copy.deepcopy(data.value)
    for part, value in [*parts_of(data)]:
        if isinstance(value, _Default):
            put(data, (part,), copy.deepcopy(value.value))
        else:
            finished(value)
    return data


def place_of(path: str) -> tuple[Any, ...]:
    """Read a dotted path.

    Raises: `SchemaError` when it is none.
    """
    place = parts(path)
    if place is None:
        raise SchemaError(f"{path!r} is no path; one is 'optimizer.lr' or 'layers.*.width'", path=path)
    return place


def _refuse_blank(rule: Rule, value: object) -> None:
    if value is ...:
        path = getattr(rule, "path", "")
        what = "what the function gives" if isinstance(rule, MapValue) else "the value"
        message = f"{type(rule).__name__}({path!r}, ...): write {what} in the place of the dots"
        raise SchemaError(message, path=path)


def _refuse_two(holder: Any, new: tuple[Any, ...], rule: Rule) -> None:
    if isinstance(holder, dict) and new[-1] in holder:
        message = f"{rule}: the file has {dotted(new)} already; remove one of the two"
        raise SchemaError(message, path=dotted(new))


def _inside(data: Any) -> Any:
    return data.fields if isinstance(data, Tagged) else data


def _named(data: Any, part: Any) -> Iterator[Any]:
    """Give the names of the parts that one part of a path means."""
    names = [name for name, _ in parts_of(data)]
    if part == EVERY:
        yield from names
    else:
        # The key 4 of a mapping, or number 2 of a list, is written as a text in a path.
        yield from [name for name in names if name == part or str(name) == str(part)][:1]


def _found(data: Any, pattern: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Give the places that are there and fit."""
    if not pattern:
        return [()]
    return [
        (name, *rest) for name in _named(data, pattern[0]) for rest in _found(_at(data, (name,)), pattern[1:])
    ]


def _missing(data: Any, pattern: tuple[Any, ...]) -> list[tuple[dict[Any, Any], Any]]:
    """Give the mappings in which the last part is not there."""
    holders = (_inside(_at(data, place)) for place in _found(data, pattern[:-1]))
    return [
        (each, pattern[-1]) for each in holders if isinstance(each, dict) and not [*_named(each, pattern[-1])]
    ]


def _at(data: Any, place: tuple[Any, ...]) -> Any:
    """Give what stands at a place, or None."""
    for part in place:
        data = dict(parts_of(data)).get(part)
    return data


def _take(data: Any, place: tuple[Any, ...]) -> Any:
    holder = _inside(_at(data, place[:-1]))
    if not isinstance(holder, (dict, list)):
        raise SchemaError(f"{dotted(place)} is a value of a tuple, which has its length", path=dotted(place))
    return holder.pop(place[-1])
