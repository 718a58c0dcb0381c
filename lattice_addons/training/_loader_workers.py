"""What a loader's worker knows travels with each batch to the process, and back into the worker after a restart."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset, get_worker_info

from ._loader_own import Own, is_stateful
from ._loader_randomness import (
    as_bytes,
    as_texts,
    generators_within,
    let_go_on,
    put_in_worker,
    states_of,
    worker_states,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Carried",
    "Collating",
    "Starting",
    "bare",
    "drained",
    "give_state",
    "plain_state",
]

# On the data set of a worker, which is a copy: the iterator that it gave last.
_ITERATOR = "_lattice_iterator"
# At so many batches a worker sees whether its data set counts in attributes of its own.
_LOOKS = 3


class Carried:
    """A batch, and what is news of the worker that made it: its state after this batch."""

    __slots__ = ("data", "news", "worker")

    def __init__(self, data: object, worker: int, news: dict[str, Any]) -> None:
        self.data = data
        self.worker = worker
        self.news = news

    def pin_memory(self) -> Carried:
        """Pin the batch, as torch asks of what it does not know."""
        from torch.utils.data._utils.pin_memory import pin_memory

        return Carried(pin_memory(self.data), self.worker, self.news)


class Collating:
    """Makes a batch as the loader's own function does, and adds the news in a worker."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self._collate = collate
        self._told: dict[str, Any] = {}
        self._held: dict[str, object] | None = None
        self._own: Own | None = None
        self._looks = _LOOKS

    def begin(self, dataset: object) -> None:
        """Be in a worker that is about to ask its data set."""
        self._own = Own({"dataset": dataset})

    def __call__(self, samples: object) -> object:
        """Make a batch."""
        data = self._collate(samples)
        info = get_worker_info()
        if info is None:
            return data
        return Carried(data, info.id, self._news(info.dataset))

    def _news(self, dataset: object) -> dict[str, Any]:
        """Give what has changed since the last batch: nothing, where nothing is random and nothing has state."""
        if self._held is None:
            self._held = generators_within(dataset)
        now: dict[str, Any] = {"random": worker_states()}
        if self._held:
            now["held"] = states_of(self._held)
        news = {name: value for name, value in now.items() if self._told.get(name) != value}
        if self._looks and self._own is not None and (changed := self._own.changed()):
            news["own"], self._looks = changed, 1
        self._looks -= bool(self._looks)
        self._told = now
        if is_stateful(dataset):
            news["dataset"] = dataset.state_dict()  # type: ignore[attr-defined]
        iterator = getattr(dataset, _ITERATOR, None)
        if iterator is not dataset and is_stateful(iterator):
            news["iterator"] = iterator.state_dict()  # type: ignore[union-attr]
        return news


class Starting:
    """Starts a worker as the loader's own function does, and puts it where its predecessor was."""

    def __init__(
        self,
        start: Callable[[int], Any] | None,
        collating: Collating,
        states: Mapping[int, Mapping[str, Any]],
        *,
        between_epochs: bool,
    ) -> None:
        self._start = start
        self._collating = collating
        self._states = states
        self._between_epochs = between_epochs

    def __call__(self, worker: int) -> None:
        """Start this worker."""
        if self._start is not None:
            self._start(worker)
        info = get_worker_info()
        state = self._states.get(worker, {})
        dataset = info.dataset
        if "dataset" in state:
            give_state(dataset, state["dataset"], between_epochs=self._between_epochs)
        if isinstance(dataset, IterableDataset):
            _remember_iterators(dataset, state)
        let_go_on(generators_within(dataset), state.get("held", {}))
        self._collating.begin(dataset)
        put_in_worker(as_bytes(state.get("random", {})))


def give_state(dataset: Any, state: Any, *, between_epochs: bool) -> None:
    """Give a data set its state, as it was at a batch or when the epoch was over."""
    dataset.load_state_dict(copy.deepcopy(state))
    if between_epochs and isinstance(dataset, IterableDataset):
        # Its next iterator would carry on at the end of the finished epoch, and give nothing: that one is used up here.
        try:
            next(iter(dataset))
        except StopIteration:
            return
        dataset.load_state_dict(copy.deepcopy(state))  # no: it is one that goes on from epoch to epoch


def _remember_iterators(dataset: object, state: Mapping[str, Any]) -> None:
    """Have a data set note the iterator that it gives, and put the first one where it was."""
    kind = type(dataset)
    waiting = [state["iterator"]] if "iterator" in state else []

    def begin(self: Any) -> Any:
        iterator = kind.__iter__(self)  # type: ignore[attr-defined]
        if waiting:
            iterator.load_state_dict(waiting.pop())
        vars(self)[_ITERATOR] = iterator
        return iterator

    dataset.__class__ = type(kind.__name__, (kind,), {"__iter__": begin, "__module__": kind.__module__})


def drained(iterator: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Take what workers have made ahead and nobody wants; give their news, in the order in which they came to be.

    Torch does so itself when the next epoch begins, and forgets what it gets.
    """
    if getattr(iterator, "_tasks_outstanding", None) is None:
        return
    ahead = {number: told[1] for number, told in iterator._task_info.items() if len(told) > 1}  # noqa: SLF001 - torch's
    while iterator._tasks_outstanding > 0:  # noqa: SLF001 - as above
        number, ahead[number] = iterator._get_data()[:2]  # noqa: SLF001 - as above
        iterator._tasks_outstanding -= 1  # noqa: SLF001 - as above
    for _, made in sorted(ahead.items(), key=lambda told: told[0]):
        # torchdata's has the worker and its state beside it.
        batch = made[0] if isinstance(made, tuple) else made
        if type(batch) is Carried:
            yield batch.worker, batch.news


def bare(batches: Iterator[Any]) -> Iterator[Any]:
    """Give the batches alone, where nobody is left who would learn of the workers that live on."""
    for made in batches:
        yield made.data if type(made) is Carried else made


def plain_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Give a worker's state in the form in which it is stored."""
    random = state.get("random", {})
    if any(isinstance(value, bytes) for value in random.values()):
        return {**state, "random": as_texts(random)}
    return dict(state)
