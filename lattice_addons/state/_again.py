"""A notebook's cell that is run again finds the group and the slots that it made before."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lattice_addons._typed import is_session, is_typed
from lattice_addons.errors import NotSavedError
from lattice_addons.lifecycle import job_id

from ._keys import check_key

if TYPE_CHECKING:
    from types import FrameType

    from lattice_addons.settings import Settings

    from ._manager import StateManager
    from ._ranks import Rule
    from ._session import Session

__all__ = ["Made", "runs_again", "stands"]

log = logging.getLogger("lattice_addons.state")


class _Group(Protocol):
    _session: Session

    def close(self) -> None: ...


Group = TypeVar("Group", bound=_Group)


def runs_again(frame: FrameType) -> bool:
    """Tell whether this is code that may be run again in this process, as a person does with a cell."""
    return is_session() and is_typed(frame)


def stands(session: Session, key: str, manager: type[StateManager], rule: Rule | None) -> bool:
    """Tell whether there is such a slot, which stays as it is; one of another kind makes room."""
    slot = session.slots.get(check_key(key))
    if slot is None:
        return False
    if slot.kind is manager and _told(slot.rule) == _told(rule):
        return True
    # What is stored under its name goes to the one that takes its place.
    session.forget(key)
    return False


def _told(rule: Rule | None) -> tuple[object, ...]:
    return () if rule is None else (rule.ranks, rule.merge)


class Made(Generic[Group]):
    """The groups of this process that are there."""

    def __init__(self) -> None:
        self._groups: weakref.WeakSet[Group] = weakref.WeakSet()

    def add(self, group: Group) -> None:
        """Remember a group for as long as there is one."""
        self._groups.add(group)

    def instead(self, settings: Settings) -> Group | None:
        """Give the group that has these settings; one of the same job with others is saved and closed."""
        for group in list(self._groups):
            session = group._session  # noqa: SLF001 - a group is its session, and a door to it
            if session.attachment is None:
                continue  # closed, or one that never writes
            if session.settings == settings:
                return group
            if _place(session.settings) == _place(settings):
                _end(group)
        return None


def _place(settings: Settings) -> tuple[object, ...]:
    return settings.type, settings.root, job_id(settings)


def _end(group: _Group) -> None:
    session = group._session  # noqa: SLF001 - as above
    try:
        session.save_now("manual", ["a group with other settings takes over"])
    except NotSavedError as error:
        log.warning("%s", error)
    group.close()
    log.warning(
        "job %r has a group with other settings now; the one before is saved and closed", session.stored.job
    )
