"""A tensor that is spread over ranks is stored in pieces, and put together as the object has it now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import DecodeError, SettingsError, StateMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.frameworks


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a process group of this process only, which talks to nobody."""
    import torch.distributed as dist

    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def spread(width: int = 5, seed: int = 0) -> tuple[Any, Any]:
    """Make a model with spread parameters, and its optimizer, and train it for one step."""
    from torch.distributed.tensor import DeviceMesh, Shard, distribute_tensor

    torch.manual_seed(seed)
    model = torch.nn.Linear(3, width)
    mesh = DeviceMesh("cpu", [0])
    for name, parameter in list(model.named_parameters()):
        setattr(model, name, torch.nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Shard(0)])))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return model, optimizer


def begin(folder: Path, **objects: Any) -> StateManagerGroup:
    """Track objects in the one job of a folder, which trusts no pickle."""
    start = os.environ.get("LATTICE_RUN_ID")
    settings = Settings(root=str(folder / "store"), job_id="job", signals=(), trust="safe", run_id=start)
    group = StateManagerGroup(settings)
    try:
        group.track(ranks="sharded", **objects)
    except BaseException:
        group.close()
        raise
    return group


def whole(state: Any) -> list[list[float]]:
    """Give the numbers of all tensors of a state, however they are spread."""
    found = []
    for value in state.values():
        if isinstance(value, dict):
            found += whole(value)
        elif isinstance(value, torch.Tensor):
            found.append((value.full_tensor() if hasattr(value, "full_tensor") else value).flatten().tolist())
    return found


@pytest.mark.usefixtures("alone")
def test_there_and_back(tmp_path: Path) -> None:
    """Model and optimizer come back in place, spread as they are now, also into plain tensors."""
    model, optimizer = spread()
    with_values = begin(tmp_path, model=model, optimizer=optimizer)
    with_values.save()
    with_values.close()
    again, second = spread(seed=1)
    assert whole(again.state_dict()) != whole(model.state_dict())
    begin(tmp_path, model=again, optimizer=second).close()
    assert whole(again.state_dict()) == whole(model.state_dict())
    assert whole(second.state_dict()["state"]) == whole(optimizer.state_dict()["state"])
    assert type(second.state_dict()["state"][0]["exp_avg"]) is type(again.weight.data)
    plain = torch.nn.Linear(3, 5)
    begin(tmp_path, model=plain).close()
    assert whole(plain.state_dict()) == whole(model.state_dict())


@pytest.mark.usefixtures("alone")
def test_from_what_one_rank_stored_as_a_whole(tmp_path: Path) -> None:
    """A job that ran as one, whose tensors nothing spread, goes on where they are spread."""
    torch.manual_seed(0)
    plain = torch.nn.Linear(3, 5)
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.1)
    plain(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    group = begin(tmp_path, model=plain, optimizer=optimizer)
    group.save()
    group.close()
    model, second = spread(seed=1)
    begin(tmp_path, model=model, optimizer=second).close()
    assert whole(model.state_dict()) == whole(plain.state_dict())
    state = second.state_dict()["state"]
    assert whole(state) == whole(optimizer.state_dict()["state"])
    assert type(state[0]["exp_avg"]) is type(model.weight.data)
    assert type(state[0]["step"]) is torch.Tensor


@pytest.mark.usefixtures("alone")
def test_gradients_that_wait_for_a_step(tmp_path: Path) -> None:
    """Of a step that several batches make together, what was added up until the save is not lost."""
    model, optimizer = spread()
    group = begin(tmp_path, model=model, optimizer=optimizer)
    optimizer.step()
    for parameter in model.parameters():
        parameter.grad = parameter.detach() * 3
    group.save()
    group.close()
    again, second = spread(seed=1)
    for parameter in again.parameters():
        parameter.grad = None
    group = begin(tmp_path, model=again, optimizer=second)
    waiting = {str(number): each.grad for number, each in enumerate(again.parameters())}
    assert whole(waiting) == whole({str(n): each.grad for n, each in enumerate(model.parameters())})
    assert type(again.weight.grad) is type(again.weight.data)
    for each in (optimizer, second):
        each.step()
    assert whole(again.state_dict()) == whole(model.state_dict())
    group.close()


@pytest.mark.usefixtures("alone")
def test_gradients_that_wait_for_other_ranks_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """FSDP keeps them to itself: who saves then is told that they are not stored."""
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import fully_shard

    model = torch.nn.Linear(3, 5)
    fully_shard(model, mesh=DeviceMesh("cpu", [0]))
    group = begin(tmp_path, model=model)
    model.set_requires_gradient_sync(False)
    model(torch.ones(2, 3)).sum().backward()
    group.save()
    group.close()
    assert "wait for those of other ranks" in caplog.text


@pytest.mark.usefixtures("alone")
def test_untouched_pieces_go_on(tmp_path: Path) -> None:
    """A start that does not track the object loses nothing of it."""
    model, _ = spread()
    group = begin(tmp_path, model=model)
    group.save()
    group.close()
    other = StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=()))
    other.register("other")
    other.save()
    other.close()
    again, _ = spread(seed=1)
    begin(tmp_path, model=again).close()
    assert whole(again.state_dict()) == whole(model.state_dict())


@pytest.mark.usefixtures("alone")
def test_other_shapes_are_named(tmp_path: Path) -> None:
    """A model of another width is refused by the names of its parameters, and stays as it is."""
    group = begin(tmp_path, model=spread()[0])
    group.save()
    group.close()
    wide, _ = spread(width=7)
    before = whole(wide.state_dict())
    with pytest.raises(StateMismatchError, match="weight"):
        begin(tmp_path, model=wide)
    assert whole(wide.state_dict()) == before


@pytest.mark.usefixtures("alone")
def test_missing_pieces_are_an_error() -> None:
    """A state of which some pieces are stored nowhere is not filled up with anything."""
    from lattice_addons.training import ShardedManager

    model, _ = spread()
    manager = ShardedManager()
    manager.hold(model)
    stored: Any = manager.capture()
    stored["shards"][0]["chunks"] = []
    with pytest.raises(DecodeError, match="pieces of other ranks are missing"):
        manager.restore(stored)


SIZES = {"even": (6, 6), "odd": (7, 5), "long": (1, 11), "empty": (0, 3)}


@pytest.fixture
def ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that lets ranks take turns in this process; none of them is told anything by the others."""
    import torch.distributed as dist
    from torch.distributed.tensor import DeviceMesh, DTensor, Replicate, Shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    class Spread:
        """An object whose state is spread over the ranks."""

        def __init__(self, dim: int | None, values: Any) -> None:
            mesh = DeviceMesh("cpu", list(range(dist.get_world_size())))
            self.state = {}
            for name, whole in values.items():
                # Each has what `tensor_split` would give it, but in pieces of one size, as `chunk` makes them.
                parts = list(whole.chunk(dist.get_world_size(), dim or 0)) if whole.numel() else []
                mine = (
                    parts[dist.get_rank()] if dist.get_rank() < len(parts) else whole.narrow(dim or 0, 0, 0)
                )
                local = whole if dim is None else mine
                place = Replicate() if dim is None else Shard(dim)
                shape = {"shape": whole.size(), "stride": whole.stride()}
                self.state[name] = DTensor.from_local(local.clone(), mesh, [place], run_check=False, **shape)

        def state_dict(self) -> Any:
            return dict(self.state)

        def load_state_dict(self, state: Any) -> None:
            self.state = dict(state)

    def take_turns(name: str, world: int, dim: int | None, values: Any, *, save: bool) -> list[Any]:
        monkeypatch.setenv("LATTICE_RUN_ID", name)
        monkeypatch.setenv("WORLD_SIZE", str(world))
        found = []
        for rank in range(world):
            monkeypatch.setenv("RANK", str(rank))
            dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
            try:
                held = Spread(dim, values)
                group = begin(tmp_path, held=held)
                if save:
                    group.save(step=world + 10 * int(name[-1]))
                group.close()
                found.append({key: value.to_local().clone() for key, value in held.state.items()})
            finally:
                dist.destroy_process_group()
        return found

    return take_turns


@pytest.mark.parametrize("then", [(2, 0), (3, 1), (2, None)])
@pytest.mark.parametrize("now", [(1, 0), (2, 0), (2, 1), (3, 0), (4, 1), (3, None)])
def test_from_and_to_any_spread(
    ranks: Any, then: tuple[int, int | None], now: tuple[int, int | None]
) -> None:
    """What any number of ranks stored in pieces is on any other what it was, element by element."""
    torch.manual_seed(1)
    values = {name: torch.rand(size) for name, size in SIZES.items()}
    stored = ranks("first1", *then, values, save=True)
    nothing = {name: torch.zeros(size) for name, size in SIZES.items()}
    found = ranks("second2", *now, nothing, save=True)
    assert pieces(found, now[1]) == pieces(stored, then[1]) == {n: v.tolist() for n, v in values.items()}
    third = ranks("third3", *then, nothing, save=False)
    assert pieces(third, then[1]) == pieces(stored, then[1])


def pieces(ranks: list[Any], dim: int | None) -> Any:
    """Put together what all ranks have of each tensor."""
    names = ranks[0]
    return {
        n: (ranks[0][n] if dim is None else torch.cat([r[n] for r in ranks], dim)).tolist() for n in names
    }


def test_rule_is_named(tmp_path: Path) -> None:
    """The rules are told where another word is given."""
    group = StateManagerGroup(Settings(root=str(tmp_path), job_id="job", signals=()))
    with pytest.raises(SettingsError, match="'sharded'"):
        group.register("model", ranks="split")  # type: ignore[arg-type]
    group.close()
