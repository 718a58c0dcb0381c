"""However a program ends, its value is there at the next start, and its end looks as it would without us."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.ending import ending, kept, manifests, reasons, restored, same_as_without
from tests.program import finish, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.program import Program

# How it ends: the reason that is recorded, and the end of the program.
ENDINGS = {
    "falling off the end": ("exit", ""),
    "sys.exit()": ("exit", "sys.exit()"),
    "sys.exit(3)": ("exit", "sys.exit(3)"),
    "sys.exit(text)": ("exit", "sys.exit('no more')"),
    "exit in a thread": ("exit", "t = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join()"),
    "exception": ("exception", "1 / 0"),
    "exception with a hook": ("exception", "sys.excepthook = lambda *error: print('mine')\n1 / 0"),
    "exception in a thread": (
        "exit",
        "t = threading.Thread(target=int, args=('x',), name='t'); t.start(); t.join()",
    ),
    "exception in asyncio": ("exception", "async def main(): raise LookupError\nasyncio.run(main())"),
    "Ctrl-C": ("exception", "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"),
    "Ctrl-C that is caught": (
        "exit",
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\nexcept KeyboardInterrupt: print('caught')",
    ),
    "a thread that works on": (
        "exit",
        "value['n'] = 0\nthreading.Thread(target=lambda: (time.sleep(0.1), value.update(n=7))).start()",
    ),
    "an unset stderr": ("exit", "sys.stderr = None"),
    "closed standard streams": ("exit", "os.closerange(0, 3)"),
}


# The ways that each Python has rewritten now and then: these are tried on all of them, the others on one.
EVERYWHERE = ("falling off the end", "exception", "Ctrl-C", "a thread that works on")


@pytest.mark.parametrize(
    "how",
    [pytest.param(how, marks=[pytest.mark.every_python] * (how in EVERYWHERE)) for how in ENDINGS],
)
def test_ending(tmp_path: Path, how: str) -> None:
    """Status, output and traceback are as without us; the value is what the next start will find."""
    reason, body = ENDINGS[how]
    program = ending(tmp_path, body)
    same_as_without(program)
    assert reasons(program) == [reason]
    assert kept(program) == "{'n': 7}"


def test_atexit_callbacks_of_the_program(tmp_path: Path) -> None:
    """What those change that were registered after us is saved; those registered before us are still called."""
    program = ending(
        tmp_path,
        "value['n'] = 0\natexit.register(value.update, n=7)",
        before="import atexit\natexit.register(print, 'first')",
    )
    assert same_as_without(program).stdout == "first\n"
    assert restored(program) == "{'n': 7}"


UNTIL_SAVED = "while 'ours' in sys.argv and saves() < 2: time.sleep(0.02)"
# The last periodic checkpoint is all that these leave.
SUDDEN = {
    "os._exit": "os._exit(4)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "abort": "os.abort()",
    "exec": "os.execv('/bin/sh', ['sh', '-c', 'exit 6'])",
    "atexit emptied": "import atexit; atexit._clear()",
}


@pytest.mark.parametrize("how", SUDDEN)
def test_sudden_ending(tmp_path: Path, how: str) -> None:
    """The program ends with no chance to save: the last periodic save is what there is."""
    program = ending(tmp_path, f"{UNTIL_SAVED}\n{SUDDEN[how]}")
    same_as_without(program, config="periodic_saving=enabled,periodic_saving_interval=0.1")
    assert set(reasons(program)) == {"periodic"}
    assert restored(program) == "{'n': 7}"


def test_out_of_memory(tmp_path: Path) -> None:
    """A program that gets no more memory ends with its error, and what it had is saved."""
    body = """
        import resource
        def limit(more):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
        limit(64 << 20)
        big = bytearray(1 << 30)
    """
    program = ending(tmp_path, body)
    same_as_without(program)
    assert restored(program) == "{'n': 7}"


def test_killed_for_memory(tmp_path: Path) -> None:
    """The system kills the program in a memory group of its own: the last periodic save is what there is."""
    # Others may run this test at the same time.
    group = memory_group(f"{tmp_path.name}-{os.getpid()}")
    if group is None:
        pytest.skip("no memory control group can be made here")
    body = f"""
        {UNTIL_SAVED}
        open("{group}/cgroup.procs", "w").write(str(os.getpid()))
        hog = []
        while True:
            hog.append(bytearray(os.urandom(1 << 20)))
    """
    program = ending(tmp_path, body)
    try:
        ended = program.run("ours", config="periodic_saving=enabled,periodic_saving_interval=0.1")
    finally:
        group.rmdir()
    assert ended.returncode == -signal.SIGKILL
    assert restored(program) == "{'n': 7}"


def memory_group(name: str) -> Path | None:
    """Make a memory control group of 64 MiB, in either version of the interface."""
    from pathlib import Path

    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = parent / name
        try:
            group.mkdir()
            (group / limit).write_text(str(64 << 20), encoding="ascii")
        except OSError:
            if group.is_dir():
                group.rmdir()
        else:
            return group
    return None


SPOILT = "import shutil; root = os.path.abspath('.lattice'); shutil.rmtree(root, ignore_errors=True); open(root, 'w')"


def test_a_failed_save_at_exit_is_said_in_one_line(tmp_path: Path) -> None:
    """It does not change the status."""
    program = ending(tmp_path, f"{SPOILT}\nsys.exit(3)")
    ended = program.run()
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("lattice: the save (exit) failed: ")


def test_strict_makes_a_failed_save_the_status(tmp_path: Path) -> None:
    """With LATTICE_STRICT=1 the status is the error's, and what was printed is not lost."""
    program = ending(tmp_path, f"print('done', end='')\n{SPOILT}")
    ended = program.run(environ={"LATTICE_STRICT": "1", "PYTHONUNBUFFERED": ""})
    assert ended.returncode == 74, ended.stderr
    assert ended.stdout == "done"


def test_strict_changes_nothing_else(tmp_path: Path) -> None:
    """A save that succeeds leaves the program's own status."""
    ended = ending(tmp_path, "sys.exit(3)").run(environ={"LATTICE_STRICT": "1"})
    assert ended.returncode == 3


def test_disabled(tmp_path: Path) -> None:
    """With LATTICE_DISABLE=1 nothing is saved, and no signal is taken."""
    program = ending(tmp_path, "print(signal.getsignal(15) is signal.SIG_DFL, threading.active_count())")
    ended = program.run(environ={"LATTICE_DISABLE": "1"})
    assert ended.stdout == "True 1\n"
    assert not program.root.exists()


# The save goes on when the line has come that is sent after the signal.
SIGNAL_DURING_SAVE = """
    from lattice_addons.state import StateClosureManager
    def slow():
        print("saving", flush=True)
        sys.stdin.readline()
        return 1
    group.register("slow", StateClosureManager)
    group.update("slow", slow)
    sys.exit(3)
"""


def signalled_during_the_save(program: Program, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Send a signal to a program that is in its save at exit; run it to its end."""
    process = program.start()
    wait_for(process, "saving")
    process.send_signal(number)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return finish(process)


@pytest.mark.every_python
def test_ctrl_c_during_the_save_at_exit(tmp_path: Path) -> None:
    """It waits for the save; the status stays."""
    program = ending(tmp_path, SIGNAL_DURING_SAVE)
    ended = signalled_during_the_save(program, signal.SIGINT)
    assert ended.returncode == 3
    assert ended.stderr == ""
    assert manifests(program)[-1]["slots"]["slow"]["value"] == 1


def test_ctrl_c_just_before_the_save_at_exit(tmp_path: Path) -> None:
    """It does not keep the save from being made."""
    body = """
        def interrupt(frame, event, argument):
            if frame.f_code.co_name == "others_held":
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        sys.settrace(interrupt)
        sys.exit(3)
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert (ended.returncode, ended.stderr) == (3, "")
    assert reasons(program) == ["exit"]


@pytest.mark.every_python
def test_sigterm_during_the_save_at_exit(tmp_path: Path) -> None:
    """The save is finished, then the signal takes effect."""
    program = ending(tmp_path, SIGNAL_DURING_SAVE)
    ended = signalled_during_the_save(program, signal.SIGTERM)
    assert ended.returncode == -signal.SIGTERM
    assert reasons(program) == ["exit"]
    assert manifests(program)[-1]["slots"]["slow"]["value"] == 1


@pytest.mark.every_python
def test_at_a_prompt_an_old_error_is_no_reason(tmp_path: Path) -> None:
    """The interactive interpreter goes on after an error: its end is an ordinary one."""
    program = ending(tmp_path, "")
    process = program.start(python=["-i"])
    _, errors = process.communicate("1 / 0\nvalue['n'] = 8\n", timeout=150)
    assert process.returncode == 0
    assert "ZeroDivisionError" in errors
    assert reasons(program) == ["exit"]
    assert restored(program) == "{'n': 8}"
