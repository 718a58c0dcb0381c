"""The state of an older checkpoint is committed as a new one, by reference, on all ranks that have a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._complete import in_words
from lattice_addons.checkpoint._part import At, Part
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.checkpoint._shared import found
from lattice_addons.checkpoint._streaming import stream
from lattice_addons.errors import CheckpointError, NotInStoreError, RanksError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint

__all__ = ["ROLLBACK", "rolled_back", "to_roll_back"]

#: The reason of such a checkpoint.
ROLLBACK: Final = "rollback"
# The work was done when it was made: so it is again, and the next start begins afresh, as it would have then.
_COMPLETE: Final = "complete"

Pairs = list[tuple["Line", "Checkpoint"]]


def to_roll_back(lines: Sequence[Line], number: int, *, verify: bool = True) -> Pairs:
    """Give the checkpoint of each rank that is of the same instant as the first rank's of this number, every byte read.

    Without ``verify`` the bytes are not read: that is enough to say what would be done.

    Raises:
        NotInStoreError: a rank has no such checkpoint.
        RanksError: it is no part of a checkpoint that all ranks have.
        CheckpointError: it is damaged, or cannot be used.
    """
    first = lines[0]
    part = _loaded(first, number).part
    numbers = _alone(lines, number) if part is None else _together(lines, part, number)
    pairs = [(line, _loaded(line, numbers[line.rank])) for line in lines if line.rank in numbers]
    for line, checkpoint in pairs if verify else ():
        _check(line, checkpoint)
    return pairs


def rolled_back(pairs: Pairs) -> list[Checkpoint]:
    """Commit what `to_roll_back` gave as the next checkpoint of each rank; who calls has the leases of all.

    Of several ranks they are parts of one checkpoint, in an attempt of its own: it counts when the last one is there,
    and until then the job carries on from where it was.

    Raises:
        LeaseHeldError: a program runs and writes this job.
        StoreError: it could not be written; the job carries on from where it was, or, if all were, from there.
    """
    part = _next(pairs)
    return [_commit(line, checkpoint, part) for line, checkpoint in pairs]


def _commit(line: Line, checkpoint: Checkpoint, part: Part | None) -> Checkpoint:
    note = f"rolled back to checkpoint {checkpoint.number}"
    return line.commit(
        checkpoint.lines,
        tables=checkpoint.tables,
        parent=checkpoint.number,
        reason=_COMPLETE if checkpoint.reason == _COMPLETE else ROLLBACK,
        part=part,
        hyperparams=checkpoint.hyperparams,
        notes=(note,),
        metrics={},
    )


def _next(pairs: Pairs) -> Part | None:
    """Give the place of the new parts: along the line of a rank attempts only rise."""
    part = pairs[0][1].part
    if part is None:
        return None
    line = pairs[0][0]
    last = max(Attempts(line).last, Parts(line, waiting=True).last_attempt(part.world))
    return Part(part.world, last + 1, part.instant, counts=True)


def _loaded(line: Line, number: int) -> Checkpoint:
    numbers = line.numbers()
    if number not in numbers:
        there = ", ".join(map(str, numbers)) or "none"
        who = f"job {line.job!r}" + (f", rank {line.rank}," if line.rank else "")
        message = f"{who} has no checkpoint {number} in {line.store.url}; it has: {there}"
        raise NotInStoreError(message, url=line.store.url, key=line.job)
    checkpoint = line.load(number)
    checkpoint.read_tables()
    return checkpoint


def _together(lines: Sequence[Line], part: Part, number: int) -> dict[int, int]:
    """Find each rank's part of the same instant."""
    parts = Parts(lines[0], waiting=True)
    places = {rank: parts.find(At(rank, part.attempt, part.instant)) for rank in range(part.world)}
    lacking = [rank for rank, place in places.items() if place is None]
    if part.counts and not lacking:
        return {rank: place for rank, place in places.items() if place is not None}
    job = lines[0].job
    what = (
        f"is of a moment of rank {lines[0].rank} alone, or lacks a value"
        if not part.counts
        else f"is of {part.instant} of attempt {part.attempt}, of {part.world} ranks, and {in_words(lacking)} "
        f"lack{'s' * (len(lacking) == 1)} it (any more)"
    )
    good = [each for each in lines[0].numbers() if _is_of_all(parts, lines[0].rank, each)]
    told = ", ".join(map(str, good)) or "none"
    message = (
        f"checkpoint {number} of job {job!r} {what}: all ranks can go back to those that all have: {told}"
    )
    raise RanksError(message)


def _is_of_all(parts: Parts, rank: int, number: int) -> bool:
    part = parts.part(rank, number)
    if part is None or isinstance(part, CheckpointError) or not part.counts:
        return False
    return all(parts.find(At(each, *part.place)) is not None for each in range(part.world))


def _alone(lines: Sequence[Line], number: int) -> dict[int, int]:
    """Give the ranks that carry on each by itself; those that once ran together with others go on no more."""
    numbers = {lines[0].rank: number}
    for line in lines[1:]:
        newest = line.newest()
        if newest is not None and newest.part is None:
            numbers[line.rank] = number
    return numbers


def _check(line: Line, checkpoint: Checkpoint) -> None:
    """See that every byte is there and good: a part of an old state with another one's would be neither."""
    for chunk, error in stream(line.store, line.folder, set(checkpoint.chunks())):
        del chunk
        if error is not None:
            message = f"checkpoint {checkpoint.number} of job {line.job!r} is damaged, and is not gone back to: {error}"
            raise CheckpointError(message) from error
    for name, entry in checkpoint.lines.items():
        if entry.at is not None:
            found(line, entry, name)
