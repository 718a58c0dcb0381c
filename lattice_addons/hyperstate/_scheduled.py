"""Fields of a config that follow a schedule: found in its data, updated from the state, written as they were."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Mapping
from typing import Any

from lattice_addons.errors import ScheduleError

from ._path import Place, dotted, nearest
from ._schedule import Schedule, looks_like_schedule
from ._shape import alternatives, below, parts_of, put

__all__ = ["Schedules", "adopt", "is_schedule", "keep", "resolve", "restore", "schedules_of", "update"]

_KEPT = "_lattice_schedules"
# Objects with slots have no room for it; they stay here, with themselves, so that no other gets their id.
_slotted: dict[int, tuple[object, Schedules]] = {}


class Schedules(dict[Place, Schedule]):
    """The schedules of one config, by the place of the field; ``last`` is what each has given it."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: set[Place] = set()
        self.last: dict[Place, int | float] = {}

    def add(self, place: Place, schedule: Schedule, *, whole: bool) -> None:
        """Let a field follow a schedule, from its first knot on."""
        self[place] = schedule
        (self.whole.add if whole else self.whole.discard)(place)
        self.value(place, schedule.knots[0].at)

    def value(self, place: Place, x: float) -> int | float:
        """Give a field's value at a place of its schedule, and keep it as the last; an int is rounded."""
        value = self[place].value_at(x)
        self.last[place] = round(value) if place in self.whole else float(value)
        return self.last[place]


def is_schedule(kind: Any, data: object) -> bool:
    """Tell whether data in a field of this type is meant as a schedule: the field takes numbers.

    A text in a field that takes texts as well is one only where it can be read as one.
    """
    return _is_schedule(alternatives(kind), data)


def _is_schedule(kinds: list[Any], data: object) -> bool:
    if not (int in kinds or float in kinds) or not looks_like_schedule(data):
        return False
    if not any(kind in (str, Any) for kind in kinds):
        return True
    try:
        Schedule.parse(data)
    except ScheduleError:
        return False
    return True


def resolve(data: Any, cls: Any) -> tuple[Any, Schedules]:
    """Put numbers where the data of a config has schedules; give the data and the schedules.

    Raises: `ScheduleError`, which names the field.
    """
    schedules = _found(alternatives(cls), data)
    if schedules:
        data = copy.deepcopy(data)
    for place in schedules:
        data = put(data, place, schedules.last[place])
    return data, schedules


def adopt(config: object, schedules: Schedules) -> Schedules:
    """Let defaults be schedules as well: what a config that has been made still has as text becomes a number."""
    for place in [*schedules]:
        there = _actual(config, place)
        if there != place:
            schedules.add(there, schedules.pop(place), whole=place in schedules.whole)
        # What a validator of the class has made of the number.
        schedules.last[there] = _stands(config, there)
    found = _found([type(config)], config)
    for place, schedule in found.items():
        schedules.add(place, schedule, whole=place in found.whole)
        put(config, place, schedules.last[place])
    return schedules


def _actual(config: object, place: Place) -> Place:
    """Give a place of the data as it is in the config: a key "1" may be the number, a value without name a field."""
    actual: list[Any] = []
    for part in place:
        inside = dict(parts_of(config))
        if part not in inside:
            named = [each for each in inside if str(each) == str(part)]
            part = named[0] if named else [*inside][int(part)]  # noqa: PLW2901 - the same one, as it is called there
        actual.append(part)
        config = inside[part]
    return tuple(actual)


def _found(kinds: list[Any], data: object) -> Schedules:
    schedules = Schedules()

    def visit(kinds: list[Any], data: object, place: Place) -> None:
        if _is_schedule(kinds, data):
            try:
                schedules.add(place, Schedule.parse(data), whole=float not in kinds)
            except ScheduleError as error:
                raise ScheduleError(f"{dotted(place)}: {error}", text=error.text, path=place) from None
            return
        for part, value in parts_of(data):
            visit(below(kinds, data, part), value, (*place, part))

    visit(kinds, data, ())
    return schedules


def keep(config: object, schedules: Schedules) -> None:
    """Keep a config's schedules with it, for when it is written."""
    if not schedules and not schedules_of(config):
        return
    try:
        object.__setattr__(config, _KEPT, schedules)
    except AttributeError:
        _slotted[id(config)] = (config, schedules)


def schedules_of(config: object) -> Schedules:
    """Give the schedules that are kept with a config."""
    found = getattr(config, _KEPT, None)
    if found is None and id(config) in _slotted:
        found = _slotted[id(config)][1]
    return found if isinstance(found, Schedules) else Schedules()


def restore(data: Any, config: object, schedules: Schedules | None = None) -> Any:
    """Put the schedules back into a config's plain data, as they were read.

    A field that was set by hand has its number: it follows its schedule no more.
    """
    schedules = schedules_of(config) if schedules is None else schedules
    for place, schedule in schedules.items():
        if _stands(config, place) == schedules.last[place]:
            data = put(data, place, copy.deepcopy(schedule.source))
    return data


def update(config: object, schedules: Schedules, state: object, key: str | None = None) -> None:
    """Set each field that follows a schedule from the state; ``key`` is the field of those that name none.

    A field that was set by hand since the last time has left its schedule.

    Raises: `ScheduleError` when the state has no such field, or it is no number.
    """
    for place, schedule in [*schedules.items()]:
        if _stands(config, place) != schedules.last[place]:
            del schedules[place]
            continue
        value = schedules.value(place, _number(state, schedule.key or key, place, schedule))
        put(config, place, value)


_NOTHING = object()


def _stands(config: Any, place: Place) -> Any:
    for part in place:
        config = dict(parts_of(config)).get(part, _NOTHING)
    return config


def _number(state: object, key: str | None, place: Place, schedule: Schedule) -> float:
    """Read the number that a schedule goes by."""
    where = f"the schedule {schedule.format()!r} of {dotted(place)}"
    if key is None:
        raise ScheduleError(
            f"{where} names no field of the state, and there is no checkpoint key; write 'step: …'",
            text=schedule.format(),
        )
    value: object = state
    for name in key.split("."):
        names = [*value] if isinstance(value, Mapping) else [each for each in dir(value) if each[0] != "_"]
        if name not in names:
            hint = nearest(name, map(str, names))
            message = f"{where} goes by {key}, and the state has no {name}" + (f" ({hint})" if hint else "")
            raise ScheduleError(message, text=schedule.format())
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        kind = type(value).__name__
        raise ScheduleError(
            f"{where} goes by {key}, which is a {kind} and not an int or float", text=schedule.format()
        )
    return int(value) if isinstance(value, numbers.Integral) else float(value)
