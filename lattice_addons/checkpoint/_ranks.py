"""The ranks of a job agree on where they carry on from without waiting for each other: the first one writes it down."""

from __future__ import annotations

import errno
import logging
import time
from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._attempts import Attempt, Attempts, Member
from lattice_addons.checkpoint._complete import in_words
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.checkpoint._shared import found
from lattice_addons.errors import CheckpointError, NotInStoreError, StoreError
from lattice_addons.lifecycle import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint._complete import Complete, Lacking
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint
    from lattice_addons.checkpoint._part import Instant

__all__ = ["Ranks"]

_log = logging.getLogger("lattice_addons.checkpoint")
_TRIES: Final = 20
# How long a start waits for what only this machine has of other ranks to be in the store, in seconds.
_PATIENCE: Final = 30.0


class Ranks:
    """One rank's place in a job of several: which attempt it takes part in, and where it carries on from.

    ``run`` is what the launcher calls this start of the job, None where it says nothing; ``unique`` tells that it
    calls no other start so. Whoever makes one has the lease of its line. Where there is only one rank now, there is
    no attempt: it carries on from what several had.
    """

    __module__ = "lattice_addons.checkpoint"

    def __init__(self, line: Line, world: int, run: str | None, *, unique: bool) -> None:
        self.line = line
        self.world = world
        self._run = run
        self._unique = unique
        self._parts = Parts(line)
        found = self._join() if world > 1 else self._found()
        self.attempt: Attempt | None = found if world > 1 else None
        self.number: int = found.number
        #: What all ranks carry on from; None where they begin afresh.
        self.resume: Complete | None = found.resume
        line.together.know(self.resume)

    def latest(self) -> Checkpoint | None:
        """Give the newest checkpoint that this rank has made in this attempt, and can use; None where there is none.

        Of another number of ranks it has its own values until one counts: others must be made of all by the rules.
        One that does not count has not the values of its own moment where another rank stores them.
        """
        return self._latest(self.attempt) if self.attempt is not None else None

    def reached(self) -> Instant | None:
        """Give the instant that this rank has reached in this attempt, whether or not it can be used."""
        attempt = self.attempt.number if self.attempt is not None else None
        parts = (self._parts.part(self.line.rank, number) for number in reversed(self.line.numbers()))
        newest = next((part for part in parts if not isinstance(part, CheckpointError)), None)
        return newest.instant if newest is not None and newest.attempt == attempt else None

    def resumed(self) -> Checkpoint | None:
        """Give the part that this rank has of the resume point; None where it has none."""
        resume = self.resume
        if resume is None or self.line.rank >= resume.world:
            return None
        return self.line.load(resume.numbers[self.line.rank])

    def other(self, rank: int) -> tuple[Line, Checkpoint]:
        """Give the part that another rank has of the resume point, and the line to read it from."""
        assert self.resume is not None  # noqa: S101 - asked for by who knows that
        line = self._parts.line(rank)
        return line, line.load(self.resume.numbers[rank])

    def problems(self) -> list[str]:
        """Say which rank is missing now, and what was passed over when this attempt was begun."""
        if self.attempt is None:
            return []
        attempts = Attempts(self.line)
        told = []
        if attempts.last > self.attempt.number:
            told.append(f"this is attempt {self.attempt.number}, and attempt {attempts.last} was begun since")
        missing = sorted(set(range(self.world)) - attempts.members(self.attempt))
        if missing:
            told.append(f"not started so far: {in_words(missing)}")
        if self.attempt.lacking is not None:
            told.append(f"passed over at the start: {self.attempt.lacking}")
        return told

    def complete(self) -> Complete | None:
        """Give the newest instant of which every rank has its part now."""
        self._parts.refresh()
        return self._parts.newest(Attempts(self.line).all())

    def _found(self) -> Attempt:
        """Find the newest complete instant, where there is nobody to agree with."""
        made = self._prepared(Attempts(self.line), Member(self.line.rank, "", Owner.current()))
        self._tell(made)
        return made

    def _join(self) -> Attempt:
        """Join the attempt that this start of the job has made, or make one."""
        me = Member(self.line.rank, self.line.lease.session, Owner.current())
        for _ in range(_TRIES):
            attempts = Attempts(self.line)
            newest = attempts.newest()
            if newest is not None and self._belongs(attempts, newest) and self._can_resume(newest):
                attempts.join(newest, me)
                return newest
            made = self._prepared(attempts, me)
            if made.number > attempts.last + 1 and Attempts(self.line).last > attempts.last:
                self._parts.refresh()
                continue  # made since it was listed, and saved in: it may be ours
            try:
                attempts.make(made)
            except StoreError as error:
                if getattr(error, "errno", None) != errno.EEXIST:
                    raise
                self._parts.refresh()
                continue  # another rank was faster: its record counts
            self._tell(made)
            return made
        message = (
            f"the ranks of job {self.line.job!r} do not agree on an attempt: others go on making new ones; "
            "see that only one launcher starts this job"
        )
        raise StoreError(message, url=self.line.store.url)

    def _belongs(self, attempts: Attempts, attempt: Attempt) -> bool:
        """Tell whether an attempt is that of this start, for certain enough."""
        if attempt.world != self.world or attempt.run != self._run:
            return False
        members = attempts.members(attempt)
        others = [attempt.maker.rank, *sorted(members - {attempt.maker.rank})]
        others = [rank for rank in others if rank != self.line.rank]
        if self.line.rank in members:
            # This rank was there before. Alone it comes back only where nothing happened to any other.
            return len(others) == self.world - 1 and all(attempts.lives(attempt, rank) for rank in others)
        if self._unique:
            return True
        # Nobody alive: that start is over, and this is the next. Ranks on hosts that cannot be seen count as alive.
        return any(attempts.lives(attempt, rank) is not False for rank in others)

    def _latest(self, attempt: Attempt) -> Checkpoint | None:
        newest = None
        changed = attempt.resume is not None and attempt.resume.world != attempt.world
        for number in reversed(self.line.numbers()):
            part = self._parts.part(self.line.rank, number)
            if isinstance(part, CheckpointError):
                continue
            if part is None or part.attempt != attempt.number:
                break
            if not part.counts and self._parts.refers(self.line.rank, number):
                continue
            newest = number if newest is None else newest
            if part.counts or not changed:
                return self.line.load(newest)
        return None

    def _can_resume(self, attempt: Attempt) -> bool:
        """See that this rank has what it would carry on from."""
        resume = attempt.resume
        try:
            # Where it was in it before, what all carried on from may be superseded, and deleted.
            latest = self._latest(attempt)
            if latest is not None:
                self._see_others(latest)
            elif resume is not None and self.line.rank < resume.world:
                self.line.load(resume.numbers[self.line.rank]).read_tables()
        except (CheckpointError, NotInStoreError) as error:
            _log.warning("attempt %d of %s is not joined: %s", attempt.number, self.line.job, error)
            return False
        return True

    def _see_others(self, checkpoint: Checkpoint) -> None:
        """See that what other ranks store for this one is there: they may not have come so far."""
        for name, entry in checkpoint.lines.items():
            found(self.line, entry, name)

    def _prepared(self, attempts: Attempts, me: Member) -> Attempt:
        """Find out from where to carry on, and give what is to be written down."""
        known = attempts.all()
        if not self.line.store.at_home:
            self._share(known)
        resume = self._parts.newest(known, sure=True)
        lacking = self._parts.lacking(known, resume)
        # Where records are gone, what checkpoints say must not be said again.
        last = max(attempts.last, self._parts.last_attempt(self.world))
        return Attempt(last + 1, self.world, self._run, resume, lacking, me)

    def _share(self, known: Mapping[int, Attempt]) -> None:
        """Have what only this machine has of the newest instant sent: the other ranks may run on others now."""
        here = Parts(self.line, waiting=True).newest(known)
        if here is None or here == self._parts.newest(known):
            return
        end = time.monotonic() + _PATIENCE
        for rank in set(range(here.world)) - {self.line.rank}:
            self.line.store.settle(self._parts.line(rank).folder, max(end - time.monotonic(), 0.0), _log.info)
        self._parts.refresh()

    def _tell(self, made: Attempt) -> None:
        """Say in one line what is not carried on."""
        if made.lacking is not None:
            carried = f"all carry on from {made.resume}" if made.resume is not None else "all begin afresh"
            _log.warning("job %r: %s; %s", self.line.job, made.lacking, carried)
        if made.resume is not None and made.resume.world > self.world:
            left = in_words(range(self.world, made.resume.world))
            _log.warning(
                "job %r ran as %d ranks, and runs as %d: what %s had alone stays in the store as it is",
                self.line.job, made.resume.world, self.world, left,
            )  # fmt: skip


def instants(line: Line) -> tuple[Complete | None, Lacking | None]:
    """Give the newest instant that all ranks of a line's job have, and the newest that some lack.

    Neither where there never were several.
    """
    attempts, parts = Attempts(line).all(), Parts(line)
    if not attempts:
        return None, None
    found = parts.newest(attempts)
    return found, parts.lacking(attempts, found)
