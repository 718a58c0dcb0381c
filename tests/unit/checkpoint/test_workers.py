"""Jobs are done by a few threads, and where there can be none, by who has them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_results_come_in_the_order_of_the_jobs() -> None:
    """Also when a later job is done sooner."""
    workers = Workers("test", 3)

    def job(number: int) -> int:
        time.sleep(0.01 * (5 - number))
        return number

    assert list(workers.run(partial(job, number) for number in range(5))) == [0, 1, 2, 3, 4]


def test_only_so_many_are_on_their_way() -> None:
    """Jobs are made when their turn comes: each may hold memory."""
    workers = Workers("test", 2)
    made, given = 0, 0

    def jobs() -> Iterator[Callable[[], int]]:
        nonlocal made
        for number in range(20):
            made += 1
            assert made - given <= 4
            yield partial(int, number)

    for _ in workers.run(jobs(), ahead=3):
        given += 1
    assert given == 20


def test_an_error_comes_out_and_nothing_runs_on() -> None:
    """Who gets the error may use again what the jobs worked on."""
    workers = Workers("test", 2)
    running = set[int]()

    def job(number: int) -> None:
        running.add(number)
        time.sleep(0.02)
        if number == 1:
            raise KeyError(number)
        running.remove(number)

    with pytest.raises(KeyError):
        list(workers.run(partial(job, number) for number in range(6)))
    assert running == {1}


def test_the_threads_take_no_signals() -> None:
    """A signal is the main thread's, as if there were no others."""
    workers = Workers("signalless", 1)
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, []) == signal.valid_signals() - {9, 19}"
    [found] = workers.run([lambda: eval(blocked, {"signal": __import__("signal")})])  # noqa: S307 - our own text
    assert found
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "signalless-0"] == [True]


@pytest.mark.parametrize("moment", ["now()", "atexit.register(now)", "if os.fork() == 0: now()"])
def test_whenever_it_is(moment: str) -> None:
    """At exit, where some Pythons start no thread any more, and in a forked child, which has none."""
    text = f"""
        import atexit, os
        from lattice_addons.checkpoint._workers import BYTES
        assert list(BYTES.run([lambda: 1])) == [1]
        from lattice_addons.checkpoint._workers import Workers
        fresh = Workers("fresh", 2)
        def now():
            print(sum(BYTES.run((lambda n=n: n) for n in range(100))), sum(fresh.run([lambda: 7])), flush=True)
        {moment}
        try: os.wait()
        except ChildProcessError: pass
    """
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(text)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "4950 7\n", "")
