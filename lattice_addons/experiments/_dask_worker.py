"""On a worker of a Dask cluster a batch is run if it was meant for this very process, and has what it needs."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._course import course_of
from ._shared import current, join, leave, missing
from ._worker import run_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._worker import Ran

__all__ = ["Courses", "NotHereError", "ReplacedError", "digest_of", "leave_shelf", "run_there"]


@dataclass(frozen=True)
class Courses:
    """A course with its class by name, and by value (None where that cannot be), and which file that was."""

    named: bytes
    by_value: bytes | None = None
    module: str = ""
    file: str = ""
    digest: str = ""


# The modules that were imported here by name, and of which version of their files.
_versions: dict[str, str] = {}


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
    packed = _readable(courses)
    shelf = course_of(packed).shelf
    if shelf:
        join(shelf)
        _fetch(whole, blobs)
    return run_batch(packed, whole, rank=rank, seconds=seconds)


def _readable(courses: Courses) -> bytes:
    """Give the course as this process can read it: by the name of its class only if that leads to the runner's code.

    A worker may be older than the latest change to the file, and its host may have another file, or none.
    """
    if courses.by_value is None:
        return courses.named
    if courses.module not in _versions and courses.module not in sys.modules:
        if digest_of(courses.file) != courses.digest:
            return courses.by_value
        try:
            course_of(courses.named)
        except ModuleNotFoundError:
            return courses.by_value
        _versions[courses.module] = courses.digest
    return courses.named if _versions.get(courses.module) == courses.digest else courses.by_value


def digest_of(file: str) -> str:
    """Tell versions of a file apart; nothing where there is none."""
    from blake3 import blake3

    try:
        with open(file, "rb") as source:
            return blake3(source.read()).hexdigest()
    except OSError:
        return ""


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
