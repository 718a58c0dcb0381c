"""Whatever a run returns becomes rows of plain data, and nothing in it is lost."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lattice_addons.errors import UnstorableResultError
from lattice_addons.experiments import Experiment, Place, search
from lattice_addons.experiments._cells import loose
from lattice_addons.experiments._needs import needed
from lattice_addons.experiments._rows import LARGE, named_beside, rows_of, shown

if TYPE_CHECKING:
    from pathlib import Path


class Rows(Experiment):
    """Any setting: what is returned is what counts here."""

    lr: float = search(0.1, 0.2)


class Scored(Experiment):
    """An experiment with an objective."""

    objective = "loss"
    lr: float = 0.1


class Colour(enum.Enum):
    """Neither of them is a value that JSON has."""

    RED = ("r", 1)
    GREEN = "green"


@dataclasses.dataclass
class Scores:
    """A record of the user's own."""

    loss: float
    by_class: dict[str, float]


class Pair(NamedTuple):
    """Another kind of record."""

    a: int
    b: int


SETTING = next(iter(Rows()))
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.timezone.utc)


def rows(returned: object) -> list[dict[str, Any]]:
    """Give the rows as they are after a way through the journal's JSON."""
    return [shown(row) for row in json.loads(json.dumps(rows_of(returned, SETTING), allow_nan=False))]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, []),
        ([], []),
        ({"a": 1, "b": {"c": {"d": 2.5}, "e": None}}, [{"a": 1, "b.c.d": 2.5, "b.e": None}]),
        ([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 2}]),
        (3, [{"value": 3}]),
        (np.float32(1.5), [{"value": 1.5}]),
        (np.int64(2), [{"value": 2}]),
        ("text", [{"value": "text"}]),
        ([1, 2], [{"value": [1, 2]}]),
        ([{"a": 1}, 5], [{"a": 1}, {"value": 5}]),
        (np.arange(4).reshape(2, 2), [{"value": [[0, 1], [2, 3]]}]),
        (Scores(0.5, {"cat": 1.0}), [{"loss": 0.5, "by_class.cat": 1.0}]),
        (Pair(1, 2), [{"a": 1, "b": 2}]),
    ],
)
def test_what_is_returned_becomes_rows(returned: object, expected: list[dict[str, Any]]) -> None:
    """Dicts are flattened, lists of them are rows, a bare value has a column of its own."""
    assert rows(returned) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("inf"), float("inf")),
        (2**70, 2**70),
        (dt.date(2026, 1, 2), dt.date(2026, 1, 2)),
        (NOON, NOON),
        (pd.Timestamp("2026-01-02T12:00:00.123456789"), dt.datetime(2026, 1, 2, 12, 0, 0, 123456)),  # noqa: DTZ001
        (np.datetime64("2026-01-02T12:00:00", "ns"), dt.datetime(2026, 1, 2, 12)),  # noqa: DTZ001
        (dt.timedelta(milliseconds=1), dt.timedelta(milliseconds=1)),
        (decimal.Decimal("1.10"), decimal.Decimal("1.10")),
        (b"\x00\xff", b"\x00\xff"),
        (pd.NaT, None),
        (pd.NA, None),
        (np.longdouble(1.5), 1.5),
        (Colour.GREEN, "green"),
        (Colour.RED, "RED"),
        (pathlib.PurePath("/x/y"), "/x/y"),
        (1 + 2j, "(1+2j)"),
        ({}, "{}"),
        ([1, "a", None], '[1, "a", null]'),
        ([{"a": 1}, {"b": np.float32(2)}], '[{"a": 1}, {"b": 2.0}]'),
        (pd.Series([1, 2]), [1, 2]),
        (pd.DataFrame({"a": [1]}), '[{"a": 1}]'),
        ("lone \udcff", "lone \\udcff"),
    ],
)
def test_values_keep_their_types_or_become_text(value: object, expected: object) -> None:
    """What a table has a type for comes back as that; odd values are JSON."""
    assert rows({"value": value}) == [{"value": expected}]


def test_nan_stays_nan() -> None:
    """It is a result, not a missing one, though JSON has no word for it."""
    (row,) = rows({"loss": float("nan")})
    assert row["loss"] != row["loss"]


def test_names_that_meet_are_kept_apart() -> None:
    """Two values of one name after flattening are two columns."""
    assert rows({"a": {"b": 1}, "a.b": 2, 1: 3, "1": 4}) == [{"a.b": 1, "a.b_2": 2, "1": 3, "1_2": 4}]
    assert named_beside(["lr", "loss", "status"], ["lr"]) == {
        "lr": "result.lr",
        "loss": "loss",
        "status": "result.status",
    }


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.LazyFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pa.record_batch({"a": [1, 2], "b": ["x", None]}),
    ],
    ids=lambda table: f"{type(table).__module__.partition('.')[0]}.{type(table).__name__}",
)
def test_tables_are_rows(table: object) -> None:
    """Of every library, with a missing value as none."""
    assert rows(table) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


def test_a_frame_keeps_index_labels_and_odd_cells() -> None:
    """What pandas allows and arrow does not: mixed cells, labels of two levels, twice one label."""
    frame = pd.DataFrame([[1, 2, "x"], [3, 4, 5]], index=pd.Index(["i", "j"], name="key"))
    frame.columns = pd.MultiIndex.from_tuples([("a", "b"), ("a", "b"), ("c", "")])

    assert rows(frame) == [
        {"key": "i", "a.b": 1, "a.b_2": 2, "c": "x", "c.odd": None},
        {"key": "j", "a.b": 3, "a.b_2": 4, "c": None, "c.odd": "5"},
    ]


def test_structs_and_categories_of_a_table_are_plain() -> None:
    """Nested columns are flattened, and codes are read in their book."""
    frame = pl.DataFrame({"s": [{"x": 1, "y": {"z": 2}}], "c": ["u"]}).with_columns(
        pl.col("c").cast(pl.Categorical)
    )
    assert rows(frame) == [{"s.x": 1, "s.y.z": 2, "c": "u"}]


def test_a_bare_number_is_called_as_the_objective() -> None:
    """Samplers look for it under that name."""
    assert rows_of(0.5, Scored()) == [{"loss": 0.5}]


@pytest.mark.parametrize(
    ("returned", "where"),
    [
        (object(), ""),
        ({"model": {"layers": [1, object()]}}, "model.layers[1]"),
        ([{"a": 1}, {"a": lambda: 1}], "[1].a"),
        ({"kind": [{"x": object}]}, "kind[0].x"),
    ],
)
def test_what_is_no_data_is_named(returned: object, where: str) -> None:
    """The error says of which setting, where in the result, and what it is."""
    with pytest.raises(UnstorableResultError) as caught:
        rows_of(returned, SETTING)

    assert caught.value.where == where
    assert SETTING.name in str(caught.value)
    assert (where or "what it returned") in str(caught.value)


def test_a_result_that_contains_itself_is_refused() -> None:
    """Instead of an endless walk."""
    endless: dict[str, Any] = {}
    endless["me"] = endless
    circle: list[Any] = [1]
    circle.append(circle)

    for returned in (endless, {"circle": circle}):
        with pytest.raises(UnstorableResultError, match="contains itself"):
            rows_of(returned, SETTING)


def test_a_large_table_is_a_file_and_a_small_one_is_not(tmp_path: Path) -> None:
    """The file has the table's own types, with the setting's fields; the journal only its name."""
    place = Place(Rows, str(tmp_path))
    count = LARGE // 8 + 1
    frame = pl.DataFrame({"step": pl.Series(range(count), dtype=pl.Int32), "lr": [0.5] * count})

    (row,) = rows_of(frame, SETTING, place)
    again = rows_of(frame, SETTING, place)

    key = shown(row)["@table"]
    stored = pq.read_table(pathlib.Path(place.url, key))
    assert stored.column_names == ["lr", "identity", "name", "step", "result.lr"]
    assert stored.column("step").to_pylist() == list(range(count))
    assert str(stored.schema.field("step").type) == "int32"
    assert stored.column("lr").to_pylist()[0] == 0.1
    assert again == [row]
    assert len(json.dumps(row)) < 200
    assert rows_of(frame.head(3), SETTING, place)[2] == {"step": 2, "lr": 0.5}


def test_many_rows_of_dicts_are_a_file_too(tmp_path: Path) -> None:
    """It is the size that counts, not what the table was before."""
    place = Place(Rows, str(tmp_path))
    given = [{"step": number, "text": "x" * 100} for number in range(5000)]

    (row,) = rows_of(given, SETTING, place)

    assert pq.read_table(pathlib.Path(place.url, shown(row)["@table"])).column("step").to_pylist()[-1] == 4999


class Keyed(Experiment):
    """A field with keys that JSON does not have."""

    weights: dict[Any, float] = {(1, 2): 0.5}  # noqa: RUF012 - each instance has its own


def test_a_large_table_beside_a_field_with_keys_of_any_type(tmp_path: Path) -> None:
    """They are texts there, as in the journal."""
    place = Place(Keyed, str(tmp_path))
    (row,) = rows_of(pd.DataFrame({"x": np.random.default_rng(0).random(LARGE)}), Keyed(), place)
    table = pq.read_table(pathlib.Path(place.url, row["@table"]["file"]))
    assert table.column("weights.(1, 2)")[0].as_py() == 0.5


def test_a_field_of_any_type_has_a_cell() -> None:
    """A field never keeps a result from being stored."""
    assert loose(print) == "print"
    assert loose(Colour) == f"{__name__}.Colour"
    assert "object" in loose(object())


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the error knows what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'lattice-addons\[experiments\]'"):
        needed("pyarrow")
