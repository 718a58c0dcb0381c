"""Work that waits is shown to a scheduler of Dask: an adaptive cluster grows by what it sees there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Wishes"]

# No worker offers it: the scheduler counts what needs it as work, and gives it to nobody.
_NEED = {"lattice wishes for workers": 1}
_MOST = 1000


class Wishes:
    """Tasks that never run, for work that is kept back until a worker has nothing else to do.

    Their keys begin as those of the work do, for the scheduler takes them to last as long.
    """

    def __init__(self, client: Client, kind: str) -> None:
        self._client = client
        self._kind = kind
        self._futures: list[Any] = []

    def keep(self, count: int) -> None:
        """Let there be so many, up to a limit."""
        # What is done was cancelled, or given up by the scheduler after a time that is set there.
        kept = [future for future in self._futures if not future.done()]
        count = min(count, _MOST)
        for future in kept[count:]:
            future.release()
        self._futures = kept[:count]
        keys = [f"{self._kind}-{ulid()}" for _ in range(count - len(kept))]
        if keys:
            self._futures += self._client.map(bool, keys, key=keys, resources=_NEED, pure=False)
