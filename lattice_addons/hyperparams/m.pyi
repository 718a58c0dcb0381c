# What type checkers are to know: each of its names is a manager.
from ._manager import HyperParameters

def __getattr__(name: str) -> HyperParameters: ...
