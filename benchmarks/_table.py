"""The table: on a terminal, and as reStructuredText for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._row import RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks._row import Row

__all__ = ["as_line", "as_rst"]

HEADINGS = ("What", "Target", "Measured", "Met", "Medians (range)")


def as_line(row: Row) -> str:
    """Give a row for the terminal."""
    what, target, measured, met, details = cells(row)
    line = f"{what:<86} {target:>10} {measured:>10}  {met:<4}"
    return f"{line}\n    {details}" if details else line.rstrip()


def as_rst(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """Give the machine and the table."""
    lines = [f"{name}\n   {text}" for name, text in machine.items()]
    lines += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 40 9 9 7 35", ""]
    for row in (HEADINGS, *map(cells, rows)):
        first, *others = (_escaped(cell) for cell in row)
        lines.append(f"   * - {first}".rstrip())
        lines += [f"     - {cell}".rstrip() for cell in others]
    return "\n".join(lines) + "\n"


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Give what stands in the columns."""
    if row.error:
        return row.what, _figure(row.target, row.unit, "≤ "), "–", "no" if row.missed else "", row.error
    met = {True: "yes", False: "no", None: ""}[row.met]
    return (
        row.what,
        _figure(row.target, row.unit, "≤ "),
        _figure(row.measured, row.unit),
        met,
        row.details,
    )


def _figure(value: float | None, unit: str, before: str = "") -> str:
    if value is None:
        return "–"
    shown = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{before}{shown}{' ' * (unit != RATIO)}{unit}".rstrip() if unit else f"{before}{shown}"


def _escaped(text: str) -> str:
    """Keep what would be markup from being so."""
    return "".join(f"\\{char}" if char in "*`|_\\" else char for char in text)
