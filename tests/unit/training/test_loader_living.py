"""Workers that live on from one evaluation to the next have successors that draw what was due, and move nothing."""

from __future__ import annotations

import gc
import random
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

from torch.utils.data import DataLoader  # noqa: E402 - behind the skip

from lattice_addons.errors import DecodeError, DuplicateSlotError, UnkeepableError  # noqa: E402
from lattice_addons.integrations._evaluations import Evaluations  # noqa: E402
from lattice_addons.training import LivingWorkers, release_loader  # noqa: E402

from .loader_lives import Noisy, Stateful, begin, seeded  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.frameworks,
    # Of torch: threads of C beside a fork, and few processors.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


def loader(data: Any = None, workers: int = 2, **options: Any) -> Any:
    """Make a loader whose workers live on."""
    made = Noisy(9) if data is None else data
    return DataLoader(made, 2, num_workers=workers, persistent_workers=bool(workers), **options)


MAKE: dict[str, Callable[[], Any]] = {
    "in order": loader,
    "shuffled": lambda: loader(shuffle=True),
    "own generator": lambda: loader(generator=torch.Generator().manual_seed(5)),
    "stream": lambda: loader(Stateful()),
    "no workers": lambda: loader(list(range(9)), workers=0),
}


def evaluated(
    folder: Path, make: Callable[[], Any], *, seed: int, stop: int = 4, most: int | None = None
) -> Any:
    """Train some steps, each with an evaluation of all or ``most`` batches; give what was drawn, and seen."""
    seeded(seed)
    group = begin(folder)
    data, log = make(), []
    group.track(evaluation=LivingWorkers(data))
    group.track_randomness()
    try:
        for step in group.resume(range(4), "steps"):
            drawn = torch.rand(()).item(), random.random()
            log.append((step, drawn, [batch.tolist() for batch in islice(data, most)]))
            if step + 1 == stop:
                group.save()
                break
    finally:
        group.close()
    return log


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())
def test_after_a_restart_all_is_as_it_was(make: Callable[[], Any], tmp_path: Path) -> None:
    """What the program draws, the order, and what workers draw, in every evaluation."""
    whole = evaluated(tmp_path / "whole", make, seed=1)
    parts = evaluated(tmp_path / "parts", make, seed=1, stop=2)
    assert parts + evaluated(tmp_path / "parts", make, seed=99) == whole


def test_an_evaluation_that_is_left_in_its_middle(tmp_path: Path) -> None:
    """What workers have made ahead is nobody's, and the program goes on exactly."""
    whole = evaluated(tmp_path / "whole", loader, seed=1, most=2)
    parts = evaluated(tmp_path / "parts", loader, seed=1, stop=2, most=2)
    parts += evaluated(tmp_path / "parts", loader, seed=99, most=2)
    assert [line[:2] for line in parts] == [line[:2] for line in whole]


def test_workers_that_live_are_let_go_when_others_are_stored() -> None:
    """An evaluation before the restoring is one of this process, and what is stored comes behind it."""
    seeded(1)
    data = loader()
    workers = LivingWorkers(data)
    list(data)
    state, before = workers.state_dict(), torch.get_rng_state()
    expected = [batch.tolist() for batch in data]
    list(data)
    LivingWorkers(data).load_state_dict(state)
    assert [batch.tolist() for batch in data] == expected
    assert torch.equal(torch.get_rng_state(), before)


def test_another_number_of_workers_draws_other_numbers_and_moves_nothing() -> None:
    """None of the new ones is the successor of an old one."""
    seeded(1)
    data = loader()
    list(data)
    state, before = LivingWorkers(data).state_dict(), torch.get_rng_state()
    assert state == {}, "workers that were made before are not known"
    data = loader()
    workers = LivingWorkers(data)
    list(data)
    state, before = workers.state_dict(), torch.get_rng_state()
    assert sorted(state["workers"]) == ["0", "1"]
    fewer = loader(workers=1)
    LivingWorkers(fewer).load_state_dict(state)
    assert [int(row[0]) for batch in fewer for row in batch] == list(range(9))
    assert torch.equal(torch.get_rng_state(), before)


class Late(Noisy):
    """Its first batch comes after all of the others."""

    def __getitem__(self, index: int) -> Any:
        """Take time for the first samples."""
        time.sleep(0.2 * (index < 2))
        return super().__getitem__(index)


def test_what_waits_for_an_earlier_batch_is_not_the_end() -> None:
    """All batches are made when the first one is given: the pass is at its end when the last one is."""
    seeded(1)
    data = loader(Late(4))
    workers = LivingWorkers(data)
    list(data)
    before = workers.state_dict()
    batches = iter(data)
    next(batches)
    assert workers.state_dict() == before
    next(batches)
    assert workers.state_dict() != before


@pytest.mark.parametrize("way", ["track", "living", "gone"])
def test_a_loader_that_is_let_go_gives_its_own_batches(way: str, tmp_path: Path) -> None:
    """What workers that live on tell of themselves is nothing that a program sees."""
    group, data = begin(tmp_path), loader(range(9), workers=1)
    group.track(data=LivingWorkers(data) if way == "living" else data)
    expected = [batch.tolist() for batch in data]
    group.close()
    if way == "gone":
        del group
        gc.collect()
    else:
        release_loader(data)
    assert [batch.tolist() for batch in data] == expected


def test_a_loader_that_trains_and_is_evaluated(tmp_path: Path) -> None:
    """Its track keeps its workers: it is followed no more, and not again."""
    group, data, evaluations = begin(tmp_path), loader(), Evaluations()
    evaluations.follow("1", data)
    assert list(evaluations.state()) == ["1"]
    evaluations.leave(data)
    group.track(data=data)
    evaluations.follow("1", data)
    assert evaluations.state() == {}
    group.close()


def test_what_it_refuses(tmp_path: Path) -> None:
    """What is no loader, one that is tracked itself, and a state of something else."""
    with pytest.raises(UnkeepableError, match="this is a list"):
        LivingWorkers([])
    group = begin(tmp_path)
    data = loader()
    group.track(loader=data)
    with pytest.raises(DuplicateSlotError, match="tracked already, as 'loader'"):
        LivingWorkers(data)
    other = loader()
    living = LivingWorkers(other)
    with pytest.raises(DuplicateSlotError, match="tracked already, as 'LivingWorkers'"):
        group.track(other=other)
    with pytest.raises(DecodeError, match="no state of LivingWorkers"):
        living.load_state_dict({"epoch": 3})
    group.close()
