"""The grid has every combination once, in one order; conditions and groups make it smaller."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import SettingError
from lattice_addons.experiments import Experiment, search
from lattice_addons.experiments._display import Nothing

if TYPE_CHECKING:
    from pathlib import Path


class Conditional(Experiment):
    """Momentum is for one optimizer alone, its decay for some momentum."""

    decay: float | None = search(0.1, 0.2, when=lambda h: h.opt == "sgd")
    opt: str = search("adam", "sgd")
    momentum: float = search(0.8, 0.9, when=lambda h: h.opt == "sgd", otherwise=0.0)


def test_grid_is_the_product_in_order() -> None:
    """As nested loops over the fields in the order of the class."""

    class Three(Experiment):
        """Three fields."""

        a: int = search(1, 2)
        b: str = search("x", "y", "z")
        c: int = search.integers(4, 8, step=2)

    walked = [(h.a, h.b, h.c) for h in Three()]
    assert walked == list(itertools.product([1, 2], ["x", "y", "z"], [4, 6, 8]))
    assert len(Three()) == len(walked)


class Rate(Experiment):
    """A part of another."""

    lr: float = search(1, 2, 3)


def test_no_setting_comes_twice(tmp_path: Path) -> None:
    """Points that are one value, groups with equal rows, and parts that have settings in common are walked once."""

    class Twice(Experiment):
        """Every kind of point that is there twice."""

        x: float = search(1, 1.0, 0.3, 0.1 + 0.2, 0.1 + 0.2)
        layers = search([1], (1,))
        width: int = search(1, 1, 2, 1, zipped="size")
        heads: int = search(1, 2, 2, 1, zipped="size")
        part: Rate = search(Rate(), Rate(lr=search(3, 4)), Rate(lr=4))

    walked = [(h.x, h.width, h.heads, h.part.lr) for h in Twice()]
    assert walked == list(dict.fromkeys(walked))
    assert len(Twice()) == len(walked) == 3 * 3 * 4
    summary = Twice(part=Rate(lr=1)).run_all(num_proc=0, dry_run=True)
    assert len(summary.planned) == 9

    class Run(Experiment):
        """A number that is there twice, and texts that are the same once they are filled in."""

        x: float = search(2, 2.0, 3)
        text: str = search("{x}", "2.0")

        def run(self) -> float:
            """Give its number."""
            return self.x

    assert Run().run_all(num_proc=2, root=str(tmp_path), display=Nothing()).done == 3


def test_one_list_is_one_point() -> None:
    """A list is a value like others; points are arguments."""

    class Lists(Experiment):
        """Fields that are lists."""

        one: list[int] = search([1, 2, 3])
        two: list[int] = search([1], [2])

    assert [(h.one, h.two) for h in Lists()] == [([1, 2, 3], [1]), ([1, 2, 3], [2])]
    assert Lists().searched == ("two",)


def test_conditions_may_ask_any_kind_of_method() -> None:
    """A static one and one of the class are called as they are of a setting."""

    class Asks(Experiment):
        """Three conditions."""

        n: int = search(1, 5)
        a: int = search(1, 2, when=lambda h: h.is_large(h.n), otherwise=0)
        b: int = search(3, 4, when=lambda h: h.is_above(h.n), otherwise=0)
        c: int = search(5, 6, when=lambda h: h.is_it(), otherwise=0)

        @staticmethod
        def is_large(number: int) -> bool:
            return number > 3

        @classmethod
        def is_above(cls, number: int) -> bool:
            return cls.is_large(number)

        def is_it(self) -> bool:
            return self.n > 3

    assert [(h.n, h.a, h.b, h.c) for h in Asks()][:2] == [(1, 0, 0, 0), (5, 1, 3, 5)]
    assert len(Asks()) == 9


def test_conditions_collapse_what_they_leave_out() -> None:
    """Where the condition says no there is one setting, with the value for that case, whatever the order of fields."""
    walked = [(h.opt, h.decay, h.momentum) for h in Conditional()]
    assert walked == [
        ("adam", None, 0.0),
        ("sgd", 0.1, 0.8),
        ("sgd", 0.1, 0.9),
        ("sgd", 0.2, 0.8),
        ("sgd", 0.2, 0.9),
    ]
    assert len(Conditional()) == 5
    assert len(Conditional(opt="adam")) == 1
    assert len({h.identity for h in Conditional()}) == 5


def test_conditions_see_nested_fields_texts_and_properties() -> None:
    """A condition is written as if it saw the setting."""

    class Inner(Experiment):
        """A part."""

        kind: str = search("a", "b")

    class Outer(Experiment):
        """Looks into it."""

        inner: Inner = Inner()
        tag: str = "{inner.kind}!"
        x: int = search(1, 2, when=lambda h: h.inner.kind == "b" and h.tag == "b!" and h.is_b)

        @property
        def is_b(self) -> bool:
            """Say which."""
            return self.inner.kind == "b"

    assert [(h.tag, h.x) for h in Outer()] == [("a!", None), ("b!", 1), ("b!", 2)]


def test_groups_advance_together() -> None:
    """Fields of one group have their first points together, then their second."""

    class Grouped(Experiment):
        """Width goes with size."""

        size: int = search(16, 32, zipped="size")
        lr: float = search(0.1, 0.2)
        width: int = search(1, 2, zipped="size")

    assert [(h.size, h.width, h.lr) for h in Grouped()] == [
        (16, 1, 0.1),
        (16, 1, 0.2),
        (32, 2, 0.1),
        (32, 2, 0.2),
    ]
    assert len(Grouped()) == 4
    with pytest.raises(SettingError, match="'size' advance together, and of points size has 3, width has 2"):
        list(Grouped(size=search(1, 2, 3, zipped="size")))


def test_groups_with_conditions() -> None:
    """A group of which no field is searched is one point; one of which some are advances all the same."""

    class Grouped(Experiment):
        """Both for one mode, or one."""

        mode: str = search("none", "one", "both")
        a: int = search(1, 2, zipped="g", when=lambda h: h.mode != "none", otherwise=0)
        b: int = search(3, 4, zipped="g", when=lambda h: h.mode == "both", otherwise=0)

    assert [(h.mode, h.a, h.b) for h in Grouped()] == [
        ("none", 0, 0),
        ("one", 1, 0),
        ("one", 2, 0),
        ("both", 1, 3),
        ("both", 2, 4),
    ]


def test_texts_name_fields() -> None:
    """Names of fields in a text are filled in, those of other texts too; braces of something else are left alone."""

    class Texts(Experiment):
        """Texts of each kind."""

        model: str = search("a", "b")
        lr: float = 1e-3
        tag: str = "{model}-{lr:.0e}"
        path: str = search("runs/{tag}", "plain")
        prompt: str = "{question} for {answer}"
        json: str = '{"model": 1}'
        both: str = "{{question}} for {model}"

    settings = list(Texts())
    assert [h.path for h in settings] == ["runs/a-1e-03", "plain", "runs/b-1e-03", "plain"]
    assert settings[0].prompt == "{question} for {answer}"
    assert settings[0].json == '{"model": 1}'
    assert settings[0].both == "{question} for a"
    assert Texts(model="{x}", path="p").tag == "{x}-1e-03"
    assert Texts.from_values(settings[0].as_dict()).both == "{question} for a"


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"a": "{b}", "b": "{a}"}, "a -> b -> a"),
        ({"a": "{b}-{c}", "b": "x"}, "no field 'c'"),
        ({"a": "{b:d}", "b": "x"}, "cannot be filled in"),
    ],
)
def test_texts_that_cannot_be_filled_in(texts: dict[str, str], told: str) -> None:
    """A loop, an unknown name beside a known one, and a format that does not fit are told by field."""

    class Texts(Experiment):
        """Two texts."""

        a: str = ""
        b: str = ""

    with pytest.raises(SettingError, match=told):
        Texts(**texts)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (lambda h: h.optt == 1, "no field 'optt'; did you mean 'opt'"),
        (lambda h: h.later == 1, "'later', which is decided after it"),
        (lambda h: h.x == 1, "asks for itself"),
        (lambda _: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_conditions_that_fail(when: object, told: str) -> None:
    """What a condition raises is told with the field whose condition it is."""

    class Failing(Experiment):
        """Has a condition."""

        opt: int = 1
        x: int = search(1, 2)
        later: int = search(1, 2, when=lambda _: True)

    with pytest.raises(SettingError, match=told):
        list(Failing(x=search(1, 2, when=when)))  # type: ignore[arg-type] # functions of the cases above


def test_range_is_no_grid() -> None:
    """A range has no points to walk, and the error says what to do."""

    class Ranged(Experiment):
        """Has one."""

        lr: float = search.log_uniform(1e-4, 1)

    with pytest.raises(
        SettingError, match=r"Ranged.lr: a grid has no points of search.log_uniform.*sampler='random'"
    ):
        list(Ranged())
    with pytest.raises(SettingError):
        len(Ranged())


def test_large_grid_starts_at_once() -> None:
    """The first of very many settings needs none of the others, and neither does their number."""

    class Large(Experiment):
        """More than anybody walks, or has room for."""

        a: int = search.integers(1, 10**9)
        b: int = search.integers(1, 10**9)

    assert len(Large()) == 10**18
    assert next(iter(Large())).as_dict() == {"a": 1, "b": 1}
