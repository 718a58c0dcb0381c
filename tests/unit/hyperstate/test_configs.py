"""Config files of each format become dataclasses, or errors that name all faults with their lines."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lattice_addons import hyperstate
from lattice_addons.errors import ConfigError, NoConfigError, RonError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Nested:
    """The inner one of `Several`."""

    lr: float
    betas: tuple[float, float]


@dataclass
class Several:
    """Faults are found at all depths."""

    optimizer: Nested
    steps: int
    layers: list[Nested] = field(default_factory=list)


SEVERAL = {
    "yaml": """
        # A comment
        optimizer:
          lr: slow
          betas:
            - 0.9
            - x
        stepz: 3
        layers:
          - {lr: 1.0, betas: [1, 2, 3]}
        """,
    "json": """
        {
        "optimizer": {
          "lr": "slow",
          "betas": [
             0.9,
             "x"]
        }, "stepz":
        3,
        "layers": [{"lr": 1.0, "betas": [1, 2, 3]}]}
        """,
    "toml": """
        # "A [comment]
        stepz = 3
        [optimizer]
        lr = "slow"

        betas = [0.9, "x"]
        [[layers]]
        lr = 1.0
        betas = [1, 2, 3]
        """,
    "ron": """
        (optimizer: (
            lr: "slow",
            betas: (0.9,
               "x"),
        ), stepz:
        3,
        layers: [(lr: 1.0,
           betas: (1, 2, 3))])
        """,
}
LINES = {
    "yaml": [4, 7, 8, 10],
    "json": [4, 7, 8, 10],
    "toml": [5, 7, 3, 10],
    "ron": [3, 5, 7, 9],
}


@pytest.mark.parametrize("form", SEVERAL)
def test_all_faults_at_once(tmp_path: Path, form: str) -> None:
    """Each has its path and its line, in each format; an unknown field gets the nearest name."""
    path = tmp_path / f"config.{form}"
    path.write_text(textwrap.dedent(SEVERAL[form]), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        hyperstate.load_config(Several, path)
    lines = {fault.path: fault.line for fault in caught.value.faults}
    expected = dict(
        zip(["optimizer.lr", "optimizer.betas[1]", "stepz", "layers[0].betas"], LINES[form], strict=True)
    )
    known = {place: line for place, line in lines.items() if place != "steps"}
    if form in ("json", "ron"):
        # Where the name stands or where its value does, whichever the reader notes.
        assert known.keys() == expected.keys()
        assert all(abs((known[place] or 0) - line) <= 1 for place, line in expected.items())
    else:
        assert known == expected
    assert "did you mean 'steps'?" in str(caught.value)
    assert f"{path}:{lines['optimizer.lr']}: optimizer.lr: expected a float, found 'slow'" in str(
        caught.value
    )
    assert "steps: expected an int, found nothing" in str(caught.value)


def test_extra_fields_in_nested_classes(tmp_path: Path) -> None:
    """They are passed over at every depth when that is asked for, and never otherwise."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "optimizer: {lr: 1, betas: [1, 2], old: 3}\nsteps: 1\nlayers: [{lr: 1, betas: [1, 2], a: 1}]\nb: 2\n"
    )
    with pytest.raises(ConfigError) as caught:
        hyperstate.load_config(Several, path)
    assert [fault.path for fault in caught.value.faults] == ["optimizer.old", "layers[0].a", "b"]
    config = hyperstate.load_config(Several, path, ignore_extra_fields=True)
    assert config.layers == [Nested(1.0, (1.0, 2.0))]


def test_the_classes_own_checks(tmp_path: Path) -> None:
    """What ``__post_init__`` refuses is a fault at its place, beside the others."""
    path = tmp_path / "config.yaml"
    path.write_text("inner: {size: 3, scale: 2}\nother: x\n")
    with pytest.raises(ConfigError) as caught:
        hyperstate.load_config(Outer, path)
    assert "inner: expected values that Checked takes, found ValueError: 3 is odd" in str(caught.value)
    assert len(caught.value.faults) == 2
    path.write_text("inner: {size: 4, scale: 2}\nother: 1\n")
    config = hyperstate.load_config(Outer, path)
    assert config.inner.doubled == 8
    hyperstate.dump_config(config.inner.size and config, path)
    assert "doubled" not in path.read_text()


@dataclass
class Checked:
    """Has checks, a class variable, and fields that are only for the start or only for later."""

    size: int
    scale: InitVar[int] = 1
    doubled: int = field(init=False, default=0)
    known: ClassVar[int] = 3

    def __post_init__(self, scale: int) -> None:
        """Refuse odd sizes."""
        if self.size % 2:
            raise ValueError(f"{self.size} is odd")
        self.doubled = self.size * scale


@dataclass(frozen=True)
class Outer:
    """Holds one that checks itself."""

    inner: Checked
    other: int


def test_class_made_in_a_function(tmp_path: Path) -> None:
    """Annotations that are texts name the classes of the function that calls."""

    @dataclass
    class Inner:
        lr: float

    @dataclass
    class Config:
        inner: Inner
        many: dict[str, Inner | None]

    path = tmp_path / "config.yml"
    path.write_text("inner: {lr: 1}\nmany: {a: {lr: 2}, b: null}\n")
    found = hyperstate.load_config(Config, path)
    assert found == Config(Inner(1.0), {"a": Inner(2.0), "b": None})


def test_annotation_that_names_nothing(tmp_path: Path) -> None:
    """The error says which name, and where it must be."""
    path = tmp_path / "config.yaml"
    path.write_text("x: 1")
    config = make_dataclass("Config", [("x", "Nowhere")])
    with pytest.raises(ConfigError, match="names 'Nowhere', which its module does not have"):
        hyperstate.load_config(config, path)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the newest spelling")
def test_newest_spelling(tmp_path: Path) -> None:
    """Type parameters and type aliases of Python 3.12."""
    source = """
    from __future__ import annotations
    from dataclasses import dataclass
    type Sizes[K] = list[K] | None
    @dataclass
    class Pair[A, B]:
        one: A
        two: Sizes[B]
    @dataclass
    class Config:
        pair: Pair[int, float]
    """
    module = type(sys)("newest")
    sys.modules["newest"] = module
    try:
        exec(textwrap.dedent(source), module.__dict__)  # noqa: S102 - older Pythons cannot read it
        path = tmp_path / "config.yaml"
        path.write_text("pair: {one: 1, two: [1]}")
        config = hyperstate.load_config(module.Config, path)
        assert (config.pair.one, config.pair.two) == (1, [1.0])
        assert type(config.pair.two[0]) is float
    finally:
        del sys.modules["newest"]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yaml", "x: [1", "a.yaml:1:"),
        ("a.yaml", "x: 1\nx: 2", "a.yaml:2: this is not YAML: 'x' stands here twice (line 1, too)"),
        ("a.json", '{"x": 1,\n "x": 2}', "a.json:2: this is not JSON: 'x' stands here twice (line 1, too)"),
        ("a.json", '{"x": 1,\n "y" 2}', "a.json:2:6: this is not JSON"),
        ("a.toml", "x = 1\ny", "a.toml:2:"),
        ("a.ron", "(x: 1,\n y z)", "a.ron:2:"),
        ("a.yaml", "x: &a [*a]", "aliases (*name) that refer to themselves"),
        ("a.yaml", "x: 1\n? [1]\n: 2", "a.yaml:2: this is not YAML: a key is a text"),
        ("a.ini", "x=1", "a config file ends with .yaml, .yml, .ron, .json, .toml"),
        ("a.yaml", "[1]", "expected Config(x), found [1]"),
        ("a.yaml", "", "x: expected an int, found nothing"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, why: str) -> None:
    """The error says the file and the line."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, RonError)) as caught:
        hyperstate.load_config(make_dataclass("Config", [("x", int)]), path)
    assert why in str(caught.value)


def test_aliases_that_grow(tmp_path: Path) -> None:
    """Ten lines of aliases of aliases are refused where they become too many, before anything is made of them."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 9)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"config\.yaml:6: .* aliases"):
        hyperstate.load_config(make_dataclass("Config", [("x", int)]), path)


def test_merges_and_aliases(tmp_path: Path) -> None:
    """What a YAML file merges counts less than what it writes."""
    path = tmp_path / "config.yaml"
    path.write_text("x: {base: &b {lr: 1, betas: [1, 2]}, one: {<<: *b, lr: 2}, two: *b}")
    kind = make_dataclass("Config", [("x", dict[str, Nested])])
    found: Any = hyperstate.load_config(kind, path)
    one, two = Nested(1.0, (1.0, 2.0)), Nested(2.0, (1.0, 2.0))
    assert found == kind({"base": one, "one": two, "two": one})


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is told as such, and caught as such."""
    with pytest.raises(FileNotFoundError, match="cannot be read") as caught:
        hyperstate.load_config(Several, tmp_path / "none.yaml")
    assert isinstance(caught.value, NoConfigError)
    assert caught.value.path == str(tmp_path / "none.yaml")


def test_no_dataclass(tmp_path: Path) -> None:
    """A class that is no dataclass is refused with what helps."""
    path = tmp_path / "a.yaml"
    path.write_text("x: 1")
    with pytest.raises(ConfigError):
        hyperstate.load_config(int, path)
