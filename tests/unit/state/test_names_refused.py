"""What is no plain variable, or cannot be told for certain, is refused."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state._names import find_variable
from tests.unit.state.door import make_door, refusal

mgr = make_door()
loss: object = 1.5


class Numbers:
    """Something with an attribute."""

    loss = 4.5


numbers = Numbers()


@pytest.mark.parametrize(
    "expression",
    [
        "numbers.loss",
        "loss.real",
        "+loss",
        "losses[0]",
        "loss if loss else other",
        "other if not loss else loss",
        "loss or other",
        "loss and other",
        "(again := loss)",
        "float(loss)",
        "(loss, other)[0]",
        "lambda: loss",
        "[loss for loss in losses][0]",
    ],
)
@pytest.mark.parametrize(
    "call", ["mgr.update('x', {})", "mgr.update(value={}, key='x')", "mgr.update(key='x', value={})"]
)
def test_expressions_are_refused_with_what_to_write_instead(call: str, expression: str) -> None:
    """Anything but a plain variable is refused, in the middle of a function and as what it returns."""
    header = "def run(loss, other, losses):\n    "
    for body in ("found = {}\n    return found", "return {}", "if loss: {}\n    else: pass"):
        names: dict[str, Any] = {"mgr": mgr, "numbers": numbers}
        exec(header + body.format(call.format(expression)), names)  # noqa: S102
        text = refusal(lambda names=names: names["run"](1.5, 2.5, [1.5]))  # type: ignore[misc]
        assert "StateClosureManager" in text


def test_a_refusal_shows_the_expression_and_the_closure_to_write() -> None:
    """Where there is source, the text has the expression, ready to be copied."""
    assert "`lambda: numbers.loss`" in refusal(lambda: mgr.update("x", numbers.loss))
    assert "test_names_refused.py:" in refusal(lambda: mgr.update("x", 4))
    assert "constant" in refusal(lambda: mgr.update("x", 4))
    assert "builtin" in refusal(lambda: mgr.update("x", print))


def test_calls_made_from_c_or_with_unpacked_arguments_are_refused() -> None:
    """What the bytecode calls there is not our function, or does not say where the value comes from."""
    loss = 1.5
    both, named = ("x", loss), {"value": loss}
    refusal(lambda: mgr.update(*both))
    refusal(lambda: mgr.update("x", **named))
    refusal(lambda: list(map(mgr.update, ["x"], [loss])))
    refusal(lambda: list(filter(functools.partial(mgr.update, "x"), [loss])))
    refusal(functools.partial(mgr.update, "x", loss))
    refusal(lambda: functools.partial(mgr.update, "x")(loss))
    refusal(lambda: functools.partial(mgr.update, key="x")(value=loss))
    refusal(lambda: functools.reduce(mgr.update, ["x", loss]))  # type: ignore[arg-type]
    with pytest.raises(UnknownVariableError):

        @functools.partial(mgr.update, "x")
        def decorated() -> None:
            pass


def test_a_variable_that_was_changed_by_another_argument_is_refused() -> None:
    """The variable must have the very object that was passed when the call is made."""
    loss: object = 1.5
    assert "another value" in refusal(lambda: change_and_update())  # noqa: PLW0108 - its line is what is told
    assert loss


def change_and_update() -> object:
    """Pass a variable that a later argument assigns."""
    loss: object = 1.5
    return mgr.update(value=loss, key=(loss := "x"))


def test_a_call_from_within_the_package_alone_is_refused() -> None:
    """Where no call leads into the package there is no argument to look for."""
    with pytest.raises(UnknownVariableError, match="no call"):
        find_variable(loss)
