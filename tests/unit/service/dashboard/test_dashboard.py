"""What pages are made of holds for any number of checkpoints, and for any numbers in them."""

from __future__ import annotations

import doctest
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path

import pytest

from lattice_addons.service.view import CheckpointFacts, Life, Timeline

pytest.importorskip("jinja2", reason="pages are made with it")
pytest.importorskip("starlette", reason="pages are served with it")

from lattice_addons.service.dashboard._chart import histogram_bars, line_chart, sparkline
from lattice_addons.service.dashboard._timeline import draw_timeline

TOP = "lattice_addons.service.dashboard"
NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


def places(points: str) -> list[tuple[float, float]]:
    """Read the points of a line."""
    return [(float(x), float(y)) for x, y in (each.split(",") for each in points.split())]


@pytest.mark.parametrize("module", ["_pages", "_words"])
def test_the_examples_in_the_code_are_true(module: str) -> None:
    """Those of addresses and of figures."""
    tried = doctest.testmod(import_module(f"{TOP}.{module}"))
    assert (tried.failed, tried.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    "values", [[1.0], [2.0, 2.0], [0.0, 1.0], [-1.7e308, 1.7e308], [1e-320, 2e-320], [5, -5, 0]]
)
def test_a_line_stays_within_its_box(values: list[float]) -> None:
    """Whatever the numbers are: one, all the same, the largest and the smallest there are."""
    drawn = line_chart(list(enumerate(values, 1)))
    assert len(places(drawn.points)) == len(values)
    assert all(0 <= x <= 1000 and 0 <= y <= 100 for x, y in places(drawn.points))
    assert all(0 <= x <= 72 and 0 <= y <= 20 for x, y in places(sparkline(values)))


@pytest.mark.parametrize("counts", [[1], [0, 3, 0], [1] * 24, [0, 10**9, 1], []])
def test_the_bars_of_a_histogram_stay_within_their_box(counts: list[int]) -> None:
    """There is one for each bin in which something is, and each can be seen."""
    bars = [tuple(map(float, bar)) for bar in histogram_bars(counts)]
    assert len(bars) == sum(map(bool, counts))
    assert all(x >= 0 and y >= 0 and x + wide <= 72.01 and y + high <= 20.01 for x, y, wide, high in bars)
    assert all(high >= 1 for *_, high in bars)


def test_the_largest_is_at_the_top_and_a_percent_is_no_trend() -> None:
    """A line of the size of a word has no scale beside it: it is flat where next to nothing changes."""
    (_, low), (_, high) = places(line_chart([(1, 0.0), (2, 9.0)]).points)
    assert low > high
    flat = [y for _, y in places(sparkline([1000, 1001, 1002]))]
    steep = [y for _, y in places(sparkline([1000, 2000]))]
    assert max(flat) - min(flat) < 1
    assert max(steep) - min(steep) > 10


def checkpoints(count: int, first: int, reason: str = "periodic") -> list[CheckpointFacts]:
    """Make the facts of some checkpoints, a second apart."""
    return [CheckpointFacts(n, NOON + timedelta(seconds=n), reason) for n in range(first, first + count)]


def test_a_timeline_of_any_length_is_a_picture_of_bounded_size() -> None:
    """What says something of its own is drawn all the same: the ends of a life, a signal, a name."""
    first = checkpoints(20_000, 1)
    first[7_777] = CheckpointFacts(7_778, first[7_777].created, "signal:SIGTERM")
    lives = [Life(1, first), *(Life(n, checkpoints(50, 20_000 + n * 50)) for n in range(2, 8))]
    drawn = draw_timeline(Timeline(tuple(lives), {12_345: "best"}))
    assert drawn is not None
    marks = {mark.facts.number: mark for lane in drawn.lanes for mark in lane.marks}
    assert len(marks) < 600
    assert {1, 7_778, 12_345, 20_000} <= marks.keys()
    assert marks[12_345].name == "best"
    assert all(0 <= mark.at <= 100 for mark in marks.values())
    many = draw_timeline(Timeline(tuple(Life(n, checkpoints(1, n)) for n in range(1, 40)), {}))
    assert many is not None
    assert (len(many.lanes), many.earlier) == (8, 31)


def test_a_timeline_without_times_is_not_drawn() -> None:
    """Nor one without checkpoints; one checkpoint alone is in the middle."""
    assert draw_timeline(Timeline((), {})) is None
    assert draw_timeline(Timeline((Life(1, [CheckpointFacts(1, problem="damaged")]),), {})) is None
    alone = draw_timeline(Timeline((Life(1, checkpoints(1, 1)),), {}))
    assert alone is not None
    assert alone.lanes[0].marks[0].at == 50


def test_a_life_of_which_nothing_can_be_drawn_has_no_row() -> None:
    """As when the newest checkpoint is damaged: those below it move up, and stay above the axis."""
    damaged = Life(2, [CheckpointFacts(2, problem="damaged")])
    drawn = draw_timeline(Timeline((Life(1, checkpoints(1, 1)), damaged), {}))
    assert drawn is not None
    assert [lane.y < drawn.axis for lane in drawn.lanes] == [True]


def test_the_package_has_all_that_its_pages_ask_for() -> None:
    """No page asks for a file that is not there, nor for one from elsewhere; the chart library brings its licence."""
    folder = Path(import_module(TOP).__file__ or "").parent
    base = (folder / "templates" / "base.html").read_text(encoding="utf-8")
    asked = {part.split("'")[0] for part in base.split("asset('")[1:]}
    assert asked <= {path.name for path in (folder / "static").iterdir()}
    assert "MIT" in (folder / "static" / "uPlot.LICENSE").read_text(encoding="utf-8")
    for page in (folder / "templates").iterdir():
        text = page.read_text(encoding="utf-8")
        assert "http" not in text, page
        # The policy would refuse these, and what is marked as safe would not be escaped.
        assert not any(
            word in text for word in (" style=", "<style", " onclick", "|safe", "| safe", "autoescape")
        ), page
