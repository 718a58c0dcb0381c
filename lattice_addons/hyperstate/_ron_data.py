"""What RON can say and Python has no word for: names before fields, maps that are no structs, characters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["EXTENSIONS", "Char", "Map", "Tagged"]

EXTENSIONS = frozenset(
    ("explicit_struct_names", "implicit_some", "unwrap_newtypes", "unwrap_variant_newtypes")
)


@dataclass(frozen=True)
class Tagged:
    """A named struct (``Adam(lr: 0.1)``), tuple struct (``Rgb(1, 2, 3)``) or unit (``North``).

    ``fields`` is a dict of a struct, a list of a tuple struct, and an empty list of a unit.
    """

    name: str
    fields: dict[str, Any] | list[Any] = field(default_factory=list)

    def __hash__(self) -> int:
        """Let units be keys of maps; those of one name are told apart by their fields."""
        return hash((Tagged, self.name))


class Map(dict[Any, Any]):
    """A map, ``{"a": 1}``: a dict that is written as such, also where its keys could name the fields of a struct."""


class Char(str):
    """A character, ``'a'``: a text of length one."""

    __slots__ = ()


# Once it is made: dataclasses look into the module that a class names.
Tagged.__module__ = "lattice_addons.hyperstate"
