"""The lives of a program, each a process of its own, forked where a slow framework is imported already."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Life:
    """How a program is started; with the same ``store`` it is started again."""

    args: Sequence[str] = ()
    store: str = "store"
    environ: dict[str, str] = field(default_factory=dict)
    config: str = ""


@dataclass(frozen=True)
class Ended:
    """How it ended: its status (minus the signal that killed it), and what it printed."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """What it printed, without what a framework prints."""
        return [line[2:] for line in self.output.splitlines() if line.startswith("# ")]

    @property
    def result(self) -> Any:
        """The last line, which is JSON."""
        assert self.status == 0, self.output + self.errors
        return json.loads(self.lines[-1])


def lives(folder: Path, program: str, frameworks: Sequence[str], wanted: Sequence[Life]) -> list[Ended]:
    """Run a program for each life in turn; modules that are named are imported once for all."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    task = {"program": str(path), "frameworks": list(frameworks), "lives": [vars(life) for life in wanted]}
    # One thread each: an OpenMP that was used before the fork would not be there after it.
    environ = clean_environ(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    command = [sys.executable, "-m", "tests.integration.lives", json.dumps(task)]
    root = str(folder.__class__(__file__).parents[2])
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [Ended(*one) for one in json.loads(done.stdout)]


def _all(task: dict[str, Any]) -> list[tuple[int, str, str]]:
    for name in task["frameworks"]:
        importlib.import_module(name)
    ended = []
    for number, life in enumerate(task["lives"]):
        child = os.fork()
        if child == 0:
            _live(task["program"], life, number)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        printed, errors = (
            Path(f"{number}.{stream}").read_text(encoding="utf-8", errors="replace")
            for stream in ("out", "err")
        )
        ended.append((status, printed, errors))
    return ended


def _live(program: str, life: dict[str, Any], number: int) -> None:
    """Be the program, from its first line to the interpreter's end."""
    for target, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{number}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), target)
    settings = ",".join(filter(None, (f"root={life['store']}", life["config"])))
    os.environ.update(life["environ"], LATTICE_JOB_ID="program", LATTICE_CHECKPOINT_CONFIG=settings)
    sys.argv = [program, *life["args"]]
    source = Path(program).read_text(encoding="utf-8")
    if "LATTICE_AUTOPATCH" in life["environ"]:
        importlib.import_module("lattice_addons.autopatch")
    # Its classes are found in __main__ by name, also in the save at the end.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = program
    exec(compile(source, program, "exec"), vars(main))  # noqa: S102 - the program of the test
    sys.exit()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_all(json.loads(sys.argv[1]))))
