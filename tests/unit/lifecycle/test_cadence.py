"""Saves take the share of the run time that they may, and what they cost is measured."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice_addons.lifecycle import end_thread, start_thread
from lattice_addons.lifecycle._cadence import Cadence, Meter, _times

if TYPE_CHECKING:
    from collections.abc import Iterator

# With a share of 0.01 or more, the longest interval pays for any of these.
costs = st.lists(st.floats(0, 30), min_size=1)


def test_a_given_interval_is_kept() -> None:
    """Whatever saves cost, the first and every other one come when they were asked for."""
    cadence = Cadence(7.0, 0.035)
    assert [cadence.first, cadence.after(100, 100), cadence.after(0, 0)] == [7, 7, 7]


def test_the_first_save_is_soon_whatever_the_share() -> None:
    """Until then there is nothing to go back to."""
    assert 1 <= Cadence("auto", 0.0001).first <= 10


def test_interval_follows_the_cost() -> None:
    """A save of 0.7 s may come every 20 s if saves may cost 3.5 percent; a cheaper one more often."""
    cadence = Cadence("auto", 0.035)
    assert cadence.after(0.7, 0.7) == pytest.approx(20)
    assert cadence.after(0.7, 0.7) == pytest.approx(20)
    cadence.after(0.07, 0.07)
    assert cadence.after(0.07, 0.07) == pytest.approx(2)


def test_one_dear_save_counts_for_two_turns() -> None:
    """It holds for the next interval and the one after it, and is then forgotten."""
    cadence = Cadence("auto", 0.1)
    assert [cadence.after(cost, cost) for cost in (0.5, 5, 0.5, 0.5)] == pytest.approx([5, 50, 50, 5])


def test_bounds() -> None:
    """Never more often than once a second, nor less often than once an hour."""
    assert Cadence("auto", 0.5).after(0, 0) == 1
    assert Cadence("auto", 0.01).after(1e6, 1e6) == 3600


def test_a_slow_disk_is_left_in_peace() -> None:
    """A save that costs the program little and takes long is not followed by another one at once."""
    assert Cadence("auto", 0.5).after(0.1, 30) >= 60


@given(costs, st.floats(0.01, 0.9))
def test_the_sum_of_what_saves_cost_stays_under_the_share(prices: list[float], share: float) -> None:
    """Each save is paid for by the time until the next one begins."""
    cadence = Cadence("auto", share)
    pauses = [cadence.after(cost, cost) for cost in prices]
    assert sum(prices) <= share * sum(pauses) * 1.000001


@given(costs, st.floats(0.01, 0.8))
def test_a_larger_share_never_makes_saves_rarer(prices: list[float], share: float) -> None:
    """Who allows more gets saves at least as often."""
    small, large = Cadence("auto", share), Cadence("auto", share * 1.2)
    assert all(large.after(cost, cost) <= small.after(cost, cost) for cost in prices)


def burn(seconds: float) -> None:
    """Compute, in this thread, for so many seconds of processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@contextmanager
def in_thread(name: str, seconds: float) -> Iterator[None]:
    """Compute in a thread of this name, which stays alive for the block, as workers do."""
    done, leave = threading.Event(), threading.Event()

    def run() -> None:
        burn(seconds)
        done.set()
        leave.wait(60)

    thread = start_thread(run, name)
    assert done.wait(60)
    yield
    leave.set()
    thread.join(60)


def test_the_processor_time_of_our_threads_is_counted() -> None:
    """That of the thread that writes, and of workers beside it, also of those started meanwhile."""
    meter = Meter()
    meter.captured(0.0)
    burn(0.03)
    with in_thread("lattice-bytes-0", 0.04):
        cost, took = meter.written()
    assert cost >= 0.07
    assert took >= 0.03


def test_the_programs_own_threads_are_not_counted() -> None:
    """What they do at the time of a save is not what the save costs."""
    meter = Meter()
    meter.captured(0.0)
    with in_thread("worker", 0.2):
        # Less than that thread alone has computed.
        assert meter.written()[0] < 0.2


def test_standing_still_and_helping_are_not_added() -> None:
    """While the program stands still, threads that copy for it take nothing more from it."""
    meter = Meter()
    burn(0.05)
    meter.captured(1.0)
    assert 1 <= meter.written()[0] < 1.05


def test_what_a_snapshot_computes_counts_though_nobody_stood_still() -> None:
    """A snapshot made beside the program still takes its processor."""
    meter = Meter()
    burn(0.05)
    meter.captured(0.0)
    assert meter.written()[0] >= 0.05


def test_a_thread_that_ended_meanwhile_is_no_error() -> None:
    """Between being listed and being asked it may end: its time is lost, and nothing else."""
    thread = start_thread(lambda: None, "lattice-short")
    end_thread(thread, 10)
    assert list(_times([thread])) == [threading.current_thread()]
