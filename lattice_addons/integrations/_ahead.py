"""Batches that a framework has fetched and not trained on are kept by value, and come first after a restart."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons.training import loader_position, release_loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Ahead"]


class Ahead:
    """What has come out of a loader and not been trained on.

    The loader's place is behind all of them, with the random states that its next batch needs. To fetch these
    once more would take states that are gone.
    """

    def __init__(self, loader: Any, *, lookahead: int, before: Callable[[], None] = lambda: None) -> None:
        self._before = before  # called before each batch is fetched, but for those that an epoch begins with
        self._loader = weakref.ref(loader)
        self._lookahead = lookahead  # how many batches the framework fetches before it needs them
        self._fetched: list[Any] = []
        # What an earlier process had fetched, and the framework has not asked for yet.
        self._first: list[Any] = []
        # Whether the loader has none after these, and whether the framework knows that.
        self._no_more = self._ended = False
        self._behind: int | None = None  # the loader's place before it counts the last batch as done
        self._returned: dict[str, Any] | None = None
        _send_through(loader, self)

    def state(self) -> dict[str, Any]:
        """Give the batches, and whether the loader has no more of them in this epoch."""
        if self._returned is not None:
            return self._returned
        batches = list(self._fetched)
        if batches and not self._no_more and loader_position(self._loader()).batch == self._behind:
            del batches[-1]  # saved in the middle of a step: the loader will give it again
        return {"batches": batches + self._first, "ended": self._no_more}

    def put_back(self, state: dict[str, Any]) -> None:
        """Have the loader's next epoch begin with these batches: it is the rest of one."""
        self._returned = state if state["batches"] else None

    @property
    def ended(self) -> bool:
        """Whether the framework has all batches of the epoch, and knows it."""
        return self._ended

    def trained(self) -> None:
        """Let go of what a step was made of."""
        kept = 0 if self._ended else self._lookahead
        del self._fetched[: max(len(self._fetched) - kept, 0)]

    def release(self, *, over: bool = True) -> None:
        """Let the loader be what it was: another loop of the framework may go through it."""
        loader = self._loader()
        if loader is not None:
            _KNOWN.pop(loader, None)
            release_loader(loader, over=over)

    def epoch(self, begin: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        """Go through an epoch's batches, and hold each until it was trained on."""
        returned, self._returned = self._returned, None
        self._fetched.clear()
        self._first = [] if returned is None else list(returned["batches"])
        self._no_more = returned is not None and returned["ended"]
        self._ended, self._behind = False, None
        return self._through(None if self._no_more else begin())

    def _through(self, rest: Iterator[Any] | None) -> Iterator[Any]:
        while self._first:
            self._fetched.append(self._first.pop(0))
            yield self._fetched[-1]
        while rest is not None:
            if len(self._fetched) >= self._lookahead:
                self._before()
            batch = next(rest, _END)
            if batch is _END:
                break
            self._fetched.append(batch)
            self._behind = loader_position(self._loader()).batch
            yield batch
        self._no_more = self._ended = True


_END = object()
_KNOWN: weakref.WeakKeyDictionary[Any, Ahead] = weakref.WeakKeyDictionary()


def _send_through(loader: Any, ahead: Ahead) -> None:
    """Have a loader's epochs go through ``ahead``; it stays the object that the framework has."""
    known = loader in _KNOWN
    _KNOWN[loader] = ahead
    if not known:
        kind = type(loader)

        def epoch(self: Any) -> Iterator[Any]:
            return _KNOWN[self].epoch(lambda: kind.__iter__(self))

        # With the mark by which the loader's track knows that what is fetched ahead is not lost.
        members = {"__iter__": epoch, "__module__": kind.__module__, "_lattice_keeps_ahead": True}
        loader.__class__ = type(kind.__name__, (kind,), members)
