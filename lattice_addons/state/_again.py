"""A notebook's cell that is run again finds the group and the slots that it made before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._typed import is_session, is_typed

from ._keys import check_key

if TYPE_CHECKING:
    from types import FrameType

    from ._manager import StateManager
    from ._ranks import Rule
    from ._session import Session

__all__ = ["runs_again", "stands"]


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
