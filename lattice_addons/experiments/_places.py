"""The places of experiments at a root, looked at without their classes: nothing is imported or run to show them."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.lifecycle import Owner

from ._place import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lattice_addons.storage import Store

    from ._journal import Known

__all__ = ["PLAN", "Standing", "places", "standing"]

#: The word under which a runner notes what it is about to do.
PLAN = "plan"
_SILENT = 120.0


@dataclass(frozen=True)
class Standing:
    """How far an experiment is, by its journal: what is known of each setting, the oldest first."""

    __module__ = "lattice_addons.experiments"

    known: dict[str, Known]
    #: The settings that a worker of the runner has begun and not ended; in one process they are not told.
    running: tuple[str, ...]
    #: Whether its runner lives; None where that cannot be told from here.
    alive: bool | None
    #: What the last runner was about to do: ``total``, ``objective``, ``direction``, ``workers``.
    plan: dict[str, Any] = field(default_factory=dict)


def places(root: str, store: Store, left_out: Collection[str] = ()) -> Iterator[Place]:
    """Give the place of each experiment that was ever run at a root, which is where this store is."""
    for module in store.folders():
        if module in left_out:
            continue
        for name in store.folders(module):
            if "journal" in store.folders(f"{module}/{name}"):
                yield Place.named(module, name, root)


def standing(place: Place, before: Standing | None = None) -> Standing:
    """Look how far an experiment is; of one whose journal is as it was ``before``, only whether the runner lives."""
    if before is not None:
        return dataclasses.replace(before, alive=_alive(place))
    journal = place.journal()
    known = journal.index()
    alive = _alive(place)
    begun: dict[str, int] = {}
    for _, told in journal.read("begun") if alive else ():
        begun[told["identity"]] = max(told.get("attempt", 1), begun.get(told["identity"], 0))
    running = tuple(
        identity
        for identity, attempt in begun.items()
        if identity not in known or known[identity].attempt < attempt
    )
    notes = journal.notes(PLAN)
    ended = dict(sorted(known.items(), key=lambda pair: pair[1].ended))
    return Standing(ended, running, alive, notes[-1] if notes else {})


def _alive(place: Place) -> bool | None:
    """Say whether the runner that has the place lives: its process, or, elsewhere, its signs of life."""
    if place.local and not os.path.isdir(place.url):
        return False
    try:
        told = orjson.loads(place.store.read("runner.json"))
    except NotInStoreError:
        return False
    except (LatticeError, ValueError):
        return None
    try:
        alive = Owner.from_dict(told["owner"]).alive()
    except (ValueError, KeyError, TypeError):
        return None
    if alive is not None or place.local:
        return alive
    beat = told.get("beat")
    return time.time() - beat < _SILENT if isinstance(beat, (int, float)) else None
