"""The lives of a program, each a process of its own, forked where a slow framework is imported already."""

from __future__ import annotations

import atexit
import builtins
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import types
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Sequence

# What programs import that take long for it: also what the first step of an optimizer of torch's does.
TORCH = ("torch", "torch._dynamo", "torch.distributed.fsdp")
TRANSFORMERS = (
    "torch",
    "numpy",
    "accelerate",
    "transformers.trainer",
    "transformers.models.gpt2.modeling_gpt2",
)


@dataclass(frozen=True)
class Life:
    """How a program is started; with the same ``store`` it is started again."""

    args: Sequence[str] = ()
    store: str = "store"
    environ: dict[str, str] = field(default_factory=dict)
    config: str = ""
    #: It gets this signal when it has printed this line, neither sooner nor later.
    death: tuple[str, int] | None = None


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


def lives(
    folder: Path, program: str, frameworks: Sequence[str], wanted: Sequence[Life], **environ: str
) -> list[Ended]:
    """Run a program for each life in turn; modules that are named are imported once for all, with this environment."""
    return [ended for each in wanted for ended in together(folder, program, frameworks, [each], **environ)]


def together(
    folder: Path, program: str, frameworks: Sequence[str], wanted: Sequence[Life], **environ: str
) -> list[Ended]:
    """Run a program for several lives at a time; when one fails, the others are killed, as a launcher does it."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program), encoding="utf-8")
    task = {"folder": str(folder), "program": str(path), "lives": [vars(life) for life in wanted]}
    return [Ended(*one) for one in _parent(tuple(frameworks), environ).ask(task)]


class _Parent:
    """A process that has imported frameworks, and forks one for each life."""

    def __init__(self, key: tuple[Any, ...], frameworks: Sequence[str], environ: dict[str, str]) -> None:
        self._key = key
        # One thread each: an OpenMP that was used before the fork would not be there after it.
        common = clean_environ(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
        root = str(Path(__file__).parents[2])
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed at its end
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.lives", *frameworks],
            cwd=root,
            env=common | {"PYTHONPATH": root} | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )

    def ask(self, task: dict[str, Any]) -> Any:
        """Have it run a program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = told = ""
        try:
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(task) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
        finally:
            if not answer:  # it failed, or nobody waits any more for what it is doing
                told = self.end()
        assert answer, told
        return json.loads(answer)

    def end(self) -> str:
        """End it, with the lives that there are, and give what it told."""
        _PARENTS.pop(self._key, None)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        with self._errors:
            self._errors.seek(0)
            return self._errors.read()


# Few, for each has as much memory as its frameworks need.
_MOST = 2
_PARENTS: dict[tuple[Any, ...], _Parent] = {}


def _parent(frameworks: tuple[str, ...], environ: dict[str, str]) -> _Parent:
    """Give the process that has these, the one of the last test if it can be."""
    if not _PARENTS:
        atexit.register(_end_all)
    key = (frameworks, *sorted(environ.items()))
    found = _PARENTS.pop(key, None)
    if found is None:
        for each in list(_PARENTS.values())[: 1 - _MOST]:
            each.end()
        found = _Parent(key, frameworks, environ)
    _PARENTS[key] = found
    return found


def _end_all() -> None:
    for each in list(_PARENTS.values()):
        each.end()


def _serve(frameworks: Sequence[str]) -> None:
    """Be that process."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for name in frameworks:
        with suppress(ImportError):  # a program that needs it says so itself
            importlib.import_module(name)
    for line in sys.stdin:
        answers.write(json.dumps(_all(json.loads(line))) + "\n")
        answers.flush()


def _all(task: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Run the lives of a task, and tell how each ended."""
    numbers = {}
    for number, life in enumerate(task["lives"]):
        child = os.fork()
        if child == 0:
            _live(task, life, number)
        numbers[child] = number
    ended: dict[int, int] = {}
    while len(ended) < len(numbers):
        child, status = os.wait()
        ended[numbers[child]] = os.waitstatus_to_exitcode(status)
        if status:
            for other in numbers.keys() - {child}:
                if numbers[other] not in ended:
                    os.kill(other, signal.SIGKILL)
    streams = [[Path(task["folder"], f"{n}.{stream}") for stream in ("out", "err")] for n in sorted(ended)]
    told = [[path.read_text(encoding="utf-8", errors="replace") for path in paths] for paths in streams]
    return [(ended[number], *told[number]) for number in sorted(ended)]  # type: ignore[misc]


def _live(task: dict[str, Any], life: dict[str, Any], number: int) -> None:
    """Be the program, from its first line to the interpreter's end."""
    program = task["program"]
    os.chdir(task["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{number}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), target)
    settings = ",".join(filter(None, (f"root={life['store']}", life["config"])))
    os.environ.update({"LATTICE_JOB_ID": "program", "LATTICE_CHECKPOINT_CONFIG": settings} | life["environ"])
    sys.argv = [program, *life["args"]]
    sys.path.insert(0, task["folder"])
    source = Path(program).read_text(encoding="utf-8")
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # a process that is no fork would begin with numbers of its own, too
    if life["death"] is not None:
        _die_at(*life["death"])
    if "LATTICE_AUTOPATCH" in life["environ"]:
        importlib.import_module("lattice_addons.autopatch")
    # Its classes are found in __main__ by name, also in the save at the end.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = program
    exec(compile(source, program, "exec"), vars(main))  # noqa: S102 - the program of the test
    sys.exit()


def _die_at(line: str, number: int) -> None:
    """Have this process get a signal when it has printed a line."""
    plain = builtins.print

    def printed(*values: object, **options: Any) -> None:
        plain(*values, **options)
        if " ".join(map(str, values)) == line:
            os.kill(os.getpid(), number)

    builtins.print = printed


if __name__ == "__main__":
    _serve(sys.argv[1:])
