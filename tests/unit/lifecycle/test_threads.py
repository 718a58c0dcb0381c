"""Our own threads: one of each, however many files are open and however often the program forks."""

from __future__ import annotations

import resource
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.unit.lifecycle.recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

# select() knows no descriptor above this.
_LARGEST = 1023

FORKING = """
    def fork():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    def count(name):
        return sum(thread.name == name for thread in threading.enumerate())

    def wait_until(what):
        deadline = time.monotonic() + 60
        while not what() and time.monotonic() < deadline:
            time.sleep(0.01)
"""


def test_signals_are_watched_for_where_many_files_are_open(tmp_path: Path) -> None:
    """The pipe by which they are heard of may have any number."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most <= 2 * _LARGEST:
        pytest.skip("so many files cannot be open here")
    source = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1024)]
        from lattice_addons.lifecycle._process import PROCESS
        group = Recorder(atexit_saving=False)
        attachment = attach(group)
        say(PROCESS.watcher._read > 1023, PROCESS.watcher.do(lambda: say("done"), 60))
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "done\nTrue True\n", ended.stderr


def test_forks_during_a_periodic_save_leave_one_thread(tmp_path: Path) -> None:
    """The one that was writing ends when it is done, since another one has taken its place."""
    source = """
        begun, go_on = threading.Event(), threading.Event()

        class Slow(Recorder):
            def begin_save(self, reason, notes=()):
                return lambda: (begun.set(), go_on.wait(60))

        group = Slow(periodic_saving=True, periodic_saving_interval=0.05, atexit_saving=False)
        attachment = attach(group)
        begun.wait(60)
        for _ in range(3):
            fork()
        say(count("lattice-periodic") > 1)
        go_on.set()
        wait_until(lambda: count("lattice-periodic") == 1)
        say(count("lattice-periodic"), count("lattice-watcher"))
    """
    ended = recording(tmp_path, dedent(FORKING) + dedent(source)).run(python=["-W", "ignore"])
    assert ended.stdout == "True\n1 1\n", ended.stderr


def test_forks_while_the_watcher_saves_leave_one_thread(tmp_path: Path) -> None:
    """As above: what it does takes longer than a fork waits."""
    source = """
        from lattice_addons.lifecycle._process import PROCESS
        begun, go_on = threading.Event(), threading.Event()
        group = Recorder(atexit_saving=False)
        attachment = attach(group)
        busy = lambda: (begun.set(), go_on.wait(60))
        asking = threading.Thread(target=PROCESS.watcher.do, args=(busy, 60))
        asking.start()
        begun.wait(60)
        fork()
        say(count("lattice-watcher"))
        go_on.set()
        asking.join()
        wait_until(lambda: count("lattice-watcher") == 1)
        say(count("lattice-watcher"))
    """
    ended = recording(tmp_path, dedent(FORKING) + dedent(source)).run(python=["-W", "ignore"])
    assert ended.stdout == "2\n1\n", ended.stderr


def test_a_watcher_that_is_late_to_end_reads_from_no_other_file(tmp_path: Path) -> None:
    """What the program opens next may get the numbers that were closed."""
    source = """
        from lattice_addons.lifecycle import _watcher
        wait_readable, go_on = _watcher.wait_readable, threading.Event()
        _watcher.wait_readable = lambda *args: (wait_readable(*args), go_on.wait(60))
        group = Recorder(atexit_saving=False)
        attachment = attach(group)
        attachment.detach()
        pipe = os.pipe()
        os.write(pipe[1], b"the program's")
        go_on.set()
        wait_until(lambda: count("lattice-watcher") == 0)
        os.set_blocking(pipe[0], False)
        say(os.read(pipe[0], 100).decode())
    """
    ended = recording(tmp_path, dedent(FORKING) + dedent(source)).run()
    assert (ended.stdout, ended.stderr) == ("the program's\n", "")


def test_forks_put_no_periodic_save_off(tmp_path: Path) -> None:
    """A program that forks more often than it saves is saved all the same."""
    source = """
        written = threading.Event()

        class Written(Recorder):
            def begin_save(self, reason, notes=()):
                return written.set

        group = Written(periodic_saving=True, periodic_saving_interval=1.0, atexit_saving=False)
        attachment = attach(group)
        deadline = time.monotonic() + 100
        while not written.wait(0.05) and time.monotonic() < deadline:
            fork()
        say(written.is_set())
    """
    ended = recording(tmp_path, dedent(FORKING) + dedent(source)).run(python=["-W", "ignore"])
    assert ended.stdout == "True\n", ended.stderr
