"""The programs with which a user begins, stopped and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, clean_environ, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = """
    from lattice_addons import StateManagerGroup, PicklableDict
    mgr = StateManagerGroup()
    mgr.register('state1')
    print('found', mgr.get('state1'))
    state = PicklableDict(k1=3)
    mgr.update('state1', state)
    state['k2'] = 4
"""

COPY = """
    from lattice_addons import StateManagerGroup, PicklableDict, StateCopyManager
    mgr = StateManagerGroup()
    mgr.register('state1', StateCopyManager)
    if mgr.get('state1') is not None:
        print('found', mgr.get())
    state = PicklableDict(k1=3)
    mgr.update('state1', state)
    state['k1'] = 4
"""

CLOSURE = """
    from lattice_addons import StateManagerGroup, StateClosureManager
    mgr = StateManagerGroup()
    mgr.register('loss', StateClosureManager)
    print('found', mgr.get('loss'))
    loss = 0.1
    mgr.update('loss', lambda: loss)
    loss = 0.2
    print('now', mgr.get('loss'))
"""

SYMBOL = """
    from lattice_addons import StateManagerGroup, StateSymbolicManager
    mgr = StateManagerGroup()
    mgr.register('loss', StateSymbolicManager)
    print('found', mgr.get('loss'))
    loss = 0.1
    mgr.update('loss', loss)
    loss = 0.2
    print('now', mgr.get('loss'))
"""

FILE = """
    import sys
    from lattice_addons import StateManagerGroup
    mgr = StateManagerGroup()
    mgr.register('file')
    if len(sys.argv) == 1:
        f = open('test.txt', 'w')
        mgr.update('file', f)
        f.write('hello')
    else:
        f = mgr.get('file')
        print('found', f.tell(), open('test.txt').read(), f.mode)
        f.write(' again')
"""


@pytest.mark.every_python
@pytest.mark.parametrize(
    ("source", "first", "second"),
    [
        (REFERENCE, "found None\n", "found PicklableDict({'k1': 3, 'k2': 4})\n"),
        (COPY, "", "found PicklableDict({'k1': 3})\n"),
        (CLOSURE, "found None\nnow 0.2\n", "found 0.2\nnow 0.2\n"),
        (SYMBOL, "found None\nnow 0.2\n", "found 0.2\nnow 0.2\n"),
    ],
    ids=["reference", "copy", "closure", "symbol"],
)
def test_a_value_is_found_after_the_restart(tmp_path: Path, source: str, first: str, second: str) -> None:
    """The first run saves at its end, the second finds it, and neither prints anything of ours."""
    program = Program(tmp_path, source)

    for expected in (first, second):
        ended = program.run()
        assert (ended.stdout, ended.stderr, ended.returncode) == (expected, "", 0)


def test_a_file_is_found_after_the_restart(tmp_path: Path) -> None:
    """Contents and position are those of the end of the first run, also when the file was truncated meanwhile."""
    program = Program(tmp_path, FILE)
    assert program.run().stderr == ""
    (tmp_path / "test.txt").write_text("")

    ended = program.run("again")

    assert ended.stdout == "found 5 hello w\n", ended.stderr
    assert (tmp_path / "test.txt").read_text() == "hello again"
    program.run("again")
    assert (tmp_path / "test.txt").read_text() == "hello again again"


@pytest.mark.every_python
def test_a_loop_carries_on_after_every_kind_of_stop(tmp_path: Path) -> None:
    """SIGTERM, then SIGKILL with periodic saving, then to the end: every element is counted once."""
    program = Program(
        tmp_path,
        """
        import sys, time
        from lattice_addons import StateManagerGroup, StateClosureManager
        group = StateManagerGroup()
        group.register('done', StateClosureManager)
        done = group.get('done') or []
        group.update('done', lambda: done)
        for n in group.resume(range(60), 'loop'):
            done.append(n)
            time.sleep(0.01)
            print('at', n)
            if sys.argv[1:] == [str(n)]:
                sys.stdin.read()  # until it was stopped
        print('all', done == list(range(60)))
        """,
    )
    config = "periodic_saving=enabled,periodic_saving_interval=0.05"
    for last, stop, status in (("15", signal.SIGTERM, -15), ("40", signal.SIGKILL, -9)):
        process = program.start(last, config=config)
        wait_for(process, f"at {last}")
        process.send_signal(stop)
        assert finish(process).returncode == status

    ended = program.run(config=config)

    assert ended.stdout.splitlines()[-1] == "all True"
    assert ended.stdout.splitlines()[0] != "at 0"


@pytest.mark.parametrize("how", [pytest.param("script", marks=pytest.mark.every_python), "module", "package"])
def test_a_programs_own_classes_are_the_same_after_an_exit_save(tmp_path: Path, how: str) -> None:
    """The save at exit finds classes by their names, though Python has taken ``__file__`` from the program."""
    source = """
        import enum
        from lattice_addons import StateManagerGroup
        class Thing: pass
        class Color(enum.Enum):
            RED = 1
        group = StateManagerGroup()
        group.register('both')
        both = group.get('both')
        if both is not None:
            print(type(both[0]) is Thing, both[1] is Color.RED)
        group.update('both', (Thing(), Color.RED))
    """
    if how == "package":
        (tmp_path / "pack").mkdir()
        Program(tmp_path / "pack", source, "__main__.py")
        (tmp_path / "pack" / "__init__.py").touch()
    program = Program(tmp_path, source)
    python = {"script": [], "module": ["-m", "program"], "package": ["-m", "pack"]}[how]
    command = [sys.executable, *python] if python else [sys.executable, str(program.path)]

    def run() -> str:
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=150,
            check=True,
        )
        return ended.stdout

    assert [run(), run()] == ["", "True True\n"]
