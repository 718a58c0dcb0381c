"""Old checkpoints, dead writers' leavings and dead space in packs go in small steps, after and beside the saves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._keeps import Keeps
from lattice_addons.checkpoint._last_good import LastGood
from lattice_addons.checkpoint._retention import Retention
from lattice_addons.checkpoint._rewriting import Rewriting
from lattice_addons.errors import CheckpointError, FormatError, NotInStoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from threading import Lock

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._in_flight import InFlight
    from lattice_addons.checkpoint._lease import Lease
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint

__all__ = ["Tidying"]

_log = logging.getLogger("lattice_addons.checkpoint")


class Tidying:
    """One turn of tidying a line up, by whoever has its lease.

    It consists of steps; each says before it is taken how many bytes it will read or delete. A turn may be broken
    off, or its process killed, between and within any of them. Commits go on meanwhile: only while it is settled
    what goes, which is done in memory, they wait for ``settling``.
    """

    def __init__(
        self, line: Line, lease: Lease, catalog: Catalog, settling: Lock, in_flight: InFlight
    ) -> None:
        self._line = line
        self._lease = lease
        self._catalog = catalog
        self._settling = settling
        self._in_flight = in_flight
        self._retention = Retention(line.store, line.folder, catalog)

    def retain(
        self, protect: Collection[int], lost: Collection[str], last_good: LastGood
    ) -> Generator[int, None, bool]:
        """Delete what need not stay, once the newest checkpoint is known to be readable; say whether it is."""
        line = self._line
        if not self._lease.held():
            return False
        yield from self.learn()
        checkpoint = yield from self._verified(lost)
        if checkpoint is None:
            return False
        named = Keeps(line.store, line.folder).numbers()
        stay = {*protect, *named, checkpoint.number}
        doomed = self._retention.doomed(line.numbers(), line.settings, stay)
        yield 0
        doomed -= last_good.among(line.history(among=doomed), checkpoint)
        yield from self._delete(doomed)
        return True

    def sweep(self) -> Iterator[int]:
        """Remove what dead writers left: temporaries, and packs that no checkpoint names."""
        if not self._lease.held():
            return
        yield 0
        self._line.store.sweep(self._line.folder)
        yield from self.learn()
        yield from self._delete(set())

    def rewrite(self) -> Iterator[int]:
        """Move what lives out of packs that are mostly dead, some of it at a time."""
        rewriting = Rewriting(self._line.store, self._line.folder, self._catalog)
        moves = rewriting.moves()
        if moves and self._lease.held():
            yield from rewriting.copy(moves, self._settling)

    def learn(self) -> Iterator[int]:
        """Read the manifests that the catalog does not have yet."""
        catalog = self._catalog
        numbers = self._line.numbers()
        for number in numbers:
            if number in catalog.records or number in catalog.unreadable or number in catalog.doomed:
                continue
            yield 0
            try:
                self._line.load(number)
            except (FormatError, NotInStoreError):
                continue
            except CheckpointError:
                catalog.unreadable.add(number)

    def _verified(self, lost: Collection[str]) -> Generator[int, None, Checkpoint | None]:
        """Give the newest checkpoint when it reads back."""
        line = self._line
        newest = max(list(self._catalog.records), default=0)
        if newest == 0:
            return None
        try:
            checkpoint = line.load(newest)
            yield from self._retention.check_readable(checkpoint, lost)
        except NotInStoreError:
            return None  # somebody removed the root
        except CheckpointError as error:
            chunk = getattr(error, "chunk", None)
            if chunk is not None:
                self._catalog.drop(chunk)
            _log.error("checkpoint %d does not read back, so no older one is deleted: %s", newest, error)
            return None
        return checkpoint

    def _delete(self, doomed: set[int]) -> Iterator[int]:
        """Delete checkpoints, and then the packs that no other one names."""
        line = self._line
        # Who gives a checkpoint a name sees to it in such a section, too, that it is there.
        with line.store.exclusive(f"{line.folder}checkpoints/"):
            doomed -= Keeps(line.store, line.folder).numbers()
            with self._settling:
                if not self._lease.held():
                    return
                self._retention.plan(line.numbers(), doomed, self._in_flight)
            self._retention.delete_manifests()
        yield from self._retention.delete_packs()
