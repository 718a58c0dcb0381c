"""Schedules drawn: as text of dots for a terminal, as lines for a picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ScheduleError

from ._path import dotted
from ._png import Canvas
from ._schedule import Schedule, looks_like_schedule
from ._shape import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["draw_schedules", "paint_schedules", "schedules_in"]

_WIDTH, _HEIGHT = 60, 10
# The dots of one braille character, from the top: its left column and its right one.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800
_PICTURE = (640, 220)
_INK, _GREY, _LINE = (32, 32, 32), (200, 200, 200), (31, 98, 180)


def schedules_in(path: str | os.PathLike[str]) -> dict[str, Schedule]:
    """Give every schedule in a config file, by the dotted name of its field; the config's class is not needed.

    Raises: `ScheduleError` for a structure of knots that is no schedule; a text that is none is a text.
    """
    from ._read import read_text

    data = read_text(os.fspath(path)).data
    found: dict[str, Schedule] = {}

    def visit(data: object, place: tuple[Any, ...]) -> None:
        if looks_like_schedule(data):
            try:
                found[dotted(place)] = Schedule.parse(data)
            except ScheduleError as error:
                if not isinstance(data, str):
                    raise ScheduleError(f"{dotted(place)}: {error}", text=error.text) from None
            return
        for part, value in parts_of(data):
            visit(value, (*place, part))

    visit(data, ())
    return found


def draw_schedules(schedules: Mapping[str, Schedule], *, only_ascii: bool = False) -> str:
    """Draw schedules as text, one below the other; in dots, or in the letters that every terminal has."""
    return "\n\n".join(_drawn(name, each, only_ascii=only_ascii) for name, each in schedules.items())


def _drawn(name: str, schedule: Schedule, *, only_ascii: bool) -> str:
    across = 1 if only_ascii else 2
    down = 1 if only_ascii else 4
    columns = [row for _, row in _curve(schedule, _WIDTH * across, _HEIGHT * down)]
    cells = [[0] * _WIDTH for _ in range(_HEIGHT)]
    for column, row in _connected(columns):
        cells[row // down][column // across] |= _DOTS[row % down][column % across]
    low, high = _ends(schedule)
    labels = {0: f"{high:g}", _HEIGHT - 1: f"{low:g}"} if high > low else {_HEIGHT // 2: f"{high:g}"}
    room = max(map(len, labels.values()))
    bar, corner, floor = ("|", "+", "-") if only_ascii else ("│", "└", "─")
    ink = (
        (lambda dots: "*" if dots else " ")
        if only_ascii
        else (lambda dots: chr(_BRAILLE + dots) if dots else " ")
    )
    lines = [f"{name}: {schedule.format()}", ""]
    for number, row_of_cells in enumerate(cells):
        label = labels.get(number, "")
        lines.append(f"{label:>{room}} {bar}{''.join(map(ink, row_of_cells))}".rstrip())
    start, end = _span(schedule)
    lines.append(f"{'':{room}} {corner}{floor * _WIDTH}")
    left, by, right = f"{start:g}", schedule.key or "the checkpoint key", f"{end:g}"
    lines.append(f"{'':{room}}  {left}{by:^{_WIDTH - len(left) - len(right)}}{right}")
    return "\n".join(line.rstrip() for line in lines)


def paint_schedules(schedules: Mapping[str, Schedule]) -> bytes:
    """Draw schedules as a PNG, one below the other."""
    width, height = _PICTURE
    canvas = Canvas(width, height * len(schedules))
    for number, (name, schedule) in enumerate(schedules.items()):
        _paint(canvas, number * height, name, schedule)
    return canvas.png()


def _paint(canvas: Canvas, top: int, name: str, schedule: Schedule) -> None:
    width, height = _PICTURE
    left, above, right, below = 90, top + 40, width - 20, top + height - 35
    canvas.text(left, top + 8, name, _INK)
    canvas.text(left, top + 22, schedule.format()[: (right - left) // 6], _INK)
    canvas.line(left, above - 4, left, below + 4, _GREY)
    canvas.line(left, below + 4, right, below + 4, _GREY)
    low, high = _ends(schedule)
    for value, at in ((high, above), (low, below)) if high > low else ((high, (above + below) // 2),):
        canvas.text(left - 8 - 6 * len(f"{value:g}"), at - 3, f"{value:g}", _INK)
    start, end = _span(schedule)
    key = schedule.key or "the checkpoint key"
    canvas.text(left, below + 12, f"{start:g}", _INK)
    canvas.text((left + right) // 2 - 3 * len(key), below + 12, key, _INK)
    canvas.text(right - 6 * len(f"{end:g}"), below + 12, f"{end:g}", _INK)
    before: tuple[int, int] | None = None
    for column, row in _curve(schedule, right - left, below - above + 1):
        here = (left + 1 + column, above + row)
        canvas.line(*(before or here), *here, _LINE)
        before = here


def _span(schedule: Schedule) -> tuple[float, float]:
    """Give the range of the state's field that is drawn: a little more than the knots."""
    first, last = float(schedule.knots[0].at), float(schedule.knots[-1].at)
    return (first, last) if last > first else (first - 1, last + 1)


def _ends(schedule: Schedule) -> tuple[float, float]:
    values = [float(knot.value) for knot in schedule.knots]
    return min(values), max(values)


def _curve(schedule: Schedule, columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Give for each column the row of the curve, from the top."""
    start, end = _span(schedule)
    low, high = _ends(schedule)
    # Halves, so that no range is too large for a float.
    height = high / 2 - low / 2
    for column in range(columns):
        x = 2 * (start / 2 + (end / 2 - start / 2) * (column / (columns - 1)))
        x = min(max(x, start), end)
        share = (high / 2 - schedule.value_at(x) / 2) / height if height else 0.5
        yield column, min(rows - 1, max(0, round(share * (rows - 1))))


def _connected(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the dots of a curve without gaps where it is steep."""
    before = rows[0]
    for column, row in enumerate(rows):
        step = 1 if row >= before else -1
        yield from (
            (column, each) for each in range(before + (step if row != before else 0), row + step, step)
        )
        before = row
