"""Classes of the program itself are the same classes after a restart."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPES = """
import abc, collections, dataclasses, enum, functools, sys, typing
from pathlib import Path

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Flags(enum.Flag):
    A = 1
    B = 2

@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0

@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int

Pair = collections.namedtuple("Pair", "left right")

class Typed(typing.NamedTuple):
    left: int

class Base(abc.ABC):
    @abc.abstractmethod
    def speak(self): ...

class Outer(Base):
    class Inner:
        def __init__(self, x): self.x = x
        def method(self): return self.x
    def speak(self): return "hello"

class MyError(Exception):
    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code

def function(x):
    return Point(x)

def decorated(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args)
    return wrapper

@decorated
def wrapped(x):
    return x + 1

@functools.lru_cache
def cached(x):
    return x

def values():
    return [Colour.RED, Flags.A | Flags.B, Point(1, 2), Frozen(3), Pair(1, 2), Typed(3), Outer().speak,
            Outer.Inner(5), MyError("x", 3), function, wrapped, cached, Outer.Inner(7).method, Colour, Outer.Inner,
            functools.partial(function, 3), {Colour.BLUE: Point(9)}]

def check(back):
    new = values()
    assert back[0] is Colour.RED
    assert back[1] is Flags.A | Flags.B or back[1] == Flags.A | Flags.B
    assert back[2] == Point(1, 2) and isinstance(back[2], Point) and back[2] < Point(2)
    assert back[3] == Frozen(3) and hash(back[3]) == hash(Frozen(3))
    assert back[4] == Pair(1, 2) and type(back[4]) is Pair
    assert type(back[5]) is Typed
    assert back[6]() == "hello" and type(back[6].__self__) is Outer
    assert type(back[7]) is Outer.Inner and back[7].x == 5
    assert type(back[8]) is MyError and back[8].code == 3
    assert back[9] is function and back[10] is wrapped and back[11] is cached
    assert back[12]() == 7
    assert back[13] is Colour and back[14] is Outer.Inner
    assert back[15]() == Point(3)
    assert back[16][Colour.BLUE] == Point(9)
"""

MAIN = (
    TYPES
    + """
def save(value, name="stored"):
    from lattice_addons.encoding import encode
    encoded = encode(value)
    folder = Path(name); folder.mkdir()
    for number, buffer in enumerate(encoded.buffers):
        (folder / str(number)).write_bytes(buffer)
    return encoded.encoding

def load(encoding, name="stored"):
    from lattice_addons.encoding import decode
    return decode(encoding, None, [bytearray(path.read_bytes()) for path in sorted(Path(name).iterdir())], type="T")
"""
)

SAVE_OR_CHECK = """
if __name__ == "__main__":
    if sys.argv[1] == "save":
        print(save(values()))
    else:
        check(load("pickle"))
        print("same")
"""


def said(program: Program, *args: str, **start: Any) -> str:
    """Run a program that must end well, and give what it printed."""
    ran = program.run(*args, **start)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([], []),
        ([], ["-m", "runpy"]),
        (["-O"], ["-X", "dev"]),
        (["-m", "pdb", "-c", "continue"], []),
    ],
    ids=["plain", "under runpy", "-O", "under pdb"],
)
def test_types_of_the_program_are_the_same_after_a_restart(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    """isinstance, ``is`` of Enum members, == of dataclasses and namedtuples hold."""
    source = MAIN + SAVE_OR_CHECK
    program = Program(tmp_path, source)
    if "runpy" in second:
        runner = (
            'import runpy, sys; sys.argv[0] = "program.py"; runpy.run_path("program.py", run_name="__main__")'
        )
        assert said(program, "save") == "pickle"
        assert said(Program(tmp_path, runner, "runner.py"), "check") == "same"
        return
    assert "pickle" in said(program, "save", python=first).splitlines()[0]
    assert said(program, "check", python=second) == "same"


def test_it_holds_for_modules_that_are_run(tmp_path: Path) -> None:
    """``python -m`` and the file itself call the same module ``__main__``."""
    program = Program(tmp_path, MAIN + SAVE_OR_CHECK)
    runner = Program(
        tmp_path,
        'import runpy, sys; runpy.run_module("program", run_name="__main__", alter_sys=True)',
        "go.py",
    )
    assert said(runner, "save") == "pickle"
    assert said(program, "check") == "same"


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_it_holds_between_a_program_and_its_workers(tmp_path: Path, method: str) -> None:
    """A multiprocessing child calls the program's module ``__mp_main__``."""
    source = (
        MAIN
        + f"""
def child():
    check(load("pickle", "parent"))
    assert save(values(), "child") == "pickle"
    assert save(Point.__module__, "module") == "json"
    print("child")

if __name__ == "__main__":
    import multiprocessing
    print(save(values(), "parent"))
    process = multiprocessing.get_context("{method}").Process(target=child)
    process.start(); process.join()
    assert process.exitcode == 0
    check(load("pickle", "child"))
    print("same")
"""
    )
    assert said(Program(tmp_path, source)).splitlines() == ["pickle", "child", "same"]


TYPED = """
print(save((Point(1, 2), lambda x: Point(x), Colour.RED)))
"""
ELSEWHERE = """
from pathlib import Path
from lattice_addons.encoding import decode
buffers = [bytearray(path.read_bytes()) for path in sorted(Path("stored").iterdir())]
point, function, colour = decode("cloudpickle", None, buffers)
assert (point.x, function(5).x, colour.value) == (1, 5, 1)
assert type(function(5)) is type(point)
print("there")
"""


def typed_on_stdin(folder: Path) -> str:
    """Run it as a shell's here-document would be."""
    command = [sys.executable, "-"]
    ran = subprocess.run(command, input=MAIN + TYPED, cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout


def typed_as_command(folder: Path) -> str:
    """Run it with ``-c``."""
    command = [sys.executable, "-c", MAIN + TYPED]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def typed_at_the_prompt(folder: Path) -> str:
    """Type it at the interactive prompt of a terminal."""
    (folder / "typed.py").write_text(MAIN + TYPED)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-q"])  # noqa: S606  the prompt itself
    said, typed = b"", False
    with contextlib.suppress(OSError):  # what a terminal says when the other side has closed it
        while more := os.read(terminal, 4096):
            said += more
            # Not before it is asked for: what sets the terminal up may throw away what was typed until then.
            if not typed and b">>> " in said:
                os.write(terminal, b"exec(open('typed.py').read())\rexit()\r")
                typed = True
    os.close(terminal)
    os.waitpid(pid, 0)
    return "cloudpickle" if re.search(rb"cloudpickle\r?\n", said) else said.decode()


@pytest.mark.parametrize("run", [typed_on_stdin, typed_as_command, typed_at_the_prompt])
def test_what_was_typed_in_goes_by_value(tmp_path: Path, run: Callable[[Path], str]) -> None:
    """Nothing of it will be there under its name after a restart."""
    assert run(tmp_path).strip() == "cloudpickle"
    assert said(Program(tmp_path, ELSEWHERE)) == "there"


def test_what_was_typed_into_ipython_goes_by_value(tmp_path: Path) -> None:
    """Its ``__main__`` is no file; a file run by it is."""
    pytest.importorskip("IPython")
    environ = clean_environ(IPYTHONDIR=str(tmp_path / "ipython"))
    program = Program(tmp_path, MAIN + SAVE_OR_CHECK)
    ipython = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": environ, "capture_output": True, "text": True}
    ran = subprocess.run([*ipython, "-c", MAIN + TYPED], **options, check=False)
    assert "cloudpickle" in ran.stdout, ran
    assert said(Program(tmp_path, ELSEWHERE, "elsewhere.py")) == "there"
    shutil.rmtree(tmp_path / "stored")
    ran = subprocess.run([*ipython, str(program.path), "save"], **options, check=False)
    assert "pickle" in ran.stdout.split(), ran
    assert said(program, "check") == "same"


def test_lambdas_refer_to_the_classes_of_the_program(tmp_path: Path) -> None:
    """A function by value finds the classes by reference."""
    source = (
        MAIN
        + """
if sys.argv[1] == "save":
    print(save({"f": lambda x: (Point(x), Colour.RED), "g": [Point(1)]}))
else:
    back = load("cloudpickle")
    assert back["f"](1) == (Point(1), Colour.RED) and back["f"](1)[1] is Colour.RED
    assert back["g"] == [Point(1)]
    print("same")
"""
    )
    program = Program(tmp_path, source)
    assert said(program, "save") == "cloudpickle"
    assert said(program, "check") == "same"


def test_a_class_that_was_renamed_is_named(tmp_path: Path) -> None:
    """The error says which, and what to do."""
    program = Program(tmp_path, MAIN + SAVE_OR_CHECK)
    said(program, "save")
    program.path.write_text(program.path.read_text().replace("Frozen", "Solid"))
    ran = program.run("check")
    assert ran.returncode == 1
    assert "DecodeError" in ran.stderr
    assert "__main__.Frozen is not there any more: the main program has no 'Frozen'" in ran.stderr
    assert "kept in the checkpoint" in ran.stderr
