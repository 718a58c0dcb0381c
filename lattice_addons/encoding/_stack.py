"""What is nested too deeply for this thread is done in one with room."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons._host import at_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# The limit counts for all threads. Up to 3.11 a runaway recursion in another one, with the usual stack of
# 8 MiB, still ends in RecursionError at 10,000 and not in a segmentation fault. From 3.12 on calls from
# Python to Python take no C stack, and C code has a limit of its own.
_LIMIT = 50_000 if sys.version_info >= (3, 12) else 10_000
_STACKS = (256 * 1024 * 1024, 64 * 1024 * 1024)
_one_at_a_time = [threading.Lock()]
# A forked child starts with the lock as it was: perhaps held, by a thread that it does not have.
at_fork(after_in_child=lambda: _one_at_a_time.__setitem__(0, threading.Lock()))


def with_room(function: Callable[..., T], *args: object, **named: object) -> T:
    """Call a function in a fresh thread with a large stack and a higher recursion limit."""

    def call() -> T:
        with _one_at_a_time[0], _raised_limit():
            return function(*args, **named)

    return in_thread(call)


def in_thread(function: Callable[[], T]) -> T:
    """Call a function in a fresh thread, wait for it, and give or raise what it does; here if none starts.

    While Python 3.12 ends, it starts no thread; what takes no C stack can be deep in this one, too.
    """
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:  # noqa: BLE001  whatever it is, it is raised in the calling thread
            outcome.append((None, error))
        finally:
            done.release()

    if not _started(call):
        return function()
    done.acquire()
    result, error = outcome.pop()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _started(call: Callable[[], None]) -> bool:
    """Start a thread with the fewest calls: near the recursion limit threading.Thread could not be made."""
    usual = threading.stack_size()
    for size in _STACKS:
        try:
            threading.stack_size(size)
            _thread.start_new_thread(call, ())
        except (ValueError, RuntimeError, MemoryError):  # so much address space may not be had
            continue
        else:
            return True
        finally:
            threading.stack_size(usual)
    return False


@contextlib.contextmanager
def _raised_limit() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    raised = max(usual, _LIMIT)
    sys.setrecursionlimit(raised)
    try:
        yield
    finally:
        # The program may have set a limit of its own meanwhile. Back in a thread that is deeper than the usual
        # limit, it cannot be set.
        if sys.getrecursionlimit() == raised:
            with contextlib.suppress(RecursionError):
                sys.setrecursionlimit(usual)
