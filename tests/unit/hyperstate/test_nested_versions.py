"""A versioned class that stands in another one has its own version in files, and its own rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Union

import pytest

from lattice_addons.errors import SchemaError
from lattice_addons.hyperstate import (
    HyperState,
    MapValue,
    RenameField,
    Rule,
    Versioned,
    check_schema,
    dump_config,
    load_config,
    schema_of,
    upgrade_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass
class Layer(Versioned):
    """Its first version had a width in percent, and called it w."""

    width: float = 1.0
    inner: Optional[Layer] = None  # noqa: UP045 - as people write it

    @classmethod
    def version(cls) -> int:
        """Give the version."""
        return 2

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Lead from the first one on."""
        return {0: [RenameField("w", "width")], 1: [MapValue("width", lambda percent: percent / 100)]}


@dataclass
class Adam(Versioned):
    """One of two optimizers."""

    rate: float = 0.1

    @classmethod
    def version(cls) -> int:
        """Give the version."""
        return 1

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Lead from the first one on."""
        return {0: [RenameField("lr", "rate")]}


@dataclass
class Plain:
    """The other one has no version."""

    lr: float = 0.1


@dataclass
class Config:
    """It has no version itself."""

    one: Layer = field(default_factory=Layer)
    many: list[Layer] = field(default_factory=list)
    named: dict[str, Layer] = field(default_factory=dict)
    pair: tuple[Layer, int] = field(default_factory=lambda: (Layer(), 0))
    optimizer: Union[Adam, Plain] = field(default_factory=Adam)  # noqa: UP007 - as people write it


@dataclass
class Moved(Versioned):
    """Its own rules come first: they bring the layer to its place."""

    layer: Layer = field(default_factory=Layer)

    @classmethod
    def version(cls) -> int:
        """Give the version."""
        return 1

    @classmethod
    def upgrade_rules(cls) -> Mapping[int, Sequence[Rule]]:
        """Lead from the first one on."""
        return {0: [RenameField("block", "layer")]}


FULL = Config(
    Layer(0.5, Layer(0.25)),
    [Layer(0.1), Layer(0.2)],
    {"a": Layer(0.3)},
    (Layer(0.4), 7),
    Adam(0.01),
)
OLD = """\
one:  # the first
  w: 50  # in percent
  inner: {version: 1, width: 25}
many:
  - {w: 10}
  - {version: 2, width: 0.2}
named: {a: {w: 30}}
pair: [{version: 1, width: 40}, 7]
optimizer: {type: Adam, lr: 0.01}
"""


def test_each_is_led_on_from_its_own_version(tmp_path: Path) -> None:
    """In a dataclass, a list, a mapping, a tuple, a union and in itself; each from whatever version it has."""
    path = tmp_path / "c.yaml"
    path.write_text(OLD)
    assert load_config(Config, path) == FULL
    assert load_config(Config, path, ["one.width=0.75", "many[0].width=0.9"]).many[0] == Layer(0.9)


@pytest.mark.parametrize("ending", ["yaml", "json", "toml", "ron"])
def test_each_says_its_version_in_a_file(tmp_path: Path, ending: str) -> None:
    """What is dumped is read back without a rule: the widths are not divided again."""
    path = tmp_path / f"c.{ending}"
    dump_config(FULL, path)
    assert load_config(Config, path) == FULL
    # With those of the layers, and of the optimizer.
    assert path.read_text().count("version") == 7


def test_the_outer_rules_come_first(tmp_path: Path) -> None:
    """Only then the inner class is where the code of today has it."""
    path = tmp_path / "c.yaml"
    path.write_text("block: {w: 50}\n")
    assert load_config(Moved, path) == Moved(Layer(0.5))


def test_a_newer_one_is_refused_with_its_place(tmp_path: Path) -> None:
    """The class, the two versions, and where it stands."""
    path = tmp_path / "c.yaml"
    path.write_text("many:\n- {width: 1}\n- {version: 3}\n")
    with pytest.raises(
        SchemaError, match=r"many\[1\]: the file is of version 3, and Layer of version 2"
    ) as raised:
        load_config(Config, path)
    assert raised.value.path == "many[1].version"


def test_a_file_is_upgraded_in_its_place(tmp_path: Path) -> None:
    """The comments stay, also of a nested field that has another name; a second time there is nothing to do."""
    path = tmp_path / "c.yaml"
    path.write_text(OLD)
    upgrade_file(Config, path).write()
    text = path.read_text()
    assert "width: 0.5 # in percent" in text
    assert "# the first" in text
    assert load_config(Config, path) == FULL
    assert upgrade_file(Config, path).diff() == ""


def test_the_check_of_a_schema_knows_the_inner_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed field of a class within has its rule there; without that the check finds the break."""
    older: dict[str, Any] = schema_of(Config)
    for place in ("one", "many", "named", "pair"):
        kind = older["type"]["fields"][place]["type"]
        layer = {"many": "list", "named": "dict", "pair": "tuple"}.get(place)
        layer = kind if layer is None else kind[layer][place == "named"] if layer != "list" else kind["list"]
        layer["version"] = 0
        layer["fields"]["w"] = layer["fields"].pop("width")
    report = check_schema(Config, older)
    assert not report.breaks
    assert report.ruled
    monkeypatch.setattr(Layer, "upgrade_rules", classmethod(lambda _: {}))
    assert check_schema(Config, older).breaks


@dataclass
class State(Versioned):
    """A state with layers."""

    step: int = 0
    layers: list[Layer] = field(default_factory=list)


def test_checkpoints_are_led_on_as_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was saved before the class had these rules is read through them, and what was saved since is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_VERSION", raising=False)
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    (tmp_path / "config.yaml").write_text("{}\n")

    def load() -> HyperState[Config, State]:
        first: Callable[[Config], State] = lambda _: State(0, [Layer(50)])  # noqa: E731 - a state in one line
        return HyperState.load(Config, State, first, "config.yaml", ".lattice", "step")

    with monkeypatch.context() as older:
        older.setattr(Layer, "version", classmethod(lambda _: 1))
        run = load()
        run.state.step = 1
        run.step()
        run.close()
    for _ in range(2):
        run = load()
        assert run.state == State(run.state.step, [Layer(0.5)])
        run.state.step += 1
        run.step()
        run.close()


@pytest.mark.parametrize(
    "function",
    [
        ...,
        lambda _: ...,
        lambda value: ... if value is None else value,
        lambda value: {"a": ...}.get(value, value),
    ],
)
def test_a_proposal_that_nobody_has_filled_in_is_refused_at_once(function: Any) -> None:
    """Not when the first old file comes, and not by writing an ellipsis into a config."""
    with pytest.raises(
        SchemaError, match=r"MapValue\('size', ...\): write what the function gives in the place of"
    ):
        MapValue("size", function)


def test_a_value_is_no_function() -> None:
    """It is told what is wanted."""
    with pytest.raises(SchemaError, match="give a function of the old value"):
        MapValue("size", 3)  # type: ignore[arg-type]
