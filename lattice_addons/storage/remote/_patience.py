"""Every call ends: when nothing moves for a while it is given up, and what may be over in a moment is tried again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import LatticeError
from lattice_addons.storage.remote._faults import AGAIN, AWAY, meaning
from lattice_addons.storage.remote._waiting import waiting, waits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

    from lattice_addons.storage.remote._faults import Where

__all__ = ["Pulse", "all_of", "in_loop", "in_thread", "persist"]

Result = TypeVar("Result")

_ATTEMPTS = {AGAIN: 12, AWAY: 3}
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_SLOWEST = 64 << 10  # bytes a second on a link that is still of use
_LATE = 2.0  # seconds after which a loop that should have given up is given up itself


class Pulse:
    """Beats when bytes move; a call whose pulse has stopped for ``idle`` seconds is dead."""

    def __init__(self, idle: float) -> None:
        self.idle = self._idle = idle
        self._last = time.monotonic()

    def beat(self) -> None:
        """Note that something moved."""
        self._last = time.monotonic()
        self.idle = self._idle

    def allow(self, length: int) -> None:
        """Wait longer for so many bytes, of which nobody tells how they move; the first beat takes it back."""
        self.idle = self._idle + length / _SLOWEST

    def left(self) -> float:
        """Give the seconds until it counts as dead."""
        return self._last + self.idle - time.monotonic()


def persist(once: Callable[[Pulse, int], Result], where: Where) -> Result:
    """Make a call, again after what may be over in a moment; ``once`` gets its pulse and how often it was tried.

    One attempt has a third of the patience in which nothing moves: a lost packet must not use up all of it.
    """
    import random

    begun = time.monotonic()
    tried = 0
    while True:
        try:
            return once(Pulse(where.patience / 3), tried)
        except LatticeError:
            raise
        except Exception as error:  # what file systems and SDKs raise has no common base
            tried += 1
            pause = min(_FIRST_PAUSE * 2 ** (tried - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            means = meaning(error)
            if time.monotonic() - begun + pause > where.patience:
                raise
            if tried >= _ATTEMPTS.get(means, 1):
                if means != AWAY or not waits():
                    raise
                where.tell_waiting(error)
        # With jitter, so that all ranks of a job do not come back at the same instant.
        time.sleep(pause)


def in_loop(
    make: Callable[[], Coroutine[Any, Any, Result]], loop: asyncio.AbstractEventLoop, pulse: Pulse
) -> Result:
    """Run a coroutine in another thread's loop for as long as its pulse beats."""
    import asyncio
    from concurrent.futures import wait

    future = asyncio.run_coroutine_threadsafe(_watched(make, pulse), loop)
    try:
        while not future.done():
            wait([future], timeout=max(pulse.left() + _LATE, 0.1))
            if not future.done() and pulse.left() < -_LATE:
                raise _silent(pulse)
        return future.result()
    finally:
        future.cancel()  # on an interrupt, say; without effect when it is done


async def _watched(make: Callable[[], Coroutine[Any, Any, Result]], pulse: Pulse) -> Result:
    import asyncio

    task = asyncio.ensure_future(make())
    try:
        while not task.done():
            if pulse.left() <= 0:
                raise _silent(pulse)
            await asyncio.wait({task}, timeout=pulse.left())
        return task.result()
    finally:
        task.cancel()


def in_thread(call: Callable[[], Result], pulse: Pulse) -> Result:
    """Run a call that cannot be cancelled, in a thread that is left behind when its pulse stops.

    The thread is a daemon: one that hangs must not keep the program from ending.
    """
    done = threading.Event()
    outcome: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="lattice-remote", daemon=True).start()
    while not done.wait(max(pulse.left(), 0)):
        if pulse.left() <= 0:
            raise _silent(pulse)
    if failed:
        raise failed[0]
    return outcome[0]


def _silent(pulse: Pulse) -> TimeoutError:
    return TimeoutError(f"no byte moved for {pulse.idle:.3g} s")


def all_of(calls: Sequence[Callable[[], Result]], width: int) -> list[Result]:
    """Make calls, ``width`` at a time; the first error is raised, and what has not begun then never does."""
    if len(calls) == 1:
        return [calls[0]()]
    results: dict[int, Result] = {}
    failed: list[BaseException] = []
    numbers = iter(range(len(calls)))
    taking = threading.Lock()
    patient = waits()

    def work() -> None:
        while not failed:
            with taking:
                number = next(numbers, None)
            if number is None:
                return
            try:
                with waiting(patient):
                    results[number] = calls[number]()
            except BaseException as error:  # noqa: BLE001 - it is raised where the calls were asked for
                failed.append(error)

    threads = [threading.Thread(target=work, name="lattice-remote", daemon=True) for _ in calls[:width]]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as error:  # Ctrl-C: the threads must not go on with all that is left
        failed.append(error)
        raise
    if failed:
        raise failed[0]
    return [results[number] for number in range(len(calls))]
