"""What is searched says what it is, fits its field's type, and is refused where it is empty."""

from __future__ import annotations

import enum
import pathlib
from typing import TYPE_CHECKING, Any, Literal, NewType, Optional

import numpy as np
import pytest

from lattice_addons.errors import SettingError
from lattice_addons.experiments import Experiment, search

if TYPE_CHECKING:
    from collections.abc import Callable


class Colour(enum.Enum):
    """Two of them."""

    RED = 1
    BLUE = 2


def wrong(value: Any) -> Any:
    """Give a value of a type that is not allowed."""
    return value


Steps = NewType("Steps", int)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (search, r"search\(\) has no points"),
        (search.choice, "has no points"),
        (lambda: search(search(1, 2)), "cannot be a search again"),
        (lambda: search(1, when=wrong(True)), "no function of the experiment"),
        (lambda: search(1, zipped=wrong(3)), "no name of a group"),
        (lambda: search.integers(5, 4), "has no points"),
        (lambda: search.integers(1, 4, step=0), "has no points"),
        (lambda: search.integers(1, wrong(4.5)), "no whole number"),
        (lambda: search.uniform(1, 1), "is empty"),
        (lambda: search.uniform(2, 1), "is empty"),
        (lambda: search.uniform(0, float("inf")), "no finite number"),
        (lambda: search.uniform(wrong("0"), 1), "no finite number"),
        (lambda: search.log_uniform(0, 1), "low above 0"),
    ],
)
def test_empty_and_senseless_searches(make: Callable[[], Any], told: str) -> None:
    """Each is one error where it is written, and says what would be right."""
    with pytest.raises(SettingError, match=told):
        make()


@pytest.mark.parametrize(
    ("search_", "told"),
    [
        (search(16, [1]), "search(16, [1])"),
        (search.integers(1, 9, step=3), "search.integers(1, 7, step=3)"),
        (search.log_uniform(0.1, 1), "search.log_uniform(0.1, 1.0)"),
        (search("a", zipped="g"), "search('a', zipped='g')"),
    ],
)
def test_searches_read_as_they_are_written(search_: object, told: str) -> None:
    """An experiment that is printed shows what it searches."""
    assert repr(search_) == told


@pytest.mark.parametrize(
    ("hint", "value", "becomes"),
    [
        (float, 1, 1.0),
        (int, np.int64(3), 3),
        (float, np.float32(0.5), 0.5),
        (complex, 1, 1 + 0j),
        (bool, np.bool_(1), True),
        (tuple[int, ...], [1, 2], (1, 2)),
        (list[float], (1, 2), [1.0, 2.0]),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (set[int], [1, 2], {1, 2}),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (Optional[int], None, None),  # noqa: UP045 - the older spelling is tested
        (int | str, "x", "x"),
        (float | None, 1, 1.0),
        (Literal["a", "b"], "b", "b"),
        (Colour, Colour.RED, Colour.RED),
        (Steps, 3, 3),
        (type, int, int),
        (Any, object, object),
    ],
)
def test_values_fit_their_types(hint: Any, value: Any, becomes: Any) -> None:
    """A value that is not of the type, but means the same in it, becomes one of it: as a value and as a point."""
    cls = type("Fits", (Experiment,), {"__annotations__": {"x": hint}, "__module__": __name__})
    made = cls(x=value).x
    assert (type(made), made) == (type(becomes), becomes)
    assert [h.x for h in cls(x=search(value))] == [becomes]


@pytest.mark.parametrize(
    ("hint", "value", "told"),
    [
        (int, 1.5, "is an int, and 1.5 is a float"),
        (int, "3", "is an int, and '3' is a str"),
        (int, True, "is an int, and True is a bool"),
        (bool, 1, "is a bool, and 1 is an int"),
        (str, None, "is a str, and None is None"),
        (int, [1, 2], r"to search several values, write search\(1, 2\)"),
        (list[int], ["a"], r"is list\[int\]"),
        (tuple[int, int], (1, 2, 3), r"is tuple\[int, int\]"),
        (int | None, "x", "is an int or None"),
        (Literal["a", "b"], "c", r"Literal\['a', 'b'\]"),
        (Colour, "RED", "is a Colour"),
        (dict[str, int], {"a": "b"}, r"is dict\[str, int\]"),
        (set, [[1]], "is a set, and"),
        (frozenset[Any], [[1]], r"is frozenset\[Any\], and"),
    ],
)
def test_values_of_another_type(hint: Any, value: Any, told: str) -> None:
    """The error names the class, the field, its type, and what was given: for a value as for one point of several."""
    cls = type("Refuses", (Experiment,), {"__annotations__": {"x": hint}, "__module__": __name__})
    with pytest.raises(SettingError, match=rf"Refuses\.x .*{told}") as caught:
        cls(x=value)
    assert caught.value.field == "x"
    with pytest.raises(SettingError, match=told):
        cls(x=search(value))


def test_defaults_are_checked_too() -> None:
    """A wrong default is found when the class is used, and so is one that is assigned later."""

    class Wrong(Experiment):
        """Has one."""

        x: int = search(1, "2")

    with pytest.raises(SettingError, match=r"Wrong\.x is an int, and '2' is a str"):
        Wrong()
    made = Wrong(x=1)
    made.x = "3"  # type: ignore[assignment] # that is the mistake
    with pytest.raises(SettingError, match=r"Wrong\.x is an int, and '3' is a str"):
        list(made)


def test_none_as_default_is_allowed() -> None:
    """As many write it: ``x: int = None``."""

    class Lax(Experiment):
        """Has one."""

        x: int = None  # type: ignore[assignment] # as many write it
        y: int = search.uniform(0, 1)

    with pytest.raises(SettingError, match="numbers of another type"):
        Lax()
    assert Lax(y=1).x is None


def test_large_arrays_are_not_copied() -> None:
    """All settings look at one array, and none can write to it; a small one is each setting's own."""
    large, small = np.zeros(2**18), np.zeros(3)

    class Arrays(Experiment):
        """Holds two."""

        data: Any = large
        few: np.ndarray[Any, Any] = small
        x: int = search(1, 2)

    one, two = Arrays()
    assert np.shares_memory(one.data, two.data)
    assert np.shares_memory(one.data, large)
    assert not one.data.flags.writeable
    one.few[0] = 1
    assert two.few[0] == small[0] == 0
    assert one.name == "x=1"


def test_numbers_stay_of_the_fields_type() -> None:
    """Whole numbers for a float are floats, whichever way a setting comes about; so is the value elsewhere."""

    class Numbers(Experiment):
        """A range of each kind, for a float."""

        x: float = search.integers(1, 5, step=2)
        y: float = search(1.5, when=lambda h: h.x > 1, otherwise=0)

    settings = list(Numbers())
    assert [(h.x, h.y) for h in settings] == [(1.0, 0.0), (3.0, 1.5), (5.0, 1.5)]
    for h in settings:
        assert type(h.x) is type(h.y) is float
        assert Numbers.from_values(h.as_dict()).identity == h.identity
    with pytest.raises(SettingError, match="is a float, and 'none' is a str"):
        Numbers(y=search(1.0, when=lambda _: True, otherwise="none"))
    with pytest.raises(SettingError, match="numbers of another type"):
        type("Whole", (Experiment,), {"__annotations__": {"x": int}, "x": search.uniform(0, 1)})()


@pytest.mark.parametrize("value", [[search(1, 2), 3], (search(1, 2),), {"a": search(1, 2)}])
def test_search_within_a_value(value: Any) -> None:
    """A search that nobody would walk is refused."""

    class Within(Experiment):
        """A field of any type."""

        x: Any = None

    with pytest.raises(SettingError, match="a search stands for a whole field"):
        Within(x=value)
