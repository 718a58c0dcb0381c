"""How far a loader is, in a form that a checkpoint keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from lattice_addons.lifecycle import rank

from ._loader_workers import plain_state

__all__ = ["Place", "Position", "merge_places"]


@dataclass(frozen=True)
class Position:
    """Where a tracked loader is.

    ``epoch`` is how many epochs are finished, ``batch`` how many batches of the running one, on this rank and since the
    number of ranks changed, and ``samples`` how many of its samples, on all ranks that share them.
    """

    __module__ = "lattice_addons.training"

    epoch: int
    batch: int
    samples: int


@dataclass
class Place:
    """How far a loader is. ``batch`` and ``samples`` are this rank's, of the running epoch.

    ``by_samples`` says that not all of its batches had the same number of samples.

    ``seen`` is what other numbers of ranks have seen of the running epoch before. ``start`` are the states from which
    its order was drawn; ``now`` those at the last batch that was finished. ``workers`` are the workers' states, and
    ``turn`` is the one that makes the next batch. ``seed`` is the state from which workers that live for several epochs
    were seeded. ``inside`` are the resumed loops around, in whose present elements ``passes`` epochs were finished.
    ``program_in`` is the outermost resumed loop in which the program was when this was stored, where the running
    epoch was begun within it. ``at_work`` says that the program was in the loop's body then, or asked for a batch.
    """

    epoch: int = 0
    running: bool = False
    batch: int = 0
    samples: int = 0
    by_samples: bool = False
    unfinished: bool = False
    length: int | None = None
    batch_size: int | None = None
    crew: int = 0
    inside: list[Any] = field(default_factory=list)
    passes: int = 0
    program_in: str | None = None
    at_work: bool = False
    share: list[int] = field(default_factory=lambda: [0, 1])
    seen: list[Any] = field(default_factory=list)
    set_epoch: int | None = None
    start: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)
    workers: dict[int, dict[str, Any]] = field(default_factory=dict)
    turn: int = 0
    seed: dict[str, Any] = field(default_factory=dict)
    moved: dict[str, Any] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """Give it as data: plain, but for what data sets and samplers say of themselves."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        told["workers"] = {str(worker): plain_state(state) for worker, state in self.workers.items()}
        if not self.running:
            told["start"] = {}
        return told

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> Place:
        """Make it of what an earlier `stored` gave."""
        known = {item.name for item in fields(cls)}
        place = cls(**{name: value for name, value in stored.items() if name in known})
        place.workers = {int(worker): dict(state) for worker, state in place.workers.items()}
        return place

    def learn(self, worker: int, news: dict[str, Any]) -> None:
        """Take over what is new of a worker's state."""
        self.workers[worker] = {**self.workers.get(worker, {}), **news}
        self.workers[worker].pop("own", None)  # that is told, and is no state

    def begin(self, start: dict[str, Any]) -> None:
        """Stand before the first batch of an epoch."""
        self._clear()
        self.running, self.start = True, start

    def finish(self) -> None:
        """Stand behind the last batch that the program wanted of an epoch."""
        self._clear()
        self.epoch += 1
        self.passes += 1

    def before(self) -> Place:
        """Give the place before the first batch of the running epoch."""
        start = self.start
        place = replace(self, epoch=self.epoch - 1, passes=self.passes - 1)
        place.finish()
        place.now = {
            name: state for name, state in start.items() if name not in ("process", "drawn", "workers")
        }
        place.workers = {int(worker): state for worker, state in start.get("workers", {}).items()}
        return place

    def after(self) -> Place:
        """Give the place behind the running epoch."""
        place = replace(self)
        place.finish()
        return place

    def _clear(self) -> None:
        self.running = self.by_samples = False
        self.batch = self.samples = self.turn = 0
        self.start, self.seen, self.moved = {}, [], {}

    @property
    def position(self) -> Position:
        """The place, for people."""
        before = sum(sum(map(int, counts.values())) for _, counts in self.seen)
        return Position(self.epoch, self.batch, self.samples * self.share[1] + before)


def merge_places(stored: list[Any]) -> dict[str, Any] | None:
    """Make this rank's place of those that another number of ranks had: what all have seen, counts.

    Which samples that leaves is known when the order is: where the ranks shared one, each has its part of the rest.
    """
    places = [Place.restored(place) for place in stored if place is not None]
    if not places:
        return None
    own = stored[rank()] if rank() < len(stored) else None
    place = Place.restored(own) if own is not None else replace(places[0])
    first = min(other.epoch for other in places)
    counts = {
        # Who is in the next epoch has seen all of its part of this one.
        str(other.share[0]): other.samples if other.epoch == first else other.length or 0
        for other in places
    }
    # Who has not begun it, where another has, is at its beginning, too.
    behind = max((other for other in places if other.epoch == first), key=lambda other: other.running)
    if place.epoch != first or not place.running:
        place = replace(behind)
    if place.running:
        place.moved = {"ranks": place.share[1], "samples": counts}
    return place.stored()
