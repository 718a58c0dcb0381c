"""A signal that ends the runner ends it as Ctrl-C does, and is its exit status."""

from __future__ import annotations

import re
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons.experiments._stopping import Stopped, stoppable, why_stopped
from tests.program import Program, finish
from tests.unit.experiments.processes import pid_in, running

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """
    import os, sys, time
    from lattice_addons import StateManagerGroup
    from lattice_addons.experiments import Experiment, search

    class Slow(Experiment):
        i: int = search(*range(6))

        def run(self):
            if self.i == 4 and not os.path.exists("again"):
                with open("again", "w") as file:
                    print(os.getpid(), file=file)
                time.sleep(600)
            return {"i": self.i}

    if __name__ == "__main__":
        if sys.argv[2] == "saves":
            group = StateManagerGroup()
            group.register("what")
            group.update("what", 1)
        print("summary", Slow().run_all(int(sys.argv[1]), root="root"))
"""


@pytest.mark.parametrize(
    ("num_proc", "signum", "way"),
    [(2, signal.SIGTERM, "plain"), (1, signal.SIGHUP, "saves"), (0, signal.SIGTERM, "saves")],
)
def test_a_signal_to_the_runner(tmp_path: Path, num_proc: int, signum: signal.Signals, way: str) -> None:
    """It says what is done, what is left, and how to go on; no worker stays; the next start does the rest."""
    program = Program(tmp_path, SLOW)
    process = program.start(str(num_proc), way)
    worker = pid_in(tmp_path / "again", process)
    process.send_signal(signum)
    ended = finish(process)
    assert not running(worker)
    assert ended.returncode == -signum
    _, *between, counted, stopped = ended.stderr.splitlines()
    # On a busy machine it takes so long that it tells how it goes.
    assert all("left; newest: " in each for each in between), ended.stderr
    assert f"stopped by {signum.name} with " in stopped
    assert "run it again to carry on" in stopped
    done = int(counted.split()[1])
    left = int(stopped.split(" with ")[1].split()[0])
    assert (done + left, done <= 5) == (6, True)
    assert "summary" not in ended.stdout
    again = program.run("0", way)
    told = re.search(r"program.Slow: (\d+) done(?:, (\d+) skipped)?", again.stdout)
    assert told is not None, again
    ran, skipped = int(told[1]), int(told[2] or 0)
    # Workers may have done more than they had told of.
    assert (ran + skipped, ran <= left) == (6, True)


DEAF = """
    import os, signal, time
    from lattice_addons.experiments import Experiment, search

    class Deaf(Experiment):
        i: int = search(1, 2)

        def run(self):
            signal.signal(signal.SIGTERM, lambda *_: open(f"{os.getpid()}.told", "w").close())
            open(f"{os.getpid()}.deaf", "w").close()
            time.sleep(600)

    if __name__ == "__main__":
        Deaf().run_all(2, root="root")
"""


def test_ctrl_c_once_more_waits_for_nobody(tmp_path: Path) -> None:
    """Not for workers that do not end when they are told to, either: none of them is left."""
    process = Program(tmp_path, DEAF).start()
    while len(workers := [int(each.stem) for each in tmp_path.glob("*.deaf")]) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    # When both were told to end, it waits for them.
    while len(list(tmp_path.glob("*.told"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.returncode != 0
    assert "stopped by Ctrl-C" in ended.stderr
    assert not [pid for pid in workers if running(pid)]


def test_a_program_with_a_handler_keeps_it() -> None:
    """What it does on a signal is for it to say."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: came.append(signum))
    try:
        with stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]


def test_nothing_stays_behind() -> None:
    """Neither in the main thread, nor in another one, where no handler can be set."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        before = signal.signal(signum, signal.SIG_DFL)
        try:
            with stoppable():
                assert callable(signal.getsignal(signum))
            assert signal.getsignal(signum) == signal.SIG_DFL
        finally:
            signal.signal(signum, before)
    failed: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with stoppable():
                pass
        except BaseException as error:  # noqa: BLE001 - to be looked at in the test
            failed.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not failed


def test_it_is_said_what_broke_it_off() -> None:
    """By the name that a person knows."""
    errors = (None, KeyboardInterrupt(), Stopped("SIGHUP"), OSError())
    assert list(map(why_stopped, errors)) == ["", "Ctrl-C", "SIGHUP", "an error"]
