"""A save that is written beside the program is made, whatever the program does meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.program import Program
from tests.unit.state.reel import begin

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from lattice_addons import StateManagerGroup
    from tests.unit.state.reel import Slow

    Start = Callable[..., StateManagerGroup]


def test_who_waits_no_longer_does_not_call_it_off(start: Start, reel: Slow) -> None:
    """As asyncio does with what took longer than its time-out: the checkpoint is made, and nothing is printed."""
    group = start()
    begin(group, reel)
    future = group.async_save()
    assert reel.begun.wait(60)
    assert not future.cancel()
    reel.leave.set()
    assert future.result(timeout=60) is not None


@pytest.mark.parametrize("how", ["async_save", "save"])
def test_close_waits_for_what_is_being_written(start: Start, tmp_path: Path, reel: Slow, how: str) -> None:
    """Otherwise another process could write beside it, and the job be held by a group that is closed."""
    group = start()
    begin(group, reel)
    saved: list[Future[object]] = []
    saver = threading.Thread(target=lambda: saved.append(getattr(group, how)()))

    def close() -> None:
        group.close()
        reel.told.append("closed")

    closer = threading.Thread(target=close)
    saver.start()
    assert reel.begun.wait(60)
    closer.start()
    closer.join(0.2)
    reel.leave.set()
    saver.join(60)
    closer.join(60)
    assert reel.told == ["read", "closed"]
    assert len(list(tmp_path.glob("store/job/*/checkpoints/*.json"))) == 1
    assert not list(tmp_path.glob("store/job/*/lease.json"))


def test_what_was_begun_before_the_group_was_closed_is_saved(start: Start, tmp_path: Path) -> None:
    """Its future has a checkpoint, and the job is free: each time, however far the thread had come."""
    for count in range(50):
        group = start(keep=1)
        group.register("a")
        group.update("a", count)
        future = group.async_save()
        group.close()
        assert future.result(timeout=60) is not None
        assert not list(tmp_path.glob("store/job/*/lease.json"))


@pytest.mark.every_python
def test_where_no_thread_can_be_started_it_is_written_at_once(tmp_path: Path) -> None:
    """As from Python 3.12 on when a program ends."""
    program = Program(
        tmp_path,
        """
        import atexit
        from lattice_addons import StateManagerGroup

        group = StateManagerGroup()
        group.register("a")

        def end():
            group.update("a", 1)
            print(group.async_save().result().number)

        atexit.register(end)
        """,
    )
    ended = program.run()
    assert (ended.stdout, ended.stderr) == ("1\n", "")
