"""Follows a loader from epoch to epoch, and takes it back to where it was."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset

from lattice_addons.state import RandomnessManager, Turns

from ._loader_ahead import Watch
from ._loader_batches import Batches
from ._loader_check import check_same, facts_of
from ._loader_look import Look
from ._loader_made import made
from ._loader_order import Order
from ._loader_own import Own
from ._loader_place import Place
from ._loader_randomness import process_put_back, process_states
from ._loader_rest import pass_over
from ._loader_seed import Seed
from ._loader_states import States
from ._loader_told import Told
from ._loader_workers import bare, drained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_place import Position

__all__ = ["Track"]

# So many epochs of a loader are looked at, until it is known how its batches are asked for.
_WATCHES = 3


class Track:
    """What is known of a loader: its place, and the iterator of the running epoch."""

    def __init__(self, session: Any, key: str, loader: Any) -> None:
        self.key = key
        self.place = Place()
        self.order = Order(loader._index_sampler)  # noqa: SLF001 - its batches, or its samples where it makes none
        self.loop: weakref.ref[Turns[Any]] | None = None
        self.begun_at: int | None = None
        self.cut = False  # the running epoch was left in the middle of a batch
        self.passing = 0  # so many epochs give nothing
        self._session = weakref.ref(session)
        self._states = States(loader)
        self._waiting: dict[str, Any] | None = None  # what was stored, until the program comes to it
        self._passes = 0
        self._before: dict[str, Any] | None = None
        self.told = Told(key)
        self._own = Own({})
        self._looked = False
        self._watches = 0
        self._watch: Watch | None = None
        self._era = session.completions
        self.keeper: weakref.ref[Any] | None = None  # the manager that stores this

    # -- what it is about

    @property
    def loader(self) -> Any:
        """The loader."""
        return self._states.loader

    @property
    def position(self) -> Position:
        """Where it is."""
        return self.place.position

    @property
    def _is_iterable(self) -> bool:
        return isinstance(self.loader.dataset, IterableDataset)

    @property
    def _lives_on(self) -> bool:
        """Whether the workers live for several epochs."""
        return bool(self.loader.num_workers and self.loader.persistent_workers)

    # -- what is stored

    def stored(self) -> dict[str, Any]:
        """Give the place as it is now, or what was stored where the program has not come to it yet."""
        if self._waiting is not None:
            return self._waiting
        place = self.place
        if place.running:
            self.told.own(self._own.changed())
        loop = self.loop() if self.loop is not None else None
        place.unfinished = loop.within if loop is not None else self.cut
        place.program_in = self._program_in(loop)
        place.at_work = loop is not None and loop.at_work
        if not place.running:
            place.set_epoch = self._states.epoch  # a sampler may count on by itself
        place.now = self._before if place.unfinished and self._before is not None else self._states.now()
        self._describe()
        outer = loop.outer if isinstance(loop, Batches) and loop.at_work else None
        if outer is None or not place.running:
            return place.stored()
        self.told.part(outer.key, again=outer.within)
        # With its batch all of this loop is worked on again, or none.
        return (place.before() if outer.within else place.after()).stored()

    def _program_in(self, loop: Turns[Any] | None) -> str | None:
        session = self._session()
        outermost = Turns.outermost(session) if session is not None else None
        begun_at = loop.place if loop is not None else self.begun_at
        # An iterator that was made before the loop is made before it in the next life, too.
        held = outermost is None or (begun_at is not None and begun_at < outermost.place)
        return None if held or outermost is None else outermost.key

    def restore(self, stored: dict[str, Any]) -> None:
        """Take back what an earlier `stored` gave."""
        self.place = Place.restored(stored)
        self._waiting, self._passes, self.loop = stored, self.place.passes, None
        self._describe(check=True)
        place = self.place
        self._states.put_back(place.now, between_epochs=not place.running, set_epoch=place.set_epoch)

    def _describe(self, *, check: bool = False) -> None:
        facts = facts_of(self.loader)
        if check:
            check_same(self.place, facts, self.key)
            return
        for name, value in facts.items():
            setattr(self.place, name, value)

    # -- batches, as they come

    def before_batch(self) -> None:
        """Note the states before a batch is made here: in its middle they are too far."""
        if self._states.data_has_state:
            self._before = self._states.now()

    def size_of_batch(self) -> int:
        """Say how many samples the batch has that came last."""
        rest = self.order.rest
        if self._is_iterable or rest is None or not rest.sizes:
            return int(self.loader.batch_size or 1)
        return rest.sizes.popleft()

    def count(self, size: int, news: tuple[int, dict[str, Any]] | None) -> None:
        """Count a batch as done."""
        place = self.place
        place.batch += 1
        place.samples += size
        if news is not None:
            worker, state = news
            place.learn(worker, state)
            self.told.own(state.get("own", ()))
            place.turn = (worker + 1) % self.loader.num_workers

    def watch(self) -> Watch | None:
        """Have the next epochs' first batches looked at; later ones are asked for in the same way."""
        if (self._watch is not None and self._watch.told) or hasattr(self.loader, "_lattice_keeps_ahead"):
            return None
        self._watches += 1
        self._watch = Watch(self.key) if self._watches <= _WATCHES else None
        return self._watch

    def finish(self) -> None:
        """Count the running epoch as gone through."""
        self.told.own(self._own.changed())
        self.place.finish()

    def abandon(self) -> None:
        """Count the running epoch as done: the program went on without it."""
        if self.place.running and self._waiting is None:
            self.cut, self.begun_at = False, None
            if self._lives_on:
                # What they have made ahead is gone, but they are farther for it.
                for worker, news in drained(self.loader._iterator):  # noqa: SLF001 - torch's: the workers that live
                    self.place.learn(worker, news)
            self.place.finish()

    # -- epochs

    def iterate(self, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Begin an epoch, or carry on with the one that was interrupted."""
        session = self._session()
        if session is None:
            return bare(make()) if self._lives_on else make()
        if self._waiting is not None and self.place.program_in in session.unclaimed:
            # The program has not come yet to the loop in which it was: this is no part of it.
            self._looked = True
            self.order.reset()
            return Look(self._states, make)
        self._forget_look()
        self._leave_last()
        self.abandon()
        if self._era != session.completions:
            self.place, self._era = Place(), session.completions
        around = Turns.around(session)
        if self._passes_over(around):
            return iter(())
        carries_on = self._waiting is not None and self.place.running
        self.cut, self._before = False, None
        if carries_on and self.place.at_work:
            session.way_back.end(session, self.key)
        batches = self._carry_on(make) if carries_on else self._begin(make, around)
        self._waiting = None
        session.completed = False
        session.broken_off.pop(self.key, None)
        return Batches(session, self, batches)

    def _leave_last(self) -> None:
        """Leave the iterator before this one, where the program still has it: its batch is not being worked on."""
        last = self.loop() if self.loop is not None else None
        if isinstance(last, Batches):
            last.leave()

    def _forget_look(self) -> None:
        """Put what was looked at back to where it was, data set and all."""
        if self._looked:
            self._looked = False
            self._states.put_back(self.place.now, between_epochs=not self.place.running, set_epoch=None)

    def _passes_over(self, around: list[Any]) -> bool:
        if self.passing:
            self.passing -= 1
            return True
        if self._waiting is None or not around or around != self.place.inside or not self._passes:
            return False
        if any(isinstance(index, list) for _, index in around):
            return False  # within a batch that is worked on again as a whole
        # It was gone through within this very element of the loops around, before the restart.
        self._passes -= 1
        self.told.passing()
        return True

    def _begin(self, make: Callable[[], Iterator[Any]], around: list[Any]) -> Iterator[Any]:
        place, order = self.place, self.order
        if place.inside != around:
            place.inside, place.passes = around, 0
        place.set_epoch = self._states.epoch
        place.begin({"process": process_states(), **self._states.now()})
        order.reset()
        if not self.loader.num_workers:
            order.first = self._note_draw
        if not self._lives_on:
            place.workers = {}
        elif self.loader._iterator is None:  # noqa: SLF001 - torch's: the workers that live
            order.seeding = Seed(self.loader.generator, place, known=bool(place.seed))
        for state in place.workers.values():
            state.pop("iterator", None)
        place.start["workers"] = {
            str(worker): dict(state) for worker, state in place.stored()["workers"].items()
        }
        return self._made(make, carries_on=False)

    def _note_draw(self) -> None:
        # Without workers the order is drawn at the first batch; between that and iter() the program may have drawn.
        self.place.start["drawn"] = {"process": process_states(), **self._states.generator_states()}

    def _carry_on(self, make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        place, order, states = self.place, self.order, self._states
        start, known = place.start, states.knows(place.now, place.workers)
        if place.unfinished:
            self.told.unfinished(place.batch)
        order.reset()
        pass_over(place, order, self.loader, states_known=known)
        replayed = place.batch if self._is_iterable and not known else 0
        with process_put_back(start.get("process")):
            states.put_back(start, between_epochs=False, set_epoch=place.set_epoch)
            if self._lives_on and place.seed and place.seed.get("epoch") != place.epoch:
                order.seeding = Seed(self.loader.generator, place, known=True)
            if replayed:
                place.workers = {int(worker): state for worker, state in start.get("workers", {}).items()}
            else:
                states.put_data_back(place.now, between_epochs=False)
            batches = self._made(make, carries_on=not replayed)
            if not self.loader.num_workers and order.rest is not None:
                if "drawn" in start:
                    RandomnessManager().restore(start["drawn"]["process"])
                    states.put_generators_back(start["drawn"])
                order.rest.catch_up()
            self._replay(batches, replayed)
        states.put_iterator_back(place.now)
        if not place.unfinished:
            states.put_generators_back(place.now)
        return batches

    def _replay(self, batches: Iterator[Any], count: int) -> None:
        for _ in range(count):
            data = next(batches, None)
            worker, news = getattr(data, "worker", None), getattr(data, "news", None)
            if worker is not None and news is not None:
                self.place.learn(worker, news)

    def _made(self, make: Callable[[], Iterator[Any]], *, carries_on: bool) -> Iterator[Any]:
        """Have torch make its iterator, and follow it."""
        self._own = Own(self._states.own_parts)
        batches = made(self.loader, make, self.place, carries_on=carries_on)
        self._states.follow(batches)
        return batches
