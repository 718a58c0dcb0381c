"""A manager with a uid stands alone: one slot, and a line of checkpoints of its own."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import SlotError
from lattice_addons.lifecycle import job_id
from lattice_addons.settings import Settings

from ._keys import check_key
from ._process_lock import process_lock

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint

    from ._manager import StateManager
    from ._session import Session

    AnyManager = TypeVar("AnyManager", bound=StateManager)

SLOT = "value"
_LONGEST = 150  # characters of a job id, of the 200 bytes that it may have
_managers: dict[tuple[type, str, int], StateManager] = {}
_making = process_lock()


class Alone:
    """What a manager can do without a group, when it was made with a uid."""

    _session: Session | None = None

    def update(self, value: object) -> None:
        """Take hold of a value, as the group's ``update`` does."""
        self._own_session().hold(SLOT, value)

    def get(self) -> Any:  # noqa: ANN401 - whatever the program gave
        """Give the value, read from the store after a restart; None when there is none."""
        return self._own_session().value(SLOT)

    def delete(self) -> None:
        """Forget the value in this process; stored checkpoints stay."""
        self._own_session().empty(SLOT)

    def save(self) -> Checkpoint | None:
        """Save now; give the checkpoint, or None where nothing is saved."""
        return self._own_session().save("manual")

    def load(self) -> None:
        """Go back to what is newest in the store."""
        self._own_session().reload()

    def _repr_html_(self) -> str | None:
        if self._session is None:
            return None
        from ._status import describe

        return describe(self._session, closely=False)._repr_html_()

    def _own_session(self) -> Session:
        if self._session is None:
            name = type(self).__name__
            message = (
                f"this {name} belongs to a group: use the group's methods, or make one with {name}(uid='…')"
            )
            raise SlotError(message, slot=None)
        return self._session


def the_one(kind: type[AnyManager], uid: str) -> AnyManager:
    """Give the one manager of this class and uid in this process."""
    check_key(uid)
    with _making:
        key = (kind, uid, os.getpid())
        if key not in _managers:
            _managers[key] = _make(kind, uid)
        return _managers[key]  # type: ignore[return-value]  # the key has the class


def _make(kind: type[AnyManager], uid: str) -> AnyManager:
    # Imported here: a session has slots, and a slot has a manager, which is what is being made.
    from ._session import Session

    settings = Settings.from_environ()
    session = Session(dataclasses.replace(settings, job_id=_line(job_id(settings), kind, uid)), own=False)
    session.add(SLOT, kind())
    manager = kind()
    manager._session = session  # noqa: SLF001 - this module is where the attribute belongs
    return manager


def _line(job: str, kind: type, uid: str) -> str:
    """Name a line of checkpoints: as it is read, and a digest where that is not the whole of it."""
    whole = f"{job}.{kind.__name__}.{uid}"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", whole)
    if name == whole and len(name) <= _LONGEST:
        return name

    from blake3 import blake3

    # Without it 'a b' and 'a-b', or 'ä' and 'ö', would find each other's value.
    return f"{name[:_LONGEST]}-{blake3(whole.encode()).hexdigest(length=6)}"
