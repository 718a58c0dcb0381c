"""The experiments of a store, and of a folder beside it: how far they are, and what they found, without their code."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.storage import LocalStore

from ._facts import LOST, RUNNING, STOPPED
from ._manifests import Newest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lattice_addons.experiments import Place, Record, Standing
    from lattice_addons.storage import Store

__all__ = ["ExperimentView", "Experiments"]

_KEPT, _TABLES = 64, 4
_STATUSES = ("done", "pruned", "failed", "killed")


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """One experiment at a glance; ``at`` is 0 where it lies in the store, 1 where it lies beside it."""

    __module__ = "lattice_addons.service"

    module: str
    name: str
    at: int
    url: str
    state: str
    #: How many settings are done, pruned, failed and killed.
    counts: dict[str, int]
    running: int
    #: How many there are; None where the runner could not tell.
    total: int | None
    #: When a setting ended last, in seconds since 1970.
    last: float | None
    objective: str | None
    direction: str
    #: Why nothing else can be told.
    problem: str = ""

    @property
    def ended(self) -> int:
        """Say how many settings have ended, in any way."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """Say how many are still to be run, as far as that is known."""
        return max((self.total or 0) - self.ended, 0)


class Experiments:
    """What experiments there are; those that lie in the store, and at another root."""

    def __init__(self, store: Store, beside: Store | None = None) -> None:
        self._stores = [store, *([beside] if beside is not None else [])]
        self._standing: Newest[Standing] = Newest(_KEPT)
        self._records: Newest[dict[str, Record]] = Newest(_KEPT)
        self._tables: Newest[Any] = Newest(_TABLES)
        # Each place keeps what it has open, and what it has warned of.
        self._places: dict[tuple[int, str, str], Place] = {}
        self._lock = threading.Lock()

    def all(self, may_see: Callable[[str], bool], jobs: Collection[str]) -> list[ExperimentView]:
        """Give every experiment; the folders of jobs in which there is nothing else are not looked into."""
        from lattice_addons.experiments import places

        found: list[ExperimentView] = []
        for at, store in enumerate(self._stores):
            there = places(_root(store), store, () if at else jobs)
            found += [self._view(at, self._kept(at, place)) for place in there if may_see(place.module)]
        return sorted(found, key=lambda view: (view.state != RUNNING, -(view.last or 0.0), view.name))

    def one(self, at: int, module: str, name: str) -> ExperimentView | None:
        """Give one experiment; None where there is none."""
        place = self._place(at, module, name)
        return None if place is None else self._view(at, place)

    def standing(self, view: ExperimentView) -> Standing:
        """Say what is known of each of its settings."""
        from lattice_addons.experiments import Standing

        if view.problem:
            return Standing({}, (), None)
        place = self._place(view.at, view.module, view.name)
        assert place is not None  # noqa: S101 - it was there a moment ago
        return self._stands(place)

    def failures(self, view: ExperimentView) -> list[Record]:
        """Give the records of settings that failed, or whose worker was killed; the newest first."""
        place = self._place(view.at, view.module, view.name)
        if place is None or not view.counts["failed"] + view.counts["killed"]:
            return []
        records = self._records.get(place.url, place.journal().records, _stamp(place))
        return [each for each in reversed(records.values()) if each.status in ("failed", "killed")]

    def table(self, view: ExperimentView) -> Any:  # noqa: ANN401 - pyarrow is imported when there are results
        """Give the results as a table of arrow; None where there are none yet.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        place = self._place(view.at, view.module, view.name)
        if place is None or not view.ended:
            return None
        from lattice_addons.experiments import results_in

        return self._tables.get(place.url, lambda: results_in(place), _stamp(place))

    def _view(self, at: int, place: Place) -> ExperimentView:
        try:
            return self._told(at, place)
        except Exception as error:  # noqa: BLE001 - a journal that somebody else wrote may say anything, of anything
            counts = dict.fromkeys(_STATUSES, 0)
            why = f"its journal cannot be read: {type(error).__name__}: {error}"
            return ExperimentView(
                place.module, place.name, at, place.url, LOST, counts, 0, None, None, None, "minimize", why
            )

    def _told(self, at: int, place: Place) -> ExperimentView:
        stands = self._stands(place)
        counts = dict.fromkeys(_STATUSES, 0)
        for known in stands.known.values():
            counts[known.status] = counts.get(known.status, 0) + 1
        plan = stands.plan
        total, objective = plan.get("total"), plan.get("objective")
        return ExperimentView(
            place.module,
            place.name,
            at,
            place.url,
            {True: RUNNING, None: LOST, False: STOPPED}[stands.alive],
            counts,
            len(stands.running) if stands.alive else 0,
            total if type(total) is int else None,
            max((float(known.ended) for known in stands.known.values()), default=None),
            objective if isinstance(objective, str) else None,
            "maximize" if plan.get("direction") == "maximize" else "minimize",
        )

    def _stands(self, place: Place) -> Standing:
        from lattice_addons.experiments import standing

        return standing(place, self._standing.get(place.url, lambda: standing(place), _stamp(place)))

    def _place(self, at: int, module: str, name: str) -> Place | None:
        if not 0 <= at < len(self._stores):
            return None
        from lattice_addons.experiments import Place

        store = self._stores[at]
        # By what is listed: a name of an address never becomes a path.
        if module not in store.folders() or name not in store.folders(module):
            return None
        if "journal" not in store.folders(f"{module}/{name}"):
            return None
        return self._kept(at, Place.named(module, name, _root(store)))

    def _kept(self, at: int, place: Place) -> Place:
        with self._lock:
            return self._places.setdefault((at, place.module, place.name), place)


def _stamp(place: Place) -> tuple[tuple[str, int], ...]:
    """Give what is another one when something has been written: parts of a journal only grow."""
    parts = place.store.listing("journal")
    return tuple(sorted((key, listed.size) for key, listed in parts.items()))


def _root(store: Store) -> str:
    return store.root if isinstance(store, LocalStore) else store.url
