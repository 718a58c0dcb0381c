"""Schemas are compared: what breaks older files is told from what does not, and rules are proposed."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest

from lattice_addons.errors import SchemaError
from lattice_addons.hyperstate import (
    AddField,
    ChangeDefault,
    DeleteField,
    MapValue,
    MoveField,
    RenameField,
    Rule,
    SchemaReport,
    Versioned,
    check_schema,
    dump_schema,
    read_schema,
    schema_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Three(enum.Enum):
    """An enum before."""

    RED = 1
    GREEN = 2
    BLUE = 3


Two = enum.Enum("Two", {"RED": 1, "GREEN": 2})
Azure = enum.Enum("Azure", {"RED": 1, "GREEN": 2, "BLUEISH": 3})


@dataclass
class Adam:
    """One of a union."""

    lr: float = 0.1


@dataclass
class Sgd:
    """Another one."""

    lr: float = 0.1
    momentum: float = 0.9


@dataclass
class Node:
    """Has itself inside, and one of each kind."""

    name: str
    kind: Three = Three.RED
    optimizer: Adam | Sgd = field(default_factory=Sgd)
    children: list[Node] = field(default_factory=list)
    parent: Optional[Node] = None  # noqa: UP045 - both spellings
    pair: tuple[int, str] = (1, "a")
    many: tuple[float, ...] = ()
    table: dict[str, set[int]] = field(default_factory=dict)
    mode: Literal["a", 2] = "a"
    path: Path | None = None


def kind(tp: Any, **more: Any) -> type:
    """Make a class with one field that must be given, and others with defaults."""
    fields = [(name, type(value), field(default=value)) for name, value in more.items()]
    return make_dataclass("Config", [("x", tp), *fields])


def compared(old: type, new: type) -> SchemaReport:
    """Compare two classes."""
    return check_schema(new, schema_of(old))


@pytest.mark.parametrize("ending", ["yaml", "json", "ron"])
def test_dumped_schema_comes_back(tmp_path: Path, ending: str) -> None:
    """As a file in each format, it is the schema of the class."""
    path = tmp_path / f"schema.{ending}"
    dump_schema(Node, path)
    assert read_schema(path) == schema_of(Node)
    report = check_schema(Node, read_schema(path))
    assert not report.changes
    assert not report.breaks


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (int, float),
        (int, int | None),
        (int, int | str),
        (int, Any),
        (tuple[()], tuple),
        (tuple[int, str], tuple),
        (int | None, float | None),
        (list[int], set[float]),
        (tuple[int, int], list[float]),
        (tuple[int, ...], list[int]),
        (dict[str, int], dict[str, float]),
        (Literal["a"], Literal["a", "b"]),
        (Literal["a", "b"], str),
        (Two, Three),
        (Adam, Adam | Sgd),
        (Adam, Adam | None),
        (Path, str),
    ],
)
def test_wider_types_fit(old: Any, new: Any) -> None:
    """Every older value is read as before; the other way round some are not."""
    assert not compared(kind(old), kind(new)).breaks
    back = compared(kind(new), kind(old)).breaks
    assert back or (old, new) in [(tuple[int, ...], list[int]), (Path, str)]


@pytest.mark.parametrize(
    ("old", "new", "what", "rule"),
    [
        (float, int, "was float, is int", "MapValue('x', round)"),
        (int, str, "was int, is str", "MapValue('x', str)"),
        (int, list[int], "was int, is list[int]", "MapValue('x', lambda value: [value])"),
        (
            Three,
            Two,
            "has no member BLUE any more",
            "MapValue('x', lambda value: {'BLUE': ...}.get(value, value))",
        ),
        (
            Three,
            Azure,
            "has no member BLUE",
            "MapValue('x', lambda value: {'BLUE': 'BLUEISH'}.get(value, value))",
        ),
        (Literal["a", "b"], Literal["a"], "has no value b", "{'b': ...}"),
        (
            int | None,
            int,
            "takes no null any more",
            "MapValue('x', lambda value: ... if value is None else value)",
        ),
        (int | str, int, "takes no str any more", "MapValue('x', lambda value: ...)"),
        (Adam | Sgd, Adam, "takes no Sgd any more", "MapValue("),
        (tuple[int, int], tuple[int, int, int], "was tuple[int, int], is tuple[int, int, int]", "MapValue("),
        (tuple[int, int], tuple[int, str], "x[1]  was int, is str", "MapValue('x[1]', str)"),
        (
            dict[str, int],
            dict[str, list[int]],
            "x.*  was int, is list[int]",
            "MapValue('x.*', lambda value: [value])",
        ),
        (dict[str, int], list[int], "was dict[str, int], is list[int]", "MapValue("),
    ],
)
def test_narrower_types_break(old: Any, new: Any, what: str, rule: str) -> None:
    """Where, how, and the rule that would help."""
    report = compared(kind(old), kind(new))
    assert report.breaks
    assert any(what in str(each) for each in report.changes), report.changes
    assert any(rule in str(each) for each in report.proposals), report.proposals


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lr", "learning_rate"),
        ("n_layers", "num_layers"),
        ("batchSize", "batch_size"),
        ("w", "width"),
        ("decay", "weight_decay"),
    ],
)
def test_rename_is_recognised(old: str, new: str) -> None:
    """By its type and by how alike the names are, among other changes."""
    before = make_dataclass("C", [(old, float), ("gone", str)])
    after = make_dataclass("C", [(new, float), ("other", list[int])])
    assert [each.rule for each in compared(before, after).proposals] == [
        f"RenameField({old!r}, {new!r})",
        "DeleteField('gone')",
        "AddField('other', ...)",
    ]


def test_rename_of_another_type_is_none() -> None:
    """A field of the same name elsewhere has moved; one whose type takes no older values is new."""
    inner = make_dataclass("Inner", [("lr", float, field(default=0.2))])
    before = make_dataclass("C", [("size", str), ("lr", float, field(default=0.1))])
    after = make_dataclass("C", [("optimizer", inner), ("sizes", int)])
    after_with_inner = make_dataclass("C", [("optimizer", inner), ("size", str)])
    assert "RenameField('size', 'sizes')" not in [each.rule for each in compared(before, after).proposals]
    old = make_dataclass("C", [("optimizer", make_dataclass("Inner", [])), ("lr", float, field(default=0.1))])
    new = make_dataclass("C", [("optimizer", inner)])
    assert [each.rule for each in compared(old, new).proposals] == [
        "MoveField('lr', 'optimizer.lr')",
        "ChangeDefault('optimizer.lr', 0.2)",
    ]
    assert compared(before, after_with_inner).breaks
    elsewhere = make_dataclass("C", [("inner", make_dataclass("Inner", [("rates", float)]))])
    rate = make_dataclass("C", [("inner", make_dataclass("Inner", [])), ("rate", float)][::-1])
    assert [each.rule for each in compared(rate, elsewhere).proposals] == [
        "DeleteField('rate')",
        "AddField('inner.rates', ...)",
    ]


def test_defaults() -> None:
    """Another one means something else; one that is gone breaks; a new field with one does neither."""
    report = compared(kind(int, a=1, b=2), kind(int, a=1, b=3, c=4))
    assert not report.breaks
    assert [each.effect for each in report.changes] == ["means another", "fits"]
    assert [each.rule for each in report.proposals] == ["ChangeDefault('b', 3)"]
    required = make_dataclass("Config", [("x", int), ("a", int)])
    report = compared(kind(int, a=1), required)
    assert report.breaks
    assert [each.rule for each in report.proposals] == ["AddField('a', 1)"]


@dataclass
class Layer:
    """After all the changes."""

    width: int
    act: str


@dataclass
class Latest(Versioned):
    """Led to by one rule of each kind."""

    layers: list[Layer]
    kind: Two
    optimizer: dict[str, Adam]
    rate: float = 0.5

    @classmethod
    def version(cls) -> int:
        """Give the version."""
        return 2

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Cover each of the changes."""
        return {
            0: [RenameField("layers.*.w", "layers.*.width"), DeleteField("gone"), MapValue("kind", str)],
            1: [AddField("layers.*.act", "relu"), MoveField("lr", "rate"), ChangeDefault("rate", 0.5),
                MapValue("optimizer.*", lambda lr: {"lr": lr})],
        }  # fmt: skip


def test_rules_cover_changes() -> None:
    """With all of them nothing breaks; from a later version on only the later ones count."""
    old_layer: Any = make_dataclass("Layer", [("w", int)])
    old = make_dataclass(
        "Latest",
        [("layers", list[old_layer]), ("gone", int), ("kind", Three), ("optimizer", dict[str, float]),
         ("lr", float, field(default=0.1))],
    )  # fmt: skip
    schema = schema_of(old)
    report = check_schema(Latest, schema)
    assert not report.breaks, report.changes
    assert not report.changes
    assert not report.idle
    assert len(report.ruled) >= 5
    late = check_schema(Latest, schema | {"version": 1})
    assert {".".join(map(str, each.place)) for each in late.changes if each.effect == "breaks"} == {
        "layers.*.w", "layers.*.width", "gone", "kind",
    }  # fmt: skip
    with pytest.raises(SchemaError, match="the schema is of version 3"):
        check_schema(Latest, schema | {"version": 3})
    assert check_schema(Latest, schema_of(Latest) | {"version": 0}).idle


def test_no_schema() -> None:
    """A class that is no dataclass has none."""
    with pytest.raises(SchemaError, match="no dataclass"):
        schema_of(int)
