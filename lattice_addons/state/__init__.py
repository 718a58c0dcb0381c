"""What the program keeps: values in named slots, each with a manager that knows how to get it."""

from ._adapters import adapter_for, register_adapter
from ._closure import StateClosureManager
from ._copy import StateCopyManager
from ._dict import StateDictManager
from ._file import FileState, StateFileManager
from ._group import StateManagerGroup
from ._manager import NoValue, StateManager
from ._modules import ModuleManager
from ._optimizers import OptimizerManager
from ._picklable import Picklable, PicklableDict, PicklableWrapper, State
from ._randomness import RandomManager, RandomnessManager
from ._reference import StateRefManager
from ._resume import ResumedLoop
from ._stats import SaveCosts, SaveStats, Stats
from ._status import SlotStatus, Status
from ._symbolic import StateSymbolicManager
from ._tracked import TrackedManager
from ._turns import Turns

__all__ = [
    "FileState",
    "ModuleManager",
    "NoValue",
    "OptimizerManager",
    "Picklable",
    "PicklableDict",
    "PicklableWrapper",
    "RandomManager",
    "RandomnessManager",
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
    "TrackedManager",
    "Turns",
    "adapter_for",
    "register_adapter",
]
