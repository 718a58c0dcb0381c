"""What torch gives to a loader's workers tells us of them, and puts them where their predecessors were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._loader_deaths import hold_back_deaths
from ._loader_workers import Collating, Starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_place import Place

__all__ = ["made"]


def made(loader: Any, make: Callable[[], Iterator[Any]], place: Place, *, carries_on: bool) -> Iterator[Any]:
    """Have torch make its iterator."""
    if not loader.num_workers:
        return make()
    own = loader.collate_fn, loader.worker_init_fn
    states = {int(worker): state for worker, state in place.stored()["workers"].items()}
    collating = Collating(own[0])
    start = Starting(own[1], collating, states, between_epochs=not carries_on)
    try:
        loader.collate_fn, loader.worker_init_fn = collating, start
        batches = make()
    finally:
        loader.collate_fn, loader.worker_init_fn = own
    hold_back_deaths()
    return batches
