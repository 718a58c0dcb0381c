"""Where an experiment runs: in this process, on several of this machine, or wherever an executor does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

if TYPE_CHECKING:
    from ._course import Course
    from ._journal import Journal
    from ._pool import Pool

__all__ = ["pool_for"]


def pool_for(course: Course, journal: Journal, *, executor: Any = None, dask: Any = None) -> Pool:
    """Make the pool that was asked for; ``course.n_proc`` processes where nothing else was."""
    if executor is not None:
        from ._executors import ExecutorPool

        return ExecutorPool(course, executor)
    if dask is not None:
        from ._dask import DaskPool

        return DaskPool(course, dask)
    if course.n_proc == 0:
        from ._in_process import InProcess

        return InProcess(course)
    from ._loky_pool import LokyPool

    return LokyPool(course, journal, course.n_proc)


def check_processes(name: str, num_proc: object) -> None:
    """Refuse a number of processes that cannot be."""
    if isinstance(num_proc, bool) or not isinstance(num_proc, int) or num_proc < 0:
        message = f"num_proc={num_proc!r} is no number of processes: 1 or more, or 0 to run in this process"
        raise SettingError(f"{name}: {message}", experiment=name, field="num_proc")
