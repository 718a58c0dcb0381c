"""Of two requests that change one key, one waits for the other."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from lattice_addons.storage import Store

__all__ = ["Changing", "tag_of"]


class Changing:
    """The keys that are changed now."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @asynccontextmanager
    async def of(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Be the only one to change these keys in a block."""
        async with AsyncExitStack() as held:
            # In one order for all, so that no two wait for each other.
            for lock in [self._locks.setdefault(key, asyncio.Lock()) for key in sorted({*keys})]:
                await held.enter_async_context(lock)
            yield


def tag_of(store: Store, key: str) -> str | None:
    """Give the tag of a key; None where it is not there."""
    try:
        return store.facts(key).tag
    except NotInStoreError:
        return None
