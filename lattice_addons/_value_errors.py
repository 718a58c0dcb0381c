"""What can be wrong with a value: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = [
    "DecodeError",
    "EncodeError",
    "FileStateError",
    "NoWeakReferenceError",
    "SequenceChangedError",
    "StateMismatchError",
    "UnkeepableError",
    "UnknownVariableError",
]


class UnkeepableError(LatticeError):
    """A value that cannot be kept or given back."""

    __module__ = "lattice_addons.errors"

    exit_code = 65


class EncodeError(UnkeepableError, TypeError):
    """A value that cannot be turned into bytes.

    Attributes: ``type`` (of the value), ``where`` (the path to the part at fault, if known).
    """

    __module__ = "lattice_addons.errors"

    type: str
    where: str


class DecodeError(UnkeepableError, ValueError):
    """Bytes that cannot be turned back into the value; they stay in the store as they are.

    Attributes: ``type`` (of the value that was stored).
    """

    __module__ = "lattice_addons.errors"

    type: str


class StateMismatchError(DecodeError):
    """A stored state that does not fit the object it is for; neither is changed.

    Attributes: ``type`` (of the object), ``shapes`` (name: what is stored, what the object has), ``missing`` (what the
    object has and is not stored), ``unexpected`` (what is stored and the object has not).
    """

    __module__ = "lattice_addons.errors"

    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    missing: list[str]
    unexpected: list[str]


class NoWeakReferenceError(UnkeepableError, TypeError):
    """A value of a type that Python cannot refer to weakly."""

    __module__ = "lattice_addons.errors"


class UnknownVariableError(UnkeepableError, NameError):
    """Which variable an argument was read from cannot be told for certain."""

    __module__ = "lattice_addons.errors"


class FileStateError(UnkeepableError, OSError):
    """An open file that cannot be kept or given back.

    Attributes: ``path``.
    """

    __module__ = "lattice_addons.errors"

    path: str


class SequenceChangedError(UnkeepableError, ValueError):
    """A resumed loop was given another sequence than the stored one.

    Attributes: ``slot``.
    """

    __module__ = "lattice_addons.errors"

    slot: str
