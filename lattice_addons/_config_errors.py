"""What can be wrong with typed configs and states: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from dataclasses import dataclass

from lattice_addons._error import LatticeError

__all__ = [
    "ConfigError",
    "Fault",
    "HyperStateError",
    "NoConfigError",
    "OverrideError",
    "RonError",
    "ScheduleError",
    "SchemaError",
]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a config; an error has all that were found at once.

    ``path`` is the field's (``optimizer.betas[1]``), ``line`` the line of the file, where there is one,
    ``expected`` what the field takes, ``found`` what stands there, ``hint`` what may help.
    """

    path: str
    expected: str
    found: str
    line: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        """Say it in one line, without the place."""
        hint = f" ({self.hint})" if self.hint else ""
        at = f"{self.path}: " if self.path else ""
        return f"{at}expected {self.expected}, found {self.found}{hint}"


# Once it is made: dataclasses look into the module that a class names, and this one is not imported here.
Fault.__module__ = "lattice_addons.hyperstate"


class HyperStateError(LatticeError):
    """A typed config or state cannot be used as it is."""

    __module__ = "lattice_addons.errors"

    exit_code = 64


class ConfigError(HyperStateError, ValueError):
    """A config, or a class for one, that does not fit: all faults of one load are told at once.

    Attributes: ``file`` (where it was read, or an empty text), ``faults`` (each with ``path``, ``line``,
    ``expected``, ``found`` and ``hint``).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    file: str
    faults: tuple[Fault, ...]


class NoConfigError(HyperStateError, FileNotFoundError):
    """A config file that does not exist, or cannot be read or written.

    Attributes: ``path``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 66
    path: str


class OverrideError(HyperStateError, ValueError):
    """An override (``optimizer.lr=0.1``) that names no field, or cannot be read.

    Attributes: ``override`` (as it was given), ``path`` (the field that it names).
    """

    __module__ = "lattice_addons.errors"

    override: str
    path: str


class RonError(HyperStateError, ValueError):
    """A text that is not RON (Rusty Object Notation).

    Attributes: ``line`` and ``column``, from one.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    line: int
    column: int


class ScheduleError(HyperStateError, ValueError):
    """A schedule that cannot be read, or has no value.

    Attributes: ``text`` (the schedule, or the part of it that is wrong).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    text: str


class SchemaError(HyperStateError, ValueError):
    """A config or state of another version than the code's, and no rule leads from the one to the other.

    Attributes: ``path`` (the field, where there is one).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    path: str
