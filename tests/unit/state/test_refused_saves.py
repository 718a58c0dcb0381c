"""A save that is refused leaves a word of it beside the checkpoints, and raises what it raised before."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Line, refusals
from lattice_addons.errors import LeaseHeldError, NotSavedError, StoreError
from lattice_addons.storage import LocalStore
from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lattice_addons.checkpoint import Refused


@pytest.fixture
def group(tmp_path: Path) -> Iterator[StateManagerGroup]:
    """Give a group."""
    made = StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=()))
    made.register("good")
    made.update("good", 1)
    yield made
    made.close()


def refused(root: Path, job: str = "job") -> list[Refused]:
    """Give what is told of refused saves."""
    return refusals(Line(LocalStore(root), job, settings=Settings(root=str(root)))).all()


def block(folder: Path) -> None:
    """Let nothing be stored in a folder any more: there is a file in its place."""
    folder.rename(folder.with_name(f"{folder.name}-aside"))
    folder.touch()


def test_what_the_store_refuses(group: StateManagerGroup, tmp_path: Path) -> None:
    """Each way of saving tells of it, in the words of the error; a save that goes well tells nothing."""
    group.save()
    assert refused(tmp_path / "store") == []
    block(tmp_path / "store/job/rank-00000/checkpoints")
    with pytest.raises(StoreError) as raised:
        group.save()
    with pytest.raises(StoreError):
        group.async_save().result()
    with pytest.raises(StoreError):
        group.complete()
    with pytest.raises(StoreError):
        group._session.begin_save("periodic")()
    told = refused(tmp_path / "store")
    assert [(each.reason, each.times) for each in told] == [("manual", 2), ("complete", 1), ("periodic", 1)]
    assert told[0].error == type(raised.value).__name__
    assert "checkpoints" in told[0].text
    assert all(each.checkpoint is None and each.slots == () for each in told)


def test_what_a_slot_refuses(group: StateManagerGroup, tmp_path: Path) -> None:
    """Its name is told, and the checkpoint of the others; with `whole` there is none."""
    group.register("bad")
    group.update("bad", (each for each in "abc"))
    with pytest.raises(NotSavedError):
        group.save()
    with pytest.raises(NotSavedError):
        group.save(whole=True)
    first, second = refused(tmp_path / "store")
    assert (first.error, first.slots, first.checkpoint) == ("NotSavedError", ("bad",), 1)
    assert (second.error, second.slots, second.checkpoint) == ("NotSavedError", ("bad",), None)
    assert "generator" in first.text


def test_what_no_snapshot_can_be_made_of(
    group: StateManagerGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what goes wrong before there is anything to be written is told, once for each save."""

    def out_of_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lattice_addons.state._session.capture", out_of_memory)
    for save in (group.save, lambda: group.save(whole=True), group.async_save):
        with pytest.raises(MemoryError):
            save()
    (told,) = refused(tmp_path / "store")
    assert (told.error, told.times) == ("MemoryError", 3)


def test_where_nothing_can_be_written_the_error_is_the_same(group: StateManagerGroup, tmp_path: Path) -> None:
    """What cannot be told is not told."""
    group.save()
    rank = tmp_path / "store/job/rank-00000"
    (rank / "refused.jsonl").mkdir()
    block(rank / "checkpoints")
    with pytest.raises(StoreError, match="checkpoints"):
        group.save()
    assert refused(tmp_path / "store") == []


def test_who_has_no_right_to_write_tells_nothing(group: StateManagerGroup, tmp_path: Path) -> None:
    """The rank is another process's by now: what it says there is its own."""
    group.save()
    rank = tmp_path / "store/job/rank-00000"
    (rank / "lease.json").unlink()
    other = Line(LocalStore(tmp_path / "store"), "job", settings=Settings(root=str(tmp_path / "store")))
    other.acquire()
    with pytest.raises(LeaseHeldError):
        group.save()
    assert not (rank / "refused.jsonl").exists()
    other.release()


PROGRAM = """
    import os, sys, threading, time
    from lattice_addons import StateManagerGroup
    group = StateManagerGroup()
    group.register("n")
    group.update("n", 1)
    group.save()
    def hold():
        with group.atomic():
            print("ready", flush=True)
            time.sleep(60)
    if sys.argv[1] == "atomic":
        threading.Thread(target=hold, daemon=True).start()
    else:
        folder = os.path.join(".lattice", "program", "rank-00000", "checkpoints")
        os.rename(folder, folder + "-aside")
        open(folder, "w").close()
        print("ready", flush=True)
    if sys.argv[1] != "exit":
        time.sleep(60)
"""


@pytest.mark.parametrize(
    ("how", "reason", "error"),
    [
        ("exit", "exit", "Error"),
        ("signal", "signal:SIGTERM", "Error"),
        ("atomic", "signal:SIGTERM", "TimeoutError"),
    ],
)
def test_the_last_save_of_a_program(tmp_path: Path, how: str, reason: str, error: str) -> None:
    """When it ends, or is told to; also where a block that stays open lets nothing be saved."""
    program = Program(tmp_path, PROGRAM)
    process = program.start(how, config="grace=1")
    wait_for(process, "ready")
    if how != "exit":
        process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.returncode == (0 if how == "exit" else -signal.SIGTERM)
    (told,) = refused(program.root, "program")
    assert told.reason == reason
    assert told.error.endswith(error)


def test_threads_that_fail_at_once(group: StateManagerGroup, tmp_path: Path) -> None:
    """Each has its own error; what is told is whole."""
    group.save()
    block(tmp_path / "store/job/rank-00000/checkpoints")

    def save() -> None:
        with pytest.raises(StoreError):
            group.save()

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (told,) = refused(tmp_path / "store")
    assert 1 <= told.times <= 8
