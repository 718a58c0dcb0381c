"""The order of an epoch's samples: what was seen of it is passed over, and ranks share the rest."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Order", "Seeding", "Seen", "is_shared", "remaining", "share_of", "whole_order"]

# The ranks between which the rest of an epoch was shared, and how many samples each had seen when they stopped.
Seen = tuple[int, "Mapping[int, int]"]


class Order:
    """Stands for a loader's sampler of batches: the same batches, but for those that are passed over.

    ``skip`` batches are passed over, of those that ``source`` gives in place of the sampler, if it is there; the first
    of the others goes to the worker after the first ``turn``. ``first`` is called before
    anything is drawn for the order.
    """

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        self.rest: Rest | None = None
        self.reset()

    def reset(self) -> None:
        """Pass over nothing, from the next epoch on."""
        self.skip = self.turn = 0
        self.source: Callable[[], Iterator[Any]] | None = None
        self.seeding: Seeding | None = None
        self.first: Callable[[], None] | None = None
        self._times = 0

    def __iter__(self) -> Iterator[Any]:
        """Begin an epoch. When torch makes workers it asks twice, and draws the workers' seed in between."""
        self._times += 1
        if self.seeding is not None and self._times == 1 and self.seeding.before():
            return iter(())
        if self.seeding is not None and self._times > 1:
            self.seeding.after()
        self.rest = Rest(iter(self._batches), self.skip) if self.source is None else Rest(self.source, 0)
        self.rest.first = self.first
        return self.rest

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        """Be in all else what it stands for."""
        if name == "_batches":
            raise AttributeError(name)
        return getattr(self._batches, name)


class Seeding(Protocol):
    """What happens around the draw of the workers' seed."""

    def before(self) -> bool:
        """Say whether the sampler is not to be asked yet: this draw was made when the workers' predecessors began."""

    def after(self) -> None:
        """Undo what was done for the draw."""


class Rest:
    """The batches that are left; how large each was is known when it arrives."""

    def __init__(self, source: Iterator[Any] | Callable[[], Iterator[Any]], skip: int) -> None:
        self._source = source
        self._skip = skip
        self.sizes: deque[int] = deque()
        self.first: Callable[[], None] | None = None

    def __iter__(self) -> Iterator[Any]:
        """Be an iterator."""
        return self

    def __next__(self) -> Any:
        """Give the indices of the next batch."""
        batch = next(self.catch_up())
        self.sizes.append(len(batch) if isinstance(batch, (list, tuple)) else 1)
        return batch

    def catch_up(self) -> Iterator[Any]:
        """Draw what is passed over, now if not yet: what it draws from a generator is drawn as it was then."""
        if self.first is not None:
            first, self.first = self.first, None
            first()
        if callable(self._source):
            self._source = self._source()
        while self._skip:
            self._skip -= 1
            next(self._source, None)
        return self._source


def is_shared(sampler: object) -> bool:
    """Say whether a sampler gives each rank its part of one order, as DistributedSampler does."""
    names = ("num_replicas", "rank", "num_samples", "total_size", "drop_last")
    return all(hasattr(sampler, name) for name in names)


def whole_order(sampler: Any) -> list[Any]:
    """Give the order of which a sampler gives a part, each sample once."""
    length = len(sampler.dataset)
    alone = object.__new__(type(sampler))
    vars(alone).update(
        vars(sampler), num_replicas=1, rank=0, num_samples=length, total_size=length, drop_last=False
    )
    return list(iter(alone))


def remaining(order: Sequence[Any], seen: Sequence[Seen]) -> list[Any]:
    """Give what is left of an order that was shared between ranks, again and again between others."""
    left = list(order)
    for ranks, counts in seen:
        # Rank r had every n-th sample from the r-th on; those that were added to make the parts equal stand behind.
        left = [item for at, item in enumerate(left) if at // ranks >= counts.get(at % ranks, 0)]
    return left


def share_of(left: Sequence[Any], rank: int, ranks: int, *, drop_last: bool) -> list[Any]:
    """Give a rank its part of what is left; all parts are of one length, as a DistributedSampler makes them."""
    total = len(left) // ranks * ranks if drop_last else -(-len(left) // ranks) * ranks
    filled = list(left[:total])
    while left and len(filled) < total:
        filled += islice(left, total - len(filled))
    return filled[rank:total:ranks]
