"""A gate lets snapshots in between sections, and what falls due inside waits for the end."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lattice_addons.lifecycle import Gate
from tests.unit.lifecycle.recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


class Done:
    """What is due: it notes when it is done, and whether that was said to be a safe point."""

    def __init__(self) -> None:
        self.times: list[bool] = []

    def __call__(self, *, safe: bool) -> None:
        """Be done."""
        self.times.append(safe)


@pytest.fixture
def gate() -> Gate:
    """Give a gate that nobody uses."""
    return Gate()


def in_thread(work: object) -> threading.Thread:
    """Start work in a thread."""
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_sections_nest(gate: Gate) -> None:
    """The gate opens with the outermost section."""
    with gate:
        with gate:
            pass
        assert gate.closed_here
    assert not gate.closed_here


def test_a_section_keeps_other_threads_out(gate: Gate) -> None:
    """Two threads are never inside at once."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(500):
            with gate:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert most == [1] * 2000


def test_what_is_due_waits_for_the_outermost_end(gate: Gate) -> None:
    """It is done once, when the main thread's sections and saves have all ended."""
    done = Done()
    with gate, gate.busy(), gate:
        gate.when_open(done)
        gate.when_open(done)
        with gate:
            pass
        assert not done.times
    assert done.times == [False]


def test_another_thread_leaves_the_main_threads_work_alone(gate: Gate) -> None:
    """What is due is done in the main thread, whoever opens the gate."""
    done = Done()
    gate.when_open(done)

    def work() -> None:
        with gate:
            pass

    in_thread(work).join()
    assert not done.times
    with gate:
        pass
    assert done.times == [False]


def test_a_save_keeps_nobody_out(gate: Gate) -> None:
    """While one thread is busy saving, others change their values."""
    entered = threading.Event()

    def work() -> None:
        with gate:
            entered.set()

    with gate.busy():
        in_thread(work).join()
        assert gate.closed_here
    assert entered.is_set()


def test_a_save_in_another_thread_makes_no_signal_wait(gate: Gate) -> None:
    """Signals are the main thread's: it is not busy when another thread saves."""
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with gate.busy():
            entered.set()
            leave.wait(60)

    thread = in_thread(work)
    assert entered.wait(60)
    assert not gate.closed_here
    leave.set()
    thread.join()


def test_the_next_element_is_a_safe_point(gate: Gate) -> None:
    """Also that of a loop within another, whose element goes on."""
    done = Done()
    gate.element("outer")
    gate.element("inner")
    gate.when_open(done)
    assert gate.mid_element[:2] == ("outer", "inner")
    gate.between("inner")
    assert done.times == [True]
    assert gate.mid_element == ("outer",)
    assert gate.main_mid_element


def test_a_broken_loop_is_forgotten_and_serves_nothing(gate: Gate) -> None:
    """A loop that is left early may be left by the garbage collector, where nothing may be raised."""
    done = Done()
    gate.element("loop")
    gate.when_open(done)
    gate.leave("loop")
    assert gate.mid_element == ()
    assert not done.times


def test_a_loop_in_another_thread_is_named_and_not_waited_for(gate: Gate) -> None:
    """The main thread has no power over when another one comes to its next element."""
    in_thread(lambda: gate.element("elsewhere")).join()
    assert gate.mid_element == ("elsewhere",)
    assert not gate.main_mid_element


def test_loops_in_several_threads_do_not_meet(gate: Gate) -> None:
    """However often they take turns, each leaves its own element, and none is left behind."""
    failed: list[Exception] = []
    before = sys.getswitchinterval()

    def loop(key: str) -> None:
        try:
            for _ in range(30_000):
                gate.element(key)
                gate.between(key)
        except Exception as error:  # noqa: BLE001 - looked at in the test's own thread
            failed.append(error)

    sys.setswitchinterval(1e-6)
    try:
        for thread in [in_thread(partial(loop, f"loop {number}")) for number in range(3)]:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failed
    assert gate.mid_element == ()


def test_an_error_in_a_section_opens_the_gate(gate: Gate) -> None:
    """The error passes, and what was due is done."""
    done = Done()

    def fail() -> None:
        with gate:
            gate.when_open(done)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert done.times == [False]
    assert not gate.closed_here


EVERY_STEP = """
    group = Recorder(signals=("SIGUSR1",), grace=0)
    came = []
    signal.signal(signal.SIGUSR1, lambda signum, frame: came.append(signum))
    attachment = attach(group)

    def step():
        with group.gate:
            group.a += 1
            with group.gate:
                group.b += 1
            group.b += 1
            group.a += 1

    def trace_until(when):
        passed = 0
        def trace(frame, event, argument):
            nonlocal passed
            frame.f_trace_opcodes = OPCODES
            passed += 1
            if passed == when:
                signal.raise_signal(signal.SIGUSR1)
            return trace
        return trace, lambda: passed

    when = 0
    while True:
        when += 1
        came.clear(), group.saves.clear()
        trace, passed = trace_until(when)
        sys.settrace(trace)
        step()
        sys.settrace(None)
        if passed() < when:
            break
        # Once: neither lost nor served twice; and never in between.
        if came != [signal.SIGUSR1] or group.saves != [("signal:SIGUSR1", 0)]:
            say("WRONG", when, came, group.saves)
    say("steps", when)
    os._exit(0)
"""


@pytest.mark.parametrize("opcodes", [False, True])
def test_a_signal_at_every_step_of_a_section(tmp_path: Path, opcodes: bool) -> None:
    """At every line, and every instruction, of a section and of the gate itself, the values are whole."""
    source = EVERY_STEP.replace("OPCODES", str(opcodes))
    ended = recording(tmp_path, source).run()
    assert ended.returncode == 0, ended.stderr
    assert "WRONG" not in ended.stdout
    assert int(ended.stdout.split()[-1]) > (50 if opcodes else 10)
