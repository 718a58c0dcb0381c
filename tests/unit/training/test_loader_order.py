"""What several ranks have seen of an order is left out for others, whatever their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's samplers")

from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402 - behind the skip

from lattice_addons.training import loader_position  # noqa: E402 - behind the skip
from lattice_addons.training._loader_order import remaining, share_of  # noqa: E402 - behind the skip

from .loader_lives import begin  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def test_what_is_left_is_what_nobody_has_seen() -> None:
    """After two ranks that were not equally far, and then three."""
    left = remaining(list(range(20)), [(2, {0: 3, 1: 2})])
    assert left == [5, *range(6, 20)]
    assert remaining(left, []) == left
    assert remaining(list(range(20)), [(2, {0: 3, 1: 2}), (3, {0: 1, 1: 1, 2: 1})]) == list(range(8, 20))


def test_parts_are_of_one_length() -> None:
    """Filled up from the beginning, or cut, as a DistributedSampler does it."""
    assert [share_of([1, 2, 3, 4, 5], rank, 2, drop_last=False) for rank in (0, 1)] == [[1, 3, 5], [2, 4, 1]]
    assert [share_of([1, 2, 3, 4, 5], rank, 2, drop_last=True) for rank in (0, 1)] == [[1, 3], [2, 4]]
    assert share_of([1], 2, 3, drop_last=False) == [1]
    assert share_of([], 0, 3, drop_last=False) == []


def ranks(monkeypatch: pytest.MonkeyPatch, folder: Path, world: int, *, step: int, batches: int) -> list[int]:
    """Be all ranks of a job: go through some batches, save, and end; give the samples."""
    monkeypatch.setenv("WORLD_SIZE", str(world))
    seen: list[int] = []
    groups = []
    for rank in range(world):
        monkeypatch.setenv("RANK", str(rank))
        groups.append(begin(folder))
    for rank, group in enumerate(groups):
        monkeypatch.setenv("RANK", str(rank))
        sampler = DistributedSampler(range(24), num_replicas=world, rank=rank)
        loader = DataLoader(range(24), batch_size=2, sampler=sampler)
        group.track(loader=loader)
        assert loader_position(loader).samples == [0, 12, 18][step - 1]
        for number, batch in enumerate(loader, 1):
            seen += batch.tolist()
            if number == batches:
                group.save(step=step)
                break
    for group in groups:
        group.close()
    return seen


def test_no_sample_is_seen_twice_or_left_out_by_other_ranks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two ranks, then three, then one: each takes over what the ones before have left."""
    seen = ranks(monkeypatch, tmp_path, 2, step=1, batches=3)
    assert len(seen) == 12
    seen += ranks(monkeypatch, tmp_path, 3, step=2, batches=1)
    assert len(seen) == 18
    seen += ranks(monkeypatch, tmp_path, 1, step=3, batches=99)

    assert sorted(seen) == list(range(24))


@pytest.mark.parametrize("late", [0, 1])
def test_a_rank_that_had_not_begun_takes_its_part_of_what_is_left(
    late: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Saved by a signal that comes to each rank at another moment, where each works for itself."""
    seen: list[int] = []
    for world, batches in ((2, 4), (3, 99)):
        monkeypatch.setenv("WORLD_SIZE", str(world))
        groups = []
        for rank in range(world):
            monkeypatch.setenv("RANK", str(rank))
            groups.append(begin(tmp_path))
        for rank, group in enumerate(groups):
            monkeypatch.setenv("RANK", str(rank))
            sampler = DistributedSampler(range(24), num_replicas=world, rank=rank)
            loader = DataLoader(range(24), batch_size=2, sampler=sampler)
            group.track(loader=loader)
            for number, batch in enumerate(loader if world == 3 or rank != late else (), 1):
                if number == batches:
                    break  # it will be worked on again
                seen += batch.tolist()
            if world == 2:
                group._session.save_now("signal:SIGTERM")
        for group in groups:
            group.close()

    assert sorted(seen) == list(range(24))
