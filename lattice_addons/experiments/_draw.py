"""One setting is drawn from an experiment: whoever draws is asked for each field in turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from ._fields import is_experiment
from ._identity import identity_of
from ._inside import Inside, make
from ._space import Space

if TYPE_CHECKING:
    import random

    from ._experiment import Experiment
    from ._search import Search

__all__ = ["Drawer", "Found", "RandomDrawer", "UnknownPointError", "drawn", "found_in"]


class Drawer(Protocol):
    """Says which point, or which number of a range, a field has; ``key`` is the same for the same choice."""

    def point(self, key: str, place: tuple[str, ...], search: Search) -> int:
        """Give the number of a point."""

    def number(self, key: str, place: tuple[str, ...], search: Search) -> float:
        """Give a number from a range."""


def drawn(experiment: Experiment, drawer: Drawer) -> Experiment:
    """Give one setting of an experiment."""
    return _drawn(experiment, drawer, "", ())


def _drawn(experiment: Experiment, drawer: Drawer, prefix: str, place: tuple[str, ...]) -> Experiment:
    inside = Inside.of(experiment)
    if inside.setting:
        return experiment
    cls = type(experiment)
    space = Space(cls, inside.values(experiment))
    chosen: dict[str, Any] = {}
    for at, axis in enumerate(space.axes):
        active = space.active(at, chosen)
        if not any(active):
            chosen.update(
                (name, each.otherwise) for name, each in zip(axis.names, axis.searches, strict=True)
            )
            continue
        lead = active.index(True)
        first, inner = axis.searches[lead], (*place, axis.names[lead])
        key = f"{prefix}{'+'.join(axis.names)}"
        if first.points is None:
            chosen[axis.names[0]] = drawer.number(key, inner, first)
            continue
        number = drawer.point(key, inner, first) if axis.length > 1 else 0
        for name, value in zip(axis.names, axis.row(number, active), strict=True):
            below = f"{prefix}{name}[{number}]." if axis.length > 1 else f"{prefix}{name}."
            chosen[name] = _drawn(value, drawer, below, (*place, name)) if is_experiment(value) else value
    return make(cls, space.whole(chosen), inside.names_searched(experiment))


class RandomDrawer:
    """Draws at random: all points of a field are as likely."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator

    def point(self, key: str, place: tuple[str, ...], search: Search) -> int:  # noqa: ARG002 - a drawer's
        """Give the number of a point."""
        return self._random.randrange(len(search.points or ()))

    def number(self, key: str, place: tuple[str, ...], search: Search) -> float:  # noqa: ARG002 - a drawer's
        """Give a number from a range, within its bounds also where rounding would lead out of them."""
        if search.kind == "log_uniform":
            number = math.exp(self._random.uniform(math.log(search.low), math.log(search.high)))
        else:
            number = self._random.uniform(search.low, search.high)
        return min(max(number, search.low), search.high)


class UnknownPointError(Exception):
    """A setting has a value that is not searched (any more)."""


class Found:
    """Draws what a setting has, and so finds the choices that lead to it."""

    def __init__(self, setting: Experiment) -> None:
        self._setting = setting
        self.choices: dict[str, tuple[Search, Any]] = {}

    def _value(self, place: tuple[str, ...]) -> Any:
        found: Any = self._setting
        for name in place:
            found = Inside.of(found).fixed_values(found)[name] if is_experiment(found) else None
        return found

    def point(self, key: str, place: tuple[str, ...], search: Search) -> int:
        """Give the number of the point that the setting has."""
        value = self._value(place)
        if search.kind == "integers":
            number = search.points.index(value) if search.points and value in search.points else -1
        else:
            number = next((at for at, each in enumerate(search.points or ()) if _alike(each, value)), -1)
        if number < 0:
            raise UnknownPointError
        self.choices[key] = search, number
        return number

    def number(self, key: str, place: tuple[str, ...], search: Search) -> float:
        """Give the number that the setting has."""
        value = self._value(place)
        if not isinstance(value, float) or not search.low <= value <= search.high:
            raise UnknownPointError
        self.choices[key] = search, value
        return value


def _alike(point: Any, value: Any) -> bool:
    if is_experiment(point) or is_experiment(value):
        return type(point) is type(value)
    return point is value or (
        type(point) is type(value) and identity_of({"": point}) == identity_of({"": value})
    )


def found_in(experiment: Experiment, setting: Experiment) -> dict[str, tuple[Search, Any]] | None:
    """Give the choices that lead to a setting; None where it cannot be drawn from this experiment."""
    found = Found(setting)
    try:
        same = drawn(experiment, found).identity == setting.identity
    except UnknownPointError:
        return None
    return found.choices if same else None
