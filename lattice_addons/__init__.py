"""Python programs that carry on where they were: named state, saved however the program ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_ROOMS = {"LatticeError": "errors", "Settings": "settings"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: importing the package alone costs next to nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_ROOMS.get(name, 'state')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Show the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
