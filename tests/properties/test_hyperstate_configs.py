"""Whatever the fields of a dataclass may hold comes back from a file of each format as it was."""

# The older spellings of types are among what is tested.
# ruff: noqa: UP007, UP045
from __future__ import annotations

import enum
import math
import tempfile
from dataclasses import dataclass, fields, is_dataclass, make_dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, Optional, Union

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lattice_addons.hyperstate import dump_config, load_config

FORMATS = ("yaml", "json", "toml", "ron")


class Colour(enum.Enum):
    """Members whose values are of several types."""

    RED = "red"
    TWO = 2
    PAIR = (1, 2)


class Rights(enum.Flag):
    """Members that can be joined."""

    READ = 1
    WRITE = 2


@dataclass
class Adam:
    """One of two that are told apart by their names alone."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass
class Sgd:
    """The other one; all of its fields are Adam's, too."""

    lr: float


class Kind(NamedTuple):
    """A type, and values of it."""

    type: Any
    values: st.SearchStrategy[Any]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats()
OPTIMIZERS = st.builds(Adam, FLOATS, st.tuples(FLOATS, FLOATS)) | st.builds(Sgd, FLOATS)
PATHS = TEXTS.map(PurePosixPath)
INTS = st.integers(-(2**63), 2**63 - 1)
SCALARS = [
    Kind(int, INTS),
    Kind(float, FLOATS),
    Kind(str, TEXTS),
    Kind(bool, st.booleans()),
    Kind(PurePosixPath, PATHS),
    Kind(Colour, st.sampled_from(Colour)),
    Kind(Rights, st.sampled_from([*Rights, Rights.READ | Rights.WRITE])),
    Kind(Literal["a", 1, True], st.sampled_from(["a", 1, True])),
    Kind(Union[int, float], INTS | FLOATS.filter(math.isfinite)),
    Kind(Union[bool, int, str], st.booleans() | INTS | TEXTS),
    Kind(Union[Adam, Sgd], OPTIMIZERS),
    Kind(Sgd, st.builds(Sgd, FLOATS)),
]
HASHABLE = [kind for kind in SCALARS if kind.type in (int, str, bool, Colour, PurePosixPath)]
KEYS = [kind for kind in SCALARS if kind.type in (int, str, bool, float)]


def of(origin: Any, *args: Any) -> Any:
    """Give the type ``origin[args]``."""
    return origin[args if len(args) > 1 else args[0]]


def larger(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    """Give lists and tuples of such values, mappings to them, and classes with fields of them."""
    hashable = st.sampled_from(HASHABLE)

    def a_class(kinds: list[Kind]) -> Kind:
        made = make_dataclass("Made", [(f"f{at}", kind.type) for at, kind in enumerate(kinds)])
        return Kind(made, st.builds(made, *(kind.values for kind in kinds)))

    return st.one_of(
        inner.map(lambda kind: Kind(of(list, kind.type), st.lists(kind.values, max_size=3))),
        inner.map(lambda kind: Kind(of(tuple, kind.type, ...), st.lists(kind.values, max_size=3).map(tuple))),
        st.just(Kind(tuple[()], st.just(()))),
        st.tuples(inner, inner).map(
            lambda two: Kind(of(tuple, two[0].type, two[1].type), st.tuples(two[0].values, two[1].values))
        ),
        hashable.map(lambda kind: Kind(of(set, kind.type), st.sets(kind.values, max_size=3))),
        hashable.map(lambda kind: Kind(of(frozenset, kind.type), st.frozensets(kind.values, max_size=3))),
        st.tuples(st.sampled_from(KEYS), inner).map(
            lambda two: Kind(
                of(dict, two[0].type, two[1].type),
                st.dictionaries(two[0].values.filter(lambda key: key == key), two[1].values, max_size=3),  # noqa: PLR0124 - nan
            )
        ),
        st.lists(inner, max_size=3).map(a_class),
    )


TYPES = st.recursive(st.sampled_from(SCALARS), larger, max_leaves=6)


def shape(value: Any) -> Any:
    """Give a value so that types count, and nan is equal to itself."""
    if is_dataclass(value):
        return type(value), [shape(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, (list, tuple)):
        return type(value), [shape(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, value))
    if isinstance(value, dict):
        return dict, sorted((repr(key), shape(each)) for key, each in value.items())
    return type(value), repr(value)


@pytest.mark.parametrize("form", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_round_trip(form: str, data: st.DataObject) -> None:
    """A random class with random values is written and read, with defaults and without, and over an older file."""
    kinds = data.draw(st.lists(TYPES, min_size=1, max_size=3))
    made = make_dataclass("Config", [(f"field_{at}", kind.type) for at, kind in enumerate(kinds)])
    value, other = (made(*(data.draw(kind.values) for kind in kinds)) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"config.{form}")
        dump_config(value, path)
        assert shape(load_config(made, path)) == shape(value)
        dump_config(other, path)
        assert shape(load_config(made, path)) == shape(other)


@given(
    width=st.none() | INTS,
    name=st.none() | TEXTS,
    optimizer=st.none() | OPTIMIZERS,
    form=st.sampled_from(FORMATS),
)
@settings(max_examples=60, deadline=None)
def test_optional_fields(width: int | None, name: str | None, optimizer: Any, form: str) -> None:
    """None comes back as None, in TOML too, which has no word for it; defaults may be left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"config.{form}")
        config = Choices(width, name, optimizer)
        dump_config(config, path, defaults=False)
        assert shape(load_config(Choices, path)) == shape(config)


@dataclass
class Choices:
    """Fields that may have no value."""

    width: Optional[int]
    name: str | None
    optimizer: Adam | Sgd | None = None
