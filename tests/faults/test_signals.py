"""A signal saves at once, then does what it would have done without us."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.ending import (
    LOCKED,
    ending,
    kept,
    manifests,
    python_as_first_process,
    reasons,
    same_as_without,
    start_command,
)
from tests.program import finish, wait_for

if TYPE_CHECKING:
    import subprocess

# What is in the hands of the interpreter is tried on every Python, the rest on one.
everywhere = pytest.mark.every_python

KILL = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize("name", [pytest.param("SIGTERM", marks=everywhere), "SIGHUP", "SIGXCPU", "SIGUSR1"])
def test_the_default_action(tmp_path: Path, name: str) -> None:
    """Each signal that the settings name saves, and then ends the program with its own status."""
    program = ending(tmp_path, f"os.kill(os.getpid(), signal.{name})\nprint('alive')")
    ended = same_as_without(program, config="signals=SIGTERM+SIGHUP+SIGXCPU+SIGUSR1")
    assert ended.returncode == -getattr(signal, name)
    assert reasons(program) == [f"signal:{name}"]
    assert kept(program) == "{'n': 7}"


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGQUIT"])
def test_a_signal_that_the_settings_do_not_name(tmp_path: Path, name: str) -> None:
    """It is left alone."""
    program = ending(
        tmp_path, f"print(signal.getsignal(signal.{name}).name)\nos.kill(os.getpid(), signal.{name})"
    )
    same_as_without(program)
    assert reasons(program) == []


def test_sleep_is_interrupted_at_once(tmp_path: Path) -> None:
    """A sleeping program does not sleep on: it is saved and ended."""
    program = ending(tmp_path, "print('ready', flush=True); time.sleep(10_000)")
    process = program.start()
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == -signal.SIGTERM
    assert kept(program) == "{'n': 7}"


LONG_C_CALL = "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 100_000_000)"


def wait_until_computing(process: subprocess.Popen[str]) -> None:
    """Wait until a program has computed for a moment since this was asked: it is in its long call then."""

    def used() -> int:
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, deadline = used(), time.monotonic() + 120
    while used() - before < os.sysconf("SC_CLK_TCK") / 10:
        assert time.monotonic() < deadline, "it does not compute"
        time.sleep(0.01)


@everywhere
def test_during_a_long_c_call(tmp_path: Path) -> None:
    """The main thread cannot run a handler: another thread saves within the grace, and the status is true."""
    program = ending(tmp_path, f"print('ready', flush=True); {LONG_C_CALL}")
    process = program.start(config="grace=1")
    wait_for(process, "ready")
    wait_until_computing(process)  # for some ten seconds, if nobody ends it
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == -signal.SIGTERM
    (manifest,) = manifests(program)
    assert manifest["reason"] == "signal:SIGTERM"
    assert manifest["notes"] == ["main thread busy in C code"]
    assert kept(program) == "{'n': 7}"


def test_after_a_c_call_that_ends_in_time(tmp_path: Path) -> None:
    """The program's own handler still has its say."""
    before = "came = []\nsignal.signal(signal.SIGTERM, lambda *a: came.append(print('handler')))"
    # One call after the other, so that the signal comes in one, however late it is sent.
    body = """
        print("ready", flush=True)
        while not came: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 1_000_000)
        print("after")
    """
    program = ending(tmp_path, body, before)
    process = program.start(config="grace=0.5")
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.returncode == 0
    assert ended.stdout == "handler\nafter\n"


@everywhere
def test_during_a_save(tmp_path: Path) -> None:
    """The save is finished, one more is made, and the signal takes effect; 200 signals are one."""
    body = f"""
        from lattice_addons.state import StateClosureManager
        group.register("closure", StateClosureManager)
        def capture():
            for _ in range(200): {KILL}
            return 1
        group.update("closure", capture)
        group.save()
        print("alive")
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "", "")
    assert reasons(program) == ["manual", "signal:SIGTERM"]


def test_during_an_update(tmp_path: Path) -> None:
    """The update is finished first."""
    body = f"""
        from lattice_addons.state import StateManager
        class Slow(StateManager):
            def hold(self, value):
                self.half = value
                {KILL}
                super().hold(value)
        group.register("slow", Slow)
        group.update("slow", 5)
        print("alive")
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "", "")
    assert manifests(program)[-1]["slots"]["slow"]["value"] == 5


@everywhere
def test_twice_in_a_row(tmp_path: Path) -> None:
    """The second one while the first is served: the handler is called, nothing is nested, nothing lost."""
    before = "signal.signal(signal.SIGTERM, lambda *a: print('handler'))"
    program = ending(tmp_path, f"{KILL}; {KILL}\nprint('end')", before)
    same_as_without(program)
    assert reasons(program)[0] == "signal:SIGTERM"


@everywhere
def test_inside_an_atomic_block(tmp_path: Path) -> None:
    """It waits for the end of the block."""
    body = f"""
        with group.atomic():
            value["n"] = 1
            {KILL}
            value["n"] = 2
            print("whole")
        print("alive")
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "whole\n")
    assert kept(program) == "{'n': 2}"


def test_another_thread_stays_inside_an_atomic_block(tmp_path: Path) -> None:
    """Nothing torn is saved: after half of the grace it is said, and the signal takes effect."""
    body = f"""
        group.save()
        def stay():
            with group.atomic():
                value["n"] = "torn"
                entered.set()
                time.sleep(10_000)
        entered = threading.Event()
        threading.Thread(target=stay, daemon=True).start()
        entered.wait()
        {KILL}
    """
    program = ending(tmp_path, body)
    ended = program.run(config="grace=0.6")
    assert ended.returncode == -signal.SIGTERM
    assert "a block of atomic() stays open" in ended.stderr
    assert kept(program) == "{'n': 7}"


@everywhere
def test_between_the_elements_of_a_loop(tmp_path: Path) -> None:
    """A resumed loop is stopped at its next element, and carries on with it."""
    body = f"""
        for i in group.resume(range(6), "loop"):
            if i == 3:
                {KILL}
            value["n"] = value["n"] * 10 + i
        print("alive")
    """
    program = ending(tmp_path, body)
    assert program.run().returncode == -signal.SIGTERM
    (manifest,) = manifests(program)
    assert manifest["notes"] == []
    assert manifest["slots"]["loop"]["value"]["position"] == 4
    assert kept(program) == "{'n': 70123}"


def test_an_element_that_takes_too_long(tmp_path: Path) -> None:
    """After half of the grace it is saved all the same, with a note."""
    body = f"""
        for i in group.resume(range(6), "loop"):
            {KILL}
            time.sleep(10_000)
    """
    # Or the watcher would save, too, where the main thread has no processor for some hundredths of a second.
    before = "from lattice_addons.lifecycle._watcher import Watcher\nWatcher.patience = 100.0"
    program = ending(tmp_path, body, before)
    assert program.run(config="grace=0.6").returncode == -signal.SIGTERM
    (manifest,) = manifests(program)
    assert manifest["notes"] == ["mid-element: loop"]
    assert manifest["slots"]["loop"]["value"]["position"] == 0


@everywhere
def test_with_many_threads(tmp_path: Path) -> None:
    """Eight threads update and save all the time; one signal ends them all, and a whole value is there."""
    body = """
        value["n"] = [0, 0]
        def work():
            while True:
                with group.atomic():
                    value["n"][0] += 1
                    value["n"][1] += 1
                if value["n"][0] % 50 == 0:
                    group.save()
        for _ in range(8): threading.Thread(target=work).start()
        time.sleep(0.3)
        print("ready", flush=True)
    """
    program = ending(tmp_path, body)
    process = program.start()
    wait_for(process, "ready")
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")
    one, other = manifests(program)[-1]["slots"]["value"]["value"]["n"]
    assert one == other
    # Until the signal takes effect, a thread may have saved once more.
    assert "signal:SIGTERM" in reasons(program)


@everywhere
def test_near_the_recursion_limit(tmp_path: Path) -> None:
    """Where the stack is nearly used up the save is made on another one."""
    body = f"""
        def deep(n):
            return deep(n - 1) + 1 if n else {KILL}
        deep(sys.getrecursionlimit() - 30)
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")
    assert kept(program) == "{'n': 7}"


def test_as_process_one(tmp_path: Path) -> None:
    """The default action does nothing to process 1: it saves and ends as a shell would say it."""
    command = python_as_first_process()
    if not command:
        pytest.skip("no process namespace can be made here")
    # unshare itself is not what is stopped: the program signals itself.
    program = ending(tmp_path, f"print('ready', os.getpid(), flush=True); {KILL}; time.sleep(10_000)")
    ended = finish(start_command(program, [*command, str(program.path)]))
    assert ended.stdout == "ready 1\n"
    assert ended.returncode == 128 + signal.SIGTERM
    assert kept(program) == "{'n': 7}"


def test_a_full_save_error_ends_as_usual(tmp_path: Path) -> None:
    """A save that fails is said in one line; the signal takes effect."""
    body = f"import shutil; r = os.path.abspath('.lattice'); shutil.rmtree(r); open(r, 'w').close()\n{KILL}"
    ended = ending(tmp_path, body).run()
    assert ended.returncode == -signal.SIGTERM
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("lattice: the save (signal:SIGTERM) failed: ")


def test_a_value_that_waits_for_a_lock_of_the_interrupted_code(tmp_path: Path) -> None:
    """It is given up and named; the others are saved, and the signal takes effect."""
    body = f"with lock:\n    {KILL}\n    time.sleep(10_000)"
    program = ending(tmp_path, LOCKED + body)
    ended = program.run(config="grace=2")
    assert ended.returncode == -signal.SIGTERM
    assert "'locked': the value could not be had" in ended.stderr
    assert kept(program) == "{'n': 7}"


def test_our_threads_have_names(tmp_path: Path) -> None:
    """A person who lists the threads sees whose they are; nothing of ours is there without need."""
    before = "from lattice_addons.checkpoint import _tidy\n_tidy._IDLE = 100"
    program = ending(tmp_path, "print(*sorted(t.name for t in threading.enumerate()))", before)
    # One removes what a dead process may have left, and ends when it has been idle for long.
    assert program.run().stdout == "MainThread lattice-tidy lattice-watcher\n"
    assert program.run(config="signals=none").stdout == "MainThread lattice-tidy\n"
