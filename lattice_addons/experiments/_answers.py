"""Half an answer is all that a worker leaves that is killed in the middle of it: nobody waits for the other half."""

from __future__ import annotations

import threading
import time
from typing import Any

__all__ = ["Answers", "alive"]

_SILENCE = 1.0  # seconds after the end of a process in which loky should have noticed it


class Answers:
    """The runner's own end of the pipe through which a worker answers.

    loky's thread waits for the rest of an answer for as long as somebody could write it: this process could, for it
    has the pipe open for workers to come.
    """

    def __init__(self, executor: Any) -> None:
        queue = executor._result_queue  # noqa: SLF001 - it has no other name
        self._writer = queue._writer  # noqa: SLF001 - as above
        # loky's thread closes it as well, perhaps just now: a descriptor closed twice may be another file's by then.
        self._closing = threading.Lock()
        self._close = queue.close
        queue.close = self._close_all
        self._ended = 0.0
        self.hung_up = False

    def look(self, processes: list[Any]) -> None:
        """Hang up when the processes have ended, and loky has not noticed."""
        if alive(processes):
            self._ended = 0.0
        elif not self._ended:
            self._ended = time.monotonic()
        elif time.monotonic() - self._ended > _SILENCE:
            self.hang_up()

    def hang_up(self) -> None:
        """Let who reads see the end of what was written; nobody writes any more."""
        if not self.hung_up:
            self.hung_up = True
            with self._closing:
                self._writer.close()

    def _close_all(self) -> None:
        with self._closing:
            self._close()


def alive(processes: list[Any]) -> bool:
    """Say whether one of these lives."""
    return any(process.is_alive() for process in processes)
