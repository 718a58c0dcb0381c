"""Lines over checkpoints as SVG: drawn by the server, so that they are there without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Chart", "histogram_bars", "line_chart", "sparkline"]

_WIDE, _HIGH = 1000.0, 100.0
_MARGIN = 6.0
_SPARK_WIDE, _SPARK_HIGH = 72.0, 20.0


class Chart(NamedTuple):
    """A line in a box of 1000 × 100, and what stands beside it."""

    points: str
    low: float
    high: float
    first: int
    last: int


def line_chart(points: Sequence[tuple[int, float]]) -> Chart:
    """Draw a number over the numbers of checkpoints."""
    across = [at for at, _ in points]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    xs = _spread(across, 0.0, _WIDE)
    ys = _spread(values, _HIGH - _MARGIN, _MARGIN)
    return Chart(_path(xs, ys), low, high, across[0], across[-1])


def sparkline(values: Sequence[float]) -> str:
    """Draw a few numbers in the size of a word; empty where they show nothing."""
    if len(values) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    xs = _spread(range(len(values)), 2.0, _SPARK_WIDE - 2.0)
    # A few percent are no trend: without scales beside them, they must not look like one.
    return _path(xs, _spread(values, _SPARK_HIGH - 3.0, 3.0, least=max(map(abs, values)) / 5))


def histogram_bars(counts: Sequence[int]) -> list[tuple[str, str, str, str]]:
    """Draw counts as bars in a box of 72 × 20: the left edge, the top, the width and the height of each."""
    most = max(counts, default=0)
    wide = _SPARK_WIDE / max(len(counts), 1)
    bars = []
    for at, count in enumerate(counts):
        if count:
            # What is there at all can be seen.
            high = max(_SPARK_HIGH * count / most, 1.0)
            box = (at * wide, _SPARK_HIGH - high, max(wide - 0.4, 0.4), high)
            bars.append(tuple(f"{each:.2f}" for each in box))
    return bars  # type: ignore[return-value]


def _spread(values: Sequence[float], start: float, stop: float, least: float = 0.0) -> list[float]:
    """Put values between two places; in the middle where all are the same, or nearly."""
    low, high = min(values), max(values)
    if high / 2 - low / 2 < least / 2:
        middle = low / 2 + high / 2
        low, high = middle - least / 2, middle + least / 2
    # Halved first: the whole range of floats would be infinite.
    half = high / 2 - low / 2
    if half <= 0:
        return [(start + stop) / 2 for _ in values]
    return [start + (stop - start) * ((value / 2 - low / 2) / half) for value in values]


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
