"""What a person has changed in the texts of a checkpoint becomes the next one, with the list of changes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lattice_addons._config_errors import Fault
from lattice_addons.checkpoint import Fresh
from lattice_addons.encoding import encode
from lattice_addons.errors import ConfigError

from ._differences import Difference, differences
from ._parts import PREFIX
from ._path import dotted, nearest, shown
from ._schedule import looks_like_schedule
from ._sound import ABOUT, CONFIG, STATE, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lattice_addons.checkpoint import Checkpoint, Entry, Line

    from ._path import Place

__all__ = ["Edit", "commit_edit", "compare_edit", "open_dicts"]

_BY = "StateManager"
_TYPES = {bool: "a bool", int: "an int", float: "a float", str: "a text", list: "a list", dict: "a mapping"}


class Edit:
    """The changes of an edit, and the texts with them."""

    def __init__(self, texts: dict[str, Any], changes: dict[str, list[Difference]]) -> None:
        self.texts = texts
        self.changes = changes

    def told(self) -> list[str]:
        """Say each change in a line: ``config.optimizer.lr: 0.1 → 0.05``."""
        return [f"{name}.{each}" for name, some in self.changes.items() for each in some]


def open_dicts(config: object, state: object) -> list[str]:
    """Give the places of dicts, in which a person may add and remove keys; the other mappings are dataclasses."""
    return sorted({*(f"{CONFIG}.{p}" for p in _dicts(config)), *(f"{STATE}.{p}" for p in _dicts(state))})


def compare_edit(line: Line, checkpoint: Checkpoint, new: Mapping[str, Any]) -> Edit:
    """Say what is different in edited texts.

    Raises:
        ConfigError: what was changed cannot be what the field holds; all faults are told.
    """
    old = texts_of(line, checkpoint)
    about: Any = old.get(ABOUT) or {}
    dicts = set(about.get("dicts", ()))
    faults: list[Fault] = []
    changes = {}
    texts: dict[str, Any] = {}
    for name in (CONFIG, STATE):
        texts[name] = _fitted(old[name], new[name], (name,), dicts, faults)
        changes[name] = list(differences(old[name], texts[name]))
    if faults:
        told = "\n  ".join(map(str, faults))
        message = f"the edited texts do not fit checkpoint {checkpoint.number} of job {line.job!r}:\n  {told}"
        raise ConfigError(message, file="", faults=tuple(faults))
    return Edit(texts, changes)


def commit_edit(
    line: Line, checkpoint: Checkpoint, edit: Edit, blobs: Mapping[str, Callable[[], object]]
) -> Checkpoint:
    """Commit an edit as the next checkpoint; ``blobs`` are those whose files were replaced.

    Raises:
        LeaseHeldError: a program runs and writes this job.
    """
    slots: dict[str, Fresh | Entry] = dict(checkpoint.slots.items())
    for name, data in edit.texts.items():
        slots[name] = Fresh(_BY, encode(data))
    for name, read in blobs.items():
        slots[PREFIX + name] = Fresh("BlobManager", encode(read()))
    notes = [f"edited {told}" for told in edit.told()] + [f"replaced blob {name}" for name in blobs]
    line.acquire()
    try:
        return line.commit(
            slots,
            parent=checkpoint.number,
            reason="edit",
            notes=tuple(notes),
            part=checkpoint.part,
            hyperparams=checkpoint.hyperparams,
        )
    finally:
        line.release()


def _dicts(value: object, place: Place = ()) -> Iterator[str]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.init:
                yield from _dicts(getattr(value, field.name), (*place, field.name))
    elif isinstance(value, dict):
        yield dotted(place)
        for key, each in value.items():
            yield from _dicts(each, (*place, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _dicts(each, (*place, index))


def _fitted(old: Any, new: Any, place: Place, dicts: set[str], faults: list[Fault]) -> Any:
    """Give the new value in the kind that the old one has; what cannot be is a fault."""
    if isinstance(old, dict) and isinstance(new, dict):
        if dotted(place) not in dicts:
            _keys(old, new, place, faults)
        return {
            key: _fitted(old[key], each, (*place, key), dicts, faults) if key in old else each
            for key, each in new.items()
        }
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return new
        pairs = enumerate(zip(old, new, strict=True))
        return [_fitted(before, after, (*place, at), dicts, faults) for at, (before, after) in pairs]
    kinds = type(old), type(new)
    if kinds == (float, int) or (kinds == (int, float) and new.is_integer()):
        return type(old)(new)
    if None not in (old, new) and kinds[0] is not kinds[1] and not _may_be_schedule(place, old, new):
        faults.append(Fault(dotted(place), _TYPES.get(kinds[0], kinds[0].__name__), shown(new)))
    return new


def _may_be_schedule(place: Place, old: object, new: object) -> bool:
    """Let a number be put in the place of a schedule, and a schedule in that of a number: the program checks it."""
    pairs = ((old, new), (new, old))
    fits = any(isinstance(one, (int, float)) and looks_like_schedule(other) for one, other in pairs)
    return place[0] == CONFIG and fits


def _keys(old: dict[str, Any], new: dict[str, Any], place: Place, faults: list[Fault]) -> None:
    for key in new:
        if key not in old:
            names = ", ".join(old) or "no fields"
            faults.append(
                Fault(dotted((*place, key)), names, f"the unknown field {key!r}", hint=nearest(key, old))
            )
    faults.extend(
        Fault(dotted((*place, key)), _TYPES.get(type(each), "a value"), "nothing")
        for key, each in old.items()
        if key not in new
    )
