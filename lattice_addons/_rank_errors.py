"""What can be wrong between the ranks of a job: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = ["RanksChangedError", "RanksError", "StepOrderError"]


class RanksError(LatticeError):
    """The ranks of a job, or its saves, cannot be fitted together."""

    __module__ = "lattice_addons.errors"

    exit_code = 64


class RanksChangedError(RanksError, ValueError):
    """A slot that was stored by another number of ranks, and no rule says what becomes of its values.

    Attributes: ``slot``, ``stored`` (how many ranks stored it), ``ranks`` (how many there are now).
    """

    __module__ = "lattice_addons.errors"

    slot: str
    stored: int
    ranks: int


class StepOrderError(RanksError, ValueError):
    """A save was to be named after a step that is no whole number, or not larger than the last one.

    Attributes: ``step``, ``last`` (the step named before; None where none was).
    """

    __module__ = "lattice_addons.errors"

    step: object
    last: int | None
