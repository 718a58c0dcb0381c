"""What of a stored state does not fit an object is told whole, and by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from lattice_addons.errors import StateMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Mismatch", "Shape"]

Shape: TypeAlias = tuple[int, ...]
# So many names of a kind stand in a message; all are in the error's attributes.
_SHOWN = 20


@dataclass
class Mismatch:
    """The names at which a stored state and an object differ; false where they do not.

    ``shapes`` has what is stored and what the object has, ``other`` what is wrong with the whole.
    """

    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Say whether anything differs."""
        return bool(self.shapes or self.missing or self.unexpected or self.other)

    def __str__(self) -> str:
        """Tell all of it in one line."""
        shapes = [
            f"{name} (stored {_told(stored)}, here {_told(here)})"
            for name, (stored, here) in self.shapes.items()
        ]
        parts = [
            *self.other,
            _listed("another shape", shapes),
            _listed("not stored", self.missing),
            _listed("not in the object", self.unexpected),
        ]
        return "; ".join(filter(None, parts))

    def error(self, kind: str) -> StateMismatchError:
        """Make the error for an object of this type."""
        message = (
            f"the stored state does not fit {kind}, which is as it was: {self}. Make the object as it was when it was "
            "saved, or track(…, strict=False) to load what fits"
        )
        return StateMismatchError(
            message, type=kind, shapes=self.shapes, missing=self.missing, unexpected=self.unexpected
        )


def _told(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _listed(what: str, names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what}: {shown}{more}" if names else ""
