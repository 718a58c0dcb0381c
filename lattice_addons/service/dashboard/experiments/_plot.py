"""A metric against a field, and runs as lines through all fields: drawn by the server, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import ExperimentError
from lattice_addons.experiments import chart_in, fields_and_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.service.view import ExperimentView

__all__ = ["Plot", "plot_of"]

_HIGH, _TOP, _FLOOR = 260.0, 14.0, 240.0
_LEFT, _RIGHT = 7.0, 97.0
_TICKS, _DOTS, _LINES, _BEST, _AXES = 8, 1500, 200, 10, 12
_WIDE, _EDGE = 1000.0, 40.0


class Tick(NamedTuple):
    """A word at a place, in percent across or in pixels down."""

    at: float
    text: str
    anchor: str = "middle"


class Dot(NamedTuple):
    """One run."""

    x: float
    y: float
    told: str
    best: bool


class Line(NamedTuple):
    """One run through all axes."""

    points: str
    told: str
    best: bool


class Upright(NamedTuple):
    """An axis of parallel coordinates."""

    at: float
    name: str
    low: str
    high: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn, and what could be; ``problem`` says why there is nothing."""

    metrics: list[str]
    fields: list[str]
    metric: str = ""
    against: str = ""
    parallel: bool = False
    problem: str = ""
    left_out: int = 0
    dots: tuple[Dot, ...] = ()
    across: tuple[Tick, ...] = ()
    down: tuple[Tick, ...] = ()
    lines: tuple[Line, ...] = ()
    axes: tuple[Upright, ...] = ()
    runs: int = 0
    best: int = 0
    log: bool = False
    #: What the runs are that stand out.
    word: str = "best"


def plot_of(table: Any, view: ExperimentView, query: Mapping[str, str]) -> Plot:  # noqa: ANN401 - pyarrow's
    """Draw what an address asks for: by itself, the objective against the first field that differs."""
    fields, metrics = fields_and_metrics(table)
    metric = query.get("metric") if query.get("metric") in metrics else None
    parallel = query.get("plot") == "parallel"
    against = query.get("against") if query.get("against") in fields and not parallel else None
    is_goal = view.objective is not None and metric in (None, view.objective)
    # Of another metric nobody has said which end is the good one.
    minimize = not is_goal or view.direction != "maximize"
    try:
        chart = chart_in(table, view.name, metric, against, objective=view.objective, minimize=minimize)
    except ExperimentError as error:
        return Plot(metrics, fields, parallel=parallel, problem=str(error))
    varied = fields if not chart.axes else [axis.name for axis in chart.axes]
    told = Plot(metrics, fields, chart.metric.name, against or varied[0], parallel, left_out=chart.left_out)
    told = _with(told, word="best" if chart.metric.name == view.objective else "smallest")
    return _lines(told, chart) if parallel else _scatter(told, chart)


def _best(chart: Any) -> list[int]:  # noqa: ANN401
    values = chart.metric.values
    return sorted(range(len(values)), key=values.__getitem__, reverse=not chart.minimize)


def _scatter(told: Plot, chart: Any) -> Plot:  # noqa: ANN401
    axis = chart.axes[0]
    xs, ys = axis.places(), chart.metric.places()
    ranked = _best(chart)
    best = set(ranked[:1])
    every = max(-(-len(xs) // _DOTS), 1)
    dots = tuple(
        Dot(_across(xs[at]), _down(ys[at]), f"{_short(axis.values[at])}: {_short(chart.metric.values[at])}", at in best)
        for at in (*range(0, len(xs), every), *best)
    )  # fmt: skip
    points = axis.points
    if len(points) > _TICKS:
        points = [points[0], points[-1]]
    places = dict(zip(map(repr, axis.values), xs, strict=True))
    across = tuple(
        Tick(_across(places[repr(point)]), _short(point), _anchor(places[repr(point)])) for point in points
    )
    low, high = chart.metric.ends()
    return _with(
        told, dots=dots, across=across, down=(Tick(_TOP, high), Tick(_FLOOR, low)), runs=len(xs),
        best=len(best), log=axis.log,
    )  # fmt: skip


def _lines(told: Plot, chart: Any) -> Plot:  # noqa: ANN401
    axes = [*chart.axes[: _AXES - 1], chart.metric]
    places = [axis.places() for axis in axes]
    last = max(len(axes) - 1, 1)
    ranked = _best(chart)
    shown = ranked[:_LINES]
    lines = []
    # The best ones are drawn last, above the others.
    for rank in range(len(shown) - 1, -1, -1):
        run = shown[rank]
        points = " ".join(
            f"{_EDGE + at / last * (_WIDE - 2 * _EDGE):.1f},{_down(place[run]):.1f}"
            for at, place in enumerate(places)
        )
        words = ", ".join(f"{axis.name} {_short(axis.values[run])}" for axis in axes)
        lines.append(Line(points, words, rank < _BEST))
    uprights = tuple(
        Upright((_EDGE + at / last * (_WIDE - 2 * _EDGE)) / 10, axis.name, low, high, _anchor(at / last))
        for at, axis in enumerate(axes)
        for low, high in (axis.ends(),)
    )
    return _with(told, lines=tuple(lines), axes=uprights, runs=len(ranked), best=min(_BEST, len(ranked)))


def _with(told: Plot, **more: Any) -> Plot:  # noqa: ANN401
    import dataclasses

    return dataclasses.replace(told, **more)


def _across(place: float) -> float:
    return round(_LEFT + 1 + place * (_RIGHT - _LEFT - 1), 2)


def _down(place: float) -> float:
    return round(_FLOOR - place * (_FLOOR - _TOP), 1)


def _anchor(place: float) -> str:
    return "start" if place < 0.05 else "end" if place > 0.95 else "middle"  # noqa: PLR2004 - near the edge


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - a label
