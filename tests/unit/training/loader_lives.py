"""Lives of a small training program that goes through a loader, each in a session of its own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from lattice_addons import Settings, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SAMPLES = 20


class Noisy(Dataset):
    """Samples that are random in every way in which a sample can be."""

    def __init__(self, samples: int = SAMPLES) -> None:
        self.samples = samples
        self.own = random.Random(3)

    def __len__(self) -> int:
        """Count the samples."""
        return self.samples

    def __getitem__(self, index: int) -> Any:
        """Give a sample."""
        noise = [torch.rand(()).item(), random.random(), np.random.rand(), self.own.random()]  # noqa: NPY002 - the global one is meant
        return torch.tensor([float(index), *noise], dtype=torch.float64)


class Stream(IterableDataset):
    """A stream without a state, divided among the workers."""

    def __iter__(self) -> Iterator[Any]:
        """Give what is this worker's."""
        info = get_worker_info()
        for index in range(info.id if info else 0, SAMPLES, info.num_workers if info else 1):
            yield torch.tensor([float(index), torch.rand(()).item() if info else 0.0], dtype=torch.float64)


class Stateful(IterableDataset):
    """A stream that says where it is, and counts what it reads."""

    def __init__(self) -> None:
        self.at = self.reads = 0
        self.resumes = False

    def __iter__(self) -> Iterator[Any]:
        """Give what is this worker's."""
        info = get_worker_info()
        if not self.resumes:
            self.at = 0
        self.resumes = False
        while (index := (info.id if info else 0) + self.at * (info.num_workers if info else 1)) < SAMPLES:
            self.at += 1
            self.reads += 1
            yield torch.tensor([float(index), random.random()], dtype=torch.float64)

    def state_dict(self) -> dict[str, int]:
        """Say where it is."""
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go there."""
        self.at, self.resumes = state["at"], True


class Walk:
    """An iterator that says where it is."""

    def __init__(self, first: int, step: int) -> None:
        self.at, self.step = first, step

    def __iter__(self) -> Walk:
        """Be an iterator, or give one."""
        return self

    def __next__(self) -> Any:
        """Give the next sample."""
        if self.at >= SAMPLES:
            raise StopIteration
        self.at += self.step
        return torch.tensor([float(self.at - self.step), random.random()], dtype=torch.float64)

    def state_dict(self) -> dict[str, int]:
        """Say where it is."""
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go there."""
        self.at = state["at"]


class Walked(IterableDataset):
    """A stream whose iterators say where they are."""

    def __iter__(self) -> Walk:
        """Be an iterator, or give one."""
        info = get_worker_info()
        return Walk(info.id if info else 0, info.num_workers if info else 1)


def begin(folder: Path, **settings: Any) -> StateManagerGroup:
    """Open the job's next session."""
    folder.mkdir(exist_ok=True)
    chosen: dict[str, Any] = {"root": str(folder / "store"), "job_id": "job", "signals": ()} | settings
    return StateManagerGroup(Settings(**chosen))


def seeded(number: int) -> None:
    """Seed every generator of the process."""
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the global one is meant
    torch.manual_seed(number)


def live(  # noqa: PLR0913 - a life has many sides
    folder: Path,
    make: Callable[[], Any],
    *,
    seed: int,
    stop: tuple[int, int] | None = None,
    epochs: int = 2,
    log: list[Any],
) -> Any:
    """Train; save and leave after some batch of some epoch, or (at -1) when the epoch is over. Give the loader."""
    seeded(seed)
    group = begin(folder)
    loader = make()
    group.track(loader=loader)
    group.track_randomness()
    try:
        for epoch in group.resume(range(epochs), "epochs"):
            if hasattr(loader.sampler, "set_epoch"):
                loader.sampler.set_epoch(epoch)
            for batch in loader:
                drawn = (torch.rand(()).item(), random.random(), np.random.rand())  # noqa: NPY002 - the global one
                log.append((epoch, batch.tolist(), *drawn))
                if stop is not None and stop[0] == epoch and stop[1] == sum(line[0] == epoch for line in log):
                    group.save()
                    return loader
            if stop == (epoch, -1):
                group._session.save("signal:SIGTERM")
                return loader
    finally:
        group.close()
    return loader


def indices(log: list[Any], epoch: int) -> list[int]:
    """Give the samples of an epoch, in their order."""
    batches = [line[1] for line in log if line[0] == epoch]
    rows = [row for batch in batches for row in (batch if isinstance(batch[0], list) else [batch])]
    return [int(row[0]) for row in rows]
