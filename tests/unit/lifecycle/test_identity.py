"""The job's name, the process's rank, and who must not save."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from lattice_addons.lifecycle import job_id, passive_reason, rank, world_size
from lattice_addons.settings import Settings
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

NAMED = """
from lattice_addons.lifecycle import job_id, passive_reason
from lattice_addons.settings import Settings
print(job_id(Settings()), passive_reason())
"""


def said(folder: Path, *command: str, typed: str | None = None) -> str:
    """Give what Python prints for this command."""
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=clean_environ(),
        input=typed,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


@pytest.mark.parametrize(
    ("path", "command", "name"),
    [
        ("train.py", ["train.py"], "train"),
        ("my model (2).py", ["my model (2).py"], "my_model_2"),
        ("console-script", ["console-script"], "console-script"),
        ("package/part.py", ["-m", "package.part"], "package.part"),
        ("package/__main__.py", ["-m", "package"], "package"),
        ("package/__main__.py", ["package"], "package"),
        ("package/__main__.py", ["package/__main__.py"], "package"),
        ("train.py", ["-m", "cProfile", "-o", "out", "train.py"], "train"),
        ("...py", ["...py"], "interactive"),
    ],
)
def test_the_programs_name(tmp_path: Path, path: str, command: list[str], name: str) -> None:
    """The script's stem, the module with -m, the folder of a __main__; always a folder's name."""
    script = tmp_path / path
    script.parent.mkdir(exist_ok=True)
    script.write_text(NAMED, encoding="utf-8")
    assert said(tmp_path, *command) == f"{name} None"


def test_without_a_program(tmp_path: Path) -> None:
    """A prompt, -c and stdin are all called interactive."""
    assert said(tmp_path, "-c", NAMED) == "interactive None"
    assert said(tmp_path, typed=NAMED) == "interactive None"
    assert said(tmp_path, "-", typed=NAMED) == "interactive None"
    assert said(tmp_path, "-i", "-q", typed=NAMED) == "interactive None"


@pytest.mark.parametrize(
    ("environ", "names", "name"),
    [
        ({"JPY_SESSION_NAME": "/home/me/my study.ipynb"}, {}, "my_study"),
        ({"JPY_SESSION_NAME": "study.v2.ipynb"}, {}, "study.v2"),
        ({"JPY_SESSION_NAME": "/home/me/study.ipynb-jvsc-0f3a"}, {}, "study"),
        (
            {"JPY_SESSION_NAME": "/home/me/study.ipynb"},
            {"__vsc_ipynb_file__": "/home/me/other.ipynb"},
            "other",
        ),
        # A console, which is another at each start; and nobody says anything, as in Colab.
        ({"JPY_SESSION_NAME": "console-1-5f2b"}, {}, "interactive"),
        ({}, {}, "interactive"),
    ],
)
def test_a_notebooks_name(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], names: dict[str, str], name: str
) -> None:
    """The file's, where whoever runs the kernel says it; what the kernel starts is another program."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    main = ModuleType("__main__")
    vars(main).update(names)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    assert job_id(Settings()) == name
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert job_id(Settings()) == "interactive"


def test_a_zipped_program(tmp_path: Path) -> None:
    """It is called after its file."""
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", NAMED)
    assert said(tmp_path, "app.pyz") == "app None"


def test_the_settings_have_the_last_word() -> None:
    """A job id that is given is the job's."""
    assert job_id(Settings(job_id="mine")) == "mine"


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, (0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2)),
        # On the second of two nodes, each with the one task of SLURM's that starts MPICH's ranks.
        ({"PMI_RANK": "5", "PMI_SIZE": "8", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, (5, 8)),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}, (2, 4)),
        # A batch script that runs without srun is one process of the allocation's many.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, (0, 1)),
        ({"RANK": "captain", "WORLD_SIZE": "8"}, (0, 1)),
        ({"RANK": "3"}, (0, 1)),
        ({"RANK": "8", "WORLD_SIZE": "8"}, (0, 1)),
        ({"RANK": "-1", "WORLD_SIZE": "8"}, (0, 1)),
        ({"RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "9"}, (1, 2)),
    ],
)
def test_the_rank(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], place: tuple[int, int]) -> None:
    """What launchers say, where they say both number and count."""
    for prefix in ("", "OMPI_COMM_WORLD_", "PMI_"):
        monkeypatch.delenv(f"{prefix}RANK", raising=False)
        monkeypatch.delenv(f"{prefix}SIZE", raising=False)
    for name in ("WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert (rank(), world_size()) == place


def test_a_test_run_is_passive() -> None:
    """Here and now pytest runs."""
    assert passive_reason() == "pytest run"


def test_a_program_that_tests_start_is_not() -> None:
    """The variable is inherited, pytest itself is not."""
    code = "from lattice_addons.lifecycle import passive_reason; print(passive_reason())"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environ(PYTEST_CURRENT_TEST="x"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "None\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_while_a_worker_imports_the_program(tmp_path: Path, method: str) -> None:
    """At its top, before multiprocessing itself knows a parent, the worker is known as one."""
    source = (
        "import multiprocessing, os\nfrom lattice_addons.lifecycle import passive_reason\n"
        "top = passive_reason()\n"
        "def work(_): return top\n"
        f"if __name__ == '__main__':\n    print(multiprocessing.get_context('{method}').Pool(1).map(work, [0]))\n"
    )
    (tmp_path / "program.py").write_text(source, encoding="utf-8")
    assert said(tmp_path, "program.py").startswith("['multiprocessing worker of process")
