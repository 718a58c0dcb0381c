"""The jobs of a store at a glance: each one's state, and what would be lost now."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import ranks_among, refusals
from lattice_addons.errors import LatticeError

from ._contact import Contacts
from ._facts import LOST, RUNNING, STATES, STOPPED, JobView, RankView
from ._manifests import Manifests, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Line, Refused
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

    from ._facts import CheckpointFacts

__all__ = ["Jobs", "age_of", "jobs", "together"]

_log = logging.getLogger("lattice_addons.service")
# From so many checkpoints it is estimated how fast a job makes something new.
_RECENT = 5
_NEVER = datetime.max.replace(tzinfo=timezone.utc)


class Jobs:
    """The jobs of one store; what was read once, and cannot change, is not read again."""

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        self.manifests: Manifests = Manifests(store, settings)
        #: The jobs in whose folders there is something else than ranks, such as an experiment's.
        self.with_others: set[str] = set()
        self._contacts = Contacts()

    def all(self) -> list[JobView]:
        """Give every job, sorted by name; one that goes meanwhile is left out."""
        return [view for name in self.manifests.store.folders() if (view := self.job(name)) is not None]

    def job(self, name: str, *, briefly: bool = False) -> JobView | None:
        """Give one job; None where there is none of this name.

        ``briefly`` it takes one manifest: one that does not run is without its trend then, and what was refused.
        """
        ranks = self.ranks(name, briefly=briefly)
        return together(name, ranks) if ranks else None

    def ranks(self, name: str, *, briefly: bool = False) -> list[RankView]:
        """Give each rank of a job."""
        try:
            found, others = ranks_among(self.manifests.store.folders(name))
            (self.with_others.add if others and found else self.with_others.discard)(name)
            return [self.rank(name, rank, briefly=briefly) for rank in found]
        except LatticeError as error:
            return [_unreadable(str(error))]
        # What one job's writer put there, whatever it is, must not keep all others from being seen.
        except Exception as error:  # noqa: BLE001
            _log.warning("job %r cannot be shown", name, exc_info=True)
            return [_unreadable(f"it cannot be shown: {type(error).__name__}")]

    def rank(self, name: str, rank: int, *, briefly: bool = False) -> RankView:
        """Say how one rank of a job stands."""
        line = self.manifests.line(name, rank)
        numbers = self.manifests.numbers(name, rank, line)
        read = list(self._recent(line, numbers, 1 if briefly else _RECENT))
        recent = tuple(facts for facts in read if not facts.problem)
        age = age_of(recent[0].created) if recent else None
        contact = self._contacts.of(line, recent, age)
        alive = contact.state in (RUNNING, LOST)
        if alive and briefly:
            # How fast it goes, and what would be lost, take more than one.
            return self.rank(name, rank)
        life = _life(recent)
        passed = _passed(life) if alive else 0.0
        return RankView(
            rank,
            contact.state,
            contact.host or (str(recent[0].program.get("host") or "") if recent else ""),
            contact.pid,
            numbers,
            recent,
            age if alive else None,
            _unsaved(life, passed, age) if alive else None,
            60.0 * (len(life) - 1) / passed if passed > 0 else 0.0,
            sum(facts.bytes_written for facts in life[:-1]) / passed if passed > 0 else 0.0,
            read[0].problem if read else "",
            None if briefly else _still_refused(refusals(line).newest(), recent),
        )

    def _recent(self, line: Line, numbers: tuple[int, ...], most: int) -> Iterator[CheckpointFacts]:
        readable = 0
        for number in reversed(numbers):
            facts = self.manifests.facts(line.job, line.rank, number, line)
            if facts is not None:
                readable += not facts.problem
                yield facts
            if readable == most:
                return


def _unreadable(problem: str) -> RankView:
    return RankView(0, STOPPED, "", None, (), (), None, None, 0.0, 0.0, problem)


_known: dict[str, Jobs] = {}
_making = threading.Lock()


def jobs(store: Store, settings: Settings | None = None) -> list[JobView]:
    """Give every job of a store, sorted by name; asked again, only what is new is read."""
    with _making:
        known = _known.get(store.url)
        if known is None or known.manifests.store is not store:
            # One store at a time: who looks at two has two of `Jobs`.
            _known.clear()
            known = _known[store.url] = Jobs(store, settings)
    return known.all()


def age_of(created: datetime | None) -> float | None:
    """Give how many seconds ago something was; None where that is not known."""
    return None if created is None else max((datetime.now(timezone.utc) - created).total_seconds(), 0.0)


def _still_refused(refused: Refused | None, recent: tuple[CheckpointFacts, ...]) -> Refused | None:
    """Give what was refused last, unless a save went well since."""
    then = when(refused.time) if refused is not None else None
    newest = recent[0].created if recent else None
    return refused if then is not None and (newest is None or newest < then) else None


def _life(recent: tuple[CheckpointFacts, ...]) -> list[CheckpointFacts]:
    """Give those of the newest checkpoints that one life of the program made, as far as their reasons tell."""
    life = list(recent[:1])
    for older in recent[1:]:
        if older.ends:
            break
        life.append(older)
    return life


def _passed(life: list[CheckpointFacts]) -> float:
    """Give the seconds from the first to the last; 0 where they tell no pace, as after a clock was set back."""
    newest, oldest = (life[0].created, life[-1].created) if life else (None, None)
    return (newest - oldest).total_seconds() if newest is not None and oldest is not None else 0.0


def _unsaved(life: list[CheckpointFacts], passed: float, age: float | None) -> int | None:
    """Estimate how many bytes have changed since the newest checkpoint, from how many did before."""
    if passed <= 0 or age is None:
        return None
    # The oldest one's bytes were new before the time that is looked at.
    new = sum(facts.bytes_new for facts in life[:-1])
    return min(int(new / passed * age), life[0].bytes_total)


def together(name: str, ranks: list[RankView]) -> JobView:
    """Put the ranks of a job together: what is lost is lost on all of them, and the one that is worst off counts."""
    first = ranks[0]
    # Of a process that has died while another lives, the number says nothing any more.
    writer = next((rank for rank in ranks if rank.alive), first)
    newest = [rank.recent[0] for rank in ranks if rank.recent]
    seconds = [rank.lost_seconds for rank in ranks if rank.lost_seconds is not None]
    unsaved = [rank.lost_bytes for rank in ranks if rank.lost_bytes is not None]
    return JobView(
        name,
        min((rank.state for rank in ranks), key=STATES.index),
        max((facts.created for facts in newest if facts.created is not None), default=None),
        first.recent[0].number if first.recent else (first.numbers[-1] if first.numbers else None),
        max(seconds, default=None),
        sum(unsaved) if unsaved else None,
        sum(facts.bytes_total for facts in newest),
        max(rank.saves_per_minute for rank in ranks),
        sum(rank.bytes_per_second for rank in ranks),
        len(ranks),
        checkpoints=len(first.numbers),
        reason=first.recent[0].reason if first.recent else "",
        host=writer.host,
        pid=writer.pid,
        trend=tuple(facts.bytes_total for facts in reversed(first.recent)),
        problem=next((rank.problem for rank in ranks if rank.problem), ""),
        since=min(
            (rank.recent[0].created or _NEVER for rank in ranks if rank.lost_seconds is not None),
            default=None,
        ),
        refused=max(
            (rank.refused for rank in ranks if rank.refused is not None),
            key=lambda each: each.time,
            default=None,
        ),
    )
