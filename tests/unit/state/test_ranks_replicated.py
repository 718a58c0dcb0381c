"""A value that all ranks have alike is stored by the first of them; the others' checkpoints say where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Line, Portable, exported, imported, prune
from lattice_addons.errors import DamagedError
from lattice_addons.storage import open_store
from tests.unit.state.test_ranks import start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.unit.state.test_ranks import Start

__all__ = ["start"]  # a fixture

SIZE = 200_000


def begin(start: Start, world: int, *slots: str) -> list[StateManagerGroup]:
    """Start ranks that have a value alike, and a slot of each rank's own."""
    groups = start(world, *(slots or ("model",)), ranks="replicated")
    for group in groups:
        group.register("own", ranks="per-rank")
    return groups


def content(step: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Give the array of a step; it does not compress."""
    return np.random.default_rng(step).integers(0, 256, SIZE, dtype=np.uint8)


def save(groups: Sequence[StateManagerGroup], step: int, but: tuple[int, ...] = ()) -> None:
    """Have the ranks save the same array, whose content is that of the step."""
    for rank, group in enumerate(groups):
        if rank not in but:
            group.update("model", content(step))
            group.update("own", [rank, step])
            group.save(step=step)


def line(folder: Path, rank: int, **settings: object) -> Line:
    """Open the line of a rank."""
    made = Settings(root=str(folder / "store"), job_id="job", **settings)  # type: ignore[arg-type]
    return Line(open_store(made), "job", rank, settings=made)


def packed(folder: Path, rank: int) -> int:
    """Count the bytes in a rank's packs."""
    return sum(pack.stat().st_size for pack in (folder / f"store/job/rank-{rank:05d}/packs").glob("*.pack"))


def steps(groups: Sequence[StateManagerGroup]) -> list[int | None]:
    """Give the step of which each rank finds the array."""
    values = (group.get("model") for group in groups)
    return [_step_of(value) if value is not None else None for value in values]


def _step_of(value: np.ndarray[Any, np.dtype[np.uint8]]) -> int | None:
    return next((step for step in range(12) if np.array_equal(value, content(step))), None)


def test_stored_once(start: Start, tmp_path: Path) -> None:
    """The other ranks write nothing of it, and all find it, also read into memory that they have."""
    save(begin(start, 3), 1)
    assert packed(tmp_path, 0) >= SIZE
    assert packed(tmp_path, 1) == packed(tmp_path, 2) == 0
    groups = begin(start, 3)
    assert steps(groups[:2]) == [1, 1]
    target = np.zeros(SIZE, dtype=np.uint8)
    assert groups[2].get("model", into=target) is target
    assert target.tobytes() == content(1).tobytes()
    assert [group.get("own") for group in groups] == [[0, 1], [1, 1], [2, 1]]


def test_stored_once_at_the_end_and_in_the_background(start: Start, tmp_path: Path) -> None:
    """Saves at a moment of one rank alone store no second copy either, nor do those in the background."""
    groups = begin(start, 2)
    save(groups, 1)
    for group in groups:
        group.update("model", content(2))
        group._session.save_now("signal:SIGTERM")
        group.update("model", content(3))
        group.async_save(step=3).result()
        group._session.save_now("exit")
    assert packed(tmp_path, 1) == 0
    assert steps(begin(start, 2)) == [3, 3]


def test_untouched_value_goes_on(start: Start, tmp_path: Path) -> None:
    """What was stored for all is carried on by programs that never ask for it, or do not name it."""
    save(begin(start, 2), 7)
    for slots in (("model",), ("other",)):
        for count in range(5):
            for group in begin(start, 2, *slots):
                group.save(step=10 + count)
    assert steps(begin(start, 2)) == [7, 7]
    assert packed(tmp_path, 1) == 0


@pytest.mark.parametrize("now", [1, 2, 3, 4])
def test_other_numbers_of_ranks(start: Start, tmp_path: Path, now: int) -> None:
    """Each rank has the value, and stores it once again, whether or not anybody asked for it."""
    save(begin(start, 3), 5)
    assert steps(begin(start, now)) == [5] * now
    for group in begin(start, now):
        group.save(step=6)
    assert steps(begin(start, now)) == [5] * now
    assert [packed(tmp_path, rank) for rank in range(1, now)] == [0] * (now - 1)


def test_damage_is_the_same_for_all(start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the stored bytes are damaged, all ranks have the same older value, and say so."""
    groups = begin(start, 3)
    for step in (1, 2, 3):
        save(groups, step, but=(1,) if step == 1 else ())
    newest = line(tmp_path, 0).newest()
    assert newest is not None
    [chunk, *_] = newest.slots["model"].chunks()
    pack = tmp_path / f"store/job/rank-00000/packs/{chunk.pack}.pack"
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[chunk.offset + chunk.extent // 2] ^= 1
    pack.write_bytes(data)
    assert steps(begin(start, 3)) == [2, 2, 2]
    assert (
        sum("its value is the one of checkpoint 2" in record.getMessage() for record in caplog.records) == 3
    )


def test_without_the_part_of_the_rank_that_stores(start: Start, tmp_path: Path) -> None:
    """An instant whose manifest is gone there is no checkpoint of the job: all carry on from the one before."""
    groups = begin(start, 2)
    for step in (1, 2, 3):
        save(groups, step)
    line(tmp_path, 0).store.delete([f"job/rank-00000/checkpoints/{3:012d}.json"])
    groups = begin(start, 2)
    assert steps(groups) == [2, 2]
    assert [group.get("own") for group in groups] == [[0, 2], [1, 2]]


def test_no_value_on_the_rank_that_stores(start: Start) -> None:
    """A value that only another rank had is missed by name, and not taken for none."""
    groups = begin(start, 2)
    groups[1].update("model", "only here")
    for group in groups:
        group.save(step=1)
    groups = begin(start, 2)
    with pytest.raises(DamagedError, match=r"'model'.*needs its value on that rank, too"):
        groups[1].get("model")


def readable(folder: Path) -> dict[int, list[int]]:
    """Read every checkpoint of every rank, and give their numbers."""
    found = {}
    for rank in range(3):
        one = line(folder, rank)
        findings = list(one.verify())
        assert all(finding.good for finding in findings), findings
        found[rank] = one.numbers()
    return found


def test_retention_keeps_what_others_need(start: Start, tmp_path: Path) -> None:
    """The rank that stores deletes no checkpoint that another's looks into, and deletes it when that is gone."""
    groups = begin(start, 3)
    for step in range(1, 4):
        save(groups, step)
    line(tmp_path, 1).keeps.put(2, "good")
    for step in range(4, 12):
        save(groups, step)
    for group in groups:
        group.close()
    # Each rank by itself, the one that stores first: it must not go by its own numbers.
    for _ in range(2):
        for rank in (0, 1, 2):
            prune(line(tmp_path, rank, keep=1))
    found = readable(tmp_path)
    assert found[1] == [2, 11]
    assert found[2] == [11]
    assert found[0] == [2, 11]
    line(tmp_path, 1).keeps.drop(2)
    for rank in (1, 0):
        prune(line(tmp_path, rank, keep=1))
    assert readable(tmp_path) == {0: [11], 1: [11], 2: [11]}


def test_slow_rank_finds_what_it_needs(start: Start, tmp_path: Path) -> None:
    """A rank far behind the one that stores: what it comes to is there, and what all have stays complete."""
    groups = begin(start, 2)
    save(groups, 1)
    for step in range(2, 12):
        save(groups, step, but=(1,))
        groups[0]._session.stored._line.retain()  # type: ignore[union-attr]
    for step in range(2, 7):
        save(groups, step, but=(0,))
        groups[1]._session.stored._line.retain()  # type: ignore[union-attr]
        groups[0]._session.stored._line.retain()  # type: ignore[union-attr]
        readable(tmp_path)
    assert steps(begin(start, 2)) == [6, 6]


def test_restarted_alone(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A rank that comes back alone has its newest instant that counts, with the value stored for all."""
    groups = begin(start, 2)
    save(groups, 1)
    save(groups, 2)
    groups[1].update("own", "later")
    groups[1]._session.save_now("exit")
    groups[1].close()
    monkeypatch.setenv("RANK", "1")
    settings = Settings(root=str(tmp_path / "store"), job_id="job", signals=())
    back = StateManagerGroup(settings)
    back.register("model", ranks="replicated")
    back.register("own", ranks="per-rank")
    assert steps([back]) == [2]
    assert back.get("own") == [1, 2]
    save([groups[0], back], 3)
    assert groups[0].status().complete == "step 3"
    back.close()


def test_small_values_among_many(start: Start, tmp_path: Path) -> None:
    """Where slots stand in tables, those that are stored for all do not; they are found all the same."""
    names = [f"n{number}" for number in range(1500)]
    groups = begin(start, 2, "shared")
    for group in groups:
        group.update("shared", {"lr": 0.1})
        for name in names:
            group.register(name)
            group.update(name, 1)
        group.save(step=1)
    newest = line(tmp_path, 1).newest()
    assert newest is not None
    assert newest.slots["shared"].at is not None
    assert [group.get("shared") for group in begin(start, 2, "shared")] == [{"lr": 0.1}] * 2


def test_exported_part_is_whole(start: Start, tmp_path: Path) -> None:
    """A rank's part in a file has what another rank stores, too, and needs none of it where it is imported."""
    save(begin(start, 2), 9)
    for group in begin(start, 2):
        group.close()
    one = line(tmp_path, 1)
    newest = one.newest()
    assert newest is not None
    file = tmp_path / "part.tar"
    file.write_bytes(b"".join(map(bytes, exported(one, newest))))
    other = Settings(root=str(tmp_path / "other"), job_id="copy")
    target = Line(open_store(other, create=True), "copy", 1, settings=other)
    with Portable(str(file), None) as portable:
        made = imported(target, portable)
    target.release()
    assert made.slots["model"].at is None
    value, buffers = target.read(made.slots["model"], slot="model")
    assert bytes(buffers[0]) == content(9).tobytes(), value


def test_manifest_says_where(start: Start, tmp_path: Path) -> None:
    """What is on disk is what the format's page says: the rank, the attempt and the instant."""
    save(begin(start, 2), 4)
    [manifest] = (tmp_path / "store/job/rank-00001/checkpoints").glob("*.json")
    told = json.loads(manifest.read_text())["slots"]["model"]
    assert told["at"] == [0, 1, [0, 4, 0, 0]]
    assert told.keys() == {"manager", "encoding", "type", "size", "at"}
