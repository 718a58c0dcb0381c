"""Who looks after a line for want of whose key nothing can be read is told so, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import CheckpointError, NotInStoreError, WrongKeyError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._line import Line

__all__ = ["check_key"]


def check_key(line: Line) -> None:
    """See that the newest checkpoint that is not damaged is not encrypted with another key.

    Raises:
        WrongKeyError: it is, or no key is set.
    """
    for number in reversed(line.numbers()):
        try:
            line.load(number)
        except WrongKeyError:
            raise
        except (CheckpointError, NotInStoreError):
            continue
        return
