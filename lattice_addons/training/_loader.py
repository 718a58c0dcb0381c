"""A loader is tracked in place: where it is in its epoch is kept, and the rest of that epoch comes after a restart."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar, cast

from lattice_addons.errors import DecodeError, DuplicateSlotError, UnkeepableError
from lattice_addons.state import NoValue, StateManager

from ._loader_class import follower_of, let_go, make_tracked, track_of
from ._loader_place import Place, Position, merge_places
from ._loader_track import Track

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoaderManager", "Position", "loader_position", "release_loader"]


class LoaderManager(StateManager):
    """Keep where a ``DataLoader`` is, from epoch to epoch and within one.

    The loader stays the same object, and each batch that is asked of it is a safe point. After a restart its first
    iterator gives the rest of the epoch that was interrupted, in the order in which it would have come.
    """

    __module__ = "lattice_addons.training"

    restore_first = has_place = True
    # An older place would give samples twice.
    takes_older = False
    merge: ClassVar[Callable[[list[Any]], object]] = staticmethod(merge_places)
    _home: weakref.ref[Any] | None = None
    _key = ""
    _track: Track | None = None
    _loader: Any = None
    _waiting: dict[str, Any] | None = None

    def enter(self, session: Any, key: str) -> None:
        """Learn whose safe points its batches are."""
        # Weakly: what is freed as part of a circle is freed in any order, and torch then waits for its workers' ends.
        self._home, self._key = weakref.ref(session), key

    def hold(self, value: object) -> None:
        """Track a loader, and take it to where the stored one was.

        Raises:
            UnkeepableError: it is no ``DataLoader``, or stands in no group.
            DuplicateSlotError: it is tracked under another name.
            SequenceChangedError: it could not be told which samples of the interrupted epoch were seen.
        """
        if value is self._loader and value is not None:
            return
        session = self._home() if self._home is not None else None
        loader = self._checked(value, session)
        track = Track(session, self._key, loader)
        track.keeper = weakref.ref(self)
        waiting = self._track.stored() if self._track is not None else self._waiting
        # Tracked first: what it is put back to is what its samplers give.
        if waiting is not None:
            track.restore(waiting)
        if self._loader is not None:
            let_go(self._loader)
        # Batches that come in any order cannot be told by their number.
        if hasattr(loader, "in_order"):
            loader.in_order = True
        make_tracked(loader, track)
        self._track, self._loader, self._waiting = track, loader, None

    def _checked(self, value: Any, session: object) -> Any:
        if not hasattr(value, "batch_sampler") or not hasattr(value, "num_workers"):
            raise UnkeepableError(f"LoaderManager keeps a torch DataLoader; this is a {type(value).__name__}")
        if session is None:
            message = "a loader's batches are safe points of a group: use group.track(NAME=loader)"
            raise UnkeepableError(message)
        other = follower_of(value)
        if other is not None:
            message = f"this loader is tracked already, as {other.key!r}; one name is enough"
            raise DuplicateSlotError(message, slot=self._key)
        return value

    def capture(self) -> object:
        """Give the place, or raise `NoValue`."""
        if self._track is not None:
            return self._track.stored()
        if self._waiting is None:
            raise NoValue
        return self._waiting

    def restore(self, stored: object) -> None:
        """Take back a place, for the loader that is tracked or will be.

        Raises:
            DecodeError: what is stored is no place of a loader.
        """
        if stored is not None and not (isinstance(stored, dict) and "epoch" in stored):
            message = (
                f"slot {self._key!r} has a {type(stored).__name__} stored, which is no place of a loader"
            )
            raise DecodeError(message, type=type(stored).__name__)
        place = cast("dict[str, Any] | None", stored)
        if self._track is not None and place is not None:
            self._track.restore(place)
        else:
            self._waiting = place

    def value(self) -> object:
        """Give the loader, or raise `NoValue`."""
        if self._loader is None:
            raise NoValue
        return self._loader

    def release(self, *, over: bool = True) -> None:
        """Let the loader be what it was; what is stored is its place, behind an epoch that is ``over`` by that."""
        if self._track is not None:
            if over:
                self._track.abandon()
            self._waiting = self._track.stored()
            # Whoever has an iterator still, and leaves it later, leaves nothing that is stored.
            self._track.place = Place()
            let_go(self._loader)
            self._track = self._loader = None

    # -- for who goes through a program's finished epochs again

    def hold_still(self, epochs: int | None = None) -> None:
        """Let the next so many iterators give nothing: by default, one for each epoch that was finished."""
        if self._track is not None:
            self._track.passing = self._track.place.epoch if epochs is None else epochs

    @property
    def passing_over(self) -> bool:
        """Whether the next iterator gives nothing."""
        return self._track is not None and self._track.passing > 0


def loader_position(loader: object) -> Position:
    """Say where a tracked loader is.

    Raises:
        UnkeepableError: it is not tracked.
    """
    track = track_of(loader)
    if track is None:
        message = f"this {type(loader).__name__} is not tracked; use group.track(NAME=loader) first"
        raise UnkeepableError(message)
    return track.position


def release_loader(loader: object, *, over: bool = True) -> None:
    """Track a loader no more, nor its `LivingWorkers`; another slot may track it.

    Its own slot keeps the place that it has now: an epoch that runs counts as done, if it is ``over``, or else is gone
    on with by the next process. Workers that live on end.
    """
    track = track_of(loader)
    manager = track.keeper() if track is not None and track.keeper is not None else None
    if manager is not None:
        manager.release(over=over)
    elif follower_of(loader) is not None:
        let_go(loader)
