"""On a worker of a Dask cluster a batch is run if it was meant for this very process, and has what it needs."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ._course import course_of
from ._dask_courses import readable
from ._shared import current, join, leave, missing
from ._worker import run_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._dask_courses import Courses
    from ._worker import Ran

__all__ = ["NotHereError", "ReplacedError", "leave_shelf", "run_there"]


class NotHereError(Exception):
    """Shared data that a batch needs is not on this host; its argument names what."""


class ReplacedError(Exception):
    """The worker that a batch was meant for has died, and another one has its address."""


def run_there(  # noqa: PLR0913 - what a worker is told
    courses: Courses, whole: bytes, *, rank: int, seconds: float, home: str, blobs: Mapping[str, str]
) -> list[Ran]:
    """Run a batch.

    ``home`` is the folder of the process that it is meant for, ``blobs`` under which names shared
    data has been sent to this worker.
    """
    from distributed import get_worker

    if get_worker().local_directory != home:
        # It was running when its worker died: whether it is run again is not for the scheduler to say.
        raise ReplacedError(home)
    packed = readable(courses)
    shelf = course_of(packed).shelf
    if shelf:
        join(shelf)
        _fetch(whole, blobs)
    return run_batch(packed, whole, rank=rank, seconds=seconds)


def _fetch(whole: bytes, blobs: Mapping[str, str]) -> None:
    """Bring shared data to this host that is not here; once, however many workers it has."""
    from distributed import get_worker

    lacking = missing(pickle.loads(whole)) if b"Packed" in whole else set()  # noqa: S301 - our runner's
    sent: Mapping[Any, Any] = get_worker().data
    if any(blobs.get(key) not in sent for key in lacking):
        raise NotHereError(sorted(lacking))
    shelf = current()
    for key in lacking:
        with shelf.alone(key):
            if shelf.path(key) is None:
                shelf.put_file(key, sent[blobs[key]])


def leave_shelf(name: str) -> None:
    """Use a runner's shared data no more: where the runner is not, it goes with the last worker that used it."""
    leave(name)
