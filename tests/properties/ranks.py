"""One rank of a job as a process has it, and a search for what a start carries on from in the simplest way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.checkpoint import Line
from lattice_addons.checkpoint._ranks import Ranks
from lattice_addons.encoding import decode
from lattice_addons.settings import Settings
from lattice_addons.state._instants import Instants

if TYPE_CHECKING:
    from lattice_addons.checkpoint._part import Instant, Part
    from lattice_addons.storage import Store

KEEP = 2


class Resume(NamedTuple):
    """What a start of the job carries on from: a place, None in a job of one process, and the checkpoints, by rank."""

    world: int
    place: tuple[int, Instant] | None
    numbers: tuple[int, ...]


class Start(NamedTuple):
    """One start of a job of several ranks."""

    world: int
    resume: Resume | None


class Rank:
    """One process."""

    def __init__(self, store: Store, rank: int, world: int, run: str | None) -> None:
        self.line = Line(store, "job", rank, settings=Settings(keep=KEEP))
        self.line.acquire()
        self.seen = {number: self.line.load(number).part for number in self.line.numbers()}
        newest = self.line.newest()
        alone = world == 1 and (newest is None or newest.part is None)
        self.ranks = None if alone else Ranks(self.line, world, run, unique=run is not None)
        self.instants = Instants(self.ranks if world > 1 else None)
        self.base = newest if self.ranks is None else self.ranks.latest() or self.ranks.resumed()
        if self.ranks is not None:
            self.instants.go_on_after(self.ranks.reached())

    def value(self) -> Any:
        """Give the value that it carries on from: the history of the job until then."""
        if self.base is None:
            return None
        entry = self.base.slots["history"]
        return decode(entry.encoding, *self.line.read(entry), type=entry.type)


def resume_of(process: Rank) -> Resume | None:
    """Give what a rank carries on from."""
    if process.ranks is None:
        return Resume(1, None, (process.base.number,)) if process.base is not None else None
    resume = process.ranks.resume
    if resume is None:
        return None
    return Resume(resume.world, resume.place if resume.attempt is not None else None, resume.numbers)


def expected(
    starts: dict[int, Start],
    public: dict[int, dict[int, Part | None]],
    maker: int,
    own: dict[int, Part | None],
) -> Resume | None:
    """Search through all that was ever seen, in the simplest way; the maker of an attempt has its own besides."""
    seen = {rank: dict(parts) for rank, parts in public.items()}
    seen[maker] = seen.get(maker, {}) | own
    zero = seen.get(0, {})
    plain = [number for number, part in zero.items() if part is None]
    if plain and max(plain) == max(zero):
        return Resume(1, None, (max(plain),))
    for attempt in sorted(starts, reverse=True):
        world, resume = starts[attempt]
        places = [
            {part.place: number for number, part in sorted(seen.get(rank, {}).items())
             if part is not None and part.counts and part.attempt == attempt}
            for rank in range(world)
        ]  # fmt: skip
        common = set.intersection(*map(set, places))
        if common:
            newest = max(common)
            return Resume(world, newest, tuple(each[newest] for each in places))
        if resume is not None and all(
            _has(seen.get(rank, {}), number, resume) for rank, number in enumerate(resume.numbers)
        ):
            return resume
    return Resume(1, None, (max(plain),)) if plain else None


def _has(parts: dict[int, Part | None], number: int, resume: Resume) -> bool:
    """Tell whether a checkpoint is that one, and none of the same number that another machine has begun with."""
    part = parts.get(number)
    return number in parts and (None if part is None else part.place) == resume.place
