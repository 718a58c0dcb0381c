"""One live process writes a job and rank; whatever ends it, the next takes over at once."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import clear
from lattice_addons.errors import LeaseHeldError
from lattice_addons.lifecycle import Owner
from lattice_addons.storage import LocalStore
from tests.program import Program, finish, wait_for
from tests.unit.checkpoint.lines import FOLDER, line_of, save, values

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Held, Store

LEASE = "job/rank-00000/lease.json"
HOLDER = """
    import os, signal, sys
    from lattice_addons.checkpoint import Line
    from lattice_addons.settings import Settings
    from lattice_addons.storage import LocalStore

    line = Line(LocalStore(sys.argv[1]), "job", settings=Settings())
    line.acquire()
    print("held", flush=True)
    sys.stdin.read(1)
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "exec":
        os.execv(sys.executable, [sys.executable, sys.argv[0], sys.argv[1], "exit"])
"""


def test_another_line_of_this_process_is_refused(store: Store) -> None:
    """Two groups of one job would overwrite each other's state."""
    line = line_of(store)
    line.acquire()
    line.acquire()
    with pytest.raises(LeaseHeldError, match="this very process") as caught:
        line_of(store).acquire()
    assert (caught.value.pid, caught.value.host) == (os.getpid(), socket.gethostname())
    line.release()
    line_of(store).acquire()


def test_committing_needs_the_lease(store: Store) -> None:
    """Who has not taken it takes it then, or is refused."""
    save(line_of(store), n=1)
    line = line_of(store)
    save(line, n=2)
    with pytest.raises(LeaseHeldError):
        save(line_of(store), n=3)
    assert line.numbers() == [1, 2]


def test_a_line_that_was_forgotten_holds_nothing(store: Store) -> None:
    """A group that nobody has any more does not lock its job up: not until the collector finds it, either."""
    line_of(store).acquire()
    line = line_of(store)
    save(line, n=1)
    assert line.numbers() == [1]


def test_other_jobs_and_ranks_are_not_held(store: Store) -> None:
    """The lease is one rank's."""
    lines = [line_of(store), line_of(store, rank=1), line_of(store, "other")]
    for line in lines:
        save(line, n=1)
    assert [line.numbers() for line in lines] == [[1], [1], [1]]


def test_a_live_process_is_named(tmp_path: Path) -> None:
    """The second program is told host and pid of the first, and what to set; at its end the lease is free."""
    store = LocalStore(tmp_path / "store")
    process = Program(tmp_path, HOLDER).start(str(store.root), "exit")
    wait_for(process, "held")
    with pytest.raises(LeaseHeldError, match="LATTICE_JOB_ID") as caught:
        line_of(store).acquire()
    assert (caught.value.pid, caught.value.host, caught.value.job) == (
        process.pid,
        socket.gethostname(),
        "job",
    )
    assert f"process {process.pid} on host {socket.gethostname()}" in str(caught.value)
    assert caught.value.ancestor is False  # type: ignore[attr-defined]
    assert finish(process).returncode == 0
    assert store.list("job") == []
    line_of(store).acquire()


@pytest.mark.parametrize("end", ["kill", "zombie"])
def test_a_dead_ones_lease_is_taken_over_at_once(tmp_path: Path, end: str) -> None:
    """Neither SIGKILL nor a parent that never asks for the status holds up the next start."""
    store = LocalStore(tmp_path / "store")
    process = Program(tmp_path, HOLDER).start(str(store.root), "kill")
    wait_for(process, "held")
    assert process.stdin is not None
    process.stdin.write("x")
    process.stdin.flush()
    if end == "kill":
        process.wait(120)
    else:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert store.size(LEASE)
    line_of(store).acquire()
    finish(process)


def test_a_program_that_executes_itself_takes_its_own_lease(tmp_path: Path) -> None:
    """Its pid and start time are those of the holder, which it is."""
    store = LocalStore(tmp_path / "store")
    process = Program(tmp_path, HOLDER).start(str(store.root), "exec")
    wait_for(process, "held")
    assert process.stdin is not None
    process.stdin.write("x")
    process.stdin.flush()
    wait_for(process, "held")
    assert finish(process).returncode == 0


def test_a_forked_child_is_refused_and_does_not_release(tmp_path: Path) -> None:
    """It learns that the holder is its ancestor; its end leaves the lease with the parent."""
    store = LocalStore(tmp_path / "store")
    line = line_of(store)
    line.acquire()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            line.release()
            save(line, n=1)
        except LeaseHeldError as error:
            status = 0 if error.ancestor and error.pid == os.getppid() else 2  # type: ignore[attr-defined]
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pytest.raises(LeaseHeldError):
        line_of(store).acquire()
    save(line, n=1)


def foreign(store: Store, **told: object) -> None:
    """Write the lease of a process that cannot be seen from here."""
    owner = Owner.current().to_dict() | {"host": "elsewhere", "boot_id": "another boot", "session": "s"}
    store.put(LEASE, json.dumps(owner | told).encode())


def test_the_lock_tells_of_an_owner_that_cannot_be_seen(store: Store) -> None:
    """In another container or on another host it lives as long as it holds the file."""
    foreign(store, pid=1234)
    lock = store.flock_hold(LEASE)
    assert lock is not None
    with pytest.raises(LeaseHeldError, match="process 1234 on host elsewhere"):
        line_of(store).acquire()
    lock.release()
    line_of(store).acquire()


class Lockless(LocalStore):
    """A store on a file system that knows no locks: holding proves nothing."""

    def flock_hold(self, key: str) -> Held | None:
        """Give something that is not locked."""
        held = super().flock_hold(key)
        if held is not None:
            held.locked = False
        return held


def test_without_locks_an_owner_that_cannot_be_seen_counts_as_alive(tmp_path: Path) -> None:
    """Two writers are worse than none; the error says which file to delete."""
    store = Lockless(tmp_path / "store")
    foreign(store)
    with pytest.raises(LeaseHeldError, match=f"delete {LEASE}"):
        line_of(store).acquire()
    store.delete([LEASE])
    line_of(store).acquire()


def test_a_reused_pid_is_not_the_owner(store: Store) -> None:
    """The start time tells."""
    mine = Owner.current().to_dict()
    store.put(LEASE, json.dumps(mine | {"pid": os.getppid(), "start": 1}).encode())
    line_of(store).acquire()
    assert json.loads(store.read(LEASE))["pid"] == os.getpid()


@pytest.mark.parametrize("text", [b"", b"\0" * 100, b"[]", b'{"pid": "x"}', b'{"host": null}'])
def test_a_lease_that_cannot_be_read_locks_nobody_out(store: Store, text: bytes) -> None:
    """Only the lock on the file counts then."""
    store.put(LEASE, text)
    line_of(store).acquire()
    assert json.loads(store.read(LEASE))["pid"] == os.getpid()


def test_a_lease_that_somebody_took_meanwhile_stops_the_next_save(local: LocalStore) -> None:
    """After the folder was removed, and another program began there, the first one writes nothing."""
    line = line_of(local)
    save(line, n=1)
    local.delete([LEASE])
    foreign(local)
    lock = local.flock_hold(LEASE)
    with pytest.raises(LeaseHeldError):
        save(line, n=2)
    assert lock is not None
    lock.release()
    assert line.numbers() == [1]


def test_a_lease_that_vanished_is_taken_again(store: Store) -> None:
    """Nobody else has it."""
    line = line_of(store)
    save(line, n=1)
    store.delete([LEASE])
    save(line, n=2)
    assert store.size(LEASE)
    assert values(line, line.newest()) == {"n": 2}


def test_a_lease_is_over_with_its_store_or_with_who_took_it(store: Store) -> None:
    """Not while it is there, nor when its file alone is gone, nor while another process lives that has it now."""
    line = line_of(store)
    save(line, n=1)
    assert not line.lease.is_over()
    store.delete([LEASE])
    assert not line.lease.is_over()
    other = Owner.current().to_dict() | {"session": "another"}
    store.put(LEASE, json.dumps(other).encode())
    assert not line.lease.is_over()
    store.replace(LEASE, json.dumps(other | {"start": 1}).encode())
    assert line.lease.is_over()
    save(line, n=2)
    assert not line.lease.is_over()
    store.delete(store.list())
    store.prune(FOLDER)
    assert line.lease.is_over()


def test_a_job_that_is_written_is_not_cleared(store: Store) -> None:
    """Its writer would find its packs gone."""
    line = line_of(store)
    save(line, n=1)
    other = line_of(store, rank=1)
    save(other, n=1)
    other.release()
    with pytest.raises(LeaseHeldError):
        clear(store, "job")
    assert line.numbers() == other.numbers() == [1]
