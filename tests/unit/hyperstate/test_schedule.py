"""A schedule is exact at its knots, follows its curves between them, and is clamped beyond."""

from __future__ import annotations

import contextlib
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice_addons.errors import ScheduleError
from lattice_addons.hyperstate import Knot, Schedule, Tagged
from lattice_addons.hyperstate._schedule import looks_like_schedule

SEED = "step: 1.0@0 lin 0.5@5 cos 0.1@10"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            SEED,
            {
                -1: 1.0,
                0: 1.0,
                2.5: 0.75,
                4: 0.6,
                5: 0.5,
                7.5: 0.3,
                10: 0.1,
                11: 0.1,
                math.inf: 0.1,
                -math.inf: 1.0,
            },
        ),
        ("0@0 lin 1@10", {1: 0.1, 3: 0.3, 7: 0.7}),
        ("1@0 cos 0@4", {1: (1 + math.sqrt(0.5)) / 2, 2: 0.5, 3: (1 - math.sqrt(0.5)) / 2}),
        ("1@0 exp 0.01@2", {0: 1, 1: 0.1, 2: 0.01}),
        ("-4@0 exp -1@2", {1: -2}),
        ("1e-300@0 exp 1e300@2", {1: 1.0}),
        ("1@0 step 2@5 step 3@6", {0: 1, 4.999: 1, 5: 2, 5.5: 2, 6: 3, 99: 3}),
        ("1@0 quad 0@10", {5: 0.25, 8: 0.04}),
        ("1@0 poly(3) 0@10", {5: 0.125}),
        ("1@0 poly(0.5) 0@4", {3: 0.5}),
        ("0@0 quad 8@10", {5: 6}),
        ("3@7", {0: 3, 7: 3, 9: 3}),
        ("0.3@0 lin 0.15@150e6 0.1@200e6", {75e6: 0.225, 175e6: 0.125}),
        ("1@0 cos 0@2 1@4", {1: 0.5, 3: 0.5}),
        ("-1@-10 lin +1@1_0", {-10: -1, 0: 0, 5: 0.5}),
    ],
)
def test_values(text: str, values: dict[float, float]) -> None:
    """At, between and beyond the knots."""
    schedule = Schedule.parse(text)
    for x, value in values.items():
        assert schedule.value_at(x) == pytest.approx(value, rel=1e-12, abs=1e-15), x
    for knot in schedule.knots:
        assert schedule.value_at(knot.at) is knot.value


def test_text_and_structure_are_one() -> None:
    """Each is kept as it was read; the text of a structure reads as the same schedule."""
    written = Schedule.parse("a.step:1@0   lin 0.5 @ 5 poly(3) 2@6")
    assert written.format() == "a.step:1@0   lin 0.5 @ 5 poly(3) 2@6"
    assert written.key == "a.step"
    assert written.knots == (Knot(0, 1), Knot(5, 0.5), Knot(6, 2, "poly(3)"))
    knots: list[dict[str, Any]] = [
        {"at": 0, "value": 1},
        {"at": 5, "value": 0.5, "curve": "lin"},
        {"at": 6, "value": 2, "curve": "poly(3)"},
    ]
    built = Schedule.parse({"by": "a.step", "knots": knots})
    assert built.knots == written.knots
    assert built.format() == "a.step: 1@0 lin 0.5@5 poly(3) 2@6"
    assert Schedule.parse(built.format()).knots == built.knots
    tagged = Schedule.parse(Tagged("Schedule", {"knots": [Tagged("Knot", knots[0])]}))
    assert tagged.key is None
    assert tagged.format() == "1@0"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "no knot"),
        ("step:", "no knot"),
        ("lin 1@0", "before the first knot"),
        ("1@0 lin", "'lin' is no curve and knot"),
        ("1@0 foo 2@3", "no curve is called 'foo'"),
        ("1@0 poly 2@3", "no curve is called 'poly'"),
        ("1@0 poly(-1) 2@3", "above zero"),
        ("1@0 poly(x) 2@3", "'x' is no number"),
        ("1@0 lin 0.5", "'lin 0.5' is no curve"),
        ("1@0 1@0", "must rise"),
        ("1@5 1@0", "must rise"),
        ("nan@0", "not finite"),
        ("1@inf", "not finite"),
        ("9" * 400 + "@0", "not finite"),
        ("1@-1e308 lin 2@1e308", "too far apart"),
        ("1@0 exp 0@1", "neither reach nor cross zero"),
        ("0.0@0 exp 1@1", "neither reach nor cross zero"),
        ("1@0 exp -1@1", "neither reach nor cross zero"),
        ({"knots": []}, "no knot"),
        ({"knots": "1@0"}, "a list"),
        ({"knots": [{"at": 0}]}, "a knot is"),
        ({"knots": [{"at": True, "value": 1}]}, "True is no number"),
        ({"knots": [{"at": 0, "value": 1, "curve": 3}]}, "no curve is called 3"),
        ({"by": 3, "knots": [{"at": 0, "value": 1}]}, "names a field"),
        ({"to": 3, "knots": []}, "a structure has"),
        (7, "a structure has"),
    ],
)
def test_refused(source: Any, says: str) -> None:
    """Each fault is said, with an example."""
    with pytest.raises(ScheduleError, match=re.escape(SEED)) as caught:
        Schedule.parse(source)
    assert says in str(caught.value)


def test_no_value_at_nan() -> None:
    """It would be compared with knots, and be any of them."""
    with pytest.raises(ScheduleError, match="NaN"):
        Schedule.parse(SEED).value_at(math.nan)


def test_what_looks_like_one() -> None:
    """A text without a knot is a text."""
    assert looks_like_schedule("1@0")
    assert looks_like_schedule({"knots": 3})
    assert not looks_like_schedule("0.1")
    assert not looks_like_schedule("a @ ")
    assert not looks_like_schedule({"knots": 3, "lr": 1})


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80)
PIECES = ["1@0", "2@1", "lin", "poly(", ")", "@", "step:", " ", "e", "-", "."]
CURVES = st.sampled_from(["lin", "cos", "exp", "step", "quad", "poly(3)", "poly(0.1)"])


@pytest.mark.one_python
@given(st.lists(st.tuples(NUMBERS, NUMBERS, CURVES), min_size=1, max_size=5), NUMBERS)
def test_never_outside_its_knots(knots: list[tuple[float, float, str]], x: float) -> None:
    """Whatever the numbers are: it is refused, or its values lie between those of the two knots."""
    data = [
        {"at": at, "value": value, "curve": curve}
        for at, value, curve in sorted(knots, key=lambda each: each[0])
    ]
    try:
        schedule = Schedule.parse({"by": "step", "knots": data})
    except ScheduleError:
        return
    assert Schedule.parse(schedule.format()).knots == schedule.knots
    value = schedule.value_at(x)
    left = [knot for knot in schedule.knots if knot.at <= x][-1:] or [schedule.knots[0]]
    right = [knot for knot in schedule.knots if knot.at >= x][:1] or [schedule.knots[-1]]
    assert min(left[0].value, right[0].value) <= value <= max(left[0].value, right[0].value)


@pytest.mark.one_python
@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_text_makes_it_crash(text: str) -> None:
    """It is a schedule, or a ScheduleError."""
    with contextlib.suppress(ScheduleError):
        Schedule.parse(text).value_at(0.5)
