"""Calls of the store run in threads, so many at a time, and never where all requests wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Threads", "settled"]

Given = ParamSpec("Given")
Result = TypeVar("Result")
_AT_ONCE = 32
# Of all streams together, and of one at most and at least.
_MEMORY, _LARGEST, _SMALLEST = 32 << 20, 1 << 20, 64 << 10


class Threads:
    """The threads of a service, and the memory in which they hand on what they read and write."""

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="lattice-store")
        self._streams = 0

    async def run(self, call: Callable[Given, Result], *args: Given.args, **named: Given.kwargs) -> Result:
        """Give what a call gives; who is told to end meanwhile ends after it, lest it find its file closed."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **named))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await settled(future)
            raise

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Be one of those that share the memory."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    @property
    def piece(self) -> int:
        """Give how many bytes one of them may have in memory now; of many, each has less."""
        return max(min(_MEMORY // max(self._streams, 1), _LARGEST), _SMALLEST)


async def settled(future: asyncio.Future[Any]) -> None:
    """Wait for the end of what has begun, however often the one who waits is told to end; its error is nobody's."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()
