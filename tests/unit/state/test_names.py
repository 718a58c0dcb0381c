"""Which variable an argument was read from: found in the caller's bytecode, wherever the call stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import UnknownVariableError
from tests.unit.state.door import make_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state._names_variable import Variable

mgr = make_door()
loss: object = 1.5


class Numbers:
    """Something with an attribute."""

    loss = 4.5


numbers = Numbers()


def test_a_global_is_read_from_its_module() -> None:
    """A global that a function passes is the module's, and is followed there."""
    global loss  # noqa: PLW0603 - this is what is tested
    loss = 1.5
    variable = mgr.update("loss", loss)
    loss = 2.5
    assert (variable.name, variable.read()) == ("loss", 2.5)


def test_keywords_in_any_order_and_over_several_lines() -> None:
    """The names of a call's keywords say where the value is."""
    loss, key = 1.5, "k"
    found = [
        mgr.update(key="x", value=loss),
        mgr.update(value=loss, key="x"),
        mgr.update(value=loss, key=f"x{len(key)}" + "y" * 2),
        mgr.update(value=loss, key=str([key, {key: 1}[key], -1, not key, numbers.loss, key[0:1]])),
        mgr.update("x", value=loss),
        mgr.update("x" if key else "y", loss),
        mgr.update(key, loss),
        mgr.update(
            "x",
            loss,
        ),
        mgr
        .update(
            # A comment between.
            key=
            key,
            value=(
                loss
            ),
        ),
    ]  # fmt: skip
    assert [variable.name for variable in found] == ["loss"] * len(found)
    assert [variable.read() for variable in found] == [1.5] * len(found)


def test_other_names_of_the_method_and_calls_through_the_class() -> None:
    """What is called may be any expression; an unbound method gets the manager as an argument."""
    loss = 1.5
    track = mgr.update
    assert track("x", loss).name == "loss"
    assert type(mgr).update(mgr, "x", loss).name == "loss"
    assert type(mgr).update(mgr, value=loss, key="x").name == "loss"
    assert getattr(mgr, "update")("x", loss).name == "loss"  # noqa: B009 - another shape of call
    assert [mgr, mgr][0].update("x", loss).name == "loss"


def test_pytest_assertions_are_seen_through() -> None:
    """A rewritten assertion keeps plain variables, and its own variables for expressions are refused."""
    loss = 1.5
    assert mgr.update("x", loss).name == "loss"
    with pytest.raises(UnknownVariableError, match="expression"):
        assert mgr.update("x", float(loss)).name
    with pytest.raises(UnknownVariableError, match="expression"):
        assert mgr.update("x", numbers.loss).name


def test_closure_cells_are_followed_from_both_sides() -> None:
    """A cell is one variable, whether the function that has it or one within it names it, also after the return."""

    def outer() -> tuple[Variable, Variable, Callable[[float], None]]:
        loss = 1.5

        def inner() -> Variable:
            nonlocal loss
            variable = mgr.update("loss", loss)
            loss = 2.5
            return variable

        def change(value: float) -> None:
            nonlocal loss
            loss = value

        return mgr.update("loss", loss), inner(), change

    own, free, change = outer()
    assert (own.read(), free.read()) == (2.5, 2.5)
    change(3.5)
    assert (own.read(), free.read()) == (3.5, 3.5)


def test_a_class_body_has_its_own_variables_and_sees_those_around() -> None:
    """A name of a class body is the body's; one that is not is found in the function around it."""
    seen: list[float] = []

    def outer() -> tuple[Variable, Variable]:
        around = 1.5

        class Body:
            loss = 10.5
            own = mgr.update("loss", loss)
            loss = 11.5  # noqa: PIE794 - a body is code like any other

            class Inner:
                free = mgr.update("around", around)

        around = 2.5
        seen.append(around)
        return Body.own, Body.Inner.free

    own, free = outer()
    assert (own.name, own.read()) == ("loss", 11.5)
    assert (free.name, free.read()) == ("around", 2.5)


def test_recursive_calls_have_a_variable_each() -> None:
    """The variable is the one of this very call, not that of the function."""
    found: list[Variable] = []

    def descend(depth: int) -> None:
        loss = depth
        found.append(mgr.update("loss", loss))
        if depth:
            descend(depth - 1)
        loss += 100

    descend(3)
    assert [variable.read() for variable in found] == [103, 102, 101, 100]


def test_exec_with_one_and_with_two_namespaces() -> None:
    """Code that is executed has its variables in the mapping it was given."""
    source = "loss = 1\nv = mgr.update('x', loss)\nloss = 2\n"
    one: dict[str, Any] = {"mgr": mgr}
    exec(source, one)  # noqa: S102 - what is tested
    assert one["v"].read() == 2
    around: dict[str, Any] = {"mgr": mgr, "loss": -1, "rate": 5}
    within: dict[str, Any] = {}
    exec(source + "w = mgr.update('x', rate)", around, within)  # noqa: S102
    around["rate"] = 6
    assert (within["v"].read(), within["w"].read()) == (2, 6)
    assert eval("mgr.update('x', loss)", around, within).read() == 2  # noqa: S307


def test_many_constants_and_names_need_long_instructions() -> None:
    """With more than 256 names and constants, instructions have prefixes; the names are still right."""
    lines = [f"name_{n} = {n}.5" for n in range(600)]
    lines += [f"found.append(mgr.update('key {n}', name_{n}))" for n in (0, 255, 256, 257, 599)]
    for wrap in ("{}", "def run():\n    {}\nrun()"):
        names: dict[str, Any] = {"mgr": mgr, "found": []}
        exec(wrap.format("\n    ".join(lines) if "def" in wrap else "\n".join(lines)), names)  # noqa: S102
        assert [variable.name for variable in names["found"]] == [
            f"name_{n}" for n in (0, 255, 256, 257, 599)
        ]
