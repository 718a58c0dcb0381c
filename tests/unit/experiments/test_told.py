"""Fields told on a command line have the types of their class, and several values are searched."""

from __future__ import annotations

import datetime as dt
import enum
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from lattice_addons.errors import SettingError
from lattice_addons.experiments import Experiment, search, value
from lattice_addons.experiments._told import experiment_told, told


class Kind(enum.Enum):
    """A choice."""

    PLAIN = 1
    FANCY = "fancy"


class Optimizer(Experiment):
    """A part of another experiment."""

    lr: float = search(0.1, 0.2)
    nesterov: bool = False


class Wide(Experiment):
    """Has a field of each type that is told in words."""

    optimizer: Optimizer = Optimizer()
    steps: int = 100
    batch_size: int = search(16, 32)
    opt: Literal["adam", "sgd"] = "adam"
    momentum: float = search(0.8, 0.9, when=lambda h: h.opt == "sgd")
    layers: list[int] = value([1, 2], help="widths")
    shape: tuple[int, str] = (1, "x")
    kind: Kind = Kind.PLAIN
    day: dt.date = dt.date(2024, 1, 1)
    where: Path = Path("a")
    most: Optional[int] = None  # noqa: UP045 - as people write it
    text: str = ""
    free: Any = None
    verbose: bool = True
    extra = search({"a": 1})


def settings(*words: str) -> list[dict[str, Any]]:
    """Give the settings of the experiment that words make."""
    return [each.as_dict() for each in experiment_told(Wide, told(words))]


@pytest.mark.parametrize(
    ("words", "field", "values"),
    [
        (["--batch_size", "8"], "batch_size", [8]),
        (["--batch-size=2,4"], "batch_size", [2, 4]),
        (["batch_size=-1"], "batch_size", [-1]),
        (["--steps", "integers(1,9,4)"], "steps", [1, 5, 9]),
        (["--opt", "adam,sgd"], "opt", ["adam", "sgd"]),
        (["--layers", "3,4"], "layers", [[3, 4]]),
        (["--layers", "[3,4],[5]"], "layers", [[3, 4], [5]]),
        (["--shape", "(2,y)"], "shape", [(2, "y")]),
        (["--kind", "FANCY,fancy"], "kind", [Kind.FANCY, Kind.FANCY]),
        (["--day", "2025-02-03"], "day", [dt.date(2025, 2, 3)]),
        (["--where", "/tmp/x"], "where", [Path("/tmp/x")]),  # noqa: S108 - a text only
        (["--most", "none,3"], "most", [None, 3]),
        (["--text", "'a,b'"], "text", ["a,b"]),
        (["--text", "choice(a,b)"], "text", ["a", "b"]),
        (["--free", "[1, 'x']"], "free", [[1, "x"]]),
        (["--free=true,word,1.5"], "free", [True, "word", 1.5]),
        (["--no-verbose"], "verbose", [False]),
        (["--verbose", "off"], "verbose", [False]),
        (["--extra", "{'b': 2}"], "extra", [{"b": 2}]),
    ],
)
def test_a_text_is_read_as_the_fields_type(words: list[str], field: str, values: list[Any]) -> None:
    """The field has these values, of this very type, in this order."""
    found = list({repr(each[field]): each[field] for each in settings(*words, "optimizer.lr=0.5")}.values())
    expected = list({repr(each): each for each in values}.values())
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_a_nested_experiment_is_told_by_dotted_names() -> None:
    """The other fields of the part stay as they were."""
    found = settings("--optimizer.lr", "0.5", "--optimizer.nesterov", "batch_size=1")
    assert [each["optimizer"] for each in found] == [{"lr": 0.5, "nesterov": True}]


def test_a_condition_stays_when_points_are_replaced() -> None:
    """`momentum` is searched for sgd only, whatever its points are."""
    found = settings("--opt", "adam,sgd", "--momentum", "0.1,0.2", "batch_size=1", "optimizer.lr=1")
    assert [(each["opt"], each["momentum"]) for each in found] == [("adam", None), ("sgd", 0.1), ("sgd", 0.2)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch_size", "many"], "--batch_size: 'many' is not an int"),
        (["--batch_sise", "1"], "did you mean batch_size"),
        (["--optimizer", "1"], "tell its fields: --optimizer.lr, --optimizer.nesterov"),
        (["--optimizer.rate", "1"], "--optimizer.rate is no option"),
        (["--opt", "lion"], "'lion' is not one of adam, sgd"),
        (["--kind", "odd"], "not one of PLAIN, FANCY"),
        (["--steps"], "--steps needs a value"),
        (["--steps", "uniform(2,1)"], "is empty"),
        (["stray"], "'stray' says of no field what it is"),
        (["--shape", "(1,2,3)"], "--shape"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], said: str) -> None:
    """Each is one error that says which option, and what it may be."""
    with pytest.raises(SettingError) as refused:
        settings(*words)
    assert said in str(refused.value)
