"""What can be wrong with a store: the branch of the tree in `errors` that is about them."""

from __future__ import annotations

from lattice_addons._error import LatticeError

__all__ = [
    "LeaseHeldError",
    "NoAccessError",
    "NotInStoreError",
    "OverQuotaError",
    "StoreError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnreachableError",
]


class StoreError(LatticeError, OSError):
    """The store cannot be read or written: a file in its place, no rights, no space, gone.

    Attributes: ``url`` (which store, or which file in it); ``errno`` where the system gave one.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 74
    url: str


class NotInStoreError(StoreError, FileNotFoundError):
    """A key, job or checkpoint that is not in the store.

    Attributes: ``url``, ``key``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 66
    key: str


class UnreachableError(StoreError, ConnectionError):
    """A remote store does not answer: no network, a wrong endpoint, a server that is down.

    Attributes: ``url``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 68


class TooManyRequestsError(UnreachableError):
    """The checkpoint service takes no more requests from here for now.

    Attributes: ``url``, ``seconds`` (after so long it takes some again).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 75
    seconds: float


class NoAccessError(StoreError, PermissionError):
    """A remote store does not let us in: wrong or missing credentials, or a right that they lack.

    Attributes: ``url``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 77


class LeaseHeldError(StoreError):
    """Another live process writes this job and rank.

    Attributes: ``job``, ``host``, ``pid``.
    """

    __module__ = "lattice_addons.errors"

    exit_code = 75
    job: str
    host: str
    pid: int


class OverQuotaError(StoreError):
    """A job has no room left of what the checkpoint service gives it.

    Attributes: ``url``, ``job``, ``used`` and ``quota`` (bytes).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 73
    job: str
    used: int
    quota: int


class TooLargeError(StoreError):
    """One object, or one request, is larger than the checkpoint service takes.

    Attributes: ``url``, ``limit`` (bytes).
    """

    __module__ = "lattice_addons.errors"

    exit_code = 73
    limit: int
