"""A blob is opaque: it is stored apart from the state's text, and read when it is first asked for."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from lattice_addons.errors import HyperStateError
from lattice_addons.state import StateManager

from ._draws import noticed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Blob", "BlobManager", "loaded", "told_apart"]

T = TypeVar("T")
#: What stands in the text of a state where a blob is.
MARK = "blob"


class Blob(Generic[T]):
    """One value of a state that is no text: an array, a model, anything the encodings know.

    ``Blob(value)`` in a field that is annotated ``Blob[T]``. It is stored beside the text, **read only when `get` is
    called**, and not written again while it is unchanged. A class of one's own has ``get_state_dict()``, which gives
    what is stored, and ``load(config, state, state_dict)``, which makes the value of it.
    """

    __module__ = "lattice_addons.hyperstate"

    def __init__(self, value: T) -> None:
        self._value: T | None = value
        self._read: Callable[[], object] | None = None
        self.name = ""

    @classmethod
    def stored(cls, name: str) -> Blob[Any]:
        """Make one whose value is in a checkpoint, under this name."""
        blob: Blob[Any] = cls(cast("T", None))
        blob.name = name
        blob.bind(blob._nowhere)
        return blob

    def get(self) -> T:
        """Give the value, read from the checkpoint if it was not yet.

        Raises:
            DamagedError: its bytes are not those that were written; the error names it.
        """
        if self._read is not None:
            self._value, self._read = cast("T", self._read()), None
        return cast("T", noticed(self._value))

    def set(self, value: T) -> None:
        """Put another value in its place; the old one need not be read."""
        self._value, self._read = value, None

    @property
    def is_read(self) -> bool:
        """Whether its value is in memory."""
        return self._read is None

    def bind(self, read: Callable[[], object]) -> None:
        """Say where the value is read from when it is first asked for."""
        self._read = read

    def mark(self) -> dict[str, str]:
        """Give what stands for it in the state's text."""
        return {MARK: self.name}

    def _nowhere(self) -> object:
        message = f"blob {self.name!r} is in no checkpoint that is open: HyperState.load reads it"
        raise HyperStateError(message)

    def __repr__(self) -> str:
        """Show the value only where it is in memory."""
        return f"Blob({self._value!r})" if self._read is None else f"<Blob {self.name!r}, not read>"


class BlobManager(StateManager):
    """Keeps what a blob or a lazily initialised field says is to be stored of it."""

    __module__ = "lattice_addons.hyperstate"

    # Of another checkpoint it would be another instant than the state beside it.
    takes_older = False

    def hold(self, value: object) -> None:
        """Take hold of a function that gives what is to be stored."""
        super().hold(value)

    def capture(self) -> object:
        """Give what is to be stored now."""
        held = super().capture()
        return held() if callable(held) else held

    def restore(self, stored: object) -> None:
        """Take back what was stored."""
        super().restore(lambda: stored)


def told_apart(value: object, kind: object, path: str) -> object:
    """Give what is stored of a blob's value: its state dict, where its class makes one, else the value itself."""
    given = getattr(value, "get_state_dict", None)
    if given is None:
        return value
    if not hasattr(kind, "load"):
        message = (
            f"{path}: a {type(value).__name__} gives a state dict, and nothing says which class loads it; "
            f"annotate the field Blob[{type(value).__name__}], and give that class load(config, state, state_dict)"
        )
        raise HyperStateError(message)
    return given()


def loaded(kind: Any, config: object, state: object, stored: object) -> object:
    """Make a blob's value of what was stored."""
    if not (hasattr(kind, "load") and hasattr(kind, "get_state_dict")):
        return stored
    if isinstance(inspect.getattr_static(kind, "load"), (classmethod, staticmethod)):
        return kind.load(config, state, stored)
    made = kind.__new__(kind)
    given = made.load(config, state, stored)
    return made if given is None else given
