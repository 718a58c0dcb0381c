"""Older files are read through every rule in order; newer ones are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    Tagged,
    Versioned,
    dump_config,
    load_config,
)
from lattice_addons.hyperstate._versioned import stamp, upgrade

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def ruled(*steps: Sequence[Rule]) -> type[Versioned]:
    """Make a class with these rules from version 0 on."""

    @dataclass
    class Ruled(Versioned):
        @classmethod
        def version(cls) -> int:
            return len(steps)

        @classmethod
        def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
            return dict(enumerate(steps))

    return Ruled


NESTED = {
    "a": {"b": {"c": 1, "d": 2}},
    "l": [{"x": 1}, {"x": 2}, {"y": 3}],
    "m": {"k": {"x": 1}, 4: {"x": 2}},
}


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (RenameField("a.b.c", "a.b.e"), NESTED, NESTED | {"a": {"b": {"e": 1, "d": 2}}}),
        (RenameField("l.*.x", "l.*.z"), NESTED, NESTED | {"l": [{"z": 1}, {"z": 2}, {"y": 3}]}),
        (RenameField("m[*].x", "m[*].z"), NESTED, NESTED | {"m": {"k": {"z": 1}, 4: {"z": 2}}}),
        (RenameField("m.4.x", "m.4.z"), NESTED, NESTED | {"m": {"k": {"x": 1}, 4: {"z": 2}}}),
        (RenameField("gone", "z"), NESTED, NESTED),
        (
            MoveField("a.b.c", "new.e"),
            NESTED,
            {"a": {"b": {"d": 2}}, **{k: NESTED[k] for k in "lm"}, "new": {"e": 1}},
        ),
        (
            MoveField("l.*.x", "l.*.in.x"),
            NESTED,
            NESTED | {"l": [{"in": {"x": 1}}, {"in": {"x": 2}}, {"y": 3}]},
        ),
        (DeleteField("a.b"), NESTED, NESTED | {"a": {}}),
        (DeleteField("l.*"), NESTED, NESTED | {"l": []}),
        (DeleteField("l[1].x"), NESTED, NESTED | {"l": [{"x": 1}, {}, {"y": 3}]}),
        (AddField("l.*.x", [0]), NESTED, NESTED | {"l": [{"x": 1}, {"x": 2}, {"y": 3, "x": [0]}]}),
        (AddField("gone.x", 0), NESTED, NESTED),
        (ChangeDefault("a.x", 7), NESTED, NESTED | {"a": {**NESTED["a"], "x": 7}}),  # type: ignore[dict-item]
        (ChangeDefault("a.b", 7), NESTED, NESTED),
        (MapValue("l.*.x", str), NESTED, NESTED | {"l": [{"x": "1"}, {"x": "2"}, {"y": 3}]}),
        (MapValue("t[1]", str), {"t": (1, 2)}, {"t": (1, "2")}),
        (RenameField("o.lr", "o.rate"), {"o": Tagged("Adam", {"lr": 1})}, {"o": Tagged("Adam", {"rate": 1})}),
        (MoveField("o", "p.o"), {"o": Tagged("Adam", {"lr": 1})}, {"p": {"o": Tagged("Adam", {"lr": 1})}}),
    ],
)
def test_rule(rule: Rule, before: Any, after: Any) -> None:
    """What it changes, and that the data it was given stays."""
    kept = repr(before)
    assert upgrade(ruled([rule]), before) == after
    assert repr(before) == kept


def test_rename_keeps_the_place() -> None:
    """A renamed field stands where it stood."""
    assert [*upgrade(ruled([RenameField("b", "z")]), {"a": 1, "b": 2, "c": 3})] == ["a", "z", "c"]


def test_every_rule_in_order() -> None:
    """From the file's version on; a version without rules needs none."""
    cls = ruled(
        [AddField("x", 1), ChangeDefault("d", 1)],
        [MapValue("x", lambda x: x * 10)],
        [],
        [RenameField("x", "y"), MapValue("y", lambda y: y + 1), ChangeDefault("d", 2)],
    )
    assert upgrade(cls, {}) == {"y": 11, "d": 2}
    assert upgrade(cls, {"version": 0, "x": 2, "d": 1}) == {"y": 21, "d": 1}
    assert upgrade(cls, {"version": 2, "x": 3}) == {"y": 4, "d": 2}
    assert upgrade(cls, {"version": 4, "x": 3}) == {"x": 3}
    assert upgrade(cls, Tagged("Ruled", {"version": 3, "x": 3})) == Tagged("Ruled", {"y": 4, "d": 2})


@pytest.mark.parametrize("version", [2, "1", 1.0, -1, True, None])
def test_versions_refused(version: object) -> None:
    """A newer one, and what is none."""
    with pytest.raises(
        SchemaError, match="of version 2, and Ruled of version 1" if version == 2 else "the file says"
    ):
        upgrade(ruled([]), {"version": version})


@pytest.mark.parametrize(
    ("rule", "data", "says"),
    [
        (RenameField("a", "b"), {"a": 1, "b": 2}, "the file has b already"),
        (MoveField("a", "b.c"), {"a": 1, "b": {"c": 2}}, "the file has b.c already"),
        (MoveField("a", "b.c.d"), {"a": 1, "b": {"c": 2}}, "b.c is no mapping"),
        (MapValue("a", int), {"a": "x"}, "'x' cannot be mapped"),
        (DeleteField("t[0]"), {"t": (1, 2)}, "a value of a tuple"),
        (RenameField("l[0]", "l[1]"), {"l": [1]}, "has no name"),
    ],
)
def test_what_a_rule_cannot_change(rule: Rule, data: Any, says: str) -> None:
    """It is said, and nothing is lost."""
    kept = repr(data)
    with pytest.raises(SchemaError) as caught:
        upgrade(ruled([rule]), data)
    assert says in str(caught.value)
    assert repr(data) == kept


def test_rules_that_cannot_be() -> None:
    """They are refused when they are written down."""
    with pytest.raises(SchemaError, match=r"write 'a\.c'"):
        RenameField("a.b", "c")
    with pytest.raises(SchemaError, match="MoveField"):
        RenameField("a.b", "c.d")
    with pytest.raises(SchemaError, match="stars"):
        MoveField("l.*.x", "y")
    with pytest.raises(SchemaError, match="in the place of the dots"):
        AddField("x", ...)
    with pytest.raises(SchemaError, match="no path"):
        upgrade(ruled([DeleteField("")]), {})
    with pytest.raises(SchemaError, match="is no rule"):
        upgrade(ruled(["x"]), {})  # type: ignore[list-item] # what is wrong with it


def test_class_that_hides_its_version() -> None:
    """A field of that name would be the file's version."""

    @dataclass
    class Hidden(Versioned):
        version: int = 1  # type: ignore[assignment] # what is wrong with it

    with pytest.raises(SchemaError, match="another name"):
        upgrade(Hidden, {})


def test_class_without_version() -> None:
    """Its files are what they are, also with a field that is called so."""

    @dataclass
    class Plain:
        version: int = 1

    assert upgrade(Plain, {"version": 7}) == {"version": 7}
    assert stamp(Plain, {"a": 1}) == {"a": 1}


@dataclass
class Optimizer:
    """Part of a config."""

    rate: float = 0.1


@dataclass
class Config(Versioned):
    """The second version of it."""

    optimizer: Optimizer = field(default_factory=Optimizer)

    @classmethod
    def version(cls) -> int:
        """Give the version."""
        return 2

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Lead from the first one on."""
        return {0: [MoveField("lr", "optimizer.lr")], 1: [RenameField("optimizer.lr", "optimizer.rate")]}


@pytest.mark.parametrize("ending", ["yaml", "json", "toml", "ron"])
def test_files_say_their_version(tmp_path: Path, ending: str) -> None:
    """What is dumped is read without a rule; an older file through all."""
    path = tmp_path / f"c.{ending}"
    dump_config(Config(Optimizer(0.5)), path)
    assert "version" in path.read_text()
    assert load_config(Config, path) == Config(Optimizer(0.5))
    old = {"yaml": "lr: 0.25", "json": '{"lr": 0.25}', "toml": "lr = 0.25", "ron": "Config(lr: 0.25)"}
    path.write_text(old[ending])
    assert load_config(Config, path, ["optimizer.rate=0.75"]) == Config(Optimizer(0.75))
    assert load_config(Config, path) == Config(Optimizer(0.25))
    newer = {"yaml": "version: 3", "json": '{"version": 3}', "toml": "version = 3", "ron": "(version: 3)"}
    path.write_text(newer[ending])
    with pytest.raises(SchemaError, match="the file is of version 3, and Config of version 2"):
        load_config(Config, path)
