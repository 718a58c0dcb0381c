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

try:
    from lattice_addons._version import __version__ as __version__
except ImportError:  # a checkout from which nothing was built
    __version__ = "0+unknown"

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
# What `%load_ext lattice_addons` calls.
_ROOMS |= dict.fromkeys(("load_ipython_extension", "unload_ipython_extension"), "integrations.ipython")

later(globals(), _ROOMS)
