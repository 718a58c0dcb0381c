"""Who is silent in the middle of a request is not waited for: neither for what comes, nor for what they take."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["Patience", "SilentError", "silent"]

_REQUEST_TIMEOUT = 408


class SilentError(Exception):
    """The other side was silent, or next to it, for too long."""


def silent(seconds: float) -> UnreachableError:
    """Make the error for who was silent."""
    message = (
        f"nothing came for {seconds:g} s in the middle of the request, and nothing was stored: send it again"
    )
    return UnreachableError(message, url="", status=_REQUEST_TIMEOUT)


class Patience:
    """A block in which each wait takes so many seconds at most; else it ends with `SilentError`.

    There is one timer for all waits, since an object has as many of them as it has pieces. It may find out a little
    late, and never too early.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._over = False
        self.waited = 0.0  # seconds, in all waits that have ended

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for the other side in a block; two may wait at once, for what it sends and for what it takes."""
        time = asyncio.get_running_loop().time
        begun = self._since = time()
        try:
            yield
        finally:
            self.waited += time() - begun
            self._since = None

    def __enter__(self) -> None:
        """Begin to look."""
        self._task = asyncio.current_task()
        if self._seconds:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._over and kind is not None and issubclass(kind, asyncio.CancelledError):
            uncancel = getattr(self._task, "uncancel", None)  # from Python 3.11 on
            if uncancel is not None:
                uncancel()
            raise SilentError from error

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._seconds if self._since is None else self._since + self._seconds - loop.time()
        if left <= 0 and self._task is not None:
            self._over = True
            self._task.cancel()
        else:
            self._timer = loop.call_later(left, self._look)
