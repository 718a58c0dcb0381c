"""What a plot shows: the runs that are done, a metric of theirs, and the fields in which they differ."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExperimentError

from ._parquet import Layout
from ._results import results
from ._rows import ABOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Axis", "Chart", "chart_in", "chart_of", "fields_and_metrics", "short"]

# From so many times as large on, an axis counts powers.
_POWERS = 100


@dataclass(frozen=True)
class Axis:
    """A column, whose values have places from 0 to 1."""

    name: str
    values: list[Any]

    @property
    def numeric(self) -> bool:
        """Say whether the values are numbers that have distances, as infinity has not."""
        return all(_is_number(value) and math.isfinite(value) for value in self.values)

    @property
    def log(self) -> bool:
        """Say whether powers count, as of a learning rate."""
        low, high = min(self.values), max(self.values)
        return bool(self.numeric and low > 0 and high / low >= _POWERS)

    @property
    def points(self) -> list[Any]:
        """Give the values that occur, in order."""
        found = list({repr(value): value for value in self.values}.values())
        return sorted(found) if self.numeric else sorted(found, key=repr)

    def places(self) -> list[float]:
        """Give the place of each value."""
        if not self.numeric:
            order = {repr(value): number for number, value in enumerate(self.points)}
            last = max(len(order) - 1, 1)
            return [order[repr(value)] / last for value in self.values]
        scale = math.log10 if self.log else float
        scaled = [scale(value) for value in self.values]
        low, high = min(scaled), max(scaled)
        # Halves, so that no range is too large for a float.
        return [(each / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5 for each in scaled]

    def ends(self) -> tuple[str, str]:
        """Give what stands at 0 and at 1."""
        points = self.points
        return short(points[0]), short(points[-1])


@dataclass(frozen=True)
class Chart:
    """A metric, the fields that it is shown against, and how many runs could not be shown."""

    title: str
    metric: Axis
    axes: list[Axis]
    left_out: int
    minimize: bool


def short(value: Any) -> str:
    """Give a value for a label."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def chart_of(
    experiment: type | str, metric: str | None, against: str | Sequence[str] | None, root: str | None
) -> Chart:
    """Give the chart of an experiment.

    Raises:
        ExperimentError: there is no such column, or nothing to show.
    """
    table = results(experiment, "arrow", root, all_versions=True)
    title = experiment if isinstance(experiment, str) else experiment.__qualname__
    objective = getattr(experiment, "objective", None)
    minimize = getattr(experiment, "direction", "minimize") != "maximize"
    return chart_in(table, title, metric, against, objective=objective, minimize=minimize)


def chart_in(  # noqa: PLR0913 - options, by name
    table: Any,
    title: str,
    metric: str | None,
    against: str | Sequence[str] | None,
    *,
    objective: str | None = None,
    minimize: bool = True,
) -> Chart:
    """Give the chart of a table of results, as `chart_of` does."""
    columns: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in table.column_names}
    fields = [name for name in Layout.of(table).fields if name in columns]
    metrics = [
        name for name in columns if name not in fields and name not in ABOUT and _numbers(columns[name])
    ]
    name = _metric(title, metric, metrics, objective)
    done = [
        isinstance(value, (int, float)) and math.isfinite(value) and status == "done"
        for value, status in zip(columns[name], columns["status"], strict=True)
    ]
    shown = {
        each: [value for value, yes in zip(columns[each], done, strict=True) if yes]
        for each in [*fields, name]
    }
    names = _fields(title, against, shown, fields)
    if not shown[name]:
        raise ExperimentError(f"no run of {title} that is done has a number as {name!r}", experiment=title)
    axes = [Axis(each, shown[each]) for each in names]
    return Chart(title, Axis(name, shown[name]), axes, done.count(False), minimize)


def fields_and_metrics(table: Any) -> tuple[list[str], list[str]]:
    """Give the columns of a table of results that are fields, and those that are results of numbers."""
    fields = [name for name in Layout.of(table).fields if name in table.column_names]
    metrics = [
        name
        for name in table.column_names
        if name not in fields and name not in ABOUT and _numbers(table.column(name).to_pylist())
    ]
    return fields, metrics


def _numbers(values: list[Any]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(map(_is_number, given))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _metric(title: str, metric: str | None, metrics: list[str], objective: str | None) -> str:
    if metric is None:
        metric = objective if objective in metrics else next(iter(metrics), None)
    if metric in metrics:
        return metric
    if not metrics:
        raise ExperimentError(
            f"no run of {title} has returned a number, so there is nothing to draw", experiment=title
        )
    raise _unknown(f"{title} has no result of numbers", str(metric), metrics, title)


def _fields(
    title: str, against: str | Sequence[str] | None, shown: dict[str, list[Any]], fields: list[str]
) -> list[str]:
    if against is None:
        varied = [name for name in fields if len({repr(value) for value in shown[name]}) > 1]
        return varied or fields[:1]
    names = [against] if isinstance(against, str) else list(against)
    for name in names:
        if name not in fields:
            raise _unknown(f"{title} has no field", name, fields, title)
    return names


def _unknown(what: str, name: str, there: list[str], title: str) -> ExperimentError:
    near = difflib.get_close_matches(name, there, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there)}"
    return ExperimentError(f"{what} {name!r}; {hint}", experiment=title)
