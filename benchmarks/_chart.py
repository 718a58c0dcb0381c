"""A table of ratios as a chart: a bar each, twice as fast and half as fast being equally far from 1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks._row import RATIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Bar", "bars", "draw"]

_FIRST, _OTHER = "   * - ", "     - "
# Colours that those who confuse red and green tell apart, in light and in dark.
_MET, _MISSED, _COMPARED = "#2b7bba", "#d9822b", "#8a8f98"
# What is less is drawn as this: a table has the figure.
_LEAST = 0.01
_INCHES_A_BAR = 0.27


@dataclass(frozen=True)
class Bar:
    """A row whose figure is a ratio: what was measured, how it came out, and what it may be at most."""

    what: str
    ratio: float
    target: float | None
    met: str

    @property
    def colour(self) -> str:
        """Say by the colour whether the target is met, or whether there is one."""
        return {"yes": _MET, "no": _MISSED}.get(self.met, _COMPARED)


def bars(table: str) -> list[Bar]:
    """Read the ratios out of a table of the documentation, in their order."""
    found = []
    for what, target, measured, met, *_ in _rows(table):
        if measured.endswith(RATIO):
            most = float(target.strip(f"≤ {RATIO}")) if target.endswith(RATIO) else None
            found.append(Bar(what, float(measured.removesuffix(RATIO)), most, met))
    return found


def draw(table: Path, chart: Path) -> None:
    """Draw the ratios of a table; what stands there stays text, to be read aloud and searched."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    given = bars(table.read_text(encoding="utf-8"))
    # The same table gives the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": table.name, "font.family": "sans-serif"}):
        figure, axes = plt.subplots(figsize=(10, 1 + _INCHES_A_BAR * len(given)))
        _fill(axes, given)
        figure.tight_layout()
        figure.savefig(chart, format="svg", transparent=False, metadata={"Date": None, "Title": table.stem})
        plt.close(figure)


def _fill(axes: Any, given: list[Bar]) -> None:  # noqa: ANN401 - matplotlib is there only where charts are drawn
    places = range(len(given))
    shown = [max(bar.ratio, _LEAST) for bar in given]
    axes.barh(places, [one - 1 for one in shown], left=1, height=0.7, color=[bar.colour for bar in given])
    beside = axes.get_yaxis_transform()
    for place, bar in zip(places, given, strict=True):
        axes.text(1.01, place, f"{bar.ratio:.3g}{RATIO}", transform=beside, va="center", fontsize=7)
        if bar.target is not None and bar.target != 1:
            axes.plot([bar.target] * 2, [place - 0.42, place + 0.42], color="black", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST / 2.5, max(2.5, *shown) * 1.2)
    ticks = (0.01, 0.1, 0.25, 0.5, 1, 2, 4, 10)
    axes.set_xticks(ticks, [f"{tick:g}{RATIO}" for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(list(places), [bar.what for bar in given], fontsize=7)
    axes.set_ylim(len(given) - 0.4, -0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(
        "less is better; blue: target met, orange: missed, grey: without one; black mark: a target that is not 1",
        fontsize=8,
    )


def _rows(table: str) -> Iterator[list[str]]:
    """Give the cells of each row but the first, which has the headings."""
    row: list[str] = []
    rows = []
    for line in table.splitlines():
        if line.startswith(_FIRST):
            row = [_plain(line.removeprefix(_FIRST))]
            rows.append(row)
        elif row and line.startswith(_OTHER.rstrip()):
            row.append(_plain(line.removeprefix(_OTHER.rstrip()).strip()))
    yield from rows[1:]


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
