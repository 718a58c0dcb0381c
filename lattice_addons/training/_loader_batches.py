"""Each batch of a tracked loader is an element of its session: the moment before the next one is a safe point."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons.state import Turns

from ._loader_workers import Carried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_track import Track

__all__ = ["Batches"]


class Batches(Turns[Any]):
    """The iterator that a tracked loader gives; all that it does not know itself it asks torch's."""

    whole = True

    def __init__(self, session: Any, track: Track, batches: Iterator[Any]) -> None:
        self._track = track
        self._batches = batches
        self._size = 0
        self._news: tuple[int, dict[str, Any]] | None = None
        self._ended = False
        super().__init__(session, track.key)
        if track.begun_at is None:
            track.begun_at = self.place
        self.place = track.begun_at  # a loader that goes round and round stands where it first stood
        track.loop = weakref.ref(self)

    @property
    def index(self) -> object:
        """The epoch and the number of the current batch."""
        return [self._track.place.epoch, self._track.place.batch]

    def take(self) -> Any:
        """Give the next batch."""
        self._track.before_batch()
        data = next(self._batches)
        self._news = None
        if type(data) is Carried:
            self._news = data.worker, data.news
            data = data.data
        self._size = self._track.size_of_batch()
        return data

    def count(self) -> None:
        """Count the batch as done."""
        if self._is_current():
            self._track.count(self._size, self._news)

    def end(self) -> None:
        """Count the epoch as done."""
        self._ended = True
        if not self.has_others_within():
            self._track.begun_at = None  # the next one is no later round of this one
        if self._is_current():
            self._track.place.finish()

    def leave(self) -> None:
        """Be no loop that runs any more."""
        self._leave()

    def left(self) -> Callable[[], None] | None:
        """Remember where it was: whether the program comes back to it is not known yet."""
        if self._ended or not self._is_current():
            return None
        self._track.cut = self.within
        return self._track.abandon

    def _is_current(self) -> bool:
        # By what is referred to, since a weak reference to who is being deleted is dead.
        return self._track.loop is None or self._track.loop() in (self, None)

    def __len__(self) -> int:
        """Count the batches of the whole epoch."""
        return len(self._batches)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """Give what torch's iterator has."""
        if name == "_batches":
            raise AttributeError(name)
        return getattr(self._batches, name)
