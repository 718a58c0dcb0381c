"""The types that a field of a config may have, and what fits each."""

# The older spellings of types are among what is tested.
# ruff: noqa: UP006, UP007, UP035, UP037, UP045
from __future__ import annotations

import collections
import enum
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Dict,
    Final,
    FrozenSet,
    Generic,
    List,
    Literal,
    Mapping,
    NewType,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
    Union,
)

import pytest
from pydantic import Field

from lattice_addons import hyperstate
from lattice_addons.errors import ConfigError

T = TypeVar("T")
Metres = NewType("Metres", float)


class Colour(enum.Enum):
    """A member's name and its value are both known."""

    RED = "crimson"
    BLUE = 2


@dataclass
class Adam:
    """One optimizer."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Sgd:
    """Another one."""

    lr: float
    momentum: float = 0.0


@dataclass
class Box(Generic[T]):
    """Holds anything."""

    value: T
    more: list[T] = field(default_factory=list)


@dataclass
class Boxes(Box[int]):
    """Holds numbers, and more."""

    name: str = ""


@dataclass
class Node:
    """Refers to its own class."""

    name: str
    below: list[Node] = field(default_factory=list)
    beside: Optional["Node"] = None


@dataclass
class Linear:
    """Is told from `Conv` by its kind."""

    kind: Literal["linear"]
    width: int


@dataclass
class Conv:
    """Is told from `Linear` by its kind."""

    width: int
    kind: Literal["conv"] = "conv"


def load(tmp_path: Path, tp: Any, text: str, form: str = "yaml", **options: Any) -> Any:
    """Read one value of this type."""
    config = make_dataclass("Config", [("x", tp)])
    path = tmp_path / f"config.{form}"
    path.write_text(text, encoding="utf-8")
    return hyperstate.load_config(config, path, **options).x


@pytest.mark.parametrize(
    ("tp", "text", "value"),
    [
        (int, "3.0", 3),
        (int, "1e3", 1000),
        (int, "0x1f", 31),
        (int, "1_000", 1000),
        (float, "1e-3", 0.001),
        (float, "1E5", 1e5),
        (float, "3", 3.0),
        (float, ".inf", float("inf")),
        (str, "yes", "yes"),
        (str, "2020-01-01", "2020-01-01"),
        (str, "'1'", "1"),
        (bool, "yes", True),
        (bool, "off", False),
        (bool, "True", True),
        (Path, "a/b", Path("a/b")),
        (Colour, "RED", Colour.RED),
        (Colour, "crimson", Colour.RED),
        (Colour, "2", Colour.BLUE),
        (Literal["a", 3], "3.0", 3),
        (Optional[int], "null", None),
        (Optional[int], "3", 3),
        (Union[int, str], "'3'", "3"),
        (Union[str, float], "3", 3.0),
        (Union[bool, str], "yes", "yes"),
        (Union[bool, int], "1", 1),
        ("int | None", "~", None),
        (List[int], "[1, 2.0]", [1, 2]),
        (Sequence[int], "[1]", [1]),
        ("list[list[int]]", "[[1], []]", [[1], []]),
        (Tuple[int, str], "[1, a]", (1, "a")),
        (Tuple[int, ...], "[1, 2]", (1, 2)),
        (Tuple[()], "[]", ()),
        (tuple, "[1, a]", (1, "a")),
        (Dict[str, int], "{a: 1}", {"a": 1}),
        (Dict[int, float], "{1: 1}", {1: 1.0}),
        (Dict[Colour, int], "{RED: 1}", {Colour.RED: 1}),
        (Mapping[str, List[int]], "{a: [1]}", {"a": [1]}),
        (Set[int], "[1, 1, 2]", {1, 2}),
        (FrozenSet[str], "[a]", frozenset("a")),
        (collections.deque[int], "[1, 2]", collections.deque([1, 2])),
        (Any, "{a: [1, b]}", {"a": [1, "b"]}),
        (Metres, "2", 2.0),
        (Final[int], "2", 2),
        (Annotated[int, Field(gt=0)], "2", 2),
        (Box[int], "{value: 1, more: [2.0]}", Box(1, [2])),
        (Boxes, "{value: 1, name: a}", Boxes(1, name="a")),
        (Box[List[Adam]], "{value: [{lr: 1}]}", Box([Adam(1.0)])),
        (Node, "{name: a, below: [{name: b}], beside: {name: c}}", Node("a", [Node("b")], Node("c"))),
        (Union[Adam, Sgd], "{lr: 1, momentum: 2}", Sgd(1.0, 2.0)),
        (Union[Adam, Sgd], "{type: Adam, lr: 1}", Adam(1.0)),
        (Union[Adam, Sgd], "!Sgd {lr: 1}", Sgd(1.0)),
        (Union[Linear, Conv], "{kind: linear, width: 2}", Linear("linear", 2)),
        (Union[Linear, Conv, None], "{width: 2, kind: conv}", Conv(2)),
        (Annotated[Union[Linear, Conv], Field(discriminator="kind")], "{width: 2, kind: conv}", Conv(2)),
        (Union[Box[int], Box[str]], "{value: a}", Box("a")),
        (Union[Adam, Dict[str, int]], "{a: 1}", {"a": 1}),
    ],
    ids=str,
)
def test_types(tmp_path: Path, tp: Any, text: str, value: Any) -> None:
    """What fits is taken as its field's type, in every spelling of that."""
    found = load(tmp_path, tp, f"x: {text}")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("tp", "text", "why"),
    [
        (int, "1.5", "expected an int, found 1.5"),
        (int, "true", "expected an int, found true"),
        (int, "'3'", "expected an int, found '3' (write it without quotes)"),
        (float, "fast", "expected a float, found 'fast'"),
        (float, "true", "expected a float, found true"),
        (str, "3", "expected a text, found 3 (write it in quotes)"),
        (bool, "1", "expected a bool, found 1"),
        (bool, "maybe", "expected a bool, found 'maybe'"),
        (int, "null", "expected an int, found null"),
        (Colour, "REDD", "expected one of RED, BLUE, found 'REDD' (did you mean 'RED'?)"),
        (Literal["adam", "sgd"], "adm", "expected one of 'adam', 'sgd', found 'adm' (did you mean 'adam'?)"),
        (Optional[int], "a", "expected an int, found 'a'"),
        (Union[int, bool], "a", "expected an int or a bool, found 'a'"),
        (List[int], "3", "expected a list of an int, found 3"),
        (Tuple[int, int], "[1]", "expected a list of 2 values, found 1"),
        (Dict[int, int], "{a: 1}", "x.a: expected an int, found 'a'"),
        (Annotated[int, Field(gt=0)], "0", "expected a value greater than 0, found 0"),
        (Annotated[List[int], Field(max_length=1)], "[1, 2]", "should have at most 1 item"),
        (Union[Adam, Sgd], "{lr: 1}", "expected a word on which it is: Adam or Sgd"),
        (Union[Adam, Sgd], "{type: Adm, lr: 1}", "x.type: expected one of Adam, Sgd, found 'Adm'"),
        (
            Union[Linear, Conv],
            "{kind: cnv, width: 2}",
            "x.kind: expected one of 'linear', 'conv', found 'cnv'",
        ),
        (Union[Adam, Sgd], "{lr: a, momentum: 0}", "x.lr: expected a float, found 'a'"),
        (Adam, "3", "expected Adam(lr, betas), found 3"),
        (Node, "{name: a, below: [{nam: b}]}", "x.below[0].nam: expected a field of Node"),
    ],
    ids=str,
)
def test_what_does_not_fit(tmp_path: Path, tp: Any, text: str, why: str) -> None:
    """The error says the path, what was expected and what was found."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, tp, f"x: {text}")
    assert why in str(caught.value)
    assert all(fault.path.startswith("x") and fault.line == 1 for fault in caught.value.faults)
