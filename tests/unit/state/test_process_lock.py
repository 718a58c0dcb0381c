"""What all of a process shares is no obstacle in its forked children."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there processes do not fork")

FORKED = """
import os, signal, sys, threading, warnings
from lattice_addons import StateManager, StateManagerGroup
from lattice_addons.state import StateFileManager, _alone

warnings.simplefilter("ignore")  # Python 3.12 warns of a fork with threads
locks = [StateManagerGroup._making, _alone._making, StateFileManager._opening]
held, leave = threading.Event(), threading.Event()

def hold():
    with locks[0], locks[1], locks[2]:
        held.set()
        leave.wait()

def fork():
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(120)  # rather than to wait for ever

"""


def test_a_fork_while_another_thread_makes_a_group(tmp_path: Path) -> None:
    """Or a manager with a uid, or puts a file back: the child can do so, and waits for no thread that it has not."""
    body = """
thread = threading.Thread(target=hold)
thread.start()
held.wait()
status = fork()
if status is None:
    with open("log", "w") as file:
        manager = StateFileManager()
        manager.hold(file)
        print(manager.value() is file, StateManagerGroup() is StateManagerGroup(), StateManager("a").get(), flush=True)
    os._exit(0)
leave.set()
thread.join()
print(status)
"""
    ended = Program(tmp_path, FORKED + body).run()
    assert (ended.stdout, ended.stderr) == ("True True None\n0\n", "")


def test_a_fork_by_the_thread_that_has_it(tmp_path: Path) -> None:
    """The child has it, too, and gives it back as usual."""
    body = """
with locks[0]:
    status = fork()
    has = locks[0]._is_owned()
if status is None:
    print(has, locks[0]._is_owned(), flush=True)
    os._exit(0)
print(status)
"""
    ended = Program(tmp_path, FORKED + body).run()
    assert (ended.stdout, ended.stderr) == ("True False\n0\n", "")
