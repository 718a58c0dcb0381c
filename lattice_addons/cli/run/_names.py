"""What a program's job is called, and each of its starts."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lattice_addons.lifecycle import folder_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lattice_addons.settings import Settings

__all__ = ["job_of", "named", "run_of"]

_PYTHON = re.compile(r"python[0-9.]*|pypy[0-9.]*")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})


def job_of(command: Sequence[str]) -> str | None:
    """Give the name that a program gives its job when nobody names it; None where the command does not tell."""
    first = os.path.basename(command[0])
    if first in _SHELLS:
        return None
    # Also behind a launcher: `torchrun --nproc-per-node 2 train.py`.
    script = next((word for word in command if word.endswith(".py")), None)
    if script is not None:
        stem = os.path.basename(script).removesuffix(".py")
        name = os.path.basename(os.path.dirname(os.path.abspath(script))) if stem == "__main__" else stem
        return folder_name(name)
    if "-m" in command[1:-1]:
        return folder_name(command[command.index("-m") + 1].removesuffix(".__main__"))
    return None if _PYTHON.fullmatch(first) else folder_name(os.path.splitext(first)[0])


def named(
    given: str | None, settings: Settings, command: Sequence[str], environ: Mapping[str, str]
) -> str | None:
    """Give the name that the program must be told; None where it names its job itself."""
    if given is not None or settings.job_id is not None:
        return given
    task = environ.get("SLURM_ARRAY_TASK_ID")
    if task is None:
        return None
    # All tasks of an array run one script: each is a job of its own.
    return folder_name(f"{job_of(command) or environ.get('SLURM_JOB_NAME', 'job')}-{task}")


def run_of(given: str | None, number: int, fresh: str) -> str:
    """Give the name of one start: that of another would let its ranks join those that have died."""
    if given is None:
        return f"{fresh}.{number}"
    return given if number == 1 else f"{given}.{number}"
