"""One class is the root of every error that we raise."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["LatticeError"]


class LatticeError(Exception):
    """The root of the tree; its text says what, where, and what to do next.

    Keyword arguments become attributes: the facts of the case.
    """

    __module__ = "lattice_addons.errors"

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        # Kept as attributes and not in args, so that errors survive pickling between processes. By setattr:
        # OSError has an errno of its own, which an entry in __dict__ would not show through.
        for name, fact in facts.items():
            setattr(self, name, fact)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Be pickled as an exception is, also where tblib has a way of its own for all that do not say theirs."""
        return super().__reduce__()

    def __str__(self) -> str:
        """Give the text as it was written, also where KeyError would show its repr."""
        return str(self.args[0])
