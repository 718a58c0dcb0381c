"""Results drawn: as text for a terminal, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._chart import Axis, Chart, chart_of, short
from ._needs import needed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

__all__ = ["draw_results", "paint_results"]

_HEIGHT = 12
# A field of so many points has a bar for each.
_BARS = 12
# More lines than this cannot be told apart.
_LINES = 30
# The dots of one braille character, from the top: its left column and its right one.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800


def draw_results(  # noqa: PLR0913 - options, by name
    experiment: type | str,
    metric: str | None = None,
    *,
    against: str | Sequence[str] | None = None,
    parallel: bool = False,
    root: str | None = None,
    width: int = 72,
    only_ascii: bool = False,
) -> str:
    """Draw a metric of the runs that are done against their fields, as text.

    Args:
        experiment: its class or name.
        metric: which result; the class's ``objective`` or the first number, if not given.
        against: which fields; those in which the runs differ, if not given.
        parallel: draw each of the best runs as one line through all fields.
        root: where the results are, if not beside the source.
        width: how many characters there are in a line.
        only_ascii: draw with letters that every terminal has.

    Raises:
        ExperimentError: there is no such column, or nothing to draw.
    """
    chart = chart_of(experiment, metric, against, root)
    text = _Text(max(width, 40), only_ascii=only_ascii)
    drawn = [text.parallel(chart)] if parallel else [text.against(chart.metric, axis) for axis in chart.axes]
    told = [f"{chart.left_out} runs without a number are left out"] if chart.left_out else []
    return "\n\n".join([*drawn, *told]) + "\n"


def paint_results(  # noqa: PLR0913 - as above
    experiment: type | str,
    path: str | os.PathLike[str],
    metric: str | None = None,
    *,
    against: str | Sequence[str] | None = None,
    parallel: bool = False,
    root: str | None = None,
) -> None:
    """Draw what `draw_results` does into a PNG, or whatever else the name of the file says.

    Raises:
        ExperimentError: there is no such column, or nothing to draw.
        MissingExtraError: matplotlib is not installed.
    """
    needed("matplotlib")
    from ._painted import paint

    paint(chart_of(experiment, metric, against, root), path, parallel=parallel)


class _Text:
    """Draws with the characters of a terminal."""

    def __init__(self, width: int, *, only_ascii: bool) -> None:
        self.width = width
        self.across, self.down = (1, 1) if only_ascii else (2, 4)
        self.only_ascii = only_ascii

    def against(self, metric: Axis, axis: Axis) -> str:
        """Draw a metric against a field: a bar for each of few points, else a dot for each run."""
        points = axis.points
        title = f"{metric.name} against {axis.name}"
        if len(points) <= _BARS or not axis.numeric:
            return "\n".join([title, "", *self._bars(metric, axis)])
        return "\n".join([title, "", *self._scattered(metric, axis)])

    def parallel(self, chart: Chart) -> str:
        """Draw each of the best runs as a line through a column for each field, and one for the metric."""
        axes = [*chart.axes, chart.metric]
        names = [axis.name for axis in axes]
        columns = [round(number * (self.width - 1) / max(len(axes) - 1, 1)) for number in range(len(axes))]
        cells = self._cells(self.width)
        places = [axis.places() for axis in axes]
        every = range(len(chart.metric.values))
        best = sorted(every, key=chart.metric.values.__getitem__, reverse=not chart.minimize)[:_LINES]
        for run in best:
            for number in range(len(axes) - 1):
                start = (columns[number] * self.across, self._row(places[number][run]))
                end = (columns[number + 1] * self.across, self._row(places[number + 1][run]))
                for x, y in _line(start, end):
                    self._dot(cells, x, y)
        bar = "|" if self.only_ascii else "│"
        lines = ["".join(self._ink(dots) for dots in row) for row in cells]
        lines = [
            "".join(bar if at in columns and c == " " else c for at, c in enumerate(line)) for line in lines
        ]
        ends = [axis.ends() for axis in axes]
        tops, bottoms = [high for _, high in ends], [low for low, _ in ends]
        which = (
            f"the best {len(best)} of {len(every)} runs" if len(best) < len(every) else f"{len(best)} runs"
        )
        title = f"{chart.title}: {which}"
        rows = [
            self._labels(names, columns),
            self._labels(tops, columns),
            *lines,
            self._labels(bottoms, columns),
        ]
        return "\n".join([title, "", *(row.rstrip() for row in rows)])

    def _bars(self, metric: Axis, axis: Axis) -> Iterator[str]:
        groups: dict[str, list[float]] = {}
        for value, number in zip(axis.values, metric.values, strict=True):
            groups.setdefault(repr(value), []).append(number)
        points = [(short(point), groups[repr(point)]) for point in axis.points]
        means = [sum(numbers) / len(numbers) for _, numbers in points]
        told = [
            f"{short(mean)} ({short(min(numbers))} … {short(max(numbers))}, {len(numbers)} runs)"
            if len(numbers) > 1
            else short(mean)
            for mean, (_, numbers) in zip(means, points, strict=True)
        ]
        room = min(max(len(label) for label, _ in points), self.width // 3)
        length = max(self.width - room - 3 - max(map(len, told)), 8)
        low, high = min(0.0, *means), max(0.0, *means)
        block = "#" if self.only_ascii else "█"
        for (label, _), mean, words in zip(points, means, told, strict=True):
            part = (abs(mean) / 2) / (high / 2 - low / 2) if high > low else 0
            yield f"{label[:room]:>{room}} {block * round(part * length):<{length}} {self._plain(words)}"

    def _scattered(self, metric: Axis, axis: Axis) -> Iterator[str]:
        bottom, top = metric.ends()
        room = max(len(bottom), len(top))
        inside = self.width - room - 2
        cells = self._cells(inside)
        for x, y in zip(axis.places(), metric.places(), strict=True):
            self._dot(cells, round(x * (inside * self.across - 1)), self._row(y))
        bar, corner, floor = ("|", "+", "-") if self.only_ascii else ("│", "└", "─")
        for number, row in enumerate(cells):
            label = top if number == 0 else bottom if number == _HEIGHT - 1 else ""
            yield f"{label:>{room}} {bar}{''.join(map(self._ink, row))}".rstrip()
        yield f"{'':{room}} {corner}{floor * inside}"
        left, right = axis.ends()
        by = f"{axis.name} (powers)" if axis.log else axis.name
        yield f"{'':{room}}  {left}{by:^{max(inside - len(left) - len(right), 0)}}{right}".rstrip()

    def _cells(self, width: int) -> list[list[int]]:
        return [[0] * width for _ in range(_HEIGHT)]

    def _row(self, place: float) -> int:
        return round((1 - place) * (_HEIGHT * self.down - 1))

    def _dot(self, cells: list[list[int]], x: int, y: int) -> None:
        row = cells[min(y // self.down, _HEIGHT - 1)]
        at = min(x // self.across, len(row) - 1)
        row[at] |= _DOTS[y % self.down][x % self.across]

    def _ink(self, dots: int) -> str:
        if not dots:
            return " "
        return "*" if self.only_ascii else chr(_BRAILLE + dots)

    def _labels(self, texts: Sequence[str], columns: Sequence[int]) -> str:
        """Write texts at columns: the first begins there, the last ends there, the others around them."""
        line = [" "] * self.width
        for number, (text, column) in enumerate(zip(texts, columns, strict=True)):
            room = self.width // max(len(texts), 1)
            word = self._plain(text)[: max(room - 1, 3)]
            before = 0 if number == 0 else len(word) - 1 if number == len(texts) - 1 else len(word) // 2
            start = max(0, min(column - before, self.width - len(word)))
            line[start : start + len(word)] = word
        return "".join(line)

    def _plain(self, text: str) -> str:
        return text.replace("…", "..").encode("ascii", "replace").decode() if self.only_ascii else text


def _line(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        part = step / steps
        yield round(start[0] + (end[0] - start[0]) * part), round(start[1] + (end[1] - start[1]) * part)
