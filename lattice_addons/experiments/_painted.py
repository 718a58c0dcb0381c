"""Results as a picture, by matplotlib; no window is opened, and no setting of its is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._needs import needed

if TYPE_CHECKING:
    import os

    from ._chart import Axis, Chart

__all__ = ["paint"]

_ACROSS = 3  # pictures beside each other
_SIZE = (4.2, 3.2)  # inches, of each
_TICKS = 8
_INK = "#1f62b4"


def paint(chart: Chart, path: str | os.PathLike[str], *, parallel: bool) -> None:
    """Draw a chart into a file."""
    figures = needed("matplotlib.figure")
    if parallel:
        width = max(_SIZE[0] * 1.5, 1.6 * (len(chart.axes) + 1))
        figure = figures.Figure(figsize=(width, _SIZE[1] * 1.2), layout="constrained")
        _parallel(figure, chart)
    else:
        across = min(len(chart.axes), _ACROSS)
        down = -(-len(chart.axes) // across)
        figure = figures.Figure(figsize=(_SIZE[0] * across, _SIZE[1] * down), layout="constrained")
        for plot, axis in zip(figure.subplots(down, across, squeeze=False).flat, chart.axes, strict=False):
            _against(plot, chart.metric, axis)
        for plot in figure.axes[len(chart.axes) :]:
            plot.set_visible(False)
    figure.suptitle(chart.title)
    figure.savefig(path, dpi=130)


def _against(plot: Any, metric: Axis, axis: Axis) -> None:
    """Draw a dot for each run, and a line through the means."""
    points = axis.points
    number = {repr(point): at for at, point in enumerate(points)}
    where = axis.values if axis.numeric else [number[repr(value)] for value in axis.values]
    plot.scatter(where, metric.values, s=14, alpha=0.5, color=_INK)
    groups: dict[Any, list[float]] = {}
    for x, y in zip(where, metric.values, strict=True):
        groups.setdefault(x, []).append(y)
    if axis.numeric and len(groups) < len(metric.values):
        means = sorted((x, sum(numbers) / len(numbers)) for x, numbers in groups.items())
        plot.plot([x for x, _ in means], [mean for _, mean in means], color=_INK, linewidth=1)
    if not axis.numeric:
        plot.set_xticks(range(len(points)), [str(point) for point in points], rotation=30, ha="right")
        plot.margins(x=0.2)
    elif axis.log:
        plot.set_xscale("log")
    elif len(points) <= _TICKS:
        plot.set_xticks(points)
    if metric.log:
        plot.set_yscale("log")
    plot.set_xlabel(axis.name)
    plot.set_ylabel(metric.name)


def _parallel(figure: Any, chart: Chart) -> None:
    """Draw each run as a line through all fields, in the colour of its metric; the best lie on top."""
    colours = needed("matplotlib").colormaps["viridis"]
    plot = figure.subplots()
    axes = [*chart.axes, chart.metric]
    columns = list(range(len(axes)))
    places = [axis.places() for axis in axes]
    shades = [1 - place if chart.minimize else place for place in places[-1]]
    for run in sorted(range(len(shades)), key=shades.__getitem__):
        line = [each[run] for each in places]
        plot.plot(columns, line, color=colours(shades[run]), linewidth=1.2, alpha=0.8)
    for column, axis in zip(columns, axes, strict=True):
        plot.axvline(column, color="#888888", linewidth=0.8)
        low, high = axis.ends()
        plot.annotate(high, (column, 1), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8)
        plot.annotate(low, (column, 0), xytext=(0, -12), textcoords="offset points", ha="center", fontsize=8)
    plot.set_xticks(columns, [axis.name for axis in axes])
    plot.tick_params(axis="x", pad=14)
    plot.set_yticks([])
    plot.set_ylim(-0.02, 1.08)
    for side in ("top", "right", "left", "bottom"):
        plot.spines[side].set_visible(False)
