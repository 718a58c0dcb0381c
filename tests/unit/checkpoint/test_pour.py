"""A large pickle is written while it is made, and is never whole in memory."""

from __future__ import annotations

import gc
import random
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.checkpoint import Fresh
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.encoding import Encoded, Experience, Flow, Stream, encode
from lattice_addons.errors import EncodeError
from lattice_addons.storage import LocalStore
from tests.unit.checkpoint.lines import contents, fresh, line_of, packs, raw, value, values
from tests.unit.checkpoint.test_tidy import eventually
from tests.unit.encoding.classes import Point

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint, Entry, Line
    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.storage import Store

MIB = 2**20


def flow(held: object) -> Fresh:
    """Give a slot whose pickle is made when it is taken."""
    return Fresh("StateManager", Encoded("pickle", "builtins.dict", None, (Flow(held, Experience(), 0),)))


def commit(line: Line, **slots: Fresh | Entry) -> Checkpoint:
    """Commit these slots."""
    return line.commit(slots, parent=None, reason="manual")


def large(count: int, size: int = 2000) -> dict[object, bytes]:
    """Give a value of many parts that are all different, and do not become smaller by compression."""
    source = random.Random(count)
    return {number: source.randbytes(size) for number in range(count)}


def peak(action: Callable[[], object]) -> int:
    """Say how many bytes an action has in Python's memory at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_it_is_stored_as_if_it_were_made_before(store: Store) -> None:
    """In the same chunks: so it does not matter to the next save which of both this one did."""
    line = line_of(store)
    held = large(3000)
    first = commit(line, poured=flow(held), other=fresh((1,)))
    assert value(line, first, "poured") == held
    second = commit(line, poured=fresh(held), other=fresh((1,)))
    assert second.slots == first.slots
    assert second.metrics["bytes_new"] == 0
    assert first.slots["poured"].size == encode(held).size


@pytest.mark.one_python
def test_little_of_it_is_in_memory(tmp_path: Path) -> None:
    """Of 48 MiB a few: what is being cut, named and written."""
    line = line_of(LocalStore(tmp_path))
    held = large(10, 4 * MIB) | {"more": large(4000)}
    commit(line, warm=flow(large(3000)))
    assert peak(lambda: commit(line, poured=flow(held))) < 24 * MIB
    assert peak(lambda: commit(line, poured=flow(held))) < 24 * MIB


@pytest.mark.one_python
def test_no_stream_is_in_memory(tmp_path: Path) -> None:
    """Neither is what is read from a file, once it is written."""
    line = line_of(LocalStore(tmp_path))
    noise = random.Random(0).randbytes(MIB)

    class Long(Stream):
        size = 48 * MIB

        def pieces(self) -> Any:
            return (bytes([n]) + noise[1:] for n in range(48))

    assert peak(lambda: commit(line, long=raw(Long()))) < 24 * MIB


def test_what_fails_half_way_is_in_no_manifest(store: Store) -> None:
    """The slot is named; without it, all else is committed."""
    line = line_of(store)
    bad = flow({**large(3000), "lock": threading.Lock()})
    with pytest.raises(EncodeError) as caught:
        commit(line, good=fresh((1,)), bad=bad)
    assert caught.value.slot == "bad"  # type: ignore[attr-defined]
    assert caught.value.where == "value['lock']"
    assert packs(store) == []
    assert values(line, commit(line, good=fresh((1,)))) == {"good": (1,)}


def test_a_second_try_costs_little_in_the_pack(store: Store) -> None:
    """It has mostly the bytes of the first one, which are there."""
    line = line_of(store)
    tries = 0

    class Once:
        def __reduce__(self) -> tuple[Any, ...]:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise ValueError("not now")
            return int, ()

    held: dict[object, object] = {**large(3000), "once": Once()}
    checkpoint = commit(line, poured=flow(held))
    (pack,) = packs(store)
    assert tries > 1
    assert store.size(pack) < 1.1 * checkpoint.slots["poured"].size
    (payload,) = contents(line, checkpoint.slots["poured"])
    assert len(payload) == checkpoint.slots["poured"].size


def test_a_detached_one_is_made_at_once(store: Store) -> None:
    """What changes afterwards is not saved."""
    line = line_of(store)
    held = large(3000)
    want = dict(held)
    taken = line.detach({"poured": flow(held)})
    assert taken is not None
    held.clear()
    assert values(line, commit(line, **taken)) == {"poured": want}


def test_memory_for_a_detached_one_is_bounded(store: Store) -> None:
    """Where it would be too much, it is to be committed at once; large bytes need none."""
    line = line_of(store, memory=4 * MIB)
    assert line.detach({"poured": flow(large(3000))}) is None
    assert line.detach({"poured": flow(large(8, MIB))}) is not None


def test_copies_that_were_too_much_are_let_go(memory: Store) -> None:
    """At once: what is committed instead needs memory."""
    line = line_of(memory, memory=8 * MIB)
    KEPT.trim(0)
    gc.disable()  # which would find them some time
    try:
        assert line.detach({"poured": flow(large(6000))}) is None
        # A worker lets go of what it has just copied in a moment of its own.
        assert eventually(lambda: len(KEPT._free) >= 2)
    finally:
        gc.enable()


def test_without_memory_for_a_copy_it_is_to_be_committed_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system may have less than it says, and less than the limit."""

    def none() -> Block:
        raise MemoryError

    line = line_of(store)
    monkeypatch.setattr(KEPT, "block", none)
    assert line.detach({"poured": flow(large(1000))}) is None


def test_what_would_be_written_of_it_is_known(store: Store) -> None:
    """Without writing any of it."""
    line = line_of(store)
    held = large(3000)
    assert line.dirty({"poured": flow(held)}) == encode(held).size
    commit(line, poured=flow(held))
    assert line.dirty({"poured": flow(held)}) == 0
    held[2999] = b"changed"
    assert 0 < line.dirty({"poured": flow(held)}) < MIB


def test_a_long_text_is_cut_by_its_content(store: Store) -> None:
    """What is put in changes the chunks around; what has not changed is not even looked at."""
    line = line_of(store)
    lines = [f"{number * number} and {number}, " * 3 for number in range(70_000)]
    first = commit(line, text=fresh(lines))
    assert commit(line, text=fresh(lines)).slots == first.slots
    lines.insert(100, "inserted")
    second = commit(line, text=fresh(lines))
    assert value(line, second, "text") == lines
    assert 0 < second.metrics["bytes_new"] < 300_000  # type: ignore[operator]
    assert first.slots["text"].size > 4_000_000


@pytest.mark.one_python
def test_a_large_text_is_not_in_memory(tmp_path: Path) -> None:
    """It is cut as a text that was made before, and costs as little when it is saved again."""
    line = line_of(LocalStore(tmp_path))
    held = [{"number": number, "text": f"line {number}, " * 30} for number in range(30_000)]
    experience = Experience()

    def slot() -> Fresh:
        return Fresh("StateManager", encode(held, experience=experience))

    assert isinstance(slot().encoded.buffers[0], Flow)
    first = commit(line, text=slot())
    assert first.slots["text"].size > 10 * MIB
    assert peak(lambda: commit(line, text=slot())) < 10 * MIB
    second = commit(line, text=fresh(held))
    assert second.slots == first.slots
    assert second.metrics["bytes_new"] == 0
    assert value(line, second, "text") == held


def test_a_text_that_turns_out_not_to_be_plain_is_pickled(memory: Store) -> None:
    """What was cut before that belongs to nothing."""
    line = line_of(memory)
    held: list[object] = [{"number": number, "text": f"line {number}, " * 4} for number in range(20_000)]
    slot = Fresh("StateManager", encode(held, experience=Experience()))
    assert line.dirty({"text": slot}) > MIB
    held.append((1,))
    assert line.dirty({"text": slot}) == encode(held).size
    checkpoint = commit(line, text=slot)
    assert checkpoint.slots["text"].encoding == "pickle"
    assert value(line, checkpoint, "text") == held


# Each kind at one place, and one of them at all: that it makes no difference is shown for any stream.
@pytest.mark.parametrize(
    ("make", "place"),
    [
        *(
            (lambda: [(number, f"item {number}", number / 7) for number in range(50_000)], at)
            for at in (0, 0.5, 1)
        ),
        (lambda: [Point(number * number) for number in range(60_000)], 0),
        (lambda: {number: f"item {number * number}" for number in range(50_000)}, 0.5),
        (lambda: [random.Random(number).randbytes(800) for number in range(2_000)], 0.5),
    ],
    ids=["tuples-0", "tuples-0.5", "tuples-1", "objects", "dict", "bytes"],
)
def test_what_is_put_into_a_large_pickle_changes_the_chunks_around(
    memory: Store, make: Callable[[], Any], place: float
) -> None:
    """However small the parts are: what is behind is found again."""
    line = line_of(memory)
    held = make()
    first = commit(line, held=flow(held))
    items = list(held.items()) if type(held) is dict else held
    items.insert(int(place * len(items)), (-1, "inserted") if type(held) is dict else items[0])
    changed = dict(items) if type(held) is dict else items
    second = commit(line, held=flow(changed))
    assert value(line, second, "held") == changed
    size = first.slots["held"].size
    assert size > 1_000_000
    assert 0 < second.metrics["bytes_new"] < max(0.2 * size, 300_000)  # type: ignore[operator]
