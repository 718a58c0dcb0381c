"""A group that nobody holds any more is saved all the same: at the end, or when another takes its place."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import LeaseHeldError
from tests.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons.state._session import Session

    Let = Callable[..., weakref.ref[Session]]


@pytest.fixture
def let(tmp_path: Path) -> Let:
    """Give what makes a group with values, and lets go of it; it gives a weak reference to the session."""

    def made(job: str = "job", values: dict[str, Any] | None = None, **settings: Any) -> weakref.ref[Session]:
        chosen: dict[str, Any] = {"root": str(tmp_path), "signals": ()} | settings
        group = StateManagerGroup(Settings(job_id=job, **chosen))
        for key, value in (values or {}).items():
            group.register(key)
            group.update(key, value)
        return weakref.ref(group._session)

    return made


def value_in(folder: Path, job: str = "job", key: str = "a") -> object:
    """Give what a new group finds."""
    group = StateManagerGroup(Settings(root=str(folder), job_id=job, signals=()))
    group.register(key)
    try:
        return group.get(key)
    finally:
        group.close()


IN_FUNCTIONS = """
import gc, glob, os
from lattice_addons import Settings, StateClosureManager, StateManagerGroup
from lattice_addons.lifecycle import _fork
_fork._PATIENCE = 60.0  # for threads that a busy machine is slow to end: Python 3.12 warns of a fork with one

def count(job):
    group = StateManagerGroup(Settings(job_id=job))
    group.register("n", StateClosureManager)
    n = group.get("n") or 0
    group.update("n", lambda: n)
    def more():
        nonlocal n
        n += 1
    return more

def tracked(job):
    class Object:
        n = 0
        state_dict = lambda self: {"n": self.n}
        load_state_dict = lambda self, state: vars(self).update(state)
    made = Object()
    StateManagerGroup(Settings(job_id=job)).track(made=made)
    return made

more, made = count("one"), tracked("two")
gc.collect()
if hasattr(os, "fork") and not (child := os.fork()):
    StateManagerGroup(Settings(job_id="three")).close()
    raise SystemExit
os.waitpid(child, 0)
print(len(glob.glob(".lattice/one/rank-00000/checkpoints/*.json")))
more()
made.n += 2
print(more.__closure__[0].cell_contents, made.n)
"""


def test_what_functions_began_is_saved_at_the_end(tmp_path: Path) -> None:
    """Of the values at the end, and by no child that was forked meanwhile."""
    program = Program(tmp_path, IN_FUNCTIONS)
    for run in range(2):
        ended = program.run()
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.split() == [str(run), str(run + 1), str(2 * (run + 1))]


def test_a_store_that_was_removed_is_not_made_anew(tmp_path: Path) -> None:
    """What a test had in a temporary folder does not come back at its process's end."""
    program = Program(
        tmp_path,
        """
        import tempfile
        from lattice_addons import Settings, StateManagerGroup

        def test():
            with tempfile.TemporaryDirectory(dir=".") as root:
                group = StateManagerGroup(Settings(root=root, job_id="job"))
                group.register("a")
                group.update("a", 1)
                group.save()

        test()
        """,
    )
    ended = program.run()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [each.name for each in tmp_path.iterdir()] == ["program.py"]


def test_a_lease_that_was_removed_alone_is_no_removed_store(tmp_path: Path) -> None:
    """Somebody who took it for a dead one's has not removed the job: what it has is saved at the end."""
    program = Program(
        tmp_path,
        """
        import os, sys
        from lattice_addons import StateManagerGroup

        def begin():
            group = StateManagerGroup()
            group.register("n")
            group.update("n", 5)
            if sys.argv[1] == "saved":
                group.save()
                group.update("n", 6)

        begin()
        os.unlink(".lattice/program/rank-00000/lease.json")
        """,
    )
    for how, count in (("new", 1), ("saved", 3)):
        ended = program.run(how)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert len(program.checkpoints()) == count
    assert value_in(tmp_path / ".lattice", "program", "n") == 6


def test_the_next_group_of_the_job_finds_its_values(let: Let, tmp_path: Path) -> None:
    """It was not saved before, and its lease is nobody's obstacle."""
    left = let(values={"a": [1]})
    assert left() is not None
    assert value_in(tmp_path) == [1]
    assert left() is None


def test_another_rank_is_in_another_place(let: Let, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside it in the job is left as it is."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for number in ("0", "1"):
        monkeypatch.setenv("RANK", number)
        assert let(values={"a": number}, ranks="alone")() is not None
    assert len(list(tmp_path.glob("job/*/lease.json"))) == 2
    assert not list(tmp_path.glob("job/*/checkpoints/*.json"))


def test_a_value_that_cannot_be_stored_is_no_obstacle(
    let: Let, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, the others are saved, and the new group is there."""
    let(values={"a": 1, "bad": (n for n in [1])})
    assert value_in(tmp_path) == 1
    assert "'bad'" in caplog.text


def test_one_that_is_at_work_is_in_the_way(let: Let, tmp_path: Path) -> None:
    """A loop that goes on needs no group, and is not to be closed under the program's hands."""
    group = StateManagerGroup(Settings(root=str(tmp_path), job_id="job", signals=()))
    loop = group.resume(range(3), "loop")
    del group
    assert next(loop) == 0
    with pytest.raises(LeaseHeldError):
        let()
    assert list(loop) == [1, 2]
    let()


class Slow:
    """Says when it is being stored, and waits for leave to go on."""

    def __init__(self) -> None:
        self.begun, self.leave = threading.Event(), threading.Event()
        self.times = 0

    def __reduce__(self) -> tuple[object, ...]:
        """Wait, and become a number."""
        self.times += 1
        self.begun.set()
        assert self.leave.wait(60)
        return (int, (1,))


def test_of_two_threads_one_ends_it(let: Let, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The other one waits for that, and finds the job free; nothing is saved twice."""
    slow = Slow()
    let(values={"a": slow})
    for number in range(8):
        let(f"job-{number}", {"a": number})
    first = threading.Thread(target=let, args=("one too many",))
    first.start()
    assert slow.begun.wait(60)
    second = threading.Thread(target=let, kwargs={"values": {"a": 2}})
    second.start()
    second.join(0.2)
    slow.leave.set()
    first.join()
    second.join()
    assert slow.times == 1
    assert value_in(tmp_path) == 2
    assert "is written by" not in caplog.text


def test_nothing_stays_of_what_has_nothing_to_save(let: Let) -> None:
    """Without slots, or where nothing saves it by itself."""
    assert let()() is None
    assert let("other", {"a": 1}, atexit_saving=False)() is None
    assert let("third", {"a": 1}, atexit_saving=False, signals=("SIGTERM",))() is not None


def test_what_is_complete_makes_room_first(let: Let, tmp_path: Path) -> None:
    """Nothing would be saved of it: it goes with the next group, whichever that is, and so does its hold of the job."""
    at_work = let("at work", {"a": 1})
    for number in range(9):
        group = StateManagerGroup(Settings(root=str(tmp_path), job_id=f"job-{number}", signals=()))
        group.register("a")
        group.update("a", number)
        group.complete()
        complete = weakref.ref(group._session)
        del group
        let("another", {"a": 1})
        assert complete() is None
        assert not list(tmp_path.glob(f"job-{number}/*/lease.json"))
        assert len(list(tmp_path.glob(f"job-{number}/*/checkpoints/*.json"))) == 1
    assert at_work() is not None


def test_nothing_stays_of_what_is_closed(tmp_path: Path) -> None:
    """Its values are the program's alone."""
    group = StateManagerGroup(Settings(root=str(tmp_path), job_id="job", signals=()))
    group.register("a")
    group.update("a", 1)
    group.close()
    session = weakref.ref(group._session)
    del group
    assert session() is None


def test_of_many_only_the_last_ones_stay(
    let: Let, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that makes a group for each of its jobs neither fills the memory nor loses a value."""
    monkeypatch.setattr(StateManagerGroup._made, "_told", False)
    left = [let(f"job-{number}", {"a": number}) for number in range(12)]
    assert [session() is not None for session in left] == [False] * 3 + [True] * 9
    assert caplog.text.count("close() a group") == 1
    assert [value_in(tmp_path, f"job-{number}") for number in range(12)] == list(range(12))
