"""Names in a pickle are looked up in the program as it is now."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._cells import of_cells
from lattice_addons.encoding._pickler import load_dill
from lattice_addons.encoding._references import MAINS
from lattice_addons.encoding._storages import of_storages

if TYPE_CHECKING:
    from collections.abc import Iterable


_NEWLINE = 0x0A


class GoneError(Exception):
    """A class or function that the pickle names and the program no longer has."""


class NameUnpickler(pickle.Unpickler):
    """The C unpickler, which says clearly what it does not find."""

    def find_class(self, module_name: str, name: str) -> Any:
        """Find a class or function where it was; ``__main__`` is whatever runs as the main program now."""
        if module_name in MAINS and module_name not in sys.modules:
            module_name = "__main__"  # stored by a multiprocessing child, which calls it __mp_main__
        if module_name.partition(".")[0] == "dill":
            load_dill()
        maker = of_cells(module_name, name) or of_storages(module_name, name)
        if maker is not None:
            return maker
        try:
            return super().find_class(module_name, name)
        except (ImportError, AttributeError) as error:
            raise GoneError(_gone(module_name, name, error)) from error


def _gone(module_name: str, name: str, error: Exception) -> str:
    if isinstance(error, ImportError):
        return (
            f"{module_name}.{name} cannot be found, for the module {module_name!r} cannot be imported "
            f"({error}); install it or make it importable under this name again"
        )
    where = "the main program" if module_name in MAINS else f"the module {module_name!r}"
    return (
        f"{module_name}.{name} is not there any more: {where} has no {name!r}. If it was renamed, keep the "
        f"old name too ({name.rpartition('.')[2]} = NewName); if it was moved, import it there"
    )


class _Source:
    """A payload that an unpickler reads without a copy of the whole."""

    def __init__(self, payload: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(payload).cast("B")
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = len(self._view) - self._position
        piece = bytes(self._view[self._position : self._position + size])
        self._position += len(piece)
        return piece

    def peek(self, size: int) -> bytes:
        """Show what comes: behind its first frame a pickle has no others, and is not to be read byte by byte."""
        return bytes(self._view[self._position : self._position + size])

    def readinto(self, target: Any) -> int:
        piece = self._view[self._position : self._position + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readline(self) -> bytes:
        start = self._position
        while self._position < len(self._view):
            self._position += 1
            if self._view[self._position - 1] == _NEWLINE:
                break
        return bytes(self._view[start : self._position])


def unpickle(payload: bytes | bytearray | memoryview, buffers: Iterable[Any]) -> object:
    """Make the value again; buffers become the memory of its arrays."""
    return NameUnpickler(_Source(payload), buffers=buffers).load()
