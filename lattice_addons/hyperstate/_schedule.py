"""A value that changes with the state: numbers at knots, and a curve between each two of them."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lattice_addons.errors import ScheduleError

from ._ron_data import Tagged

__all__ = ["CURVES", "Knot", "Schedule", "looks_like_schedule"]

CURVES = ("lin", "cos", "exp", "step", "quad", "poly(3)")
EXAMPLE = '"step: 1.0@0 lin 0.5@5 cos 0.1@10"'
_KNOT = re.compile(r"([^\s@]+)\s*@\s*([^\s@]+)")
_KEY = re.compile(r"\s*([^\W\d]\w*(?:\.\w+)*)\s*:\s*")
_CURVE = re.compile(r"(lin|cos|exp|step|quad)|poly\(\s*([^()\s]+)\s*\)")
_PART = re.compile(r"\s*(?:(?P<curve>[A-Za-z]+(?:\([^()]*\))?)\s+)?(?P<knot>[^\s@]+\s*@\s*[^\s@]+)\s*")
_WHOLE = re.compile(r"[+-]?[0-9][0-9_]*")
_STRUCTURE = {"by", "knots"}
_OF_KNOT = ("at", "value", "curve")


@dataclass(frozen=True)
class Knot:
    """A ``value`` of a schedule, where it is reached (``at``), and the ``curve`` that leads to it."""

    at: int | float
    value: int | float
    curve: str = "lin"


@dataclass(frozen=True)
class Schedule:
    """A value that changes with a field of the state.

    ``key`` is the dotted path of that field, or None for the checkpoint key; ``knots`` have rising ``at``;
    ``source`` is what was read, a text or a structure, and is what is written back.
    """

    key: str | None
    knots: tuple[Knot, ...]
    source: object

    @classmethod
    def parse(cls, source: object) -> Schedule:
        """Read a schedule from its text or its structure.

        Raises: `ScheduleError`, which says what is wrong in it.
        """
        if isinstance(source, str):
            key, knots = _read_text(source)
        else:
            key, knots = _read_structure(source)
        _check(knots, source)
        # No curve leads to the first.
        return cls(key, (Knot(knots[0].at, knots[0].value), *knots[1:]), source)

    def format(self) -> str:
        """Give the schedule as text, also where it was read from a structure."""
        if isinstance(self.source, str):
            return self.source
        first, *others = self.knots
        parts = [f"{first.value!r}@{first.at!r}"]
        parts += [f"{knot.curve} {knot.value!r}@{knot.at!r}" for knot in others]
        return (f"{self.key}: " if self.key else "") + " ".join(parts)

    def value_at(self, x: float) -> int | float:
        """Give the value at a place: exact at a knot, clamped before the first and behind the last."""
        if x != x:  # noqa: PLR0124 - what a NaN is
            raise ScheduleError(f"{self.format()!r} has no value at NaN", text=self.format())
        after = bisect_right(self.knots, x, key=lambda knot: knot.at)
        if after == 0:
            return self.knots[0].value
        left = self.knots[after - 1]
        if after == len(self.knots) or x == left.at:
            return left.value
        return _between(left, self.knots[after], x)


# Once they are made: dataclasses look into the module that a class names.
Knot.__module__ = Schedule.__module__ = "lattice_addons.hyperstate"


def looks_like_schedule(data: object) -> bool:
    """Tell whether a value is meant as a schedule, right or wrong: a text with a knot, or a structure of knots."""
    if isinstance(data, str):
        return _KNOT.search(data) is not None
    if isinstance(data, Tagged):
        return data.name == "Schedule" and isinstance(data.fields, dict)
    return isinstance(data, Mapping) and "knots" in data and set(data) <= _STRUCTURE


def _between(left: Knot, right: Knot, x: float) -> float:
    """Follow the curve from one knot to the next; 0 < t < 1."""
    t = (x - left.at) / (right.at - left.at)
    start, end = left.value, right.value
    if right.curve == "exp":
        ratio = end / start
        if 0 < ratio < math.inf:
            return _within(start, start * ratio**t, end)
        size = math.exp((1 - t) * math.log(abs(start)) + t * math.log(abs(end)))
        return _within(start, math.copysign(size, start), end)
    if right.curve == "lin" and math.isfinite(float(end) - float(start)):
        # In this form a tenth of the way from 0 to 1 is 0.1, and not 0.09999999999999998.
        return _within(start, start + (end - start) * t, end)
    rest = _rest(right.curve, t)
    return start if rest == 1 else _within(start, rest * start + (1 - rest) * end, end)


def _rest(curve: str, t: float) -> float:
    """Give how much of the first value is left: 1 at the first knot, 0 at the second."""
    if curve == "cos":
        return (1 + math.cos(math.pi * t)) / 2
    if curve == "step":
        return 1
    return float((1 - t) ** _power(curve))


def _power(curve: str) -> float:
    return {"lin": 1.0, "quad": 2.0}.get(curve) or float(curve[len("poly(") : -1])


def _within(start: float, value: float, end: float) -> float:
    """Keep what rounding would carry past a knot."""
    return min(max(value, min(start, end)), max(start, end))


def _refuse(why: str, part: object, source: object) -> ScheduleError:
    return ScheduleError(f"{source!r} is no schedule: {why}; one is {EXAMPLE}", text=str(part))


def _read_text(text: str) -> tuple[str | None, list[Knot]]:
    key = _KEY.match(text)
    at = key.end() if key else 0
    knots: list[Knot] = []
    curve = "lin"
    while at < len(text.rstrip()):
        part = _PART.match(text, at)
        if part is None:
            rest = text[at:].strip()
            raise _refuse(f"{rest!r} is no curve and knot, as in 'lin 0.5@5'", rest, text)
        if part["curve"]:
            if not knots:
                raise _refuse(f"{part['curve']!r} stands before the first knot", part["curve"], text)
            curve = _curve(part["curve"], text)
        value, place = part["knot"].split("@")
        knots.append(Knot(_number(place.strip(), text), _number(value.strip(), text), curve))
        at = part.end()
    return key[1] if key else None, knots


def _curve(name: object, source: object) -> str:
    found = _CURVE.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise _refuse(f"no curve is called {name!r}; there are {', '.join(CURVES)}", name, source)
    if found[2] is not None and not _number(found[2], source) > 0:
        raise _refuse(f"the power of {name!r} must be above zero", name, source)
    return f"poly({found[2]})" if found[2] else found[1]


def _number(part: object, source: object) -> int | float:
    """Read a number: whole ones stay whole, and none is infinite."""
    number: int | float = math.nan
    if isinstance(part, (int, float)) and not isinstance(part, bool):
        number = part
    elif isinstance(part, str):
        try:
            number = int(part) if _WHOLE.fullmatch(part) else float(part)
        except ValueError:
            raise _refuse(f"{part!r} is no number", part, source) from None
    else:
        raise _refuse(f"{part!r} is no number", part, source)
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise _refuse(f"{part!r} is not finite", part, source)
    return number


def _read_structure(source: object) -> tuple[str | None, list[Knot]]:
    data = source.fields if isinstance(source, Tagged) else source
    if not isinstance(data, Mapping) or not set(data) <= _STRUCTURE or "knots" not in data:
        raise _refuse("a structure has 'knots' and, if you like, 'by'", source, source)
    key = data.get("by")
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key + ":")):
        raise _refuse(f"'by' names a field of the state, and {key!r} cannot", key, source)
    knots = data["knots"]
    if isinstance(knots, str) or not isinstance(knots, Sequence):
        raise _refuse("'knots' is a list of {at: 0, value: 1.0, curve: lin}", knots, source)
    return key, [_knot(each, source) for each in knots]


def _knot(data: object, source: object) -> Knot:
    fields = data.fields if isinstance(data, Tagged) else data
    if not isinstance(fields, Mapping) or not {"at", "value"} <= set(fields) <= set(_OF_KNOT):
        raise _refuse(f"a knot is {{at: 0, value: 1.0, curve: lin}}, not {data!r}", data, source)
    at, value = (_number(fields[name], source) for name in ("at", "value"))
    return Knot(at, value, _curve(fields.get("curve", "lin"), source))


def _check(knots: Sequence[Knot], source: object) -> None:
    if not knots:
        raise _refuse("it has no knot, as 1.0@0", source, source)
    for left, right in pairwise(knots):
        if not left.at < right.at:
            raise _refuse(
                f"the knot at {right.at} follows one at {left.at}, and they must rise", right.at, source
            )
        if math.isinf(float(right.at) - float(left.at)):
            raise _refuse(f"{left.at} and {right.at} are too far apart", right.at, source)
        if right.curve == "exp" and not float(left.value) * math.copysign(1, right.value) > 0 < abs(
            right.value
        ):
            raise _refuse(
                f"exp leads from {left.value} to {right.value}, and can neither reach nor cross zero",
                right.value,
                source,
            )
