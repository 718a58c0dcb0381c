"""A variable is seen while its call runs, after it, and by other threads."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state._names_frame import DANGLING
from tests.unit.state.door import make_door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from lattice_addons.state._names_variable import Variable

mgr = make_door()


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

    def trace(_: object, event: str, __: object) -> Any:
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
    assert ready.wait(60)
    seen = [found[0].read() for _ in range(3000)]
    stop.set()
    thread.join()
    total, steps = totals[0]
    assert total == steps * (steps + 1) // 2
    assert found[0].read() == total
    triangular = {n * (n + 1) // 2 for n in range(steps + 1)}
    assert set(seen) <= triangular
    assert seen == sorted(seen)  # type: ignore[type-var]
