"""Other processes see what is held; forked children hold nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import StoreError
from tests.unit.storage.scene import run, start

if TYPE_CHECKING:
    from lattice_addons.storage import LocalStore


def test_a_replaced_lease_is_held_no_longer(store: LocalStore) -> None:
    """The lock is on the old file; the new one is free, and the holder can tell."""
    store.replace("lease", b"1")
    first = store.flock_hold("lease")
    assert first is not None
    store.replace("lease", b"2")
    assert not first.valid()
    second = store.flock_hold("lease")
    assert second is not None
    assert second.valid()
    shutil.rmtree(store.root)
    assert not second.valid()
    first.release()
    second.release()


def test_another_process_sees_what_is_held(store: LocalStore) -> None:
    """It cannot hold it, until this one lets go; nor be in the critical section."""
    store.put("job/lease", b"")
    held = store.flock_hold("job/lease")
    ask = "print(store.flock_hold('job/lease') is None)"
    assert run(ask, store.root).stdout == "True\n"
    assert held is not None
    held.release()
    assert run(ask, store.root).stdout == "False\n"
    enter = "print('in', flush=True)\nwith store.exclusive('job'): print(store.read('job/lease').decode())"
    with store.exclusive("job"):
        process = start(enter, store.root)
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        store.replace("job/lease", b"written in the section")
    assert process.communicate(timeout=150)[0] == "written in the section\n"


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "pass"])
def test_a_dead_process_holds_nothing(store: LocalStore, end: str) -> None:
    """However it ended, what it held is free, and its critical section is over."""
    store.put("job/lease", b"")
    hold = "held = store.flock_hold('job/lease')\nsection = store.exclusive('job')\nsection.__enter__()\n"
    done = run(f"{hold}assert held\n{end}", store.root)
    assert done.stderr == ""
    held = store.flock_hold("job/lease")
    assert held is not None
    held.release()
    with store.exclusive("job"):
        pass


def test_a_forked_child_holds_nothing(store: LocalStore) -> None:
    """It lets go of its parent's lease, without freeing it; and outlives the parent without keeping it."""
    store.put("job/lease", b"")
    source = """
held = store.flock_hold('job/lease')
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(go[1])
    assert not held.valid()
    held.release()
    assert store.flock_hold('job/lease') is None, 'the parent lost it'
    os.write(ready[1], b'x')
    os.read(go[0], 1)
    time.sleep(600)
os.read(ready[0], 1)
assert held.valid()
print('held', flush=True)
sys.stdin.readline()
os._exit(0)
"""
    process = start(source, store.root, stdin=subprocess.PIPE, stderr=None, start_new_session=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        assert store.flock_hold("job/lease") is None
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(timeout=150) == 0
        held = store.flock_hold("job/lease")
        assert held is not None, "the child keeps it"
        held.release()
    finally:
        os.killpg(process.pid, 9)
        process.stdout.close()


def test_a_forked_child_in_a_critical_section(store: LocalStore) -> None:
    """A child that was forked in a critical section, by this thread or another, can enter it after its parent."""
    source = """
import threading
inside, leave = threading.Event(), threading.Event()
def stay():
    with store.exclusive('job'):
        inside.set(); leave.wait()
thread = threading.Thread(target=stay); thread.start(); inside.wait()
child = os.fork()
if child == 0:
    with store.exclusive('job'):
        pass
    os._exit(7)
leave.set(); thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run(source, store.root)
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr


def test_a_forked_child_saves_for_itself(store: LocalStore) -> None:
    """Nothing that the parent keeps breaks the child's own use of the store."""
    store.put("job/parent", b"")
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            store.put("job/child", b"x")
            with store.create("job/pack") as writer:
                writer.write(b"x")
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.list() == ["job/child", "job/pack", "job/parent"]


def test_a_stream_in_a_forked_child_is_the_parents(store: LocalStore) -> None:
    """The child can neither write to it nor, by failing, remove it."""
    with store.create("job/pack") as writer:
        writer.write(b"parent")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                writer.write(b"child")
            except StoreError:
                writer.discard()
                status = 0
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    assert store.read("job/pack") == b"parent"


def test_a_child_that_python_did_not_fork_keeps_nothing(store: LocalStore) -> None:
    """A library's fork runs no hooks: what the parent lets go of is free all the same."""
    source = """
import ctypes
store.put('job/lease', b'')
held = store.flock_hold('job/lease')
section = store.exclusive('job')
section.__enter__()
if ctypes.CDLL(None).fork() == 0:
    while True:
        time.sleep(1)
section.__exit__(None, None, None)
held.release()
with store.exclusive('job'):
    print(store.flock_hold('job/lease') is not None, flush=True)
"""
    process = start(source, store.root, start_new_session=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "True\n"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=150)


def test_a_forked_child_shares_no_lock_in_memory() -> None:
    """A thread of the parent in a critical section of a memory store does not keep the child out."""
    source = """
from lattice_addons.storage import MemoryStore
store = MemoryStore()
store.put('lease', b'')
held = store.flock_hold('lease')
with store.exclusive('job'):
    child = os.fork()
    if child == 0:
        with store.exclusive('job'):
            mine = store.flock_hold('lease')
        os._exit(7 if mine and not held.valid() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), held.valid())
"""
    with TemporaryDirectory() as folder:
        done = run(source, folder)
    assert (done.stdout, done.stderr) == ("7 True\n", "")
