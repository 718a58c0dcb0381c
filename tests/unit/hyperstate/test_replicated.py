"""A config and state that all ranks have alike are stored by the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.hyperstate import Blob, HyperState, lazy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 300_000


class Net:
    """What a network is to HyperState: it has a state dict, and takes one."""

    def __init__(self) -> None:
        self.weights = np.zeros(SIZE, dtype=np.uint8)

    def state_dict(self) -> dict[str, Any]:
        """Give the weights."""
        return {"weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the weights."""
        self.weights = state["weights"]


@dataclass
class Config:
    """A config."""

    lr: float = 0.1


@dataclass
class State:
    """A state with a field that is the same on all ranks, and one that is each rank's own."""

    step: int
    data: Blob[Any]
    net: Any = lazy(lambda _config, _state: Net(), ranks="replicated")


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a function that starts so many ranks in this process; those before have ended."""
    runs: list[Any] = []

    def begin(world: int, **options: Any) -> list[Any]:
        for run in runs:
            run.close()
        runs.clear()
        monkeypatch.setenv("LATTICE_JOB_ID", "job")
        monkeypatch.setenv("WORLD_SIZE", str(world))
        (tmp_path / "config.yaml").write_text("lr: 0.1\n")
        for rank in range(world):
            monkeypatch.setenv("RANK", str(rank))

            def first(_config: Config, rank: int = rank) -> State:
                return State(0, Blob(np.full(3, rank)))

            runs.append(
                HyperState.load(
                    Config, State, first, tmp_path / "config.yaml",
                    tmp_path / "store", "step", **options,
                )
            )  # fmt: skip
        return list(runs)

    yield begin
    for run in runs:
        run.close()


def packed(folder: Path, rank: int) -> int:
    """Count the bytes in a rank's packs."""
    return sum(pack.stat().st_size for pack in (folder / f"store/job/rank-{rank:05d}/packs").glob("*.pack"))


def content(step: int) -> Any:
    """Give the weights of a step; they do not compress."""
    return np.random.default_rng(step).integers(0, 256, SIZE, dtype=np.uint8)


def train(runs: list[Any], steps: range) -> None:
    """Let all ranks come so far."""
    for run in runs:
        for step in steps:
            run.state.net.weights = content(step)
            run.state.step = step
            run.step()


def test_lazy_field_is_stored_once(jobs: Any, tmp_path: Path) -> None:
    """Only the first rank stores the network; all find it, and each its own data."""
    train(jobs(2), range(1, 4))
    assert packed(tmp_path, 0) >= SIZE
    assert packed(tmp_path, 1) < 10_000
    runs = jobs(2)
    assert [run.state.step for run in runs] == [3, 3]
    assert [run.state.net.weights.tobytes() for run in runs] == [content(3).tobytes()] * 2
    assert [run.state.data.get().tolist() for run in runs] == [[0] * 3, [1] * 3]
    train(runs, range(4, 6))
    assert packed(tmp_path, 1) < 10_000


@pytest.mark.parametrize("now", [1, 3])
def test_whole_state_on_another_number_of_ranks(jobs: Any, now: int) -> None:
    """What is said to be the same on all ranks carries over to any number of them: config, state and blobs."""
    train(jobs(2, ranks="replicated"), range(1, 3))
    runs = jobs(now, ranks="replicated")
    assert [run.state.step for run in runs] == [2] * now
    assert [run.state.data.get().tolist() for run in runs] == [[0] * 3] * now
    assert [run.state.net.weights.tobytes() for run in runs] == [content(2).tobytes()] * now
    train(runs, range(3, 4))
    assert [run.state.step for run in jobs(now, ranks="replicated")] == [3] * now
