"""Python programs that carry on where they were: named state, saved however the program ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from .errors import LatticeError
    from .settings import Settings
    from .state import (
        Picklable,
        PicklableDict,
        PicklableWrapper,
        State,
        StateClosureManager,
        StateCopyManager,
        StateDictManager,
        StateFileManager,
        StateManager,
        StateManagerGroup,
        StateRefManager,
        StateSymbolicManager,
    )

__version__ = "0.1.0"

__all__ = [
    "LatticeError",
    "Picklable",
    "PicklableDict",
    "PicklableWrapper",
    "Settings",
    "State",
    "StateClosureManager",
    "StateCopyManager",
    "StateDictManager",
    "StateFileManager",
    "StateManager",
    "StateManagerGroup",
    "StateRefManager",
    "StateSymbolicManager",
]

_ROOMS = dict.fromkeys(__all__, "state") | {"LatticeError": "errors", "Settings": "settings"}

__getattr__, __dir__ = later(globals(), _ROOMS)
