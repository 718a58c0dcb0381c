"""The grid of an experiment: every combination of its points once, one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._fields import is_experiment
from ._identity import class_label, identity_of
from ._search import Search
from ._view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Axis", "Space"]


@dataclass(frozen=True)
class Axis:
    """Fields that advance together; mostly one."""

    names: tuple[str, ...]
    searches: tuple[Search, ...]

    @property
    def conditional(self) -> bool:
        """Say whether it depends on other fields."""
        return any(each.when is not None for each in self.searches)

    @property
    def length(self) -> int:
        """Give how many points it has, not counting the settings of experiments among them."""
        return len(self.searches[0].points or ())

    @cached_property
    def nests(self) -> bool:
        """Say whether experiments are among its values; a range, which may be a very long one, has none."""
        listed = (each.points or () for each in self.searches if each.kind == "points")
        return any(map(is_experiment, chain(*listed, (each.otherwise for each in self.searches))))

    @cached_property
    def distinct(self) -> tuple[bool, ...]:
        """Say of each field whether it has no value at two of its points."""
        return tuple(map(_distinct, self.searches))

    def row(self, at: int, active: Sequence[bool]) -> list[Any]:
        """Give the values of its fields at one point."""
        pairs = zip(self.searches, active, strict=True)
        return [each.points[at] if on and each.points is not None else each.otherwise for each, on in pairs]

    def rows(self, active: Sequence[bool]) -> Iterator[list[Any]]:
        """Give the values of its fields, point by point, none twice; an experiment is each of its settings."""
        rows = self._rows(active)
        alone = self.length == 1 or not any(active)
        if alone or any(on and distinct for on, distinct in zip(active, self.distinct, strict=True)):
            yield from rows
            return
        seen = set[tuple[str, ...]]()
        for row in rows:
            key = tuple(map(_told, row))
            if key not in seen:
                seen.add(key)
                yield row

    def _rows(self, active: Sequence[bool]) -> Iterator[list[Any]]:
        for at in range(self.length if any(active) else 1):
            row = self.row(at, active)
            if self.nests and any(map(is_experiment, row)):
                yield from _expanded(row, 0)
            else:
                yield row

    def count(self) -> int:
        """Give how many rows there are where all its fields are searched."""
        every = [True] * len(self.names)
        if self.length > 1 and not any(self.distinct):
            return sum(1 for _ in self.rows(every))
        if not self.nests:
            return self.length
        rows = (self.row(at, every) for at in range(self.length))
        return sum(math.prod(len(each) for each in row if is_experiment(each)) for row in rows)


def _expanded(row: list[Any], at: int) -> Iterator[list[Any]]:
    if at == len(row):
        yield row
    elif not is_experiment(row[at]):
        yield from _expanded(row, at + 1)
    else:
        for setting in row[at]:
            yield from _expanded([*row[:at], setting, *row[at + 1 :]], at + 1)


def _distinct(search: Search) -> bool:
    """Say whether a search has no value twice, as points that differ may be: 1 and 1.0 in a field of floats."""
    if search.kind != "points":
        return True
    points = search.points or ()
    try:
        # Experiments of one class may have settings in common.
        told = [class_label(type(each)) if is_experiment(each) else _told(each) for each in points]
    except Exception:  # noqa: BLE001 - what nothing can be told of, such as a lock, is itself only
        return True
    return len(set(told)) == len(told)


def _told(value: Any) -> str:
    """Tell a value from others as the identity of a setting would."""
    return class_label(type(value)) + value.identity if is_experiment(value) else identity_of({"": value})


class Space:
    """What an experiment's fields hold, sorted into what is fixed and what is walked."""

    def __init__(self, cls: type, values: Mapping[str, Any]) -> None:
        self.cls = cls
        self.names = tuple(values)
        searches = {
            name: Search("points", (each,)) if is_experiment(each) else each
            for name, each in values.items()
            if isinstance(each, Search) or is_experiment(each)
        }
        axes = [Axis(names, tuple(searches[name] for name in names)) for names in self._groups(searches)]
        # What depends on other fields comes after all that does not.
        self.axes = sorted(axes, key=lambda axis: axis.conditional)
        self.fixed = {name: each for name, each in values.items() if name not in searches}
        # Which fields are not decided yet when an axis is reached.
        self._open = [
            frozenset(n for axis in self.axes[at:] for n in axis.names) for at in range(len(self.axes))
        ]

    def _groups(self, searches: Mapping[str, Search]) -> list[tuple[str, ...]]:
        groups: dict[str, list[str]] = {}
        for name, each in searches.items():
            groups.setdefault(
                f"field {name}" if each.zipped is None else f"group {each.zipped!r}", []
            ).append(name)
        for group, names in groups.items():
            lengths = {name: len(searches[name].points or ()) for name in names}
            if len(set(lengths.values())) > 1:
                said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
                message = (
                    f"{self.cls.__qualname__}: the fields of {group} advance together, and of points {said}"
                )
                raise SettingError(message, experiment=self.cls.__qualname__, field=names[0])
        return [tuple(names) for names in groups.values()]

    def active(self, at: int, chosen: Mapping[str, Any]) -> list[bool]:
        """Say which fields of an axis are searched, given those that are decided."""
        axis = self.axes[at]
        if not axis.conditional:
            return [True] * len(axis.names)
        view = View(self.cls, {**self.fixed, **chosen}, self._open[at], axis.names)
        pairs = zip(axis.names, axis.searches, strict=True)
        return [each.when is None or view.says(each.when, name) for name, each in pairs]

    def whole(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Give all values, in the order of the fields."""
        fixed = self.fixed
        return {name: fixed[name] if name in fixed else chosen[name] for name in self.names}

    def walk(self) -> Iterator[dict[str, Any]]:
        """Give the values of every setting, those of nested experiments as settings of their own."""
        self._need_points()
        for chosen in self._walk(0, {}):
            yield self.whole(chosen)

    def _walk(self, at: int, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if at == len(self.axes):
            yield chosen
            return
        axis = self.axes[at]
        for row in axis.rows(self.active(at, chosen)):
            chosen.update(zip(axis.names, row, strict=True))
            yield from self._walk(at + 1, chosen)

    def _need_points(self) -> None:
        for axis in self.axes:
            for name, each in zip(axis.names, axis.searches, strict=True):
                if each.points is None:
                    message = f"{self.cls.__qualname__}.{name}: a grid has no points of {each!r}; draw some: "
                    message += "run_all(sampler='random', samples=100)"
                    raise SettingError(message, experiment=self.cls.__qualname__, field=name)

    def count(self) -> int:
        """Give how many settings there are; they are walked only where a field depends on others."""
        self._need_points()
        plain = math.prod(axis.count() for axis in self.axes if not axis.conditional)
        if plain and any(axis.conditional for axis in self.axes):
            return sum(1 for _ in self._walk(0, {}))
        return plain
