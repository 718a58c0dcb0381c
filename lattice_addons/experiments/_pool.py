"""A pool takes settings to run, and gives back what became of each."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._record import Record

__all__ = ["Outcome", "Pool", "Task"]


@dataclass(frozen=True)
class Task:
    """One attempt at one setting, as it travels to a worker."""

    __module__ = "lattice_addons.experiments"

    identity: str
    name: str
    #: Its fields, of which the class's `from_values` makes the setting again.
    values: dict[str, Any]
    #: The fields that its name tells.
    searched: tuple[str, ...] = ()
    attempt: int = 1
    #: What its log is named after.
    file_name: str = ""
    #: How often everything had been begun anew before.
    round: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Without a record its worker was lost: then ``lost`` says how. ``part`` names the part of the journal into which
    the worker has written the record already; it is not durable yet. With a record, ``lost`` says that the run was
    out of memory.
    """

    __module__ = "lattice_addons.experiments"

    task: Task
    record: Record | None = None
    lost: str = ""
    part: str = ""
    host: str = ""
    pid: int = 0
    #: Whether the run has used its state, which goes when it is done.
    stateful: bool = False


def _nobody(_task: Task, _worker: str) -> None:
    """Tell nobody that a task was started."""


class Pool(abc.ABC):
    """Workers that run settings; used by one thread.

    Every task that was submitted comes back from `finished` once, whatever becomes of its worker.
    """

    __module__ = "lattice_addons.experiments"

    #: How many runs go on at a time; it may change while the pool is used.
    size: int = 1
    #: Called with a task and the name of its worker when that begins with it, as far as the pool can tell.
    started: Callable[[Task, str], None] = staticmethod(_nobody)

    @abc.abstractmethod
    def submit(self, task: Task) -> None:
        """Take a task, to be run as soon as a worker is free."""

    @abc.abstractmethod
    def finished(self, timeout: float) -> list[Outcome]:
        """Give what has ended since the last call; wait up to so many seconds for the first.

        Raises:
            ExecutorError: there is nobody left to run anything.
        """

    @abc.abstractmethod
    def close(self, *, kill: bool = False) -> None:
        """Let the workers go when they are done, or at once; a second time is fine."""

    def warm(self, most: int) -> None:  # noqa: B027 - may be ignored
        """Let up to so many workers begin, for it takes a while until there is something for them to do."""

    def room(self, waiting: int) -> int:
        """Say how many more tasks should be submitted now, of which so many are with the pool already."""
        return max(2 * self.size - waiting, 0)

    def __enter__(self) -> Pool:  # noqa: PYI034 - Self is not in typing before 3.11
        """Give itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Let the workers go; at once after an error."""
        self.close(kill=kind is not None)
