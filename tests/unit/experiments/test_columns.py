"""Rows of differing types become one table, in which nothing is lost and numbers stay numbers."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from lattice_addons.experiments._cells import cell, opened
from lattice_addons.experiments._columns import ODD, combined, plain_table, table_of


def test_one_odd_value_leaves_the_column_as_it_is() -> None:
    """The others are numbers still, and the odd one stands beside them."""
    table = table_of([{"loss": 0.5}, {"loss": "diverged"}, {"loss": 1}, {}])

    assert str(table.schema.field("loss").type) == "double"
    assert table.column("loss").to_pylist() == [0.5, None, 1.0, None]
    assert table.column("loss" + ODD).to_pylist() == [None, '"diverged"', None, None]


@pytest.mark.parametrize(
    ("values", "kind", "odd"),
    [
        ([1, 2.5], "double", None),
        ([1, 2**53 + 1, 0.5], "double", [None, str(2**53 + 1), None]),
        ([1, 2, cell(2**70)], "int64", [None, None, str(2**70)]),
        ([True, True, 1], "bool", [None, None, "1"]),
        ([1, 1, True], "int64", [None, None, "true"]),
        ([[1], [2.5], []], "list<item: double>", None),
        ([[1], "x", [2]], "list<item: int64>", [None, '"x"', None]),
        ([cell(float("nan")), 1], "double", None),
        ([None, None], "null", None),
    ],
)
def test_a_column_has_the_type_of_most_values(
    values: list[Any], kind: str, odd: list[str | None] | None
) -> None:
    """Numbers are widened where that loses nothing."""
    table = table_of([{"x": value} for value in values])

    assert str(table.schema.field("x").type).replace("element", "item") == kind
    assert (table.column("x" + ODD).to_pylist() if "x" + ODD in table.column_names else None) == odd


def test_tables_of_other_columns_and_types_are_merged() -> None:
    """What one does not have is null; what does not fit stands beside it."""
    merged = combined(
        [
            pa.table({"a": [1, 2], "b": ["x", "y"]}),
            pa.table({"a": [0.5], "c": [[1]]}),
            pa.table({"a": ["odd"], "a.odd": pa.array([None], pa.string()), "b": pa.nulls(1)}),
            pa.table({"b": pa.array(["z"], pa.large_string()), "c": [[0.5]]}),
        ]
    )

    assert merged.column("a").to_pylist() == [1.0, 2.0, 0.5, None, None]
    assert merged.column("a.odd").to_pylist() == [None, None, None, '"odd"', None]
    assert merged.column("b").to_pylist() == ["x", "y", None, None, "z"]
    assert merged.column("c").to_pylist() == [None, None, [1.0], None, [0.5]]


def test_parts_that_disagree_agree_on_the_type_of_most() -> None:
    """A part written while all values were odd does not decide for the others."""
    odd, usual = table_of([{"x": "warm-up"}]), table_of([{"x": 1.5}, {"x": 2.5}])

    for order in ([odd, usual], [usual, odd]):
        merged = combined(order)
        assert sorted(filter(None, merged.column("x").to_pylist())) == [1.5, 2.5]
        assert set(merged.column("x.odd").to_pylist()) == {'"warm-up"', None}


def test_when_parts_were_written_makes_no_difference() -> None:
    """Numbers that were odd in a part full of texts are in their column when the whole is one of numbers."""
    numbers, texts = [1, 2, 2**70, 4], ["a", "b", "c"]
    rows = [{"x": cell(value), "y": value} for value in (5, *texts, 6, [7], True, *numbers)]
    whole = table_of(rows)

    for cut in range(1, len(rows)):
        merged = combined([table_of(rows[:cut]), table_of(rows[cut:])])
        assert {name: merged.column(name).to_pylist() for name in merged.column_names} == whole.to_pydict()

    only_numbers = [table_of([{"x": "a"}, {"x": "b"}, {"x": 1}]), table_of([{"x": 2}, {"x": 3}])]
    left = only_numbers[0].slice(2)
    assert combined([left, only_numbers[1]]).to_pydict() == {"x": [1, 2, 3]}


def test_a_table_of_nested_lists_becomes_plain() -> None:
    """Structs in lists are text; they could not be put together with others."""
    table = plain_table(pa.table({"a": [[{"x": 1}]], "b": pa.array(["u"]).dictionary_encode()}))

    assert table.column("a").to_pylist() == ['[{"x": 1}]']
    assert table.column("b").to_pylist() == ["u"]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.dates(),
    st.binary(max_size=3),
    st.lists(st.integers(0, 9), max_size=3),
)


@pytest.mark.one_python
@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1, max_size=6), st.integers(0, 6))
def test_nothing_is_lost(rows: list[dict[str, Any]], cut: int) -> None:
    """Every value is in its column or beside it, also when the rows were in two parts."""
    cells = [{"id": 1, **{name: cell(value) for name, value in row.items()}} for row in rows]
    parts = [part for part in (cells[:cut], cells[cut:]) if part]

    merged = combined([table_of(part) for part in parts])

    for number, row in enumerate(cells):
        for name, given_cell in row.items():
            value = opened(given_cell)
            here = merged.column(name)[number].as_py() if name in merged.column_names else None
            beside = merged.column(name + ODD)[number].as_py() if name + ODD in merged.column_names else None
            assert here == value or (here is None and beside is not None) or value is None
