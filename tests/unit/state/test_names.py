"""Which variable an argument was read from: found in the caller's bytecode, or refused, and never a wrong one."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state._names import find_variable
from lattice_addons.state._names_frame import DANGLING, MISTAKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from lattice_addons.state._names_variable import Variable

# What stands between a program and the finder: a method in a module of the package, with another below it.
DOOR = """
class Door:
    def update(self, key, value):
        return self.hold(value)

    def hold(self, value):
        return find_variable(value)
"""


class Door(Protocol):
    """What `DOOR` makes."""

    def update(self, key: str, value: object) -> Variable:
        """Give the variable that was passed as the value."""


def make_door() -> Door:
    """Make an object whose update(key, value) gives the variable, from within the package."""
    names: dict[str, Any] = {"__name__": "lattice_addons.state._door", "find_variable": find_variable}
    exec(DOOR, names)  # noqa: S102 - a module of the package, made for the test
    door: Door = names["Door"]()
    return door


mgr = make_door()
loss: object = 1.5


class Numbers:
    """Something with an attribute."""

    loss = 4.5


numbers = Numbers()


def refusal(update: Callable[[], object]) -> str:
    """Give what the refusal of an update says."""
    with pytest.raises(UnknownVariableError) as caught:
        update()
    return str(caught.value)


def test_a_global_is_read_from_its_module() -> None:
    """A global that a function passes is the module's, and is followed there."""
    global loss  # noqa: PLW0603 - this is what is tested
    loss = 1.5
    variable = mgr.update("loss", loss)
    loss = 2.5
    assert (variable.name, variable.read()) == ("loss", 2.5)


def test_a_local_is_followed_and_keeps_its_last_value_after_the_return() -> None:
    """The frame of the call shows the local while it runs and what it had in the end."""

    def train() -> Variable:
        loss = 1.5
        variable = mgr.update("loss", loss)
        loss = 2.5
        assert variable.read() == 2.5
        loss = 3.5
        return variable

    variable = train()
    assert (variable.name, variable.read()) == ("loss", 3.5)


def test_the_locals_of_a_call_are_let_go_when_its_variable_is_read_after_the_return() -> None:
    """A read after the return keeps the value alone, so that large locals do not live on."""
    freed: list[str] = []

    class Large:
        def __del__(self) -> None:
            freed.append("large")

    def train() -> Variable:
        large = Large()
        loss = 1.5
        variable = mgr.update("loss", loss)
        loss = 2.5
        assert isinstance(large, Large)
        return variable

    variable = train()
    gc.collect()
    assert freed == []
    assert variable.read() == 2.5
    gc.collect()
    assert freed == ["large"]


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


def test_generators_are_read_while_suspended_and_after() -> None:
    """A generator's local is seen between its elements, and has its last value when it has ended."""
    found: list[Variable] = []

    def steps() -> Generator[int, None, None]:
        loss = 1
        found.append(mgr.update("x", loss))
        for loss in (2, 3):
            yield loss

    generator = steps()
    next(generator)
    assert found[0].read() == 2
    assert list(generator) == [3]
    assert found[0].read() == 3
    del generator
    assert found[0].read() == 3
    list(steps())
    assert found[1].read() == 3
    expression = list(mgr.update("x", v) for v in range(3))  # noqa: C400 - a generator expression is what is tested
    assert expression[-1].read() == 2


@pytest.mark.parametrize("end", ["delete", "close", "collect"])
def test_a_generator_that_is_ended_from_outside_keeps_what_was_seen(end: str) -> None:
    """Ending a suspended generator leaves the last value that was seen, and nothing out of freed memory."""
    found: list[Variable] = []

    def steps() -> Generator[int, None, None]:
        loss = 1
        found.append(mgr.update("x", loss))
        loss = 2
        yield loss
        loss = 3
        yield loss

    generator = steps()
    next(generator)
    assert found[0].read() == 2
    if end == "close":
        generator.close()
        assert found[0].read() == 2
    cycle: list[object] = [generator]
    cycle.append(cycle)
    del generator, cycle
    gc.collect()
    rubbish = [bytearray(300) for _ in range(2000)]
    assert found[0].read() == 2, rubbish
    unseen = steps()
    next(unseen)
    del unseen
    rubbish = [bytearray(300) for _ in range(2000)]
    assert found[1].read() == (1 if DANGLING else 2), rubbish


def test_coroutines_and_asynchronous_comprehensions() -> None:
    """What a coroutine passes is found around awaits and in asynchronous comprehensions."""
    found: list[Variable] = []

    async def key() -> str:
        return "k"

    async def elements() -> AsyncIterator[int]:
        for v in (1000, 2000):
            yield v

    async def work() -> None:
        loss = 1
        found.append(mgr.update("x", loss))
        loss = 2
        await asyncio.sleep(0)
        found.append(mgr.update(await key(), loss))
        loss = 3
        with pytest.raises(UnknownVariableError):
            mgr.update("x", await key())
        v = 77
        inner: list[list[Any]] = [
            [mgr.update("x", v) for v in [5]] + [w async for w in elements()] + [mgr.update("x", v)]
            async for v in elements()
        ]
        assert [row[0].read() for row in inner] == [5, 5]
        assert inner[-1][-1].read() == 2000
        assert mgr.update("x", v).read() == 77

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        assert found[0].read() == 2
        await task

    asyncio.run(main())
    assert [variable.read() for variable in found] == [3, 3]


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
    assert "test_names.py:" in refusal(lambda: mgr.update("x", 4))
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


def test_a_deleted_variable_keeps_its_last_seen_value_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Deleting the variable is no error: what was last seen stays, and one warning says so."""
    names: dict[str, Any] = {"mgr": mgr}
    exec("loss = 1\nv = mgr.update('x', loss)\nloss = 2", names)  # noqa: S102
    assert names["v"].read() == 2
    del names["loss"]
    assert [names["v"].read(), names["v"].read()] == [2, 2]
    names["loss"] = 3
    assert names["v"].read() == 3
    assert [record.message for record in caplog.records] == [
        "variable 'loss' was deleted: the value that was last seen in it is kept"
    ]


def test_cleared_frames_keep_what_was_seen() -> None:
    """traceback.clear_frames empties the frames of calls that failed; the values seen before stay."""
    found: list[Variable] = []

    def fail() -> None:
        loss = 1
        found.append(mgr.update("x", loss))
        loss = 2
        raise KeyError(loss)

    try:
        fail()
    except KeyError as error:
        assert found[0].read() == 2
        traceback.clear_frames(error.__traceback__)
    assert found[0].read() == 2


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


def test_tracing_and_profiling_make_no_difference() -> None:
    """Debuggers and coverage change the code that runs, not the code that is read."""

    def work() -> tuple[object, object]:
        loss = 1
        first = second = mgr.update("x", loss)
        for loss in range(50):
            second = mgr.update("x", loss)
        return first.read(), second.read()

    tracing, profiling = sys.gettrace(), sys.getprofile()
    events: list[str] = []

    def trace(_: object, event: str, __: object) -> Any:  # noqa: ANN401 - it gives itself
        events.append(event)
        return trace

    sys.settrace(trace)
    sys.setprofile(lambda *_: None)
    try:
        result = work()
    finally:
        sys.settrace(tracing)
        sys.setprofile(profiling)
    assert result == (49, 49)
    assert "line" in events


def test_reading_from_another_thread_does_not_disturb_the_function() -> None:
    """A running function's variables are its own, however often another thread looks at them."""
    found: list[Variable] = []
    ready, stop = threading.Event(), threading.Event()
    totals: list[tuple[int, int]] = []

    def count() -> None:
        total = steps = 0
        found.append(mgr.update("total", total))
        ready.set()
        while not stop.is_set():
            steps += 1
            total += steps
            hiding = [total + 1 for total in (steps, steps)]
            assert hiding == [steps + 1] * 2
        totals.append((total, steps))

    thread = threading.Thread(target=count)
    thread.start()
    ready.wait()
    seen = [found[0].read() for _ in range(3000)]
    stop.set()
    thread.join()
    total, steps = totals[0]
    assert total == steps * (steps + 1) // 2
    assert found[0].read() == total
    triangular = {n * (n + 1) // 2 for n in range(steps + 1)}
    assert set(seen) <= triangular
    assert seen == sorted(seen)  # type: ignore[type-var]
