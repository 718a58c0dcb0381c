"""A loader that was interrupted in an epoch gives the rest of it, with the same bits, and then the same epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

from torch.utils.data import (  # noqa: E402 - behind the skip
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    WeightedRandomSampler,
)
from torch.utils.data._utils.pin_memory import pin_memory  # noqa: E402

from lattice_addons.training._loader_workers import Carried  # noqa: E402

from .loader_lives import SAMPLES, Noisy, Stateful, Stream, Walked, indices, live  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.frameworks,
    # Of torch and torchdata: threads of C beside a fork, and a call that their newest version does not like.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:This DataLoader will create:UserWarning"
    ),  # on a machine with few processors
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def generator() -> Any:
    """Give a generator of the loader's own."""
    return torch.Generator().manual_seed(5)


def stateful(*args: Any, **options: Any) -> Any:
    """Make a loader of torchdata's."""
    torchdata = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="this test is about torchdata's loader"
    )
    return torchdata.StatefulDataLoader(*args, **options)


def random_draws() -> Any:
    """Give a sampler that draws again and again while it is gone through."""
    return RandomSampler(range(SAMPLES), replacement=True, num_samples=70, generator=generator())


class Seeded(Sampler):
    """An order that is made of the epoch, which it counts: as accelerate's, under which a batch sampler stands."""

    def __init__(self) -> None:
        self.epoch = 0

    def __len__(self) -> int:
        """Count the samples."""
        return SAMPLES

    def __iter__(self) -> Iterator[int]:
        """Draw the order."""
        yield from torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(self.epoch)).tolist()
        self.epoch += 1


ALONE: dict[str, Callable[[], Any]] = {
    "shuffled": lambda: DataLoader(Noisy(), batch_size=3, shuffle=True),
    "own generator": lambda: DataLoader(Noisy(), batch_size=3, shuffle=True, generator=generator()),
    "no batches": lambda: DataLoader(Noisy(), batch_size=None, shuffle=True),
    "weighted": lambda: DataLoader(Noisy(), 3, sampler=WeightedRandomSampler(torch.arange(1.0, 21), 20)),
    "with replacement": lambda: DataLoader(Noisy(), batch_size=7, sampler=random_draws()),
    "distributed": lambda: DataLoader(Noisy(), 3, sampler=DistributedSampler(Noisy(), 2, 1)),
    "seeded": lambda: DataLoader(Noisy(), batch_sampler=BatchSampler(Seeded(), 3, drop_last=False)),
    "stream": lambda: DataLoader(Stream(), batch_size=3),
    "stateful stream": lambda: DataLoader(Stateful(), batch_size=3),
    "stateful iterator": lambda: DataLoader(Walked(), batch_size=3),
    "torchdata": lambda: stateful(Noisy(), batch_size=3, shuffle=True),
}
WORKERS: dict[str, Callable[[], Any]] = {
    "shuffled": lambda: DataLoader(Noisy(), 2, shuffle=True, num_workers=3, prefetch_factor=3),
    "persistent": lambda: DataLoader(Noisy(), 3, shuffle=True, num_workers=2, persistent_workers=True),
    "stream": lambda: DataLoader(Stream(), 3, num_workers=2, persistent_workers=True),
    "stateful stream": lambda: DataLoader(Stateful(), 3, num_workers=2),
    "stateful iterator": lambda: DataLoader(Walked(), 3, num_workers=2),
    "torchdata": lambda: stateful(Noisy(), 3, shuffle=True, num_workers=2, persistent_workers=True),
}


@pytest.mark.parametrize("stop", [(0, 1), (1, 3), (0, -1)], ids=str)
@pytest.mark.parametrize("make", ALONE.values(), ids=ALONE.keys())
def test_in_one_process(make: Callable[[], Any], stop: tuple[int, int], tmp_path: Path) -> None:
    """At the first batch, within a later epoch, and between two epochs."""
    same_as_uninterrupted(make, stop, tmp_path)


@pytest.mark.parametrize("make", WORKERS.values(), ids=WORKERS.keys())
def test_with_workers(make: Callable[[], Any], tmp_path: Path) -> None:
    """Workers prefetch, and draw numbers of their own; those of the second life draw what was due."""
    same_as_uninterrupted(make, (1, 3), tmp_path)


class Pinned:
    """A batch that says itself how it is pinned, as torch asks of what it does not know."""

    def __init__(self, *, pinned: bool = False) -> None:
        self.pinned = pinned

    def pin_memory(self) -> Pinned:
        """Give it pinned."""
        return Pinned(pinned=True)


def test_what_a_worker_tells_stays_with_its_batch_when_that_is_pinned() -> None:
    """Torch's thread that pins takes both for one batch."""
    pinned: Any = pin_memory(Carried([Pinned()], 1, {"random": {}}))
    assert (type(pinned), pinned.worker, pinned.news) == (Carried, 1, {"random": {}})
    assert [each.pinned for each in pinned.data] == [True]


def test_workers_between_epochs(tmp_path: Path) -> None:
    """Workers that live for several epochs were seeded once; their successors go on from where they were."""
    same_as_uninterrupted(WORKERS["persistent"], (0, -1), tmp_path)


def same_as_uninterrupted(make: Callable[[], Any], stop: tuple[int, int], folder: Path) -> None:
    """Compare two lives with one."""
    whole: list[Any] = []
    live(folder / "whole", make, seed=1, log=whole)
    parts: list[Any] = []
    live(folder / "parts", make, seed=1, stop=stop, log=parts)
    assert len(parts) < len(whole)

    live(folder / "parts", make, seed=99, log=parts)

    assert parts == whole


def test_nothing_that_was_seen_is_loaded_again(tmp_path: Path) -> None:
    """Of a data set with indices, the second life asks for the rest only."""
    asked: list[int] = []

    class Asked(Noisy):
        def __getitem__(self, index: int) -> Any:
            asked.append(index)
            return super().__getitem__(index)

    make = lambda: DataLoader(Asked(), batch_size=3, shuffle=True)  # noqa: E731 - as those above
    log: list[Any] = []
    live(tmp_path, make, seed=1, stop=(0, 4), epochs=1, log=log)
    live(tmp_path, make, seed=99, epochs=1, log=log)

    assert sorted(asked) == list(range(SAMPLES))


def test_a_stream_with_a_state_is_not_read_again(tmp_path: Path) -> None:
    """It is put back where it was; one without is gone through from its beginning."""
    log: list[Any] = []
    live(tmp_path, ALONE["stateful stream"], seed=1, stop=(0, 4), epochs=1, log=log)
    loader = live(tmp_path, ALONE["stateful stream"], seed=9, epochs=1, log=log)

    assert indices(log, 0) == list(range(SAMPLES))
    assert loader.dataset.reads == SAMPLES - 12


def test_another_size_of_batches_goes_on_at_the_same_sample(tmp_path: Path) -> None:
    """The place counts samples, also when it is stopped for a second time."""
    log: list[Any] = []
    live(tmp_path, lambda: DataLoader(Noisy(), 3, shuffle=True), seed=1, stop=(0, 2), epochs=1, log=log)
    live(tmp_path, lambda: DataLoader(Noisy(), 4, shuffle=True), seed=2, stop=(0, 4), epochs=1, log=log)
    live(tmp_path, lambda: DataLoader(Noisy(), 4, shuffle=True), seed=3, epochs=1, log=log)

    assert sorted(indices(log, 0)) == list(range(SAMPLES))
