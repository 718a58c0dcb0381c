"""What was run before is looked at once, with the lock held, before anything is run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExperimentChangedError

from ._choice import Choice
from ._fields import fields_of
from ._inside import expected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._journal import Journal
    from ._order import Order
    from ._place import Place

__all__ = ["choice_of", "prepared"]

_FIELDS = "fields"  # the note of a runner of which fields the class had, and of its round


def choice_of(place: Place, journal: Journal | None, order: Order) -> tuple[Choice, list[dict[str, Any]]]:
    """Give how it is judged what is to be run, and what earlier runners have noted; without a journal all is."""
    notes = journal.notes(_FIELDS) if journal is not None else []
    known = journal.index() if journal is not None else {}
    number = max((note.get("round", 0) for note in notes), default=0)
    choice = Choice(known, order.resume, order.asked_again, number + (bool(known) and not order.resume))
    choice.check(place.experiment)
    return choice, notes


def prepared(place: Place, journal: Journal, order: Order) -> Choice:
    """Make a place ready for a runner, which holds its lock; give how it is judged what is to be run."""
    if order.clean:
        place.clear()
    journal.tidy()
    choice, notes = choice_of(place, journal, order)
    fields = list(_field_names(order.cls))
    _check_fields(place, notes, fields, choice)
    if not order.resume:
        # Everything begins anew, also in its middle.
        place.clear("states")
    # Before anything is run: who carries on with a round that was broken off must know of it.
    journal.note(_FIELDS, {"at": time.time(), "fields": fields, "round": choice.round})
    _forget_finished(place, choice.statuses())
    return choice


def _field_names(cls: type, around: tuple[type, ...] = ()) -> Iterator[str]:
    """Give the names of a class's fields; those of the experiments nested in it follow theirs, with a dot."""
    for name in fields_of(cls):
        yield name
        nested = expected(cls, name)
        if nested is not None and nested not in (cls, *around):
            yield from (f"{name}.{inner}" for inner in _field_names(nested, (cls, *around)))


def _check_fields(place: Place, notes: Sequence[dict[str, Any]], fields: list[str], choice: Choice) -> None:
    before = set(notes[-1]["fields"]) if notes else set(fields)
    added, removed = sorted(set(fields) - before), sorted(before - set(fields))
    if not choice.known or not choice.resume or not (added or removed):
        return
    told = [f"{word} {', '.join(names)}" for word, names in (("without", added), ("with", removed)) if names]
    message = (
        f"{place.experiment}: the {len(choice.known):,} settings recorded in {place.url} are of another version of "
        f"the class, {' and '.join(told)}, so all would be run anew: resume=False does that and keeps the old results, "
        "clean=True removes them first"
    )
    raise ExperimentChangedError(
        message, experiment=place.experiment, added=tuple(added), removed=tuple(removed)
    )


def _forget_finished(place: Place, statuses: Mapping[str, str]) -> None:
    """Remove states of settings that are done: a runner was killed before it could."""
    for identity in place.store.folders("states"):
        if statuses.get(identity) in ("done", "pruned"):
            place.forget_state(identity)
