"""What a life of a program is told through its environment."""

from __future__ import annotations

import os

from ._names import run_of

__all__ = ["environ_of"]


def environ_of(job: str | None, run: str | None, number: int, fresh: str | None) -> dict[str, str]:
    """Give the environment of a life: as this process's own, with the names of the job and of this start of it.

    Without a ``fresh`` name the launcher that has started many of us tells its processes what they are.
    """
    environ = dict(os.environ)
    if job is not None:
        environ["LATTICE_JOB_ID"] = job
    if fresh is not None:
        environ["LATTICE_RUN_ID"] = run_of(run, number, fresh)
    if not environ.get("LATTICE_AUTOPATCH"):
        return environ
    # Imported where it is asked for: it watches what the process that imports it imports.
    from lattice_addons.autopatch import autopatch_environment

    return autopatch_environment(environ)
