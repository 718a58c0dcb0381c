"""An interrupted epoch is carried on only where it is known which of its samples were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset

from lattice_addons.errors import SequenceChangedError

from ._loader_order import is_shared

if TYPE_CHECKING:
    from ._loader_place import Place

__all__ = ["check_same", "facts_of"]

_TOLD = {
    "length": "samples in the data set",
    "batch_size": "samples in a batch",
    "crew": "workers",
}


def facts_of(loader: Any) -> dict[str, Any]:
    """Say what of a loader decides which samples its first batches have."""
    sampler = loader.sampler
    iterable = isinstance(loader.dataset, IterableDataset)
    return {
        "length": None if iterable else len(loader.dataset),
        "batch_size": loader.batch_size,
        "crew": loader.num_workers,
        "share": [sampler.rank, sampler.num_replicas] if is_shared(sampler) else [0, 1],
    }


def check_same(place: Place, facts: dict[str, Any], key: str) -> None:
    """Refuse a loader with which the rest of the interrupted epoch could not be told.

    Raises:
        SequenceChangedError: samples would be seen twice, or left out.
    """
    if not place.running:
        return
    iterable = facts["length"] is None
    decisive = ["length"]
    if iterable or None in (place.batch_size, facts["batch_size"]):
        # Of batches that the program makes itself it is not known how many samples they have.
        decisive.append("batch_size")
    if iterable:
        decisive.append("crew")
    changed = [name for name in decisive if getattr(place, name) != facts[name]]
    if changed:
        told = "; ".join(
            f"{getattr(place, name)} {_TOLD[name]} when it was saved, {facts[name]} now" for name in changed
        )
        message = (
            f"loader {key!r} was saved in the middle of epoch {place.epoch}, and which of its samples were seen cannot "
            f"be told of this one: {told}. Give it what it had until the epoch is over, or track it by another name."
        )
        raise SequenceChangedError(message, slot=key)
