"""Types and hints of values, names in a tree, and the questions that the occurrences answer."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import pytest

from lattice_addons.errors import HyperParameterError, HyperParameterValueError, UnknownHyperParameterError
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from lattice_addons.hyperparams import HyperParameters


@pytest.mark.parametrize(
    ("default", "value", "taken"),
    [
        ("1", 2, 2),
        ("1", np.int64(2), 2),
        ("1.0", 2, 2.0),
        ("1.0", np.float32(0.5), 0.5),
        ("True", False, False),
        ("'a'", "b", "b"),
        ("(1, 2)", [3], (3,)),
        ("[1]", (3, 4), [3, 4]),
        ("{'a': 1}", {}, {}),
        ("None", "whatever", "whatever"),
        ("1 + x", "whatever", "whatever"),
        ("1, type='int | None'", None, None),
        ("None, type=int", 3, 3),
        ("None, type=(int, str)", "x", "x"),
        ("None, type=Optional[float]", 1, 1.0),
        ("1, min=0, max=3", 3, 3),
        ("'adam', choices=['adam', 'sgd']", "sgd", "sgd"),
        ("1j", 2, 2 + 0j),
        ("{1}", [2], {2}),
        ("b'x'", b"y", b"y"),
    ],
)
def test_what_fits_is_taken(hp: HyperParameters, default: str, value: Any, taken: Any) -> None:
    """As its own type, or as that of the default where nothing is lost by it."""
    hp.parse_source(f'{HEAD}_("x", {default})')
    hp.set_value("x", value)
    found = hp("x")
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("default", "value", "told"),
    [
        ("1", 2.5, "2.5 is a float, and it takes int"),
        ("1", True, "True is a bool"),
        ("1", None, "None is a NoneType"),
        ("1", "2", "'2' is a str"),
        ("1.0", True, "True is a bool"),
        ("True", 1, "1 is an int, and it takes bool"),
        ("'a'", 1, "takes str"),
        ("(1,)", "ab", "takes tuple"),
        ("[1]", {1: 2}, "takes list"),
        ("None, type='int'", None, "takes int"),
        ("1, type='int | None'", "x", "takes int or None"),
        ("1, min=0", -1, "-1 is not 0 or more"),
        ("1, max=3", 4, "4 is not 3 or less"),
        ("1.0, min=0, max=1", float("nan"), "nan is not from 0 to 1"),
        ("None, min=0", "x", "cannot be compared"),
        ("1, choices=(1, 2)", 3, "none of the choices: 1, 2"),
        ("1, choices=(1, 2), type=(int, bool)", True, "none of the choices"),
    ],
)
def test_what_does_not_fit_is_refused(hp: HyperParameters, default: str, value: Any, told: str) -> None:
    """With the name, the place of the declaration, and what would be taken."""
    hp.parse_source(f'{HEAD}_("x", {default})', "model.py")
    before = hp.get_value("x")
    with pytest.raises(HyperParameterValueError) as caught:
        hp.set_value("x", value)
    assert told in str(caught.value)
    assert "x (declared at model.py:2)" in str(caught.value)
    assert isinstance(caught.value, (ValueError, TypeError))
    assert hp.get_value("x") == before


def test_hints_of_a_call_are_those_of_python(hp: HyperParameters) -> None:
    """Types as they are at run time, for a value that was set before anybody had declared it."""
    for number, (hint, good, bad) in enumerate(
        [
            (int, 1, "x"),
            (Optional[int], None, "x"),  # noqa: UP045 - as programs have it
            (int | str, "x", 1.5),
            (list[int], [1], 1),
            ("int", 1, "x"),
        ]
    ):
        name = f"n{number}"
        hp.set_value(name, bad, strict=False)
        with pytest.raises(HyperParameterValueError):
            hp(name, None, type=hint)
        hp.set_value(name, good, strict=False)
        assert hp(name, None, type=hint) == good


def test_text_is_read_as_the_type_that_is_wanted(hp: HyperParameters) -> None:
    """As on a command line."""
    hp.parse_source(
        HEAD + '_("i", 1)\n_("f", 1.0)\n_("s", "a")\n_("b", True)\n_("t", (1,))\n_("l", [1])\n_("d", {})\n'
        '_("n", None)\n_("o", 1, type="int | None")\n_("e", x + 1)\n_("c", 1, choices=[1, 2])\n_("z", {1})'
    )
    for name, text, value in (
        ("i", "0x10", 16), ("i", "1_000", 1000), ("f", "1e-3", 1e-3), ("f", "3", 3.0), ("s", "12", "12"),
        ("b", "no", False), ("b", "TRUE", True), ("t", "1,2", (1, 2)), ("t", "[3]", (3,)), ("l", "(1,)", [1]),
        ("d", "{'a': None}", {"a": None}), ("n", "None", None), ("n", "path/to", "path/to"), ("n", "3", 3),
        ("o", "None", None), ("o", "4", 4), ("e", "[1]", [1]), ("c", "2", 2), ("z", "{2}", {2}),
    ):  # fmt: skip
        hp.set_text(name, text)
        assert hp(name) == value
        assert type(hp(name)) is type(value)
    for name, text in (("i", "1.5"), ("b", "maybe"), ("t", "x y"), ("d", "[1]"), ("c", "3"), ("f", "x"),
                       ("z", "[[1]]")):  # fmt: skip
        with pytest.raises(HyperParameterValueError, match=name):
            hp.set_text(name, text)
    with pytest.raises(UnknownHyperParameterError):
        hp.set_text("nobody", "1")


def test_names_with_dots_stand_in_a_tree(hp: HyperParameters) -> None:
    """They are given and set as dictionaries; a dictionary may also be a value."""
    hp.parse_source(
        HEAD + '_("opt.lr", 0.1)\n_("opt.sched.steps", 10)\n_("opt.extra", {"a": 1})\n_("seed", 0)'
    )
    assert hp.get_tree("opt") == {"lr": 0.1, "sched": {"steps": 10}, "extra": {"a": 1}}
    assert hp.get_tree() == {"opt": hp.get_tree("opt"), "seed": 0}
    hp.set_tree("opt", {"lr": 1, "sched": {"steps": 20}, "extra": {"b": {"c": 2}}})
    hp.set_tree("", {"seed": 3, "opt": {"lr": 0.5}})
    assert hp.get_values() == {"opt.lr": 0.5, "opt.sched.steps": 20, "opt.extra": {"b": {"c": 2}}, "seed": 3}
    with pytest.raises(UnknownHyperParameterError):
        hp.set_tree("opt", {"lrr": 1})
    with pytest.raises(UnknownHyperParameterError):
        hp.get_tree("optim")


def test_occurrences_can_be_asked(hp: HyperParameters) -> None:
    """All of a name, filtered, grouped, sorted, counted, and as plain records."""
    hp.parse_source(HEAD + '_("b", 1, help="h")\n_("a")\n_("a", 2)', "one.py")
    hp.parse_source(HEAD + 'x = _("b")\n_("c", f(x))', "two.py")
    every = hp.occurrences()
    assert len(every) == every.count() == 5
    assert every.count("path") == {"one.py": 3, "two.py": 2}
    assert [each.line for each in hp.occurrences("a")] == [3, 4]
    assert hp.occurrences("b").filter(path="two.py")[0].place == "two.py:2"
    assert every.filter(lambda each: each.default is not None).count("name") == {"b": 1, "a": 1, "c": 1}
    assert [each.name for each in every.sort("line", reverse=True)] == ["a", "a", "c", "b", "b"]
    assert {key: len(group) for key, group in every.group(lambda each: each.line % 2).items()} == {0: 3, 1: 2}
    assert every.filter(name="c").records() == [
        {"name": "c", "path": "two.py", "cell": None, "line": 3, "column": 1, "default": "f(x)", "value": None,
         "literal": False, "hints": {}}
    ]  # fmt: skip
    assert hp.occurrences("b")[0].hints == {"help": "h"}
    assert hp.occurrences("nobody").count() == 0
    assert "one.py:2" in repr(every)


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_occurrences_are_a_frame_of_pandas(hp: HyperParameters) -> None:
    """A row each, also when there is none."""
    assert list(hp.occurrences().frame().columns)[:2] == ["name", "path"]
    hp.parse_source(HEAD + '_("b", 1)\n_("a", 2)')
    frame = hp.occurrences().frame()
    assert frame.sort_values("name")["value"].tolist() == [2, 1]
    assert "pandas" in sys.modules


def test_a_hint_that_is_none_is_refused_in_a_cell(hp: HyperParameters) -> None:
    """What a person types in a notebook is checked as source is."""
    with pytest.raises(HyperParameterError, match="choices is a list"):
        exec("hp('x', 1, choices=3)", {"__name__": "__main__", "hp": hp})  # noqa: S102 - as a notebook does
