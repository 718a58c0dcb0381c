"""What is nested too deeply for this thread is tried again in one with room."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# The limit counts for all threads. Up to 3.11 a runaway recursion in another one, with the usual stack of
# 8 MiB, still ends in RecursionError at 10,000 and not in a segmentation fault. From 3.12 on calls from
# Python to Python take no C stack, and C code has a limit of its own.
PYTHON_IS_DEEP = sys.version_info >= (3, 12)
_LIMIT = 200_000 if PYTHON_IS_DEEP else 10_000
_STACKS = (256 * 1024 * 1024, 64 * 1024 * 1024, 16 * 1024 * 1024)
_one_at_a_time = [threading.Lock()]
# A forked child starts with the lock as it was: perhaps held, by a thread that it does not have.
os.register_at_fork(after_in_child=lambda: _one_at_a_time.__setitem__(0, threading.Lock()))


def with_room(function: Callable[..., T], *args: object, **named: object) -> T:
    """Call a function in a fresh thread with a large stack and wait for what it gives or raises."""
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[Any] = []

    def call() -> None:
        try:
            with _one_at_a_time[0], _raised_limit():
                outcome.append((function(*args, **named), None))
        except BaseException as error:  # noqa: BLE001  whatever it is, it is raised in the calling thread
            outcome.append((None, error))
        finally:
            done.release()

    _start(call)
    done.acquire()
    result, error = outcome.pop()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _start(call: Callable[[], None]) -> None:
    """Start a thread with the fewest calls: near the recursion limit threading.Thread could not be made."""
    usual = threading.stack_size()
    for size in _STACKS:
        try:
            threading.stack_size(size)
            _thread.start_new_thread(call, ())
        except (ValueError, RuntimeError, MemoryError):  # so much address space may not be had
            if size == _STACKS[-1]:
                raise
        else:
            return
        finally:
            threading.stack_size(usual)


@contextlib.contextmanager
def _raised_limit() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    raised = max(usual, _LIMIT)
    sys.setrecursionlimit(raised)
    try:
        yield
    finally:
        # The program may have set a limit of its own meanwhile.
        if sys.getrecursionlimit() == raised:
            sys.setrecursionlimit(usual)
