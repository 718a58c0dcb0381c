"""What a program has made, in the order in which it made it, held weakly and named so that a restart finds it."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Found", "is_of_program", "is_program_file"]

_LIBRARIES = ("site-packages", "dist-packages", "<frozen", "importlib")
_OURS = os.path.dirname(os.path.dirname(__file__))
_STANDARD = os.path.dirname(os.__file__)
_PROGRAM: dict[str, bool] = {}


def is_program_file(path: str) -> bool:
    """Say whether code is the program's own: not of an installed package, of Python, or ours."""
    known = _PROGRAM.get(path)
    if known is None:
        libraries = any(part in path for part in _LIBRARIES) or path.startswith((_OURS, _STANDARD))
        known = _PROGRAM[path] = not libraries
    return known


def is_of_program(frame: FrameType) -> bool:
    """Say whether a frame runs code of the program's own."""
    return is_program_file(frame.f_code.co_filename)


class Found:
    """The objects of one kind: modules, optimizers, schedulers, scalers or loaders.

    A name is made of the class, the function in which the object was made, and how many of that class had been made
    there before. Lines would be told apart better, and every edit of the program would rename all below it.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, made: object, frame: FrameType | None) -> None:
        """Take note of an object that is being made by the code of this frame."""
        kind, place = type(made).__name__, _place(frame)
        count = self._counts[kind, place] = self._counts.get((kind, place), -1) + 1
        key = id(made)

        def gone(reference: weakref.ref[Any]) -> None:
            # Another object may have been made at the same address, and be noted already.
            if self._made.get(key, (None,))[0] is reference:
                del self._made[key]

        self._made[key] = (weakref.ref(made, gone), f"{place}.{kind}.{count}")

    def name(self, made: object) -> str | None:
        """Give the name of an object, None for one that was not made under our eyes."""
        reference, name = self._made.get(id(made), (None, ""))
        return name if reference is not None and reference() is made else None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Give each object that is still there with its name, in the order in which they were made."""
        for reference, name in list(self._made.values()):
            made = reference()
            if made is not None:
                yield name, made


def _place(frame: FrameType | None) -> str:
    """Name the function of the program that makes the object; its parts are made in their own constructors."""
    while frame is not None:
        code = frame.f_code
        if code.co_name != "__init__" and is_of_program(frame):
            name = getattr(code, "co_qualname", code.co_name)  # Python 3.10 has no co_qualname
            return "main" if name == "<module>" else str(name).replace("<locals>.", "").strip("<>")
        frame = frame.f_back
    return "library"
