"""What can be wrong with experiments: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = [
    "ExecutorError",
    "ExperimentBusyError",
    "ExperimentChangedError",
    "ExperimentError",
    "ExperimentNotFoundError",
    "MissingExtraError",
    "RunFailedError",
    "SettingError",
    "UnstorableResultError",
]


class ExperimentError(LatticeError):
    """An experiment is declared or used wrongly.

    Attributes: ``experiment`` (its name, where there is one).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 64
    experiment: str


class ExperimentNotFoundError(ExperimentError, LookupError):
    """No experiment of that name.

    Attributes: ``experiment``, ``near`` (names that look like it).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 66
    near: tuple[str, ...]


class SettingError(ExperimentError, ValueError, TypeError):
    """A field of an experiment, or what is searched for it, cannot be as it is.

    Attributes: ``experiment``, ``field`` (dotted for nested experiments; empty where there is none yet).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    field: str


class UnstorableResultError(ExperimentError, TypeError):
    """A run returned something that is no row of a table.

    Attributes: ``experiment``, ``where`` (the path to the value in what was returned).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    where: str


class ExperimentBusyError(ExperimentError, RuntimeError):
    """Another live program runs this experiment.

    Attributes: ``experiment``, ``host``, ``pid``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 75
    host: str
    pid: int


class RunFailedError(ExperimentError, RuntimeError):
    """Runs of an experiment failed.

    Attributes: ``experiment``, ``failed`` (the names of their settings).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 70
    failed: tuple[str, ...]


class ExecutorError(ExperimentError, ConnectionError):
    """What should run the settings does not answer: a cluster's address where nobody is, an executor that broke.

    Attributes: ``experiment``, ``address``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 68
    address: str


class ExperimentChangedError(ExperimentError, ValueError):
    """Results of another version of an experiment, which had other fields.

    Attributes: ``experiment``, ``added`` (fields that the class has now), ``removed`` (fields that it had).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 65
    added: tuple[str, ...]
    removed: tuple[str, ...]


class MissingExtraError(ExperimentError, ImportError):
    """What was asked for needs a package that is not installed.

    Attributes: ``package``, ``extra`` (of ``lattice-addons``, which brings it; empty where none does).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 69
    package: str
    extra: str
