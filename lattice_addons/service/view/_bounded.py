"""A page reads no object of any length: whoever may write one job could end the service for all by a long one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lattice_addons._amounts import size
from lattice_addons.errors import CheckpointError

if TYPE_CHECKING:
    from lattice_addons.storage import Store

__all__ = ["Bounded"]


class Bounded:
    """A store of which whole objects are read up to a length; ``taken`` bytes were so far."""

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._most = most
        self.taken = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the store's
        return getattr(self._store, name)

    @property
    def shared(self) -> Store:
        """Give what other machines see, with the same bound."""
        return cast("Store", Bounded(self._store.shared, self._most))

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or of a range of it, in one request.

        Raises:
            CheckpointError: without a range, there are more than may be.
        """
        if stop is not None:
            return self._store.read(key, start, stop)
        data = self._store.read(key, start, start + self._most + 1)
        if len(data) > self._most:
            message = f"{key} is longer than the {size(self._most)} that are read for a page: `lattice show` reads it"
            raise CheckpointError(message)
        self.taken += len(data)
        return data
