"""What is left of an interrupted epoch: its batches from some number on, or what the ranks have not seen of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.data import BatchSampler, IterableDataset

from ._loader_order import is_shared, remaining, share_of, whole_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._loader_order import Order
    from ._loader_place import Place

__all__ = ["pass_over"]


def pass_over(place: Place, order: Order, loader: Any, *, states_known: bool) -> None:
    """Say what of the order is passed over. An iterable data set is put back where it was, or gone through again."""
    if isinstance(loader.dataset, IterableDataset):
        order.turn = place.turn if states_known else 0
        return
    if is_shared(loader.sampler) and (place.moved or place.seen):
        _share_anew(place)
        order.source = partial(_rest_of_shared, place, loader)
    elif place.by_samples or place.batch_size != loader.batch_size:
        # The batches before were others, and so is what each worker made.
        place.by_samples, place.turn, place.workers = True, 0, {}
        order.source = partial(_rest_of_samples, place, loader)
    if place.crew != loader.num_workers:
        place.turn, place.workers = 0, {}
    order.skip, order.turn = place.batch, place.turn


def _share_anew(place: Place) -> None:
    """Take it that the ranks of now share what is left, where other ranks have stored the place."""
    if place.moved:
        place.seen = [*place.seen, [place.moved["ranks"], place.moved["samples"]]]
        place.batch = place.samples = place.turn = 0
        place.moved, place.workers = {}, {}


def _rest_of_shared(place: Place, loader: Any) -> Iterator[Any]:
    sampler = loader.sampler
    seen = [(ranks, {int(rank): count for rank, count in counts.items()}) for ranks, counts in place.seen]
    left = remaining(whole_order(sampler), seen)
    own = share_of(left, sampler.rank, sampler.num_replicas, drop_last=sampler.drop_last)
    return _in_batches(iter(own[place.samples :]), loader)


def _rest_of_samples(place: Place, loader: Any) -> Iterator[Any]:
    samples = iter(loader.sampler)
    for _ in range(place.samples):
        next(samples, None)
    return _in_batches(samples, loader)


def _in_batches(samples: Iterator[Any], loader: Any) -> Iterator[Any]:
    batches = loader.batch_sampler
    return samples if batches is None else iter(BatchSampler(samples, batches.batch_size, batches.drop_last))
