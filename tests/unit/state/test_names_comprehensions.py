"""Comprehensions have variables of their own, in frames of their own or in their function's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.state._names_frame import MISTAKEN
from tests.unit.state.door import make_door, refusal

if TYPE_CHECKING:
    from lattice_addons.state._names_variable import Variable

mgr = make_door()


def test_comprehensions_have_variables_of_their_own() -> None:
    """The element of a comprehension is not the function's variable of the same name."""
    loss = 1.5
    outer = mgr.update("x", loss)
    found = [mgr.update("x", loss) for loss in [1000, 2000]]
    last = {mgr.update("x", loss).read() for loss in [1000, 2000]}
    assert (found[-1].name, found[-1].read()) == ("loss", 2000)
    assert last == {1000, 2000}
    assert outer.read() == loss == 1.5
    around = [mgr.update("x", loss) for _ in range(2)]
    loss = 2.5
    assert [variable.read() for variable in (*around, outer)] == [2.5] * 3


def test_a_comprehension_hides_a_variable_only_while_it_runs() -> None:
    """While a comprehension has the name, the function's variable keeps its last seen value; afterwards it is seen."""

    def plain() -> tuple[list[object], object]:
        loss = 1.5
        variable = mgr.update("x", loss)
        during = [variable.read() for loss in [1000, 2000]]
        loss = 2.5
        return during, variable.read()

    def shared() -> tuple[list[object], object]:
        loss = 1.5
        variable = mgr.update("x", loss)

        def closure() -> object:
            return loss

        during = [variable.read() for loss in [1000, 2000]]
        loss = 2.5
        return [*during, closure()], variable.read()

    assert plain() == ([1.5, 1.5], 2.5)
    assert shared() == ([1.5, 1.5, 2.5], 2.5)


def test_nested_comprehensions_with_one_name() -> None:
    """An inner comprehension's variable is never taken for the outer one's."""
    seen: list[object] = []

    def note(variable: Variable) -> object:
        seen.append(variable.read())
        return variable

    found = [
        (note(first := mgr.update("x", v)), [note(first) for v in [30, 40]], note(first))
        for v in [1000, 2000]
    ]
    assert seen == [1000] * 4 + [2000] * 4
    assert found[-1][0].read() == 2000  # type: ignore[attr-defined]


def test_elements_are_followed_while_the_comprehension_runs() -> None:
    """An element changes without an update; what was last seen of it is kept when the comprehension has ended."""
    held: list[Variable] = []
    seen = [held.append(mgr.update("x", v)) if v == 0 else held[0].read() for v in range(3)]  # type: ignore[func-returns-value]
    assert seen == [None, 1, 2]
    assert held[0].read() == 2
    captured = [(mgr.update("x", w), lambda: w) for w in [1000, 2000]]  # noqa: B023 - makes w a cell
    assert captured[-1][0].read() == 2000


@pytest.mark.skipif(not MISTAKEN, reason="only Python 3.13.0 to 3.13.2 crash there")
def test_where_python_would_crash_the_update_is_refused() -> None:
    """A comprehension's variable that has a closure's name is refused where Python crashes on reading it."""
    assert "crashes" in refusal(shadow_a_closure)


def shadow_a_closure() -> list[Variable]:
    """Pass a comprehension's variable that has the name of a closure's."""
    v = 1.5

    def closure() -> object:
        return v

    found = [mgr.update("x", v) for v in [1000]]
    assert closure() == 1.5
    return found


def test_module_level_comprehensions() -> None:
    """In a module's comprehension, element and global are told apart, too."""
    names: dict[str, Any] = {"mgr": mgr, "loss": 1.5, "v": -1}
    source = """
elements = [mgr.update('x', v) for v in [1000, 2000]]
shared = [(mgr.update('x', w), lambda: w) for w in [1000, 2000]]
around = [mgr.update('x', loss) for v in [1000, 2000]]
nested = [[mgr.update('x', v) for v in [u]] for u in [1000, 2000]]
"""
    exec(source, names)  # noqa: S102 - a module's code
    names["loss"] = 2.5
    assert [variable.read() for variable in names["around"]] == [2.5, 2.5]
    assert names["elements"][-1].read() == 2000
    assert names["shared"][-1][0].read() == 2000
    assert names["nested"][-1][-1].read() == 2000
    assert {variable.name for variable in names["elements"]} == {"v"}
