"""What is detached stays as it was, and costs memory only for what has changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons._system import private_memory
from lattice_addons.checkpoint import _kept
from lattice_addons.checkpoint._kept import KEPT, budget
from lattice_addons.errors import EncodeError
from lattice_addons.storage import LocalStore
from tests.unit.checkpoint.lines import Pieces, damage, fresh, line_of, packs, raw, save, values

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint, Entry, Fresh, Line
    from lattice_addons.storage import Store

MIB = 2**20


def arrays(count: int = 3) -> dict[str, np.ndarray]:
    """Give arrays of 8 MiB, all different."""
    return {f"a{n}": np.random.default_rng(n).random(MIB) for n in range(count)}


def detached(line: Line, **slots: object) -> dict[str, Fresh | Entry]:
    """Detach these values, for which there is memory."""
    taken = line.detach({name: fresh(value) for name, value in slots.items()})
    assert taken is not None
    return taken


def commit(line: Line, slots: dict[str, Fresh | Entry]) -> Checkpoint:
    """Commit what was detached."""
    return line.commit(slots, parent=None, reason="manual")


@pytest.mark.parametrize("before", [False, True], ids=["the first save", "a later one"])
def test_what_changes_afterwards_is_not_saved(store: Store, before: bool) -> None:
    """Neither large arrays nor small ones nor streams share memory with the program."""
    line = line_of(store)
    held: dict[str, object] = {**arrays(), "small": np.arange(1000), "list": ["x", (1,)]}
    if before:
        save(line, **held)
        held["a1"][:] = 1  # type: ignore[index]
    want = {name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in held.items()}
    taken = detached(line, **held)
    for value in held.values():
        if isinstance(value, np.ndarray):
            value[:] = 7
    found = values(line, commit(line, taken))
    assert list(found) == list(want)
    assert found.pop("list") == want.pop("list")
    assert all(np.array_equal(found[name], want[name]) for name in want)  # type: ignore[arg-type]


def test_memory_is_taken_for_what_changed(store: Store) -> None:
    """Of 24 MiB that were saved and stay the same nothing is copied; of a changed chunk, that chunk."""
    line = line_of(store)
    held = arrays()
    for _ in range(2):  # The first time all is new; what has changed once is expected to change again.
        save(line, **held)
    held["a1"][-1] = 5
    taken = detached(line, **held)
    batches = [batch for slot in taken.values() for batch in slot.encoded.buffers[0].batches]  # type: ignore[union-attr]
    assert len([batch for batch in batches if batch.block is not None]) == 1
    checkpoint = commit(line, taken)
    assert checkpoint.metrics["bytes_new"] == 4 * MIB
    assert np.array_equal(values(line, checkpoint)["a1"], held["a1"])  # type: ignore[arg-type]


def test_memory_is_used_again(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rounds need no more blocks than two, but for the few by which threads that write keep pace differently."""
    line = line_of(memory)
    held = arrays()
    made: list[int] = []
    round_ = 0

    def counted(size: int, **how: bool) -> mmap.mmap:
        made.append(round_)
        return private_memory(size, **how)

    KEPT.trim(0)
    monkeypatch.setattr(_kept, "private_memory", counted)
    for round_ in range(8):  # noqa: B007 - it is looked at when memory is made
        for array in held.values():
            np.add(array, 1, out=array)
        taken = detached(line, **held)
        commit(line, taken)
        del taken
    assert made.count(0) >= 6  # 24 MiB
    assert sum(at > 1 for at in made) <= 4


def test_too_much_is_not_detached(store: Store) -> None:
    """The caller then saves at once, without copies."""
    line = line_of(store, memory=8 * MIB)
    held = arrays()
    assert line.detach({name: fresh(value) for name, value in held.items()}) is None
    assert line.detach({"a0": fresh(held["a0"])}) is not None


def test_a_detached_slot_can_be_committed_again(store: Store) -> None:
    """One that fails while it is written is left out, and the others are written then."""
    line = line_of(store)
    held = arrays(2)
    slots = {"a0": fresh(held["a0"]), "bad": raw(Pieces([b"abc"], size=4)), "a1": fresh(held["a1"])}
    taken = line.detach(slots)
    assert taken is not None
    want = {name: array.copy() for name, array in held.items()}
    held["a0"][:] = held["a1"][:] = 0
    with pytest.raises(EncodeError):
        commit(line, taken)
    del taken["bad"]
    found = values(line, commit(line, taken))
    assert all(np.array_equal(found[name], want[name]) for name in want)  # type: ignore[arg-type]


@pytest.mark.one_python
def test_slots_that_share_a_block_with_much_between_them(store: Store) -> None:
    """The block is taken in with the first of them, and its last piece is placed before the other slot's turn."""
    line = line_of(store)
    chance = np.random.default_rng(0)
    held: dict[str, object] = {"first": chance.integers(0, 256, 5 * MIB, "u1")}
    held |= {f"between {n}": (n, chance.bytes(500_000)) for n in range(60)}
    held["last"] = chance.integers(0, 256, MIB, "u1")
    found = values(line, commit(line, detached(line, **held)))
    assert list(found) == list(held)
    assert all(np.array_equal(found[name], held[name]) for name in ("first", "last"))  # type: ignore[arg-type]


@pytest.mark.one_python
def test_what_vanishes_before_it_is_found_unchanged(memory: Store) -> None:
    """It was expected to have changed, so it was copied: then the copy is written."""
    store = memory
    line = line_of(store)
    array = np.random.default_rng(0).integers(0, 256, 48 * MIB, "u1")
    save(line, a=array)
    array[::4096] += 1
    save(line, a=array)
    array[: 16 * MIB : 4096] += 1
    taken = detached(line, a=array)
    store.delete(packs(store))
    assert np.array_equal(values(line, commit(line, taken))["a"], array)  # type: ignore[arg-type]


def test_damaged_bytes_are_written_again(store: Store) -> None:
    """What does not read back is not what is referred to, though it has not changed in memory."""
    line = line_of(store, keep=1)
    array = np.random.default_rng(0).integers(0, 256, 2 * MIB, "u1")
    save(line, a=array)
    before = set(packs(store))
    array ^= 1
    save(line, a=array)
    [new] = set(packs(store)) - before
    damage(store, new, 5000)
    line.retain()
    assert line.numbers() == [1, 2]
    save(line, a=array)
    line.retain()
    assert line.numbers() == [3]
    assert np.array_equal(values(line, line_of(store).load(3))["a"], array)  # type: ignore[arg-type]


def test_a_forked_child_has_memory_of_its_own(tmp_path: Path) -> None:
    """Parent and child copy into the blocks that both had kept, and each saves what it copied."""
    line = line_of(LocalStore(tmp_path))
    commit(line, detached(line, **arrays(4)))  # Blocks are kept from here on.
    held = {f"b{n}": np.random.default_rng(10 + n).random(MIB) for n in range(4)}
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.read(ready, 1)
            child = line_of(LocalStore(tmp_path), "child")
            child.detach({name: fresh(np.zeros(MIB)) for name in held})
            status = 0
        finally:
            os._exit(status)
    taken = detached(line, **held)
    os.write(go, b"!")
    assert os.waitpid(pid, 0)[1] == 0
    found = values(line, commit(line, taken))
    assert all(np.array_equal(found[name], array) for name, array in held.items())  # type: ignore[arg-type]


def test_the_programs_memory_is_its_own_again(store: Store) -> None:
    """Nothing that was taken holds on to it, whether it had changed or not."""
    line = line_of(store)
    memory = bytearray(os.urandom(MIB))
    for change in (0, 0, 1):
        memory[0] ^= change
        taken = line.detach({"a": raw(memory)})
        memory.append(1)
        del memory[-1]
        assert taken is not None
        commit(line, taken)


class Unreadable(Pieces):
    """A stream that cannot be read when it is to be copied."""

    def frozen(self) -> Pieces:
        """Fail as a disk does."""
        raise PermissionError(13, "no")


def test_what_cannot_be_copied_is_named(store: Store) -> None:
    """The caller can do without that slot."""
    line = line_of(store)
    with pytest.raises(EncodeError, match="cannot be copied") as caught:
        line.detach({"good": fresh((1,)), "bad": raw(Unreadable([b"abc"]))})
    assert caught.value.slot == "bad"  # type: ignore[attr-defined]


def test_of_slots_that_share_a_block_one_may_be_dropped(store: Store) -> None:
    """Pieces of several small arrays lie in one block; each is committed by itself."""
    line = line_of(store)
    held = {f"a{n}": np.random.default_rng(n).random(16 * 1024) for n in range(8)}
    taken = detached(line, **held)
    del taken["a0"], taken["a4"]
    found = values(line, commit(line, taken))
    assert list(found) == ["a1", "a2", "a3", "a5", "a6", "a7"]
    assert all(np.array_equal(found[name], held[name]) for name in found)  # type: ignore[arg-type]


def test_what_vanishes_after_it_was_found_unchanged(store: Store) -> None:
    """It was not copied, so the slot's last good value stays, and the next save writes all of it."""
    line = line_of(store)
    held = arrays(1)
    for _ in range(2):
        save(line, **held)
    taken = detached(line, **held)
    store.delete(packs(store))
    with pytest.raises(EncodeError, match="vanished") as caught:
        commit(line, taken)
    assert caught.value.slot == "a0"  # type: ignore[attr-defined]
    assert np.array_equal(values(line, save(line, **held))["a0"], held["a0"])  # type: ignore[arg-type]


def test_dirty_bytes(store: Store) -> None:
    """They are those that a save would write."""
    line = line_of(store)
    held: dict[str, object] = {**arrays(2), "small": (1, 2)}

    def dirty() -> int:
        return line.dirty({name: fresh(value) for name, value in held.items()})

    assert dirty() == 16 * MIB + fresh((1, 2)).encoded.size
    save(line, **held)
    assert dirty() == 0
    held["a0"][0] = 1  # type: ignore[index]
    held["small"] = (1, 2, 3)
    assert dirty() == 4 * MIB + fresh((1, 2, 3)).encoded.size
    line.release()
    assert line_of(store).dirty({"a1": fresh(held["a1"])}) in (0, 8 * MIB)


def test_the_budget_is_a_share_of_what_is_available() -> None:
    """A quarter, unless it is said."""
    assert budget(12345) == 12345
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(next(line.split()[1] for line in file if line.startswith("MemTotal"))) * 1024
    assert 0 < budget(None) <= total // 4


def test_what_is_kept_of_files_does_not_count_in_a_container(tmp_path: Path) -> None:
    """The system gives it back: who has read more than the container may have has memory for copies all the same."""
    stat = "anon 100\nfile 850\ninactive_file 800\nactive_file 50\n"
    for name, text in (("max", "1000\n"), ("current", "1000\n"), ("stat", stat)):
        (tmp_path / f"memory.{name}").write_text(text)
    assert _kept._left_in(str(tmp_path)) == 800
    (tmp_path / "memory.max").write_text("max\n")
    with pytest.raises(ValueError, match="max"):  # as if there were no group
        _kept._left_in(str(tmp_path))
