"""Workers that live on from one pass through a loader to the next have successors that go on from where they were."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import DecodeError, DuplicateSlotError, UnkeepableError

from ._loader_class import follower_of, make_tracked
from ._loader_made import made
from ._loader_order import Order
from ._loader_place import Place
from ._loader_seed import Seed
from ._loader_workers import Carried, drained, plain_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["LivingWorkers"]


class LivingWorkers:
    """What a loader's ``persistent_workers`` have come to, where each pass through it is a whole, as an evaluation is.

    ``group.track(evaluation=LivingWorkers(loader))`` keeps it from pass to pass. After a restart the workers are made
    anew: they go on with the random numbers that were due, and their making moves no generator of the program, as it
    did not in the run that was not interrupted. A pass that was interrupted begins anew; a loader that is tracked
    itself goes on within it. What workers draw in a pass that is left before its end is known only when the next one
    begins. Of a loader without workers that live on there is nothing to keep.

    Raises:
        UnkeepableError: it is no ``DataLoader``.
        DuplicateSlotError: it is tracked itself.
    """

    __module__ = "lattice_addons.training"

    def __init__(self, loader: Any) -> None:
        if not hasattr(loader, "batch_sampler") or not hasattr(loader, "num_workers"):
            message = f"LivingWorkers are those of a torch DataLoader; this is a {type(loader).__name__}"
            raise UnkeepableError(message)
        follower = follower_of(loader)
        if follower is None:
            follower = _Passes(loader)
            make_tracked(loader, follower)
        if not isinstance(follower, _Passes):
            message = f"this loader is tracked already, as {follower.key!r}, which keeps its workers, too"
            raise DuplicateSlotError(message, slot=follower.key)
        self._passes = follower

    def state_dict(self) -> dict[str, Any]:
        """Give what is known of the workers: before the first pass, nothing."""
        return self._passes.known()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Have the next pass made by workers that go on from there; those that live are let go.

        Raises:
            DecodeError: it is no such state.
        """
        if state_dict and not {"crew", "seed", "workers"} <= state_dict.keys():
            raise DecodeError("what is stored is no state of LivingWorkers", type=type(state_dict).__name__)
        if state_dict:
            self._passes.go_on_from(Place.restored(dict(state_dict)))


class _Passes:
    """Follows a loader from pass to pass."""

    key = "LivingWorkers"

    def __init__(self, loader: Any) -> None:
        self.order = Order(loader._index_sampler)  # noqa: SLF001 - its batches, or its samples where it makes none
        self._loader = weakref.ref(loader)
        self._place = Place()
        self._between: dict[int, dict[str, Any]] = {}  # the workers as they were between two passes
        self._restored = False  # the next workers are successors
        self._within = False  # a pass was begun, and is not at its end

    def known(self) -> dict[str, Any]:
        """Give the state from which the workers were seeded, and where each was between the last two passes."""
        living = getattr(self._loader(), "_iterator", None) is not None or self._restored
        if not living or not self._place.seed:
            return {}  # the next workers are made anew in any case
        workers = {str(worker): plain_state(state) for worker, state in self._between.items()}
        return {"crew": self._place.crew, "seed": self._place.seed, "workers": workers}

    def go_on_from(self, place: Place) -> None:
        """Let the next workers be successors of those that were here."""
        loader: Any = self._loader()
        if loader is None:
            return
        loader._iterator = None  # noqa: SLF001 - torch's: the workers that live
        if place.crew != loader.num_workers:
            place.workers = {}
        self._place, self._restored = place, True
        self._stand_between()

    def iterate(self, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Begin a pass."""
        loader: Any = self._loader()
        if not (loader.num_workers and loader.persistent_workers):
            return make()
        place, living = self._place, loader._iterator  # noqa: SLF001 - as above
        self.order.reset()
        if living is None:
            if not self._restored:
                place.workers = {}
            self.order.seeding = Seed(loader.generator, place, known=self._restored)
        elif self._within:
            # The last pass was left. What they have made ahead is gone, but they are farther for it.
            for worker, news in drained(living):
                place.learn(worker, news)
        self._within = True
        for state in place.workers.values():
            state.pop("iterator", None)
        place.crew = loader.num_workers
        self._stand_between()
        batches = made(loader, make, place, carries_on=False)
        self._restored = False
        return self._through(batches, place)

    def _through(self, batches: Iterator[Any], place: Place) -> Iterator[Any]:
        for made_there in batches:
            data = made_there
            if type(made_there) is Carried:
                place.learn(made_there.worker, made_there.news)
                data = made_there.data
            if not getattr(batches, "_task_info", True):
                self._end(place)  # some who know how many there are do not ask for one more
            yield data
        self._end(place)

    def _end(self, place: Place) -> None:
        if place is self._place:
            self._within = False
            self._stand_between()

    def _stand_between(self) -> None:
        self._between = {worker: dict(state) for worker, state in self._place.workers.items()}
