"""Which job, which rank, and whether this process is one that must not save."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from lattice_addons.settings import Settings

__all__ = [
    "folder_name",
    "forked_from",
    "job_id",
    "note_fork",
    "passive_reason",
    "rank",
    "run_id",
    "world_size",
]

INTERACTIVE = "interactive"
# Where a kernel is told which notebook is its own.
_VSCODE, _JUPYTER = "__vsc_ipynb_file__", "JPY_SESSION_NAME"
# Each names (this process's number, how many there are), and what tells one start of the job from another: only what
# is the same for all of its processes. Not MASTER_ADDR, which is localhost for some; not torchrun's count of restarts,
# which each of its agents keeps for itself.
_SLURM_STEP = ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_STEP_ID")
_RANKS = (
    ("RANK", "WORLD_SIZE", ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "TORCHELASTIC_RUN_ID", "MASTER_PORT")),
    (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"),
    ),
    # MPICH, and what is made of it (Intel MPI, MVAPICH, Cray MPICH). Before SLURM: of a job of theirs that asks SLURM
    # for its nodes, SLURM counts the nodes.
    ("PMI_RANK", "PMI_SIZE", ("SLURM_JOB_ID", "SLURM_RESTART_COUNT")),
    # Not SLURM_NTASKS: a batch script that runs without srun is one process, whatever was allocated.
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", _SLURM_STEP),
)
# Modules that run another program with `python -m`, in their own __main__.
_RUNNERS = frozenset({"cProfile", "profile", "trace", "__main__"})

# The process this one was forked from after Lattice was imported; set by the fork hook in the child.
_forked_from: int | None = None


def note_fork(parent: int) -> None:
    """Remember, in a forked child, whose child it is."""
    global _forked_from  # noqa: PLW0603 - one fact about the process
    _forked_from = parent


def forked_from() -> int | None:
    """Give the pid of the process this one was forked from, if it was forked since Lattice was imported."""
    return _forked_from


def job_id(settings: Settings) -> str:
    """Name the job: as the settings say, else after the program."""
    return settings.job_id or folder_name(_program_name(sys.modules.get("__main__")))


def _program_name(main: ModuleType | None) -> str:
    """Give a module's name (`-m`), a script's stem, a notebook's, or `interactive`."""
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _RUNNERS:
        return str(spec.name.removesuffix(".__main__"))
    path = getattr(main, "__file__", None) if spec is None else (sys.argv or [""])[0]
    # A prompt has no file; so have `-c`, stdin and notebooks.
    if not path or path in ("-c", "-") or path.startswith("<"):
        return _notebook_name(main) or INTERACTIVE
    if _stem(path) == "__main__":
        path = os.path.dirname(os.path.abspath(path))
    return _stem(path)


def _notebook_name(main: ModuleType | None) -> str:
    """Give the name of the notebook that this process is the kernel of; empty where nobody says."""
    # What a cell starts has the kernel's environment, and is another program.
    if "ipykernel" not in sys.modules:
        return ""
    # Visual Studio Code says it in the notebook's names, Jupyter's server in the environment. The latter has the names
    # of consoles, too, which are others at each start; behind a file's name an editor may put what it needs.
    path = getattr(main, _VSCODE, None) or os.environ.get(_JUPYTER, "")
    name, ending, _ = os.path.basename(str(path)).rpartition(".ipynb")
    return name if ending else ""


def _stem(path: str) -> str:
    """Give what pathlib does, which is a large import."""
    name = os.path.basename(os.path.normpath(path))
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def folder_name(name: str) -> str:
    """Make a name that is a folder's on every file system and object store."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:100] or INTERACTIVE


def _place() -> tuple[int, int, tuple[str, ...]]:
    """Read (rank, world size, names of what tells the start) from what launchers set; (0, 1, ()) without one."""
    for number, count, start in _RANKS:
        texts = os.environ.get(number, ""), os.environ.get(count, "")
        # Both or neither: a lone RANK may be anybody's variable.
        if all(text.isascii() and text.isdigit() for text in texts):
            here, of = int(texts[0]), int(texts[1])
            if here < of:
                return here, of, start
    return 0, 1, ()


def rank() -> int:
    """Give the number of this process among those of its job."""
    return _place()[0]


def world_size() -> int:
    """Give how many processes the job runs as."""
    return _place()[1]


def run_id(settings: Settings) -> tuple[str | None, bool]:
    """Give what this start of the job is called, None where nobody says, and whether no other start is called so."""
    if settings.run_id is not None:
        # torchrun starts all of its processes anew when one dies, with the environment that it has itself.
        return settings.run_id, os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") == "0"
    names = _place()[2]
    told = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    # Other launchers are often told a name that stays the same, or make one of a process's number, which comes again.
    unique = names == _SLURM_STEP and all(os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return " ".join(told) or None, unique


def passive_reason() -> str | None:
    """Say why this process must neither save nor take its parent's place; None when it may save."""
    if _forked_from is not None:
        return f"forked child of process {_forked_from}"
    if _in_multiprocessing():
        return f"multiprocessing worker of process {os.getppid()}"
    if any("loky.backend.popen_loky" in part for part in sys.orig_argv):
        return f"loky worker of process {os.getppid()}"
    if "pytest" in sys.modules and ("PYTEST_VERSION" in os.environ or "PYTEST_CURRENT_TEST" in os.environ):
        return "pytest run"
    return None


def _in_multiprocessing() -> bool:
    # Asked without importing multiprocessing: where it is not loaded, this is no worker of it.
    process = sys.modules.get("multiprocessing.process")
    # While a spawned child imports __main__ again, parent_process() is not set yet, _inheriting is.
    if process is not None and (
        process.parent_process() is not None or getattr(process.current_process(), "_inheriting", False)
    ):
        return True
    # The fork server itself imports __main__, too, and is nobody's parent_process() child.
    marks = ("--multiprocessing-fork", "multiprocessing.forkserver import", "multiprocessing.spawn import")
    return any(mark in part for part in sys.orig_argv for mark in marks)
