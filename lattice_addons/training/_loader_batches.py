"""Each batch of a tracked loader is an element of its session: the moment before the next one is a safe point."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons.state import Turns

from ._loader_around import asked_by_for, tell_of_counters
from ._loader_workers import Carried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_ahead import Watch
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
        self._goes_on = track.place.batch  # so many were done before this process began
        self._watch: Watch | None = track.watch()
        self._in_for = True
        self._asked_in: int | None = None  # the frame that asks for its batches; it lives as long as this
        self._around = weakref.ref(around) if (around := Turns.whole_around(session)) is not None else None
        if not self._goes_on and (done := Turns.done_around(session)) is not None:
            track.told.done(done.key)
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
        if self._watch is not None or self._asked_in is None:
            self._look_around()
        self._track.before_batch()
        data = next(self._batches)
        self._news = None
        if type(data) is Carried:
            self._news = data.worker, data.news
            data = data.data
        self._size = self._track.size_of_batch()
        return data

    def _look_around(self) -> None:
        """See who asks for the batch, and tell what is not exact."""
        frame = sys._getframe(3)  # noqa: SLF001 - as inspect.currentframe: past take() and __next__()
        if self._asked_in is None:
            self._in_for = asked_by_for(frame, all_the_way=True)
        if self._asked_in is None and (outer := self.outer) is not None:
            within = isinstance(outer, Batches) and outer._asked_in == id(frame)  # noqa: SLF001 - of one class
            if not asked_by_for(frame, all_the_way=not within):
                self._around = None  # it is gone through beside that loop, and only begins here
        self._asked_in = id(frame)
        if self._goes_on:
            tell_of_counters(self, frame, self.key, self._goes_on)
            self._goes_on = 0
        if self._watch is not None:
            self._watch.ask(frame)
            self._watch = self._watch if self._watch.open else None

    def count(self) -> None:
        """Count the batch as done."""
        if self._is_current():
            self._track.count(self._size, self._news)

    def end(self) -> None:
        """Count the epoch as done."""
        self._ended = True
        self._close_watch()
        if not self.has_others_within():
            self._track.begun_at = None  # the next one is no later round of this one
        if self._is_current():
            self._track.finish()

    def enclose(self, key: str) -> None:
        """Tell of a batch that is in hand when a resumed loop begins: it may only have been looked at."""
        if not self._in_for:
            self._track.told.held(key)

    def leave(self) -> None:
        """Be no loop that runs any more."""
        self._leave()

    def left(self) -> Callable[[], None] | None:
        """Remember where it was: whether the program comes back to it is not known yet."""
        self._close_watch()
        if self._ended or not self._is_current():
            return None
        self._track.cut = self.within
        return self._track.abandon

    @property
    def outer(self) -> Turns[Any] | None:
        """The loop over another loader that works on one batch as long as this loop runs."""
        return self._around() if self._around is not None and self._running else None

    def _close_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()

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
