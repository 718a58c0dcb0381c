"""Hyper-parameters take part in checkpoints where a program has some, and are not imported where it has none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint

__all__ = ["hyperparams_in_force", "tell_hyperparams"]

_MODULE = "lattice_addons.hyperparams"


def hyperparams_in_force() -> dict[str, dict[str, object]]:
    """Give the values in force of every manager, as plain data; nothing is imported for it, no lock is taken."""
    in_force = getattr(sys.modules.get(_MODULE), "in_force", None)
    found: dict[str, dict[str, object]] = in_force() if in_force is not None else {}
    return found


def tell_hyperparams(base: Checkpoint | None) -> None:
    """Let the managers know what the checkpoint says from which this process carries on."""
    carry = getattr(sys.modules.get(_MODULE), "carry", None)
    if carry is not None:
        told = f"checkpoint {base.number} of job {base.job!r}" if base is not None else ""
        carry(base.hyperparams if base is not None else {}, told)
