"""Hyper-parameters: declared anywhere by ``_("lr", 0.1)``, and managed as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

from ._manager import HyperParameters
from ._occurrence import Occurrence
from ._occurrences import Occurrences
from ._process import carry, declared_at, in_force, manager

if TYPE_CHECKING:
    from ._bind import bind
    from ._check import check
    from ._shown import print_list

__all__ = [
    "HyperParameters",
    "Occurrence",
    "Occurrences",
    "bind",
    "carry",
    "check",
    "declared_at",
    "in_force",
    "manager",
    "print_list",
]

# What a program does once, if at all. The rest is asked for when it is saved, and may import nothing then.
_LATER = {"bind": "_bind", "check": "_check", "print_list": "_shown"}

later(globals(), _LATER)
