"""Old checkpoints, dead writers' leavings and dead space in packs go in small steps, after and beside the saves."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import manifest_key, manifest_number
from lattice_addons.checkpoint._retention import Retention
from lattice_addons.checkpoint._rewriting import Rewriting
from lattice_addons.errors import (
    CheckpointError,
    FormatError,
    NotInStoreError,
    UnreachableError,
    WrongKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from threading import Lock

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._in_flight import InFlight
    from lattice_addons.checkpoint._last_good import LastGood
    from lattice_addons.checkpoint._lease import Lease
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint

__all__ = ["Tidying"]

_log = logging.getLogger("lattice_addons.checkpoint")
# No line gets so far: a larger number is that of a stray file, and there must be one after it.
_STRAY = 10**17


@dataclass
class Tidying:
    """One turn of tidying a line up, by whoever has its lease.

    It consists of steps; each says before it is taken how many bytes it will read or delete. A turn may be broken
    off, or its process killed, between and within any of them. Commits go on meanwhile: only while it is settled
    what goes, which is done in memory, they wait for ``settling``.
    """

    line: Line
    lease: Lease
    catalog: Catalog
    settling: Lock
    in_flight: InFlight
    lost: tuple[int, Collection[str]]
    last_good: LastGood

    def __post_init__(self) -> None:
        """Know what may be deleted."""
        self._retention = Retention(self.line.store, self.line.folder, self.catalog)

    def turn(self, *, rewriting: bool = True, looking: bool = False) -> Iterator[int]:
        """Do all there is to do; with ``looking``, see how far the job's other ranks have come."""
        if looking:
            yield from self._turn(rewriting=rewriting, looking=True)
            return
        # At the end of a program no network is waited for: what needs one is done after the next start.
        with self.line.store.near_only(), suppress(UnreachableError):
            yield from self._turn(rewriting=rewriting, looking=False)

    def _turn(self, *, rewriting: bool, looking: bool) -> Iterator[int]:
        if self._can_wait():
            return
        if not self.catalog.swept:
            yield from self.sweep()
        yield from self.retain((), rewriting=rewriting, looking=looking)

    def _can_wait(self) -> bool:
        """Say whether manifests would have to be fetched, only to find that no checkpoint is to be deleted."""
        line, catalog = self.line, self.catalog
        numbers = line.numbers()
        known = {*catalog.records, *catalog.unreadable, *catalog.doomed}
        unknown = (manifest_key(line.folder, number) for number in numbers if number not in known)
        return len(numbers) <= max(line.settings.keep, 1) and not all(map(line.store.at_hand, unknown))

    def retain(
        self, protect: Collection[int], *, rewriting: bool = True, looking: bool = True
    ) -> Iterator[int]:
        """Delete what need not stay, once the newest checkpoint is known to be readable; then rewrite packs."""
        if not self.lease.held():
            return
        doomed = yield from self._doomed(protect, looking=looking)
        if doomed is not None:
            yield from self._delete(doomed, protect)
            if rewriting:
                yield from self.rewrite()

    def superfluous(self) -> tuple[set[int], list[str]]:
        """Give the checkpoints and packs that would go now; nothing is deleted, but this line knows them no more."""
        steps = self._doomed((), looking=True)
        doomed: set[int] = set()
        try:
            while True:
                next(steps)
        except StopIteration as end:
            doomed = end.value or doomed
        self.catalog.doom(doomed)
        return doomed, self._retention.unnamed([n for n in self.line.numbers() if n not in doomed])

    def _doomed(self, protect: Collection[int], *, looking: bool) -> Generator[int, None, set[int] | None]:
        """Find out which checkpoints need not stay; None when it is not certain that the newest can be read."""
        yield from self.learn()
        if looking and self._has_parts():
            self.line.together.look(self.line)
            yield 0
        checkpoint = yield from self._verified()
        if checkpoint is None:
            return None
        stay = self._stay(protect) | {checkpoint.number}
        doomed = self._retention.doomed(self.line.numbers(), self.line.settings, stay)
        yield 0
        return doomed - self.last_good.among(self.line.history(among=doomed), checkpoint)

    def _stay(self, protect: Collection[int]) -> set[int]:
        """Give what stays whatever comes after it, as of now: a name, or what the program is on, changes meanwhile."""
        stay = {*protect, *self.line.protected, *self.line.keeps.numbers()}
        if self._has_parts():
            known = {*self.catalog.records, *self.catalog.unreadable, *self.catalog.doomed}
            together, parts = self.line.together, {n: r.part for n, r in list(self.catalog.records.items())}
            stay.update(number for number in known if together.needs(number, parts.get(number)))
        return stay

    def _has_parts(self) -> bool:
        """Tell whether other ranks may need what is here: that of a job of one process costs it nothing."""
        return any(record.part is not None for record in list(self.catalog.records.values()))

    def sweep(self) -> Iterator[int]:
        """Remove what dead writers left: temporaries, and packs that no checkpoint names."""
        if not self.lease.held():
            return
        yield 0
        self.line.store.sweep(self.line.folder)
        yield from self.learn()
        yield from self._delete(set())
        self.catalog.swept = True

    def rewrite(self) -> Generator[int, None, None]:
        """Move what lives out of packs that are mostly dead, some of it at a time."""
        rewriting = Rewriting(self.line.store, self.line.folder, self.catalog, self.line.cipher)
        moves = rewriting.moves()
        if moves and self.lease.held():
            yield from rewriting.copy(moves, self.settling)

    def learn(self) -> Iterator[int]:
        """Read the manifests that the catalog does not have yet."""
        known = {*self.catalog.records, *self.catalog.unreadable, *self.catalog.doomed}
        for number in self.line.fetched(n for n in self.line.numbers() if n not in known):
            yield 0
            self._learn(number)

    def _learn(self, number: int) -> None:
        try:
            self.line.load(number)
        except (FormatError, WrongKeyError, NotInStoreError):
            return
        except CheckpointError:
            self.catalog.unreadable.add(number)

    def learn_newest(self) -> list[int]:
        """See that the catalog has the newest checkpoint (to save, no other is needed), and none that is gone."""
        numbers = self.line.numbers()
        self.catalog.keep_only(numbers)
        for number in reversed(numbers):
            if number in self.catalog.records:
                break
            if number in self.catalog.unreadable or number in self.catalog.doomed:
                continue
            try:
                self.line.load(number)
            except FormatError:
                continue
            except WrongKeyError:
                # Nothing may be saved over what cannot be read only here.
                raise
            except CheckpointError:
                self.catalog.unreadable.add(number)
                continue
            break
        return numbers

    def spent(self) -> int:
        """Give the largest number of what was put aside, or has a name: it never means another checkpoint."""
        aside = map(manifest_number, self.line.store.list(f"{self.line.folder}quarantine/"))
        spent = {number for number in aside if number is not None} | self.line.keeps.numbers()
        return max((number for number in spent if number < _STRAY), default=0)

    def _verified(self) -> Generator[int, None, Checkpoint | None]:
        """Give the newest checkpoint when it reads back."""
        line = self.line
        newest = max(list(self.catalog.records), default=0)
        if newest == 0:
            return None
        number, lost = self.lost
        try:
            checkpoint = line.load(newest)
            yield from self._retention.check_readable(checkpoint, lost if number == newest else ())
        except NotInStoreError:
            return None  # somebody removed the root
        except CheckpointError as error:
            chunk = getattr(error, "chunk", None)
            if chunk is not None:
                self.catalog.drop(chunk)
            _log.error("checkpoint %d does not read back, so no older one is deleted: %s", newest, error)
            return None
        return checkpoint

    def _delete(self, doomed: Collection[int], protect: Collection[int] = ()) -> Iterator[int]:
        """Delete checkpoints, and then the packs that no other one names."""
        line = self.line
        # Who gives a checkpoint a name sees to it in such a section, too, that it is there.
        with line.store.exclusive(f"{line.folder}checkpoints/"):
            with self.settling:
                if not self.lease.held():
                    return
                stay = self._stay(protect)
                self._take_back(stay)
                self._retention.plan(line.numbers(), set(doomed) - stay, self.in_flight)
            if self.catalog.doomed and self._has_parts() and line.together.floor is not None:
                line.store.needed_from(manifest_key(line.folder, line.together.floor))
            self._retention.delete_manifests()
        yield from self._retention.delete_packs()

    def _take_back(self, stay: set[int]) -> None:
        """Let what could not be deleted, and stays now, count again, and with it the packs that it names."""
        for number in sorted(self.catalog.doomed & stay):
            # First: what is doomed is not learned.
            self.catalog.doomed.discard(number)
            self._learn(number)
