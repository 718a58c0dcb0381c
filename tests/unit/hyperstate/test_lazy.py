"""Lazy fields are made when they are first used, in the order in which they need each other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import HyperStateError
from lattice_addons.hyperstate import Blob, HyperState, lazy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE: list[str] = []


@dataclass
class Config:
    """What the fields are made of."""

    width: int = 4
    lr: float = 0.1


class Net:
    """A network that is restored in place, as PyTorch's are."""

    def __init__(self, width: int) -> None:
        MADE.append("net")
        self.w = np.array([random.random() for _ in range(width)])

    def state_dict(self) -> dict[str, Any]:
        """Give the weights."""
        return {"w": self.w}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Take the weights back, into the same array."""
        self.w[:] = stored["w"]


class Momentum:
    """An optimizer that needs the array of the network."""

    def __init__(self, w: np.ndarray[Any, Any], lr: float) -> None:
        MADE.append("optimizer")
        self.w, self.lr, self.v = w, lr, np.zeros_like(w)

    def step(self) -> None:
        """Change the weights in place."""
        self.v += 1
        self.w -= self.lr * self.v

    def get_state_dict(self) -> dict[str, Any]:
        """Give what is stored."""
        return {"v": self.v}

    def load(self, config: Config, state: State, stored: dict[str, Any]) -> Momentum:
        """Take back what was stored; the weights are the network's."""
        assert isinstance(config, Config)
        assert state.net.w is self.w
        self.v = stored["v"]
        return self


@dataclass
class Part:
    """Lazy fields in a nested class."""

    scale: int = lazy(lambda _config, state: int(state.net.w.size))


@dataclass
class State:
    """The optimizer stands before what it needs."""

    step: int = 0
    optimizer: Momentum = lazy(lambda config, state: Momentum(state.net.w, config.lr))
    net: Net = lazy(lambda config, _state: Net(config.width))
    part: Part = field(default_factory=Part)


@dataclass
class Round:
    """Three that need each other."""

    a: object = lazy(lambda _, state: state.b)
    b: object = lazy(lambda _, state: state.c)
    c: object = lazy(lambda _, state: state.a)


def load(folder: Path, kind: Any = State, make: Callable[[Config], Any] | None = None) -> Any:
    """Load a run of such a state."""
    path = folder / "config.json"
    path.write_text("{}")
    MADE.clear()
    return HyperState.load(Config, kind, make or (lambda _: kind()), path, folder / "checkpoints")


def test_made_in_the_order_of_their_needs(tmp_path: Path) -> None:
    """What is used first comes first, with what it needs before it; what is not used is not made."""
    run = load(tmp_path)
    assert MADE == []
    run.state.optimizer.step()
    assert MADE == ["net", "optimizer"]
    assert run.state.part.scale == 4
    assert run.state.net is run.state.net
    run.close()


def test_restored_in_place(tmp_path: Path) -> None:
    """The optimizer still works on the network's own array, and both are where they were."""
    run = load(tmp_path)
    for _ in range(3):
        run.state.optimizer.step()
    run.state.part.scale = 9
    run.step()
    run.state.optimizer.step()
    expected = run.state.net.w.copy()
    run.close()
    again = load(tmp_path)
    again.step()  # none is used: all are carried on as they are stored
    assert MADE == []
    again.close()
    again = load(tmp_path)
    again.state.optimizer.step()
    assert again.state.optimizer.w is again.state.net.w
    assert np.array_equal(again.state.net.w, expected)
    assert again.state.part.scale == 9
    again.close()


def test_a_restored_field_draws_no_random_numbers(tmp_path: Path) -> None:
    """What its initial values took from the global generator was taken in an earlier life."""
    run = load(tmp_path)
    assert run.state.net.w.size == 4
    run.step()
    run.close()
    again = load(tmp_path)
    random.seed(5)
    before = random.getstate()
    assert again.state.net.w.size == 4
    assert random.getstate() == before
    again.close()


@dataclass
class Drawing:
    """A field that draws from a generator of the state."""

    rng: Blob[np.random.Generator]
    first: Any = lazy(lambda _, state: {"drawn": state.rng.get().random()})


def test_nor_from_a_generator_of_the_state(tmp_path: Path) -> None:
    """After a restart the generator stands where the last step() left it, in whatever order things are used."""
    run = load(tmp_path, Drawing, lambda _: Drawing(Blob(np.random.default_rng(1))))
    first = run.state.first
    run.step()
    expected = run.state.rng.get().random()
    run.close()
    for read_before in (False, True):
        again = load(tmp_path, Drawing)
        assert not read_before or again.state.rng.get()
        assert again.state.first == first
        assert again.state.rng.get().random() == expected
        again.close()


def test_a_cycle_shows_itself(tmp_path: Path) -> None:
    """The error names the fields in the order of their needs, and is the same the next time."""
    run = load(tmp_path, Round)
    for _ in range(2):
        with pytest.raises(HyperStateError, match="b → c → a → b"):
            _ = run.state.b
    run.close()


def test_not_before_the_state_is_there(tmp_path: Path) -> None:
    """initial_state cannot use what is made of its own result."""

    def early(_: Config) -> State:
        state = State()
        state.net.w[0] = 1
        return state

    with pytest.raises(HyperStateError, match=r"State\.net is initialised when"):
        load(tmp_path, make=early)


class Table:
    """A blob's value with a way of its own."""

    def __init__(self, rows: list[int], scale: float) -> None:
        self.rows, self.scale = rows, scale

    def get_state_dict(self) -> dict[str, Any]:
        """Give what is stored."""
        return {"rows": self.rows}

    @classmethod
    def load(cls, config: Config, state: Tables, stored: dict[str, Any]) -> Table:
        """Make one of what was stored, of the config, and of the rest of the state."""
        return cls(stored["rows"], config.lr * state.step)


@dataclass
class Tables:
    """One that is annotated, and one of which nobody knows the class."""

    step: int
    table: Blob[Table]
    unknown: Blob[Any] | None = None


def test_a_blob_with_its_own_way(tmp_path: Path) -> None:
    """Its class makes it of the state dict; where no class is known that is an error when it is to be saved."""
    run = load(tmp_path, Tables, lambda _: Tables(2, Blob(Table([1, 2], 0))))
    run.step()
    run.close()
    again = load(tmp_path, Tables)
    assert again.state.table.get().rows == [1, 2]
    assert again.state.table.get().scale == 0.2
    again.state.unknown = Blob(Table([], 0))
    with pytest.raises(Exception, match=r"annotate the field Blob\[Table\]"):
        again.step()
    again.close()


@pytest.mark.frameworks
def test_torch_modules_and_optimizers(tmp_path: Path) -> None:
    """An optimizer that needs the parameters of a module; both go on bit for bit."""
    torch = pytest.importorskip("torch")

    @dataclass
    class Learning:
        step: int = 0
        policy: Any = lazy(lambda config, _: torch.nn.Linear(config.width, 1))
        optimizer: Any = lazy(lambda config, state: torch.optim.Adam(state.policy.parameters(), lr=config.lr))

    def learn(run: Any, steps: int) -> None:
        for _ in range(steps):
            run.state.step += 1
            x = torch.full((8, 4), float(run.state.step))
            run.state.optimizer.zero_grad()
            run.state.policy(x).square().mean().backward()
            run.state.optimizer.step()
            run.step()

    torch.manual_seed(3)
    whole = load(tmp_path, Learning)
    initial = {name: value.clone() for name, value in whole.state.policy.state_dict().items()}
    learn(whole, 5)
    expected = whole.state.policy.state_dict()
    whole.close()
    (tmp_path / "other").mkdir()
    run = load(tmp_path / "other", Learning)
    run.state.policy.load_state_dict(initial)
    learn(run, 2)
    run.close()
    again = load(tmp_path / "other", Learning)
    assert again.state.step == 2
    learn(again, 3)
    for name, value in again.state.policy.state_dict().items():
        assert torch.equal(value, expected[name])
    again.close()
