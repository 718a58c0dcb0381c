"""Classes that can be imported, for the tests of encoding."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Point:
    """A dataclass that can be imported."""

    x: int
    y: Any = None


class Slotted:
    """A class without a ``__dict__``."""

    __slots__ = ("part",)

    def __init__(self, part: object) -> None:
        self.part = part
