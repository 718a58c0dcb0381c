"""A slot follows its rule when another number of ranks reads it than has stored it."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding import decode
from lattice_addons.errors import RanksChangedError, SettingsError, UnreachableError
from lattice_addons.lifecycle import world_size

from ._instants import COMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lattice_addons.checkpoint import Checkpoint, Entry, Line, Ranks
    from lattice_addons.settings import Settings

    from ._session import Session

__all__ = ["Elsewhere", "Moved", "Rule", "asking", "carried_on", "rule_of", "settle", "world_of"]

REPLICATED, PER_RANK = "replicated", "per-rank"
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
    if merge is None and ranks not in (REPLICATED, PER_RANK):
        message = (
            f"register(ranks={ranks!r}): a rule is {REPLICATED!r} or {PER_RANK!r}; or give merge=FUNCTION"
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
        if self.rule.merge is None:
            return moved.read(0, name)
        return self.rule.merge([moved.read(rank, name) for rank in range(moved.stored)])


class Moved:
    """The checkpoint of a job that ran as another number of ranks, seen by one of those that run now."""

    def __init__(self, ranks: Ranks, trust: str) -> None:
        assert ranks.resume is not None  # noqa: S101 - made by who knows that
        self._ranks = ranks
        self._trust = trust
        self._parts: dict[int, tuple[Line, Checkpoint]] = {}
        self.stored = ranks.resume.world

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
        value, buffers = line.read(entry, slot=name)
        return decode(entry.encoding, value, buffers, trust=self._trust, type=entry.type)

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
            "its own; None on additional ones), or merge=FUNCTION (called with the list of all values)"
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
    waiting = [slot for slot in session.slots.values() if isinstance(slot.source, Elsewhere)]
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
