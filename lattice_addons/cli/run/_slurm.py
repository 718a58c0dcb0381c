"""SLURM is told what it must do: put a job back into its queue, or pass a signal to its tasks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

__all__ = ["Slurm"]

_PATIENCE = 30.0


class Slurm:
    """The allocation that this process runs in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.job: str = environ.get("SLURM_JOB_ID", "")
        # One task of an array has the number of the whole array, and by that all of its tasks would be meant.
        array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
        self._named = f"{array}_{task}" if array and task else self.job
        self._task = environ.get("SLURM_PROCID", "0")
        count = environ.get("SLURM_RESTART_COUNT", "0")
        #: How often the job has been put back into the queue.
        self.restarts: int = int(count) if count.isdecimal() else 0

    def __bool__(self) -> bool:
        """Say whether there is one."""
        return bool(self.job)

    def in_vain(self, last: tuple[str, int] | None) -> int:
        """Count the starts of this job in a row that have saved nothing, if this one has not: ``last`` saved last."""
        job, start = last if last is not None else ("", 0)
        return self.restarts - start if job == self.job else self.restarts + 1

    def requeue(self) -> str:
        """Have the job started again when there is room; give what is to be told of it."""
        # Of many tasks that each are told, one is enough; a second time would be an error.
        if self._task != "0":
            return f"task 0 puts job {self._named} back into the queue"
        failure = _run("scontrol", "requeue", self._named)
        if failure is None:
            return f"job {self._named} is put back into the queue"
        return f"job {self._named} is NOT put back into the queue: {failure}; see that it was submitted with --requeue"

    def reaches(self, command: Sequence[str]) -> bool:
        """Say whether a program is to be reached through SLURM: `srun` would kill its tasks by SIGTERM, unsaved."""
        return bool(self) and os.path.basename(command[0]) == "srun"

    def send(self, pid: int, signum: signal.Signals) -> None:
        """Pass a signal to the tasks of the job's steps, and not to the batch script."""
        if _run("scancel", f"--signal={signum.name.removeprefix('SIG')}", self._named) is not None:
            os.kill(pid, signum)


def _run(*command: str) -> str | None:
    """Run one of SLURM's commands; give what was wrong."""
    try:
        ended = subprocess.run(  # noqa: S603 - SLURM's own, found where the job finds it
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (
        (ended.stderr.strip() or f"{command[0]} ended with status {ended.returncode}")
        if ended.returncode
        else None
    )
