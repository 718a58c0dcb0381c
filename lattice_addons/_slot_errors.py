"""What can be wrong with slots: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = [
    "DuplicateSlotError",
    "NotAManagerError",
    "SlotError",
    "SlotNameError",
    "UnknownSlotError",
]


class SlotError(LatticeError):
    """A slot is named or used wrongly.

    Attributes: ``slot``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 64
    slot: object


class UnknownSlotError(SlotError, KeyError):
    """No slot of that name is registered."""

    __module__ = "lattice_addons.errors"

    exit_code = 66


class DuplicateSlotError(SlotError, KeyError):
    """The name is taken."""

    __module__ = "lattice_addons.errors"


class SlotNameError(SlotError, ValueError, TypeError):
    """A name that no slot can have."""

    __module__ = "lattice_addons.errors"


class NotAManagerError(SlotError, TypeError):
    """Something that is no manager class was given as one."""

    __module__ = "lattice_addons.errors"
