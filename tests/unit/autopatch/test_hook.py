"""The patches are put on when a framework is imported, and cost nothing where none is."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lattice_addons
from lattice_addons.autopatch import autopatch_environment
from lattice_addons.autopatch._hook import KNOWN, wanted
from lattice_addons.errors import SettingsError
from tests.program import clean_environ


def run(source: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is started with the patches."""
    given = autopatch_environment(clean_environ(LATTICE_AUTOPATCH="torch", PYTHONPATH=str(folder)) | environ)
    command = [sys.executable, "-c", source]
    return subprocess.run(
        command, env=given, cwd=folder, capture_output=True, text=True, timeout=150, check=False
    )


def test_a_program_without_frameworks(tmp_path: Path) -> None:
    """Nothing is imported for it, not even what saves."""
    heavy = ("torch", "numpy", "lattice_addons.state", "lattice_addons.autopatch._course")
    ran = run(f"import sys; print([name for name in {heavy} if name in sys.modules])", tmp_path)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_the_machines_own_sitecustomize_runs(tmp_path: Path) -> None:
    """The one that would have been found without ours, under its own name."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.by_the_machine = __file__", encoding="utf-8")
    ran = run("import sys, sitecustomize; print(sys.by_the_machine, sitecustomize.__file__)", tmp_path)
    assert ran.stdout.split() == [str(tmp_path / "sitecustomize.py")] * 2, ran.stderr


def test_a_name_that_is_not_known_keeps_no_python_from_starting(tmp_path: Path) -> None:
    """It is told, and all else is as without it: the machine's own sitecustomize has run."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.by_the_machine = __file__", encoding="utf-8")
    ran = run("import sys; print(sys.by_the_machine)", tmp_path, LATTICE_AUTOPATCH="torhc")
    assert ran.stdout.split() == [str(tmp_path / "sitecustomize.py")], ran.stderr
    assert "LATTICE_AUTOPATCH=torhc: no patches are known for torhc" in ran.stderr


def test_a_framework_is_patched_when_it_is_imported(tmp_path: Path) -> None:
    """After its own code ran, once, and it keeps its own loader; a program that fails to import it sees why."""
    (tmp_path / "framework.py").write_text("ready = True", encoding="utf-8")
    (tmp_path / "patches.py").write_text(
        "def put_on(module):\n    module.patched = module.ready", encoding="utf-8"
    )
    source = """
import sys
from lattice_addons.autopatch import _hook
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != _hook.__name__]
_hook.KNOWN.update(framework=("framework", "patches:put_on"), none=("not_there", "patches:put_on"))
_hook.install(["framework", "none"])
assert "framework" not in sys.modules and "patches" not in sys.modules
import framework
print(framework.patched, type(framework.__loader__).__name__, framework.__spec__.loader is framework.__loader__)
try:
    import not_there
except ModuleNotFoundError as error:
    print(error)
"""
    ran = run(source, tmp_path)
    assert ran.stdout == "True SourceFileLoader True\nNo module named 'not_there'\n", ran.stderr


def test_names_of_frameworks() -> None:
    """Some, all, none said; one that is not known is told with those that are."""
    assert wanted("torch, transformers") == ["torch", "transformers"]
    assert wanted(None) == wanted("all") == wanted("torch,all") == list(KNOWN)
    with pytest.raises(SettingsError, match=r"no patches are known for tensorflow; known: torch, "):
        wanted("torch,tensorflow")


def test_environment_of_a_job() -> None:
    """Only one that asks for patches is changed, and what stands on its path stays, behind ours, once."""
    assert autopatch_environment({"PYTHONPATH": "a"}) == {"PYTHONPATH": "a"}
    given = autopatch_environment({"LATTICE_AUTOPATCH": "torch", "PYTHONPATH": os.pathsep.join(["a", "b"])})
    first, *rest = given["PYTHONPATH"].split(os.pathsep)
    assert first.endswith("_startup")
    assert rest == ["a", "b"]
    assert autopatch_environment(given) == given


def test_where_the_package_was_found_it_is_found_again() -> None:
    """It may be there by ``PYTHONPATH`` alone, with all that the program imports."""
    folder = str(Path(lattice_addons.__file__).parents[1])
    given = autopatch_environment({"LATTICE_AUTOPATCH": "torch", "PYTHONPATH": folder})
    assert given["PYTHONPATH"].split(os.pathsep)[1:] == [folder]


TRAINERS = {
    "lightning": """
import lightning
lightning.Trainer(accelerator="cpu", barebones=True)
print("# lightning", lightning.Trainer.fit.lattice)
""",
    "transformers": """
import torch, transformers
class Model(torch.nn.Linear): pass
arguments = transformers.TrainingArguments("out", report_to=[], use_cpu=True)
transformers.Trainer(Model(1, 1), arguments)
print("# transformers", transformers.Trainer.train.lattice)
""",
}


@pytest.mark.frameworks
@pytest.mark.parametrize(
    "first", ["{0}", "lattice_addons.integrations.{0}"], ids=["framework", "integration"]
)
def test_trainers_are_patched_whatever_is_imported_first(tmp_path: Path, first: str) -> None:
    """The patches need all of a framework, and are put on in the middle of its import."""
    for framework in TRAINERS:
        if find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed")
    parts = [f"import {first.format(framework)}\n{made}" for framework, made in TRAINERS.items()]
    source = "import lattice_addons.autopatch\n" + "\n".join(parts)
    environ = clean_environ(LATTICE_AUTOPATCH=",".join(TRAINERS), OMP_NUM_THREADS="1")
    command = [sys.executable, "-W", "ignore", "-c", source]
    ran = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    told = [line for line in ran.stdout.splitlines() if line.startswith("# ")]
    assert told == ["# lightning True", "# transformers True"], ran.stderr
