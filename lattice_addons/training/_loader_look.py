"""A look at a loader's batches, before the program comes to the loop in which it was interrupted, moves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._loader_randomness import process_put_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._loader_states import States

__all__ = ["Look"]


class Look:
    """The iterator that a tracked loader gives then: no place is kept of it, and no generator is farther after it."""

    def __init__(self, states: States, make: Callable[[], Iterator[Any]]) -> None:
        self._states = states
        self._batches = self._unmoved(make)
        if states.loader.persistent_workers:
            # The workers that live on are those of the loop, which are put where their predecessors were.
            states.loader._iterator = None  # noqa: SLF001 - torch's

    def __iter__(self) -> Look:
        """Be an iterator."""
        return self

    def __next__(self) -> Any:
        """Give the next batch."""
        return self._unmoved(lambda: next(self._batches))

    def __len__(self) -> int:
        """Count the batches of the whole epoch."""
        return len(self._batches)

    def _unmoved(self, act: Callable[[], Any]) -> Any:
        generators = self._states.generator_states()
        try:
            with process_put_back():
                return act()
        finally:
            self._states.put_generators_back(generators)
