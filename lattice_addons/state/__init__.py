"""What the program keeps: values in named slots, each with a manager that knows how to get it."""

from ._closure import StateClosureManager
from ._copy import StateCopyManager
from ._dict import StateDictManager
from ._file import FileState, StateFileManager
from ._group import StateManagerGroup
from ._manager import NoValue, StateManager
from ._picklable import Picklable, PicklableDict, PicklableWrapper, State
from ._reference import StateRefManager
from ._resume import ResumedLoop
from ._stats import SaveCosts, SaveStats, Stats
from ._status import SlotStatus, Status
from ._symbolic import StateSymbolicManager

__all__ = [
    "FileState",
    "NoValue",
    "Picklable",
    "PicklableDict",
    "PicklableWrapper",
    "ResumedLoop",
    "SaveCosts",
    "SaveStats",
    "SlotStatus",
    "State",
    "StateClosureManager",
    "StateCopyManager",
    "StateDictManager",
    "StateFileManager",
    "StateManager",
    "StateManagerGroup",
    "StateRefManager",
    "StateSymbolicManager",
    "Stats",
    "Status",
]
