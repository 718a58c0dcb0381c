"""Periodic saves are whole, stay out of the program's way, and stop cleanly."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.ending import LOCKED, ending, manifests, reasons, restored

if TYPE_CHECKING:
    from pathlib import Path

OFTEN = "periodic_saving=enabled,periodic_saving_interval=0.05,keep=1000"


def periodic(program: object) -> list[dict[str, object]]:
    """Give the manifests of periodic saves."""
    return [manifest for manifest in manifests(program) if manifest["reason"] == "periodic"]  # type: ignore[arg-type]


def test_values_are_whole_while_the_program_changes_them(tmp_path: Path) -> None:
    """Two values that are always changed together are never seen apart."""
    body = """
        value.update(n=0, m=0)
        # Of two saves between which the program did nothing, having no processor, one is seen here.
        seen = set()
        while len(seen) < 10:
            seen.add(saves())
            with group.atomic():
                value["n"] += 1
                sum(range(200))
                value["m"] += 1
    """
    program = ending(tmp_path, body)
    assert program.run(config=OFTEN).returncode == 0
    saved = [manifest["slots"]["value"]["value"] for manifest in periodic(program)]  # type: ignore[index]
    assert len(saved) >= 5
    assert all(value["n"] == value["m"] for value in saved)
    assert len({value["n"] for value in saved}) >= 5


def test_while_a_dict_grows(tmp_path: Path) -> None:
    """Nothing is ever lost to 'changed size during iteration'."""
    body = """
        while saves() < 4:
            value[str(len(value))] = len(value)
    """
    program = ending(tmp_path, body)
    ended = program.run(config=OFTEN)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(periodic(program)) >= 3


@pytest.mark.parametrize(
    "busy",
    [
        "time.sleep(0.3)",
        "threading.Event().wait(0.3)",
        "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 500_000)",
    ],
)
def test_while_the_main_thread_is_away(tmp_path: Path, busy: str) -> None:
    """It sleeps, waits or computes in C: the snapshots are made without it, and its call is not disturbed."""
    program = ending(tmp_path, f"while saves() < 3: {busy}\nprint('done')")
    ended = program.run(config=OFTEN)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
    assert restored(program) == "{'n': 7}"


def test_a_safe_point_is_waited_for(tmp_path: Path) -> None:
    """A periodic save in a resumed loop stands between two elements."""
    body = """
        value["n"] = 0
        for i in group.resume(range(1000), "loop"):
            if saves() > 4: break
            value["n"] += 1
            time.sleep(0.08)
            value["n"] += 1
    """
    program = ending(tmp_path, body)
    assert program.run(config=f"{OFTEN},grace=200").returncode == 0
    saved = periodic(program)
    assert len(saved) >= 3
    for manifest in saved:
        slots = manifest["slots"]
        assert slots["value"]["value"]["n"] == 2 * slots["loop"]["value"]["position"]  # type: ignore[index]
        assert manifest["notes"] == []


def test_an_element_that_takes_long_is_not_waited_for(tmp_path: Path) -> None:
    """After half of the grace it is saved all the same, and said so."""
    body = """
        for i in group.resume(range(2), "loop"):
            before = saves()
            while saves() < before + 2: time.sleep(0.02)  # one may be under way
    """
    program = ending(tmp_path, body)
    assert program.run(config=f"{OFTEN},grace=0.4").returncode == 0
    assert ["mid-element: loop"] in [manifest["notes"] for manifest in periodic(program)]


def test_pause_and_resume(tmp_path: Path) -> None:
    """Between the two nothing is saved."""
    body = """
        group.pause_periodic_saving()
        group.save()  # behind one that may be under way
        before = saves()
        time.sleep(0.3)
        print(saves() - before)
        group.resume_periodic_saving()
        while saves() < before + 2: time.sleep(0.02)
    """
    ended = ending(tmp_path, body).run(config=OFTEN)
    assert ended.stdout == "0\n", ended.stderr


def test_it_ends_cleanly(tmp_path: Path) -> None:
    """A save that is under way at exit is finished, and the last one follows."""
    body = """
        from lattice_addons.state import StateClosureManager
        group.register("slow", StateClosureManager)
        group.update("slow", lambda: time.sleep(0.2))
        time.sleep(0.15)
        sys.exit(3)
    """
    program = ending(tmp_path, body)
    ended = program.run(config=OFTEN)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert reasons(program)[-1] == "exit"


def test_a_value_that_takes_a_lock_of_the_programs(tmp_path: Path) -> None:
    """The program holds the lock when the save falls due: it must not stand still for it."""
    body = """
while saves() < 5:
    with lock:
        for _ in range(30_000): pass
print("alive")
"""
    program = ending(tmp_path, LOCKED + body)
    ended = program.run(config=OFTEN)
    assert (ended.stdout, ended.stderr) == ("alive\n", "")
    assert periodic(program)[-1]["slots"]["locked"]["value"] == 1  # type: ignore[index]


def test_failures_are_said_once(tmp_path: Path) -> None:
    """A store that is gone does not flood the program's stderr."""
    # In one step: a save under way would put files into a folder while it is removed, or make it again.
    body = """
        import ctypes
        open("instead", "w").close()
        time.sleep(0.1)
        at_fdcwd, rename_exchange = -100, 2
        assert ctypes.CDLL(None).renameat2(at_fdcwd, b".lattice", at_fdcwd, b"instead", rename_exchange) == 0
        time.sleep(0.6)
        os._exit(0)
    """
    ended = ending(tmp_path, body).run(config=OFTEN)
    assert ended.returncode == 0
    assert len(set(ended.stderr.splitlines())) == len(ended.stderr.splitlines()) <= 2


def test_a_signal_between_periods(tmp_path: Path) -> None:
    """Both ways of saving at once: one order, no end but the signal's."""
    body = """
        os.kill(os.getpid(), 0)
        threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGTERM)).start()
        while True:
            value["n"] = [value["n"]] and 7
    """
    program = ending(tmp_path, body)
    ended = program.run(config="periodic_saving=enabled,periodic_saving_interval=0.01")
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")
    assert reasons(program)[-1] == "signal:SIGTERM"


def test_the_tick_is_nobody_elses(tmp_path: Path) -> None:
    """A real-time signal of the program's keeps its handler; one that nobody handles ends it as ever."""
    before = "signal.signal(signal.SIGRTMAX - 1, lambda *a: print('mine', flush=True))"
    body = """
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGRTMAX - 1)
        os.kill(os.getpid(), signal.SIGRTMAX - 2)
        time.sleep(1)
    """
    program = ending(tmp_path, body, before)
    ended = program.run(config="periodic_saving=enabled,periodic_saving_interval=60")
    assert ended.stdout == "mine\n"
    assert ended.returncode == -(signal.SIGRTMAX - 2)
