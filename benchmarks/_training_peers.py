"""How other libraries save a model, at once and later, and how they give it back: all of it, or one tensor."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["TRAINING_PEERS", "TrainingPeer", "peer_named"]

# The state dict of a model, and the path of a checkpoint.
State = dict[str, Any]


@dataclass(frozen=True)
class TrainingPeer:
    """A library: how it saves; how it saves later, giving what waits for that; how it loads all, or one tensor."""

    name: str
    library: str
    save: Callable[[State, Path], object]
    load: Callable[[Any, Path], object]
    one: Callable[[str, Path], Any]
    later: Callable[[State, Path], Callable[[], object]] | None = None


def peer_named(name: str) -> TrainingPeer:
    """Give the peer of this name."""
    return next(peer for peer in TRAINING_PEERS if peer.name == name)


def _torch() -> Any:  # noqa: ANN401 - torch has no types where it is not installed
    return import_module("torch")


def _save_safetensors(state: State, path: Path) -> None:
    import_module("safetensors.torch").save_file(state, path)


def _one_of_safetensors(name: str, path: Path) -> Any:  # noqa: ANN401 - a tensor
    with import_module("safetensors").safe_open(path, "pt") as opened:
        return opened.get_tensor(name)


def _dcp() -> Any:  # noqa: ANN401 - as above
    return import_module("torch.distributed.checkpoint")


def _load_dcp(model: Any, path: Path) -> None:  # noqa: ANN401 - a module of torch's
    state = model.state_dict()
    _dcp().load(state, checkpoint_id=str(path))
    model.load_state_dict(state)


def _one_of_dcp(name: str, path: Path) -> Any:  # noqa: ANN401 - a tensor
    known = _dcp().FileSystemReader(str(path)).read_metadata().state_dict_metadata[name]
    state = {name: _torch().empty(known.size, dtype=known.properties.dtype)}
    _dcp().load(state, checkpoint_id=str(path))
    return state[name]


def _snapshots(state: State) -> tuple[Any, dict[str, Any]]:
    library: Any = import_module("torchsnapshot")
    return library.Snapshot, {"model": library.StateDict(**state)}


def _save_snapshot(state: State, path: Path) -> None:
    library, given = _snapshots(state)
    library.take(str(path), given)


def _later_snapshot(state: State, path: Path) -> Callable[[], object]:
    library, given = _snapshots(state)
    wait: Callable[[], object] = library.async_take(str(path), given).wait
    return wait


def _load_snapshot(model: Any, path: Path) -> None:  # noqa: ANN401 - a module of torch's
    library: Any = import_module("torchsnapshot")
    library.Snapshot(str(path)).restore({"model": model})


def _one_of_snapshot(name: str, path: Path) -> Any:  # noqa: ANN401 - a tensor
    return import_module("torchsnapshot").Snapshot(str(path)).read_object(f"0/model/{name}")


def _lightning() -> Any:  # noqa: ANN401 - as above
    return import_module("lightning.pytorch.plugins.io")


def _save_lightning(state: State, path: Path) -> None:
    _lightning().TorchCheckpointIO().save_checkpoint({"state_dict": state}, path)


def _later_lightning(state: State, path: Path) -> Callable[[], object]:
    saver = _lightning().AsyncCheckpointIO(_lightning().TorchCheckpointIO())
    saver.save_checkpoint({"state_dict": state}, path)
    wait: Callable[[], object] = saver.teardown
    return wait


def _of_lightning(path: Path) -> State:
    loaded: State = _lightning().TorchCheckpointIO().load_checkpoint(path, weights_only=True)["state_dict"]
    return loaded


TRAINING_PEERS = (
    TrainingPeer(
        "torch.save",
        "torch",
        lambda state, path: _torch().save(state, path),
        lambda model, path: model.load_state_dict(_torch().load(path, weights_only=True)),
        lambda name, path: _torch().load(path, weights_only=True, mmap=True)[name].clone(),
    ),
    TrainingPeer(
        "safetensors",
        "safetensors",
        _save_safetensors,
        lambda model, path: model.load_state_dict(import_module("safetensors.torch").load_file(path)),
        _one_of_safetensors,
    ),
    TrainingPeer(
        "torch DCP",
        "torch",
        lambda state, path: _dcp().save(state, checkpoint_id=str(path)),
        _load_dcp,
        _one_of_dcp,
        lambda state, path: _dcp().async_save(state, checkpoint_id=str(path)).result,
    ),
    TrainingPeer(
        "torchsnapshot", "torchsnapshot", _save_snapshot, _load_snapshot, _one_of_snapshot, _later_snapshot
    ),
    TrainingPeer(
        "Lightning",
        "lightning",
        _save_lightning,
        lambda model, path: model.load_state_dict(_of_lightning(path)),
        lambda name, path: _of_lightning(path)[name].clone(),
        _later_lightning,
    ),
)
