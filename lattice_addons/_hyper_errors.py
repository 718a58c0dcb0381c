"""What can be wrong with hyper-parameters: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = [
    "DeclarationError",
    "DuplicateDeclarationError",
    "HyperParameterError",
    "HyperParameterValueError",
    "HyperParametersChangedError",
    "NoSourceError",
    "SourceError",
    "UnknownHyperParameterError",
]


class HyperParameterError(LatticeError):
    """A hyper-parameter is declared or used wrongly.

    Attributes: ``name`` (of the hyper-parameter, where there is one).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 64
    name: str


class UnknownHyperParameterError(HyperParameterError, KeyError):
    """No hyper-parameter has that name, or it has no value yet.

    Attributes: ``name``, ``places`` (where it is used: ``file:line``).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 66
    places: tuple[str, ...]


class HyperParameterValueError(HyperParameterError, ValueError, TypeError):
    """A value of the wrong type, or one that a hint does not allow.

    Attributes: ``name``, ``value``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    value: object


class DeclarationError(HyperParameterError, ValueError):
    """Source in which a hyper-parameter is declared wrongly.

    Attributes: ``path``, ``line``, ``column``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    path: str
    line: int
    column: int


class DuplicateDeclarationError(DeclarationError):
    """One name is declared at two places: two defaults, two values of a hint, a leaf and a branch.

    Attributes: ``path``, ``line``, ``column``, ``name``, ``places`` (both: ``file:line``).
    """

    __module__ = "lattice_addons.errors"

    places: tuple[str, ...]


class SourceError(HyperParameterError, SyntaxError):
    """Source that is no Python, or not in the encoding that it says.

    Attributes: ``filename``, ``lineno`` and ``offset``, as any ``SyntaxError`` has them.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65


class NoSourceError(HyperParameterError, FileNotFoundError):
    """A path to source, or to a file of values, that does not exist, or cannot be read or written.

    Attributes: ``path``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 66
    path: str


class HyperParametersChangedError(HyperParameterError, ValueError):
    """Hyper-parameters have other values than in the checkpoint from which the program carries on.

    Attributes: ``changes`` (name to the stored value and the one now).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    changes: dict[str, tuple[object, object]]
