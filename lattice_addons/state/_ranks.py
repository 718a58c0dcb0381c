"""A slot follows its rule when another number of ranks reads it than has stored it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from lattice_addons.checkpoint import STORES, At, Entry, found
from lattice_addons.encoding import decode
from lattice_addons.errors import RanksChangedError, SettingsError, UnreachableError
from lattice_addons.lifecycle import world_size

from ._instants import COMPLETE
from ._manager import NoValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lattice_addons.checkpoint import Checkpoint, Line, Part, Ranks
    from lattice_addons.settings import Settings

    from ._session import Session
    from ._slot import Slot

__all__ = ["SHARDED", "Elsewhere", "Moved", "Rule", "asking", "carried_on", "rule_of", "settle", "world_of"]

REPLICATED, PER_RANK, SHARDED = "replicated", "per-rank", "sharded"
# After these saves there is time.
_GOING_ON = ("manual", "periodic", COMPLETE)


class Rule:
    """What becomes of a slot: every rank has the same value, each has its own, or one is made of all."""

    def __init__(self, ranks: str | None, merge: Callable[[list[Any]], object] | None) -> None:
        self.ranks = ranks
        self.merge = merge


def rule_of(ranks: str | None, merge: Callable[[list[Any]], object] | None) -> Rule | None:
    """Make a rule of what `register` was given; None when that is nothing."""
    if ranks is None and merge is None:
        return None
    if ranks is not None and merge is not None:
        raise SettingsError("register() takes ranks= or merge=, not both", variable="merge", part=repr(merge))
    if merge is None and ranks not in (REPLICATED, PER_RANK, SHARDED):
        message = (
            f"register(ranks={ranks!r}): a rule is {REPLICATED!r}, {PER_RANK!r} or {SHARDED!r}; or give "
            "merge=FUNCTION"
        )
        raise SettingsError(message, variable="ranks", part=str(ranks))
    if merge is not None and not callable(merge):
        message = f"register(merge={merge!r}): it is called with the values of all ranks, and gives one"
        raise SettingsError(message, variable="merge", part=repr(merge))
    return Rule(ranks, merge)


class Elsewhere(dict[str, "Entry"]):
    """What is stored for one slot, where its value is not that of this rank alone; the entry is for people.

    ``own`` is this rank's own part of it, which may be carried on as it is; ``failure`` is why the value could not be
    made when it was to be saved.
    """

    def __init__(self, name: str, entry: Entry, own: Entry | None, rule: Rule | None, moved: Moved) -> None:
        super().__init__({name: entry})
        self.own = own
        self.rule = rule
        self.failure: Exception | None = None
        self._name = name
        self._moved = moved

    def value(self) -> object:
        """Make the value by the rule."""
        moved, name = self._moved, self._name
        if self.rule is None:
            raise moved.no_rule(name)
        if self.rule.ranks == SHARDED:
            return Gathered(moved, name)
        if self.rule.merge is None:
            return moved.read(0, name)
        return self.rule.merge([moved.read(rank, name) for rank in range(moved.stored)])


class Gathered(Sequence[object]):
    """What each rank stored of one slot, read when it is asked for; None for one that had nothing."""

    def __init__(self, moved: Moved, name: str) -> None:
        self._moved = moved
        self._name = name

    def own(self) -> object:
        """Give what this rank stored, if as many ranks run now as then."""
        return self._moved.read(self._moved.own, self._name) if self._moved.own is not None else None

    def __len__(self) -> int:
        """Count the ranks that stored it."""
        return self._moved.stored

    def __getitem__(self, rank: Any) -> Any:  # noqa: ANN401 - as a sequence's
        """Give what one rank stored."""
        if not -len(self) <= rank < len(self):
            raise IndexError(rank)
        return self._moved.read(rank % len(self), self._name)


class Moved:
    """The checkpoint of a job that ran as another number of ranks, seen by one of those that run now."""

    def __init__(self, ranks: Ranks, trust: str) -> None:
        assert ranks.resume is not None  # noqa: S101 - made by who knows that
        self._ranks = ranks
        self._trust = trust
        self._parts: dict[int, tuple[Line, Checkpoint]] = {}
        self.stored: int = ranks.resume.world
        self.own: int | None = ranks.line.rank if self.stored == ranks.world else None

    def part(self, rank: int) -> tuple[Line, Checkpoint]:
        """Give what a rank had, and the line to read it from."""
        if rank not in self._parts:
            self._parts[rank] = self._ranks.other(rank)
        return self._parts[rank]

    def read(self, rank: int, name: str) -> object:
        """Read and decode the value of one rank; None where it had none."""
        line, checkpoint = self.part(rank)
        entry = checkpoint.slots.get(name)
        if entry is None:
            return None
        there = found(line, entry, name)
        value, buffers = there.line.read(there.entry, slot=name)
        return decode(there.entry.encoding, value, buffers, trust=self._trust, type=there.entry.type)

    def source(
        self, name: str, rule: Rule | None, own: Mapping[str, Entry] | None
    ) -> Mapping[str, Entry] | None:
        """Give what is stored for a slot; ``own`` is what this rank itself had."""
        if rule is not None and (rule.ranks == PER_RANK or (rule.ranks == REPLICATED and own is not None)):
            return own
        # Of a value that all have alike one is enough; for others it must be known who had one at all.
        wanted = [0] if rule is not None and rule.ranks == REPLICATED else range(self.stored)
        entry = next((e for rank in wanted if (e := self.part(rank)[1].slots.get(name)) is not None), None)
        if entry is None:
            return own
        return Elsewhere(name, entry, own[name] if own is not None else None, rule, self)

    def no_rule(self, name: str) -> RanksChangedError:
        """Make the error for a slot of which nobody has said what becomes of it."""
        message = (
            f"slot {name!r} was stored by {_told(self.stored)}, and this job runs as {_told(self._ranks.world)}: say "
            f'what its value is by register({name!r}, ranks="replicated") (the same on all), ranks="per-rank" (each '
            "its own; None on additional ones), or merge=FUNCTION (called with the list of all values); track() takes "
            "ranks=, too"
        )
        return RanksChangedError(message, slot=name, stored=self.stored, ranks=self._ranks.world)


def world_of(settings: Settings) -> int:
    """Give how many ranks agree on where all carry on from."""
    return world_size() if settings.ranks == "together" else 1


@contextmanager
def asking(settings: Settings, world: int) -> Iterator[Settings]:
    """Give what the store is opened with: who goes on without having asked would part from the other ranks."""
    if world == 1 or settings.offline == "refuse":
        yield settings
        return
    try:
        yield dataclasses.replace(settings, offline="refuse")
    except UnreachableError as error:
        message = (
            "the ranks of a job agree by way of the store on where all carry on from, so that `offline=allow` does "
            f"nothing for a job of {world} (`ranks=alone` lets each go on by itself): {error}"
        )
        raise UnreachableError(message, url=settings.root) from error


def settle(session: Session, reason: str) -> bool:
    """Make the values that are to be saved and that nobody has asked for; say whether all are made.

    What other ranks stored is in no pack of this one: it must be read, and stored here.
    """
    waiting = [slot for slot in session.slots.values() if _waits(slot, session.stored.rank)]
    # At the end of a program no network is waited for: then the save does not count, and the next start makes them.
    with nullcontext() if reason in _GOING_ON else session.stored.near_only():
        for slot in waiting:
            source = slot.source
            if isinstance(source, Elsewhere) and source.rule is not None:
                try:
                    session.value(slot.name)
                except Exception as error:  # noqa: BLE001 - the rule is the program's; the other slots are saved
                    source.failure = error
    return not any(isinstance(slot.source, Elsewhere) for slot in waiting)


def _waits(slot: Slot, rank: int) -> bool:
    """Say whether this rank must make a slot's value: not where another one stores it."""
    return isinstance(slot.source, Elsewhere) and (rank == STORES or not _is_replicated(slot.rule))


def stored_elsewhere(slot: Slot, session: Session, part: Part | None) -> Entry | None:
    """Say where the value of a slot is that another rank stores for all; None where this one stores it itself.

    Raises:
        NoValue: it has none.
    """
    if part is None or session.stored.rank == STORES or not _is_replicated(slot.rule):
        return None
    good = session.last_good(slot.name)
    if not part.counts:
        # Another rank has nothing of this very moment: the last instant that it has, too, must do.
        return good if good is not None and good.at is not None else None
    kind = slot.pending.type if slot.pending is not None else ""
    if slot.source is None:
        try:
            value = type(slot.manager.value())
            kind = f"{value.__module__}.{value.__qualname__}"
        except NoValue:
            if good is None:
                raise
            kind = good.type
    at = At(STORES, part.attempt, part.instant)
    return Entry(type(slot.manager).__name__, REPLICATED, kind, 0, None, (), at)


def _is_replicated(rule: Rule | None) -> bool:
    return rule is not None and rule.ranks == REPLICATED


def spread(ranks: Ranks | None, base: Checkpoint | None, trust: str) -> Moved | None:
    """Give what as many ranks have stored as run now, for values of which each has a piece; None where it is another's.

    A rank that was restarted alone has its own pieces only.
    """
    resume = ranks.resume if ranks is not None else None
    if ranks is None or resume is None or base is None or base.part is None or resume.world != ranks.world:
        return None
    return Moved(ranks, trust) if base.part.place == resume.place else None


def carried_on(ranks: Ranks, trust: str) -> tuple[Checkpoint | None, Moved | None]:
    """Give the checkpoint that this rank carries on from, and what there is beside it where the ranks have changed."""
    latest = ranks.latest()
    if latest is not None or ranks.resume is None:
        return latest, None
    moved = Moved(ranks, trust) if ranks.resume.world != ranks.world else None
    if moved is not None and moved.part(0)[1].reason == COMPLETE:
        return moved.part(0)[1], None
    return ranks.resumed(), moved


def _told(world: int) -> str:
    return f"{world} rank{'s' * (world != 1)}"
