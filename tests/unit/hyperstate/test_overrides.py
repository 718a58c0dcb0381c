"""Overrides go into any part of a config, and are read by the type of their field."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from lattice_addons import hyperstate
from lattice_addons.errors import ConfigError, OverrideError


class Colour(enum.Enum):
    """Named in overrides as in files."""

    RED = "crimson"


@dataclass
class Adam:
    """One optimizer."""

    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Sgd:
    """Another one."""

    lr: float = 0.1
    momentum: float = 0.0


@dataclass
class Layer:
    """One of a list."""

    width: int
    tags: list[str] = field(default_factory=list)


@dataclass
class Config:
    """Has a field of each kind."""

    steps: int = 1
    rate: float = 1.0
    name: str = ""
    flag: bool = False
    colour: Colour = Colour.RED
    mode: Literal["a", "1", 2] = "a"
    out: Path | None = None
    limit: int | None = 3
    note: str | None = None
    optimizer: Adam | Sgd = field(default_factory=lambda: Adam(0.5, (0.1, 0.2)))
    single: Adam | None = None
    layers: list[Layer] = field(default_factory=lambda: [Layer(1), Layer(2)])
    grid: list[list[int]] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: ["a"])
    some: set[int] = field(default_factory=set)
    env: dict[str, int] = field(default_factory=dict)
    by_number: dict[int, Layer] = field(default_factory=dict)
    anything: Any = None


def load(tmp_path: Path, *overrides: str, text: str = "") -> Config:
    """Read a file with overrides."""
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return hyperstate.load_config(Config, path, overrides=list(overrides))


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("steps=100", "steps", 100),
        ("steps=1e3", "steps", 1000),
        ("steps=-0x10", "steps", -16),
        ("steps = 5", "steps", 5),
        ("rate=1e-3", "rate", 0.001),
        ("rate=3", "rate", 3.0),
        ("rate=-inf", "rate", float("-inf")),
        ("name=1e3", "name", "1e3"),
        ("name=[a, b]", "name", "[a, b]"),
        ("name=a=b", "name", "a=b"),
        ("name=null", "name", "null"),
        ("name= x ", "name", " x "),
        ("name=", "name", ""),
        ("name='quoted'", "name", "'quoted'"),
        ("flag=yes", "flag", True),
        ("flag=False", "flag", False),
        ("colour=RED", "colour", Colour.RED),
        ("colour=crimson", "colour", Colour.RED),
        ("mode=1", "mode", "1"),
        ("mode=2", "mode", 2),
        ("out=a/b", "out", Path("a/b")),
        ("out=null", "out", None),
        ("limit=none", "limit", None),
        ("note=null", "note", None),
        ("note=text", "note", "text"),
        ("optimizer.lr=2", "optimizer", Adam(2.0, (0.1, 0.2))),
        ("optimizer.betas[1]=0.7", "optimizer", Adam(0.5, (0.1, 0.7))),
        ("optimizer.betas=0.3,0.4", "optimizer", Adam(0.5, (0.3, 0.4))),
        ("optimizer.betas=(0.3, 0.4)", "optimizer", Adam(0.5, (0.3, 0.4))),
        ("optimizer={type: Sgd, momentum: 1}", "optimizer", Sgd(0.1, 1.0)),
        ("single.lr=3", "single", Adam(3.0)),
        ("single={lr: 3}", "single", Adam(3.0)),
        ("layers[1].width=8", "layers", [Layer(1), Layer(8)]),
        ("layers[-1].width=8", "layers", [Layer(1), Layer(8)]),
        ("layers[0].tags+=x", "layers", [Layer(1, ["x"]), Layer(2)]),
        ("layers+={width: 3}", "layers", [Layer(1), Layer(2), Layer(3)]),
        ("layers+=[{width: 3}, {width: 4}]", "layers", [Layer(1), Layer(2), Layer(3), Layer(4)]),
        ("layers=[]", "layers", []),
        ("grid=[[1, 2], []]", "grid", [[1, 2], []]),
        ("grid+=[1, 2]", "grid", [[1, 2]]),
        ("grid+=[[1], [2]]", "grid", [[1], [2]]),
        ("names=[1, 2e3, yes, 'x y']", "names", ["1", "2e3", "yes", "x y"]),
        ("names=x,1", "names", ["x", "1"]),
        ("names=x", "names", ["x"]),
        ("names+=1", "names", ["a", "1"]),
        ("names+=[b, c]", "names", ["a", "b", "c"]),
        ("some+=3", "some", {3}),
        ("env.PATH=3", "env", {"PATH": 3}),
        ('env["a.b=c"]=3', "env", {"a.b=c": 3}),
        ("env[a b]=3", "env", {"a b": 3}),
        ("env={a: 1}", "env", {"a": 1}),
        ("env+={a: 1}", "env", {"a": 1}),
        ("by_number[7].width=2", "by_number", {7: Layer(2)}),
        ("anything={a: [1, x]}", "anything", {"a": [1, "x"]}),
        ("anything=3", "anything", 3),
    ],
)
def test_one(tmp_path: Path, override: str, name: str, value: object) -> None:
    """The value is read by the field's type, and the rest of a default stays."""
    found = getattr(load(tmp_path, override), name)
    assert found == value
    assert type(found) is type(value)


def test_several_over_a_file(tmp_path: Path) -> None:
    """Later ones see what earlier ones did; what the file says elsewhere stays."""
    text = "optimizer: {type: Sgd, lr: 1, momentum: 2}\nlayers: [{width: 5}]\nenv: {a: 1}\n"
    config = load(
        tmp_path,
        "layers+={width: 6}",
        "layers[1].tags=[x]",
        "optimizer.momentum=3",
        "env.b=2",
        "env.a=9",
        text=text,
    )
    assert config.layers == [Layer(5), Layer(6, ["x"])]
    assert config.optimizer == Sgd(1.0, 3.0)
    assert config.env == {"a": 9, "b": 2}


def test_another_class(tmp_path: Path) -> None:
    """The type of a union can be chosen, and then its fields be set."""
    config = load(
        tmp_path, "optimizer.type=Sgd", "optimizer.momentum=3", text="optimizer: {type: Adam, lr: 2}"
    )
    assert config.optimizer == Sgd(2.0, 3.0)
    config = load(tmp_path, "optimizer.type=Sgd")
    assert config.optimizer == Sgd(0.5)


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("optimzer.lr=0.1", "Config has no field 'optimzer'; did you mean 'optimizer'?"),
        ("single.lrr=0.1", "'single', a Adam, has no field 'lrr'; did you mean 'lr'?"),
        ("steps", "has no '='; write it as in 'optimizer.lr=0.1'"),
        ("", "has no '='"),
        ("=3", "has no path before its '='"),
        ("a..b=3", "has no path before its '='"),
        ("layers[2].width=3", "names number 2 of 'layers', which has 2 values; add one with 'layers+="),
        ("layers.first=3", "goes into the list 'layers' by 'first'; write a number, as in 'layers[0]'"),
        ("grid[0]=3", "which is empty"),
        ("steps.x=3", "goes into 'steps', which is an int and has nothing called 'x'"),
        ("steps+=3", "adds to what is an int; '+=' is for lists"),
        ("env+=3", "adds no mapping"),
        ("anything.x=3", "anything"),
    ],
)
def test_names_no_field(tmp_path: Path, override: str, why: str) -> None:
    """The error says what was meant, and how it is written."""
    if override == "anything.x=3":
        assert load(tmp_path, override).anything == {"x": 3}
        return
    with pytest.raises(OverrideError) as caught:
        load(tmp_path, override)
    assert f"the override {override!r} " in str(caught.value)
    assert why in str(caught.value)
    assert caught.value.override == override


def test_all_that_name_no_field(tmp_path: Path) -> None:
    """All bad overrides are told at once."""
    with pytest.raises(OverrideError) as caught:
        load(tmp_path, "stepz=1", "rate=2", "nam=x")
    assert "did you mean 'steps'?" in str(caught.value)
    assert "did you mean 'name'?" in str(caught.value)
    assert "'rate=2'" not in str(caught.value)


def test_value_that_does_not_fit(tmp_path: Path) -> None:
    """The fault names the override, and not a line of the file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "steps=fast", "layers[0].width=1.5", text="steps: 3\nrate: x\n")
    assert "override 'steps=fast': steps: expected an int, found 'fast'" in str(caught.value)
    assert "override 'layers[0].width=1.5': layers[0].width: expected an int, found 1.5" in str(caught.value)
    assert "config.yaml:2: rate: expected a float, found 'x'" in str(caught.value)


def test_only_the_values_of_overrides_do_not_fit(tmp_path: Path) -> None:
    """The error begins with them: the file fits, and must not be told to be wrong."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "steps=fast", text="steps: 3\n")
    one = "the override 'steps=fast' does not fit Config: steps: expected an int, found 'fast'"
    assert str(caught.value) == one
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "steps=fast", "layers[0].width=1.5", text="steps: 3\n")
    assert str(caught.value).startswith(f"{one}\nthe override 'layers[0].width=1.5' does not fit Config: ")
    assert [fault.path for fault in caught.value.faults] == ["steps", "layers[0].width"]


@dataclass
class OptimizerConfig:
    """As in the first pages of many projects."""

    lr: float
    batch_size: int


@dataclass
class Misspelt:
    """The name of a field has an error, and the override does not."""

    optimzer: OptimizerConfig
    steps: int


def test_field_whose_name_is_misspelt_in_the_class(tmp_path: Path) -> None:
    """An override is never guessed into another field: the error names that one."""
    path = tmp_path / "config.yaml"
    path.write_text("optimzer: {lr: 1, batch_size: 2}\nsteps: 3\n")
    with pytest.raises(OverrideError, match="no field 'optimizer'; did you mean 'optimzer'"):
        hyperstate.load_config(Misspelt, path, overrides=["optimizer.lr=0.1", "steps=100"])
    config = hyperstate.load_config(Misspelt, path, overrides=["optimzer.lr=0.1", "steps=100"])
    assert config == Misspelt(OptimizerConfig(0.1, 2), 100)
