"""What in this process decides a loader's samples: generators, samplers, and a data set that is read here."""

from __future__ import annotations

import copy
import weakref
from typing import Any

from torch.utils.data import IterableDataset

from ._loader_own import is_stateful
from ._loader_randomness import generators_of, generators_within, let_go_on, process_put_back, states_of
from ._loader_workers import give_state

__all__ = ["States"]


class States:
    """The states of one loader's parts in this process; workers have theirs."""

    def __init__(self, loader: Any) -> None:
        self._loader = weakref.ref(loader)
        self._batches: weakref.ref[Any] | None = None

    @property
    def loader(self) -> Any:
        """The loader."""
        return self._loader()

    def follow(self, batches: Any) -> None:
        """Remember torch's iterator of the running epoch, which has that of the data set."""
        self._batches = weakref.ref(batches)

    @property
    def samplers(self) -> dict[str, Any]:
        """What decides the order, by the part that it has in that."""
        batches = self.loader.batch_sampler
        return {
            "sampler": self.loader.sampler,
            "batches": batches,
            "within": getattr(batches, "sampler", None),
        }

    @property
    def epoch(self) -> Any:
        """The epoch by which the order is made, where a sampler is told one."""
        return getattr(self._of_epochs, "epoch", None)

    @property
    def _of_epochs(self) -> Any:
        """The sampler that is told the epoch, if there is one: of batches that are made by themselves, theirs."""
        sampler, batches = self.loader.sampler, self.loader.batch_sampler
        while batches is not None and not hasattr(sampler, "epoch"):
            # Accelerate shares batches between ranks by one around the other.
            sampler, batches = getattr(batches, "sampler", None), getattr(batches, "batch_sampler", None)
        return sampler

    @property
    def own_parts(self) -> dict[str, Any]:
        """What in this process may count in attributes of its own."""
        here = {} if self.loader.num_workers else {"dataset": self.loader.dataset}
        return {**here, **self.samplers}

    @property
    def generators(self) -> dict[str, object]:
        """The generators from which the order and the workers' seed are drawn, where they are not the process's."""
        found = {"loader": self.loader.generator}
        found |= {name: getattr(sampler, "generator", None) for name, sampler in self.samplers.items()}
        for name, sampler in self.samplers.items():
            # As generator it is there already.
            found |= {
                f"{name}.{own}": each for own, each in generators_of(sampler).items() if own != "generator"
            }
        return {name: generator for name, generator in found.items() if generator is not None}

    @property
    def iterator(self) -> Any:
        """What an iterable data set gave for the running epoch, where it is read here."""
        batches = self._batches() if self._batches is not None else None
        return getattr(getattr(batches, "_dataset_fetcher", None), "dataset_iter", None)

    @property
    def data_has_state(self) -> bool:
        """Whether the data set is read here, and says itself where it is."""
        return not self.loader.num_workers and (
            is_stateful(self.loader.dataset) or is_stateful(self.iterator)
        )

    def now(self) -> dict[str, Any]:
        """Give all of them."""
        states = self.generator_states()
        states["samplers"] = {
            name: copy.deepcopy(sampler.state_dict())
            for name, sampler in self.samplers.items()
            if is_stateful(sampler)
        }
        if not self.loader.num_workers:
            states.update(self._of_data())
        return states

    def generator_states(self) -> dict[str, Any]:
        """Give those of the generators."""
        return {"generators": states_of(self.generators)}

    def _of_data(self) -> dict[str, Any]:
        dataset, iterator = self.loader.dataset, self.iterator
        states: dict[str, Any] = {"held": states_of(generators_within(dataset))}
        if is_stateful(dataset):
            states["dataset"] = copy.deepcopy(dataset.state_dict())
        if iterator is not dataset and is_stateful(iterator):
            states["iterator"] = copy.deepcopy(iterator.state_dict())
        return states

    def put_back(self, states: dict[str, Any], *, between_epochs: bool, set_epoch: int | None) -> None:
        """Let all of them go on from these states."""
        self.put_generators_back(states)
        for name, sampler in self.samplers.items():
            if name in states.get("samplers", {}):
                sampler.load_state_dict(copy.deepcopy(states["samplers"][name]))
        self.put_data_back(states, between_epochs=between_epochs)
        if set_epoch is not None and self.epoch is not None:
            self._of_epochs.epoch = set_epoch

    def put_generators_back(self, states: dict[str, Any]) -> None:
        """Let the generators go on from these states."""
        let_go_on(self.generators, states.get("generators", {}))

    def put_data_back(self, states: dict[str, Any], *, between_epochs: bool) -> None:
        """Let the data set go on from these states, where it is read here."""
        if self.loader.num_workers:
            return
        let_go_on(generators_within(self.loader.dataset), states.get("held", {}))
        if "dataset" in states:
            with process_put_back():
                give_state(self.loader.dataset, states["dataset"], between_epochs=between_epochs)

    def put_iterator_back(self, states: dict[str, Any]) -> None:
        """Let what the data set gave for this epoch go on from its state."""
        if "iterator" in states and is_stateful(self.iterator):
            self.iterator.load_state_dict(copy.deepcopy(states["iterator"]))

    def knows(self, now: dict[str, Any], workers: dict[int, dict[str, Any]]) -> bool:
        """Say whether an iterable data set, or what it gives, has told where it was."""
        told = (now, *workers.values())
        return isinstance(self.loader.dataset, IterableDataset) and any(
            "dataset" in state or "iterator" in state for state in told
        )
