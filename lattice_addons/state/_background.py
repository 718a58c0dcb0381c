"""What is snapshot already is written by a thread, while the program goes on."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from lattice_addons.checkpoint import Checkpoint

__all__ = ["Background"]


class Background:
    """The saves that are written beside the program."""

    def __init__(self) -> None:
        self._begun: weakref.WeakSet[Future[Checkpoint | None]] = weakref.WeakSet()

    def write(self, commit: Callable[[], Checkpoint | None]) -> Future[Checkpoint | None]:
        """Have a save written by a thread, and give its future outcome."""
        from concurrent.futures import Future

        future: Future[Checkpoint | None] = Future()
        # Who waits for it no longer, as with a time-out, does not call it off.
        future.set_running_or_notify_cancel()
        self._begun.add(future)

        def write() -> None:
            try:
                future.set_result(commit())
            except BaseException as error:  # noqa: BLE001 - it is the future's to raise
                future.set_exception(error)

        try:
            # Not a daemon: the interpreter waits for it at exit, before the last save.
            threading.Thread(target=write, name="lattice-async-save").start()
        except RuntimeError:
            # The program is ending, or may have no more threads. What was captured is to be saved.
            write()
        return future

    def wait(self) -> None:
        """Wait until all that was begun has ended, whether well or not."""
        for future in list(self._begun):
            future.exception()
