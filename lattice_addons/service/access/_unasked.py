"""A connection on which no request comes is closed: who opens thousands and says half a word keeps nobody else out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Unasked"]


class Unasked:
    """Since when connections have had no request; uvicorn itself looks only at those that had one before."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # With the request that came last: with another one the time begins anew.
        self._since: WeakKeyDictionary[Any, tuple[object, float]] = WeakKeyDictionary()
        self._closed: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def close(self, connections: Iterable[Any]) -> None:
        """Close those that have had none for too long; and cut off those that do not take what was still to be sent."""
        now = time.monotonic()
        for connection in list(connections):
            if connection.transport.is_closing():
                if now - self._closed.setdefault(connection, now) > self._seconds:
                    connection.transport.abort()
                continue
            last = connection.cycle
            if last is not None and not last.response_complete:
                self._since.pop(connection, None)
                continue
            known, since = self._since.get(connection, (None, now))
            if known is not last or connection not in self._since:
                self._since[connection] = last, now
            elif now - since > self._seconds:
                connection.transport.close()
