"""The charts of the documentation show what its tables say."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from benchmarks._chart import bars, draw

PAGES = Path(__file__).parents[3] / "docs" / "explanation"
TABLES = sorted(PAGES.glob("benchmarks*-table.txt"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_a_chart_is_that_of_its_table(table: Path) -> None:
    """Every ratio of a table stands in its chart, under its name; a table that was taken anew is to be drawn anew."""
    chart = PAGES.parent / "_static" / f"{table.stem.removesuffix('-table')}.svg"
    shown = html.unescape(chart.read_text(encoding="utf-8"))
    ratios = bars(table.read_text(encoding="utf-8"))
    assert ratios
    assert [bar.what for bar in ratios if f"{bar.what}<" not in shown] == []
    assert [bar.what for bar in ratios if f">{bar.ratio:.3g}×<" not in shown] == []


@pytest.mark.one_python
def test_bars_are_the_ratios_of_a_table(tmp_path: Path) -> None:
    """Rows in other units, and those that could not be measured, have no bar; markup of the table is taken off."""
    table = tmp_path / "some-table.txt"
    table.write_text(
        "   * - What\n     - Target\n     - Measured\n     - Met\n"
        "   * - one / O\\_DIRECT\n     - ≤ 1.3×\n     - 1.2×\n     - yes\n     - details\n"
        "   * - two / another\n     - –\n     - 0.004×\n     -\n     - details\n"
        "   * - three\n     - ≤ 20 ms\n     - 3 ms\n     - yes\n     -\n"
        "   * - four\n     - ≤ 1×\n     - –\n     - no\n     - not installed\n",
        encoding="utf-8",
    )
    first, second = bars(table.read_text(encoding="utf-8"))
    assert (first.what, first.ratio, first.target, first.met) == ("one / O_DIRECT", 1.2, 1.3, "yes")
    assert (second.ratio, second.target, second.met) == (0.004, None, "")
    pytest.importorskip("matplotlib")
    charts = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for chart in charts:
        draw(table, chart)
    assert charts[0].read_bytes() == charts[1].read_bytes()
    assert "one / O_DIRECT" in charts[0].read_text(encoding="utf-8")
