"""What is snapshot already is written by a thread, while the program goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

__all__ = ["in_background"]

Result = TypeVar("Result")


def in_background(commit: Callable[[], Result]) -> Future[Result]:
    """Have this done by a thread, and give its future outcome."""
    from concurrent.futures import Future

    future: Future[Result] = Future()

    def write() -> None:
        try:
            future.set_result(commit())
        except BaseException as error:  # noqa: BLE001 - it is the future's to raise
            future.set_exception(error)

    # Not a daemon: the interpreter waits for it at exit, before the last save.
    threading.Thread(target=write, name="lattice-async-save").start()
    return future
