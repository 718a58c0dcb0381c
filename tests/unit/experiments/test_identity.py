"""A setting is known by its values alone: in any process, whatever stands beside it in the grid."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from lattice_addons.experiments import Experiment, search

if TYPE_CHECKING:
    from collections.abc import Callable


class Colour(enum.Enum):
    """Two of them."""

    RED = 1
    BLUE = 2


@dataclass
class Point:
    """An object of a user's own."""

    x: int
    y: int


class One(Experiment):
    """One field of any type."""

    x: Any = 0


def times(factor: int) -> Callable[[int], int]:
    """Make a function; all that it makes have one name."""

    def made(number: int) -> int:
        return number * factor

    return made


def plus(term: int) -> Callable[[int], int]:
    """Make a function that keeps what it was made with as a default."""

    def made(number: int, term: int = term) -> int:
        return number + term

    return made


def identity(value: Any) -> str:
    """Give the identity of a setting with this value."""
    return One(x=value).identity


def test_adding_points_leaves_identities() -> None:
    """What is done stays done when a point is added, in front or behind, and when fields change places."""

    class Before(Experiment):
        """Two fields."""

        lr: float = search(0.1, 0.2)
        size: int = search(1, 2)

    class After(Experiment):
        """More points, in another order of fields."""

        size: int = search(0, 1, 2)
        lr: float = search(0.3, 0.2, 0.1)

    before = {h.identity for h in Before()}
    assert before < {h.identity for h in After()}
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in before)


def test_identity_is_kept_for_ever() -> None:
    """The digits are those of earlier releases: another way to count them would run everything again."""

    class Known(Experiment):
        """Plain values."""

        lr: float = 0.1
        size: int = 16
        model: str = "é"
        layers: list[int] = [1, 2]  # noqa: RUF012 - each instance has its own
        more: dict[str, Any] = {"b": None, "a": True}  # noqa: RUF012 - each instance has its own

    assert Known().identity == IDENTITY


IDENTITY = "892a47d10ab81171"


DISTINCT = [
    None,
    True,
    0,
    1,
    1.0,
    "1",
    b"1",
    "",
    [],
    [[]],
    [1, 2],
    [12],
    ["1", 2],
    {},
    {"a": 1},
    {"a": {"a": 1}},
    {1},
    {1, 2},
    {1: "a"},
    Colour.RED,
    Colour.BLUE,
    Point(1, 2),
    Point(2, 1),
    int,
    Point,
    len,
    lambda: 1,
    lambda: 2,
    lambda xs: sum(x * 2 for x in xs),
    lambda xs: sum(x * 3 for x in xs),
    times(2),
    times(3),
    plus(2),
    plus(3),
    functools.partial(int, base=2),
    functools.partial(int, base=8),
    dt.date(2024, 1, 1),
    dt.timedelta(1),
    np.zeros(2),
    np.zeros(3),
    np.zeros(2, "f4"),
    np.zeros((2, 1)),
    np.array([None, 1]),
    pd.DataFrame({"a": [1, 2]}),
    pd.DataFrame({"a": [1, 3]}),
    pd.DataFrame({"b": [1, 2]}),
    pd.Series([1, 2]),
    np.zeros(2**18),
    np.ones(2**18),
]


def test_different_values_differ() -> None:
    """No two of these are one setting."""
    found = [identity(value) for value in DISTINCT]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        (np.float64(0.1), 0.1),
        (np.int32(3), 3),
        (np.str_("a"), "a"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (Point(1, 2), Point(1, 2)),
        (times(2), times(2)),
        (plus(2), plus(2)),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy()),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})),
        (np.full(2**18, 3.0), np.full(2**18, 3.0)),
    ],
)
def test_equal_values_are_one_setting(one: Any, other: Any) -> None:
    """What means the same is known by the same, so that a value may go through a file."""
    assert identity(one) == identity(other)


def test_value_that_holds_itself() -> None:
    """A loop in a value does not hang."""
    loop: list[Any] = [1]
    loop.append(loop)
    assert identity(loop) == identity(loop)


def test_an_experiment_in_a_list_is_the_same_when_it_was_asked() -> None:
    """Whether somebody wanted to know its own identity before is no part of its value."""
    part = One(x=1)
    before = identity([part])
    assert part.identity
    assert identity([part]) == before


SCRIPT = """
import enum, sys
from dataclasses import dataclass
import numpy as np, pandas as pd
from lattice_addons.experiments import Experiment
class Colour(enum.Enum):
    RED = 1
@dataclass
class Point:
    x: int
    names: set
class Part(Experiment):
    lr: float = 0.1
class Script(Experiment):
    a = {"z", "y", "x"}
    b = Point(1, {"p", "q", "r"})
    c = Colour.RED
    e: object = Point
    f: object = lambda x: {"u", "v"}
    g = Part()
    h: object = pd.DataFrame({"a": [1.5], "b": ["x"]})
print(Script().identity)
"""


def test_identity_is_the_same_in_any_process(tmp_path: Any) -> None:
    """Sets and dicts have another order in each process; a script is ``__main__`` or a module: it is one setting."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    found = set()
    for seed, how in (("1", [str(script)]), ("2", ["-c", "import script"])):
        environ = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
        ran = subprocess.run([sys.executable, *how], env=environ, capture_output=True, text=True, check=True)
        found.add(ran.stdout)
    assert len(found) == 1


class Named(Experiment):
    """Fields of several types."""

    batch_size: int = search(16, 32)
    lr: float = 0.1
    text: str = "plain"
    data: Any = None


def test_names_tell_what_is_searched() -> None:
    """The searched fields, and those that are not at their default; nothing else."""
    assert [h.name for h in Named()] == ["batch_size=16", "batch_size=32"]
    assert [h.name for h in Named(lr=search(0.1, 0.2), batch_size=16)] == [
        "batch_size=16,lr=0.1",
        "batch_size=16,lr=0.2",
    ]
    assert Named(batch_size=16, lr=0.5).name == "batch_size=16,lr=0.5"
    assert One().name == "One"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([1, 2], "data=[1,2]"),
        (Colour.RED, "data=RED"),
        (len, "data=len"),
        (np.zeros((2, 3)), "data=ndarray2x3"),
        (np.float64(0.5), "data=0.5"),
        ("a\nb", "data=a b"),
        ("", "data=''"),
        (Point(1, 2), "data=Point(x=1, y=2)"),
        (object(), "data=object"),
    ],
)
def test_names_are_one_readable_line(value: Any, told: str) -> None:
    """Whatever is searched, the name is short and the same each time."""
    (setting,) = Named(batch_size=16, data=value)
    assert setting.name == f"batch_size=16,{told}"


def test_long_and_odd_names_are_files() -> None:
    """Two settings never have one file name, and no file system refuses it."""
    texts = ["x" * 500 + "a", "x" * 500 + "b", "../../etc/passwd", "a/b", "a:b", "A/B", ".", "é" * 300, "\0"]
    settings = list(Named(text=search(*texts), batch_size=16))
    files = {setting.file_name.lower() for setting in settings}
    assert len(files) == len({setting.name for setting in settings}) == len(texts)
    for setting in settings:
        assert len(setting.file_name.encode()) <= 120
        assert not set(setting.file_name) & set('/\\:*?"<>|\0 \n')
        assert not setting.file_name.startswith(".")
        assert len(setting.name) <= 180
