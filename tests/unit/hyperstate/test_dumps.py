"""Configs are written in each format, and over a YAML file as a person would change it."""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from lattice_addons import hyperstate
from lattice_addons.errors import ConfigError, NoConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Inner:
    """Has defaults of its own."""

    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Other:
    """The second of a union."""

    lr: float = 0.1


@dataclass
class Config:
    """Has a default that is not its class's own."""

    steps: int
    rate: float = 1.0
    flag: bool = True
    inner: Inner = field(default_factory=lambda: Inner(0.5))
    either: Inner | Other = field(default_factory=Other)
    names: list[str] = field(default_factory=list)
    exact: int | float = 1


FILE = """\
# The top
steps: 1_000    # how many

# The optimizer
inner:
    betas: [ 0.9, 0.95 ]  # two
    lr: 1e-3
# Between
flag: yes
names:
    # the first
    - a
    - 'b'   # the second
rate: 1
# The end
"""


def squeezed(text: str) -> str:
    """Give a text without the spaces inside its lines."""
    return re.sub(r"(?<=\S) +", " ", text).replace("[ ", "[").replace(" ]", "]")


def test_over_a_file(tmp_path: Path) -> None:
    """Comments, order, numbers and quotes stay; only what has changed is written anew."""
    path = tmp_path / "config.yaml"
    path.write_text(FILE)
    config = hyperstate.load_config(Config, path)
    config.inner.lr = 0.25
    config.names.append("c")
    hyperstate.dump_config(config, path)
    text = path.read_text()
    kept = FILE.replace("1e-3", "0.25").replace("- 'b'   # the second\n", "- 'b'   # the second\n    - c\n")
    # How far a comment stands from its value is what ruamel makes of it.
    assert squeezed(text).startswith(squeezed(kept))
    assert hyperstate.load_config(Config, path) == config


def test_over_a_file_unchanged(tmp_path: Path) -> None:
    """A file that says all fields is the same, byte for byte, when nothing has changed."""
    path = tmp_path / "config.yaml"
    text = FILE + "either: {type: Other, lr: 1E-1}\nexact: 1\n"
    path.write_text(text)
    hyperstate.dump_config(hyperstate.load_config(Config, path), path)
    assert path.read_text() == text


def test_over_a_file_without_defaults(tmp_path: Path) -> None:
    """What is the default is left out, and the comments of the rest stay."""
    path = tmp_path / "config.yaml"
    path.write_text(FILE)
    config = hyperstate.load_config(Config, path)
    hyperstate.dump_config(config, path, defaults=False)
    assert "flag" not in path.read_text()
    assert "rate" not in path.read_text()
    assert "# how many" in path.read_text()
    assert hyperstate.load_config(Config, path) == config


def test_types_count_more_than_spelling(tmp_path: Path) -> None:
    """Where a field takes an int and a float, ``1`` does not stand for 1.0."""
    path = tmp_path / "config.yaml"
    path.write_text("steps: 1\nexact: 1  # kept\n")
    config = hyperstate.load_config(Config, path)
    config.exact = 1.0
    hyperstate.dump_config(config, path)
    assert repr(hyperstate.load_config(Config, path).exact) == "1.0"
    assert "# kept" in path.read_text()


def test_over_aliases(tmp_path: Path) -> None:
    """What shares an anchor with another value changes alone."""
    path = tmp_path / "config.yaml"
    path.write_text("a: &x {lr: 1.0}  # kept\nb: *x\nc: {<<: *x, betas: [1, 2]}\n")
    config = hyperstate.load_config(Three, path)
    config.b.lr = 5.0
    config.c.lr = 6.0
    hyperstate.dump_config(config, path)
    assert hyperstate.load_config(Three, path) == Three(Inner(1.0), Inner(5.0), Inner(6.0, (1.0, 2.0)))
    assert "# kept" in path.read_text()


@dataclass
class Three:
    """Three alike."""

    a: Inner
    b: Inner
    c: Inner


@pytest.mark.parametrize("form", ["yaml", "json", "toml", "ron"])
def test_without_defaults(tmp_path: Path, form: str) -> None:
    """What is left out is what the class, or the class around it, puts there."""
    path = tmp_path / f"config.{form}"
    for config in (
        Config(1),
        Config(1, inner=Inner()),
        Config(1, inner=Inner(0.5, (1.0, 2.0)), either=Inner()),
    ):
        text = hyperstate.dump_config(config, path, defaults=False)
        assert path.read_text() == text
        assert hyperstate.load_config(Config, path) == config
        assert "names" not in text
    assert hyperstate.dump_config(Config(1), defaults=False) == "steps: 1\n"


def test_texts_that_look_like_something_else(tmp_path: Path) -> None:
    """A text stays one, for other readers of YAML as well."""
    path = tmp_path / "config.yaml"
    names = [
        "yes",
        "1",
        "1e3",
        "null",
        "",
        " a",
        "a: b",
        "#x",
        "2020-01-01",
        "0x1",
        "~",
        "=",
        "a\nb\n",
        "\x85",
        "\ufeff",
    ]
    config = Config(1, names=names)
    text = hyperstate.dump_config(config, path)
    assert hyperstate.load_config(Config, path).names == names
    assert '["yes", "1", "1e3", "null", ""' in text


def test_text_of_each_format() -> None:
    """Without a file the text alone is given."""
    config = Config(1, either=Inner())
    assert hyperstate.dump_config(config).startswith("steps: 1\nrate: 1.0\nflag: true\ninner:\n  lr: 0.5\n")
    assert '"type": "Inner"' in hyperstate.dump_config(config, format="json")
    assert '[either]\ntype = "Inner"\n' in hyperstate.dump_config(config, format="toml")
    assert "either: Inner(" in hyperstate.dump_config(config, format="ron")


@dataclass
class Linear:
    """Is told apart by its kind, which is a default."""

    width: int = 1
    kind: Literal["linear"] = "linear"


@dataclass
class Conv:
    """The other kind."""

    width: int = 1
    kind: Literal["conv"] = "conv"


@dataclass
class Layers:
    """Of two kinds."""

    layers: list[Linear | Conv]


def test_what_tells_classes_apart_is_no_default(tmp_path: Path) -> None:
    """The field that says which class it is stands there also where defaults are left out."""
    path = tmp_path / "config.yaml"
    config = Layers([Conv(), Linear(2)])
    text = hyperstate.dump_config(config, path, defaults=False)
    assert hyperstate.load_config(Layers, path) == config
    assert "type:" not in text


@dataclass
class Loose:
    """Takes anything."""

    x: Any = 3
    declared: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("config", "form", "why"),
    [
        (Loose(object()), "yaml", "x is <object object"),
        (Loose({(1, 2): 3}), "yaml", "has the key (1, 2)"),
        (Loose(None), "toml", "x is null and its default is not, which TOML cannot say"),
        (Loose([None]), "toml", "x is null, which TOML cannot say"),
        (Loose("\ud800"), "json", "is no character"),
        (Loose(1, Other()), "json", "declared is a Other, and its field is declared as Inner"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_what_no_file_can_say(tmp_path: Path, config: Loose, form: str, why: str) -> None:
    """It is refused, and the file that is there stays as it was."""
    path = tmp_path / f"config.{form}"
    path.write_text("# mine\n")
    with pytest.raises(ConfigError) as caught:
        hyperstate.dump_config(config, path)
    assert why in str(caught.value)
    assert path.read_text() == "# mine\n"
    assert os.listdir(tmp_path) == [path.name]


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is not there is told as such."""
    with pytest.raises(NoConfigError, match="cannot be written"):
        hyperstate.dump_config(Config(1), tmp_path / "none" / "config.yaml")


def test_rights_stay(tmp_path: Path) -> None:
    """A file that is replaced has the rights that it had, and a link stays one."""
    path, link = tmp_path / "config.yaml", tmp_path / "link.yaml"
    path.write_text("steps: 1\n")
    path.chmod(0o640)
    link.symlink_to(path)
    hyperstate.dump_config(Config(2), link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_text().startswith("steps: 2\n")


def test_schedules_are_kept(tmp_path: Path) -> None:
    """A number that has a schedule is written as that, in place of a comment-keeping file too."""
    path = tmp_path / "config.yaml"
    path.write_text(textwrap.dedent('steps: 1\nrate: "step: 1.0@0 lin 0.5@5"  # falls\n'))
    config = hyperstate.load_config(Config, path)
    assert config.rate == 1.0
    config.steps = 2
    hyperstate.dump_config(config, path)
    assert path.read_text().startswith('steps: 2\nrate: "step: 1.0@0 lin 0.5@5"  # falls\n')
    overridden = hyperstate.load_config(Config, path, ["rate=0.25"])
    assert "rate: 0.25\n" in hyperstate.dump_config(overridden)
