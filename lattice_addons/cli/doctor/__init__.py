"""What can keep a program's state from being saved, looked at before it does."""

from ._check import OK, PROBLEM, WARNING, Check
from ._here import here
from ._program import program
from ._store import of_store

__all__ = ["OK", "PROBLEM", "WARNING", "Check", "here", "of_store", "program"]
