"""A group reclaims space after its saves, and before them where the disk is full of what goes anyway."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import StoreError
from lattice_addons.state import _stored
from lattice_addons.storage import LocalStore
from tests.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lattice_addons import StateManagerGroup
    from lattice_addons.storage import Writer

    Start = Callable[..., StateManagerGroup]


class Small(LocalStore):
    """A store with room for so many packs."""

    room = 3

    def create(self, key: str) -> AbstractContextManager[Writer]:  # type: ignore[override]
        """Write a pack, where there is room for it."""
        if len([there for there in self.list() if there.endswith(".pack")]) >= self.room:
            raise StoreError("the disk is full", url=self.url, errno=errno.ENOSPC)
        return super().create(key)


@pytest.fixture
def group(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateManagerGroup]:
    """Give a group in a small store that keeps one checkpoint; its thread has not begun."""
    monkeypatch.setattr(_stored, "open_store", lambda settings, **_: Small(settings.root))
    group = start(keep=1)
    group.register("n")
    yield group
    group.close()


def save(group: StateManagerGroup, value: Any) -> None:
    """Save a value that has a pack."""
    group.update("n", (value, os.urandom(1000)))
    group.save()


def test_a_full_disk_is_made_room_on(group: StateManagerGroup, tmp_path: Path) -> None:
    """Faster than the thread: the save deletes what would have gone anyway, and succeeds."""
    for n in range(12):
        save(group, n)
    assert group.get("n")[0] == 11
    assert len(list(tmp_path.rglob("*.pack"))) <= 3


def test_a_disk_that_is_full_of_what_stays_is_told(group: StateManagerGroup, monkeypatch: Any) -> None:
    """There is nothing to be deleted, and the error is the disk's."""
    save(group, 1)
    monkeypatch.setattr(Small, "room", 1)
    with pytest.raises(StoreError, match="full"):
        save(group, 2)


def test_the_thread_deletes_what_need_not_stay(start: Start, tmp_path: Path) -> None:
    """Without anything that the program does; what it was resumed from stays."""
    group = start(keep=2)
    group.register("n")
    save(group, 0)
    group = start(keep=2)
    group.register("n")
    for n in range(5):
        save(group, n)

    def numbers() -> list[int]:
        return sorted(int(path.stem) for path in tmp_path.rglob("checkpoints/*.json"))

    end = time.monotonic() + 60
    while numbers() != [1, 5, 6] and time.monotonic() < end:
        time.sleep(0.02)
    assert numbers() == [1, 5, 6]


def test_a_program_that_only_saves_at_its_end_stays_within_its_bounds(tmp_path: Path) -> None:
    """There is no time for a thread then, and a moment is enough."""
    source = """
        from lattice_addons import StateManagerGroup
        from lattice_addons.state import _stored

        _stored._LAST_MOMENT = 100.0  # which a machine may need that is busy
        group = StateManagerGroup()
        group.register("n")
        group.update("n", (1, group.get("n")[1] + 1 if group.get("n") else 1))
    """
    program = Program(tmp_path, source)
    for _ in range(5):
        ended = program.run(config="keep=2")
        assert (ended.returncode, ended.stderr) == (0, "")
    # And what the last one was resumed from.
    assert [int(path.stem) for path in program.checkpoints()] == [4, 5]
    assert len(list(program.job.rglob("*.pack"))) == 2


def test_a_slot_that_is_registered_again_is_found_however_much_was_tidied_up(start: Start) -> None:
    """Its stored value stands in a checkpoint of this session, which goes; the next one has it."""
    group = start(keep=1)
    chance = np.random.default_rng(0)
    value = chance.integers(0, 256, 100_000, "u1")
    for key in ("x", "big"):
        group.register(key)
    group.update("x", value)
    group.update("big", chance.integers(0, 256, 2_000_000, "u1"))
    group.save()
    group.delete("x")
    group.register("x")
    for _ in range(6):
        group.update("big", chance.integers(0, 256, 2_000_000, "u1"))
        group.save()
        line = group._session.stored._line
        assert line is not None
        line.tidier.now()
    assert np.array_equal(group.get("x"), value)


@pytest.mark.parametrize("changed", [False, True])
def test_a_child_reads_while_its_parent_goes_on(tmp_path: Path, changed: bool) -> None:
    """What is still the same is found in what is newest; of what is not, the child is told why."""
    source = f"""
        import subprocess, sys
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        group.register("x")
        if sys.argv[1:]:
            print("begun", flush=True)
            sys.stdin.readline()
            try: print(group.get("x")[:3])
            except Exception as error: print(type(error).__name__, "load()" in str(error))
            sys.exit()
        def save(value):
            group.register(value); group.update(value, value)
            group.update("x", (value if {changed} else "x") * 100_000)
            group.save(); group._session.stored._line.tidier.now()
        save("a")
        child = subprocess.Popen([sys.executable, __file__, "child"], stdin=-1, stdout=-1, text=True)
        child.stdout.readline()
        save("b"); save("c"); save("d")
        print(child.communicate("go\\n")[0], end="")
    """
    ended = Program(tmp_path, source).run(config="keep=1")
    assert ended.stdout == ("DamagedError True\n" if changed else "xxx\n"), ended.stderr
