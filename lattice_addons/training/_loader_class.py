"""A tracked loader stays the object that it is; its class becomes a subclass that tells its batches."""

from __future__ import annotations

import copyreg
import functools
from typing import TYPE_CHECKING, Any, Protocol

from ._loader_track import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_order import Order

__all__ = ["Follower", "follower_of", "let_go", "make_tracked", "track_of"]

# In the loader's own attributes, and in the subclass, under names that no class of anybody's has.
_FOLLOWER, _KIND = "_lattice_track", "_lattice_tracked_kind"
# What torch's and torchdata's loaders make their iterators of, by the names that their modules have for them.
_WITH_WORKERS = ("_StatefulMultiProcessingDataLoaderIter", "_MultiProcessingDataLoaderIter")


class Follower(Protocol):
    """What a loader tells its batches to."""

    key: str
    order: Order

    def iterate(self, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Give what goes through the loader, for which ``make`` makes torch's iterator."""


def follower_of(loader: object) -> Follower | None:
    """Give what follows a loader, in whichever way."""
    follower: Follower | None = getattr(loader, "__dict__", {}).get(_FOLLOWER)
    return follower


def track_of(loader: object) -> Track | None:
    """Give what tracks a loader."""
    follower = follower_of(loader)
    return follower if isinstance(follower, Track) else None


def make_tracked(loader: Any, follower: Follower) -> None:
    """Have a loader tell its batches."""
    vars(loader)[_FOLLOWER] = follower
    loader.__class__ = _tracked(type(loader))  # type: ignore[arg-type]


def let_go(loader: Any) -> None:
    """Let a loader be what it was."""
    if vars(loader).pop(_FOLLOWER, None) is not None:
        loader.__class__ = getattr(type(loader), _KIND)
        # Workers that live on add their news to each batch still, and a program that goes on later has none either.
        loader._iterator = None  # noqa: SLF001 - torch's


@functools.cache
def _tracked(kind: Any) -> Any:
    """Make the subclass. It has the one base and nothing else, as an object's new class must."""

    def begin(self: Any) -> Any:
        follower = follower_of(self)
        make = functools.partial(kind.__iter__, self)
        return make() if follower is None else follower.iterate(make)

    def index_sampler(self: Any) -> Any:
        follower = follower_of(self)
        return kind._index_sampler.fget(self) if follower is None else follower.order  # noqa: SLF001 - its subclass

    def get_iterator(self: Any) -> Any:
        follower = follower_of(self)
        made_of = _made_of(kind)
        if follower is None or not follower.order.turn or made_of is None:
            return kind._get_iterator(self)  # noqa: SLF001 - its subclass
        if "next_iter_state" not in vars(self):
            return _turned(made_of)(self)
        state, self.next_iter_state = self.next_iter_state, None
        return _turned(made_of)(self, state)

    def reduce(self: Any, protocol: object) -> tuple[Any, ...]:
        # Copied and pickled as what it was before.
        del protocol
        attributes = {name: value for name, value in vars(self).items() if name != _FOLLOWER}
        # What copyreg itself names in a pickle; the newer __newobj__ is for the object's own class only.
        return copyreg._reconstructor, (kind, object, None), attributes  # type: ignore[attr-defined]  # noqa: SLF001

    told = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    members = {
        "__iter__": begin,
        "__reduce_ex__": reduce,
        "_get_iterator": get_iterator,
        "_index_sampler": property(index_sampler),
        _KIND: kind,
    }
    return type(kind.__name__, (kind,), told | members)


def _made_of(kind: Any) -> Any:
    """Give the class of the iterator with workers that a loader would make; None where we do not know it."""
    for base in kind.__mro__:
        method = vars(base).get("_get_iterator")
        if method is not None:
            names = method.__globals__
            return next((names[name] for name in _WITH_WORKERS if name in names), None)
    return None


@functools.cache
def _turned(made_of: Any) -> Any:
    """Make a class of iterators whose first batch is made by the worker whose turn it is."""

    def next_index(self: Any) -> Any:
        index = made_of._next_index(self)  # noqa: SLF001 - torch's, and this is its subclass
        order = self._index_sampler
        while order.turn:
            order.turn -= 1
            next(self._worker_queue_idx_cycle)
        return index

    return type(made_of.__name__, (made_of,), {"_next_index": next_index, "__module__": made_of.__module__})
