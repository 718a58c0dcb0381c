"""An instant is complete when every rank has its part of it, in one attempt of the job."""

from __future__ import annotations

import logging
from bisect import bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._ahead import END
from lattice_addons.checkpoint._complete import Complete, Lacking
from lattice_addons.checkpoint._jobs import places, ranks
from lattice_addons.checkpoint._layout import manifest_key
from lattice_addons.checkpoint._part import Instant
from lattice_addons.errors import (
    CheckpointError,
    FormatError,
    NotInStoreError,
    UnreachableError,
    WrongKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lattice_addons.checkpoint._attempts import Attempt
    from lattice_addons.checkpoint._complete import Place
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._part import At, Part

__all__ = ["Parts"]

_log = logging.getLogger("lattice_addons.checkpoint")
_FIRST: Place = (0, Instant())
_LAST: Place = (2**63, Instant())


class Parts:
    """What the manifests of all ranks say; each is read once, the newest first, and no more of them than needed.

    Along the line of a rank attempts and instants only rise, as numbers do. With ``waiting``, those of other ranks
    count, too, that are only on this machine so far: to be looked at, and not to be relied on.
    """

    def __init__(self, line: Line, *, waiting: bool = False) -> None:
        # Another line, also for this rank: who holds this need not hold that.
        self._kind = type(line)
        self._own, self._waiting = line.rank, waiting
        self._store, self._job, self._settings = line.store, line.job, line.settings
        self._lines: dict[int, Line] = {}
        self._numbers: dict[int, list[int]] = {}
        self._read: dict[tuple[int, int], Part | CheckpointError | None] = {}
        self._refers: dict[tuple[int, int], frozenset[At]] = {}

    def refresh(self) -> None:
        """Ask again what is there."""
        self._numbers.clear()
        # They remember what they have read.
        self._lines.clear()

    def line(self, rank: int) -> Line:
        """Give the line of a rank, for reading."""
        if rank not in self._lines:
            self._lines[rank] = self._kind(self._store, self._job, rank, settings=self._settings)
        return self._lines[rank]

    def numbers(self, rank: int) -> Sequence[int]:
        """Give the numbers of a rank's checkpoints."""
        if rank not in self._numbers:
            line = self.line(rank)
            where = {} if rank == self._own or self._waiting else places(line)
            self._numbers[rank] = [n for n in line.numbers() if where.get(n, "remote") == "remote"]
        return self._numbers[rank]

    def find(self, at: At) -> int | None:
        """Give the number of a rank's checkpoint of an instant; None where it has none."""
        found = self._at_most(at.rank, (at.attempt, at.instant))
        return found[0] if found is not None and found[1].place == (at.attempt, at.instant) else None

    def refers(self, rank: int, number: int) -> bool:
        """Tell whether a checkpoint, which was looked at, has values that another rank stores for all."""
        return bool(self._refers.get((rank, number)))

    def referred(self, to: int) -> set[Place]:
        """Say in which checkpoints of one rank the other ranks' look for values that it stores for all."""
        others = [rank for rank in ranks(self._store, self._job) if rank != to]
        for rank in others:
            unread = (number for number in self.numbers(rank) if (rank, number) not in self._read)
            for number in self.line(rank).fetched(unread):
                self.part(rank, number)
        there = ((rank, number) for rank in others for number in self.numbers(rank))
        read = [each for each in there if not isinstance(self.part(*each), CheckpointError)]
        return {(at.attempt, at.instant) for each in read for at in self._refers[each] if at.rank == to}

    def newest(self, attempts: Mapping[int, Attempt], *, sure: bool = False) -> Complete | None:
        """Give the newest complete instant; with ``sure``, one of which every manifest and table was read."""
        self._fetch_newest(max((attempt.world for attempt in attempts.values()), default=0))
        for found in self._candidates(attempts):
            if not sure or self._holds(found):
                return found
        return None

    def _fetch_newest(self, world: int) -> None:
        """Have the newest manifest of each rank at hand: over a network many come in the time of one."""
        newest = ((rank, self.numbers(rank)[-1]) for rank in range(world) if self.numbers(rank))
        unread = (each for each in newest if each not in self._read)
        keys = (manifest_key(self.line(rank).folder, number) for rank, number in unread)
        with suppress(UnreachableError):  # told when it is read
            self._store.prefetch((key, 0, END) for key in keys)

    def lacking(self, attempts: Mapping[int, Attempt], than: Complete | None) -> Lacking | None:
        """Give the newest instant that is newer and not complete, and the ranks that lack it."""
        attempt = attempts[max(attempts)] if attempts else None
        if attempt is None or (attempt.resume != than and (than is None or than.attempt != attempt.number)):
            return None  # what is complete came after it
        newest = [self._at_most(rank, _LAST) for rank in range(attempt.world)]
        top = max((part.place for _, part in filter(None, newest)), default=_FIRST)
        if top[0] != attempt.number:
            return attempt.lacking  # nothing was saved in it
        if than is not None and top <= than.place:
            return None
        ranks = (rank for rank, found in enumerate(newest) if found is None or found[1].place != top)
        return Lacking(*top, tuple(ranks))

    def last_attempt(self, world: int) -> int:
        """Give the largest number of an attempt that a checkpoint of any rank says."""
        newest = (self._at_most(rank, _LAST, counting=False) for rank in range(world))
        return max((part.attempt for _, part in filter(None, newest)), default=0)

    def _candidates(self, attempts: Mapping[int, Attempt]) -> Iterator[Complete]:
        """Give what is complete, the newest first; none of it is looked for before it is asked for."""
        # Alone in its job a process makes checkpoints that are complete, on the line of rank 0.
        for number in reversed(self.numbers(0)):
            part = self.part(0, number)
            if part is None:
                yield Complete(1, None, None, (number,))
            elif not isinstance(part, CheckpointError) and (part.counts or part.world > 1):
                break
        newest = self._at_most(0, _LAST, counting=False)
        if newest is not None and newest[1].attempt > max(attempts, default=0):
            # Its record cannot be used.
            yield from self._complete_in(newest[1].attempt, newest[1].world)
        for number in sorted(attempts, reverse=True):
            yield from self._complete_in(number, attempts[number].world)
            resume = attempts[number].resume
            if resume is not None and self._is_there(resume):
                yield resume
        # Their records are gone, perhaps.
        tried = set(attempts)
        for number in reversed(self.numbers(0)):
            part = self.part(0, number)
            if part is None:
                yield Complete(1, None, None, (number,))
            elif not isinstance(part, CheckpointError) and part.attempt not in tried:
                tried.add(part.attempt)
                yield from self._complete_in(part.attempt, part.world)

    def _complete_in(self, attempt: int, world: int) -> Iterator[Complete]:
        """Give the complete instants of an attempt, the newest first."""
        target: Place = (attempt, Instant(done=2**63))
        while True:
            numbers: list[int] = []
            for rank in range(world):
                found = self._at_most(rank, target)
                if found is None or found[1].attempt != attempt:
                    return
                if found[1].place < target:
                    # No newer one is complete: from here on only this and what is older is looked for.
                    target = found[1].place
                    numbers = [-1] * rank
                numbers.append(found[0])
            if -1 not in numbers:
                yield Complete(world, attempt, target[1], tuple(numbers))
                target = _before(target)

    def _at_most(self, rank: int, target: Place, *, counting: bool = True) -> tuple[int, Part] | None:
        """Give a rank's newest part that is not newer than this; without ``counting``, whether it counts or not."""
        numbers = self.numbers(rank)
        end = len(numbers)
        # Nearly always it is among the last; else halving takes fewer readings than going through them.
        for _ in range(2):
            if end and self._place(rank, end - 1) > target:
                end -= 1
        if end and self._place(rank, end - 1) > target:
            end = bisect_right(range(end), target, key=lambda index: self._place(rank, index))
        for index in reversed(range(end)):
            part = self.part(rank, numbers[index])
            if part is not None and not isinstance(part, CheckpointError) and (part.counts or not counting):
                return numbers[index], part
        return None

    def _place(self, rank: int, index: int) -> Place:
        """Give the place of a checkpoint; one that says none has that of the one before."""
        for number in reversed(self.numbers(rank)[: index + 1]):
            part = self.part(rank, number)
            if part is not None and not isinstance(part, CheckpointError):
                return part.place
        return _FIRST

    def part(self, rank: int, number: int) -> Part | CheckpointError | None:
        """Give what a manifest says; None where it says nothing of ranks, and what is wrong with a bad one."""
        if (rank, number) not in self._read:
            try:
                checkpoint = self.line(rank).load(number)
                self._refers[rank, number] = checkpoint.refers()
                self._read[rank, number] = checkpoint.part
            except (FormatError, WrongKeyError):
                # A newer Lattice, or who has the key, went on: an older instant would undo what it did.
                raise
            except CheckpointError as error:
                self._read[rank, number] = error
            except NotInStoreError as error:
                # Deleted meanwhile; and a number is not given again.
                self._read[rank, number] = CheckpointError(str(error))
        return self._read[rank, number]

    def _is_there(self, complete: Complete) -> bool:
        if complete.attempt is None:
            return complete.numbers[0] in self.numbers(0) and self.part(0, complete.numbers[0]) is None
        return all(
            number in self.numbers(rank) and self._is_at(self.part(rank, number), complete.place)
            for rank, number in enumerate(complete.numbers)
        )

    def _is_at(self, part: Part | CheckpointError | None, place: Place) -> bool:
        return part is not None and not isinstance(part, CheckpointError) and part.place == place

    def _holds(self, complete: Complete) -> bool:
        """See that every part can be used; one that cannot is passed over from now on."""
        good = True
        for rank, number in enumerate(complete.numbers):
            try:
                self.line(rank).load(number).read_tables()
            except (CheckpointError, NotInStoreError) as error:
                _log.warning(
                    "%s of %s is passed over: checkpoint %d of rank %d: %s",
                    complete, self.line(rank).job, number, rank, error,
                )  # fmt: skip
                self._read[rank, number] = CheckpointError(str(error))
                good = False
        return good


def _before(place: Place) -> Place:
    """Give a place just before this one: numbers are whole."""
    attempt, instant = place
    return attempt, instant._replace(outside=instant.outside - 1)
