"""A notebook's cell that loads a HyperState again has it anew: the one that it loaded before is closed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons._typed import is_session, is_typed
from lattice_addons.lifecycle import job_id

if TYPE_CHECKING:
    from types import FrameType

    from lattice_addons.settings import Settings

    from ._hyperstate import HyperState

__all__ = ["close_earlier", "note_loaded"]

_loaded: weakref.WeakSet[HyperState[Any, Any]] = weakref.WeakSet()


def note_loaded(loaded: HyperState[Any, Any]) -> None:
    """Remember one for as long as there is one."""
    _loaded.add(loaded)


def close_earlier(frame: FrameType, settings: Settings) -> None:
    """Where a cell loads what one has loaded before it, close that: its checkpoints have one writer."""
    if is_session() and is_typed(frame):
        for earlier in list(_loaded):
            if _place(earlier._settings) == _place(settings):  # noqa: SLF001 - the room beside this one
                earlier.close()


def _place(settings: Settings) -> tuple[object, ...]:
    return settings.type, settings.root, job_id(settings)
