"""A state that is spread over ranks is stored in pieces, by each rank its own, and read by any number of them."""

from __future__ import annotations

import functools
import logging
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from lattice_addons.errors import DecodeError
from lattice_addons.lifecycle import rank, world_size
from lattice_addons.state import TrackedManager, adapter_for

from ._unwrap import unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ShardedManager"]

_MARK = "lattice shard"
# What an optimizer's state has by the number of a parameter: its moments, and gradients that wait for a step.
_OF_PARAMETERS = (("state",), ("lattice_gradients",))
_log = logging.getLogger("lattice_addons.training")
_Path = tuple[Any, ...]


class ShardedManager(TrackedManager):
    """Bind an object whose ``state_dict()`` has tensors that are spread over ranks (FSDP, tensor parallelism).

    Each rank stores what it has of them, without a word to the others. Whoever is restored, as whatever number of ranks
    and however its own tensors are spread, has each piece read from where it is stored: which those are is planned by
    ``torch.distributed.checkpoint``.
    """

    __module__ = "lattice_addons.training"

    ranks: ClassVar[str | None] = "sharded"
    device = "cpu"
    _given: object = None
    _plain: Any = None  # what keeps such an object where it is not spread

    def hold(self, value: object) -> None:
        """Bind an object, and load into it what was restored."""
        if value is not self._given:
            bound = unwrapped(value)
            self._plain = adapter_for(bound)()
            super().hold(bound)
            if isinstance(self._plain, TrackedManager):
                self._plain.hold(bound)
            self._given = value

    def value(self) -> object:
        """Give the object as it was given; before there is one, what is stored."""
        return super().value() if self._bound is None else self._given

    def capture(self) -> object:
        """Give what this rank has of the state."""
        if self._bound is not None:
            _tell_of_unreduced(self._bound)
            plain = isinstance(self._plain, TrackedManager)
            return _taken_apart(self._plain.capture() if plain else self._bound.state_dict())
        stored: Any = super().capture()
        return stored if isinstance(stored, dict) else _share(stored, rank(), world_size())

    def load_into(self, bound: Any, stored: object) -> None:
        """Put the state together as the object has it now, and load it."""
        alone = isinstance(stored, dict)
        parts: Any = [stored] if alone else stored
        own: Any = [stored if alone else parts.own()]
        state = _put_together(bound, own) if own[0] is not None else None
        if state is None:
            # It is spread otherwise than it was.
            state = _put_together(bound, [part for part in parts if part is not None])
        if state is None:
            kind = type(bound).__name__
            message = (
                f"what is stored of the state of this {kind} does not cover it: pieces of other ranks are missing; "
                "start it as the number of ranks, and spread over them, as it was stored"
            )
            raise DecodeError(message, type=kind)
        if isinstance(self._plain, TrackedManager):
            self._plain.strict = self.strict
            self._plain.load_into(bound, state)
        else:
            super().load_into(bound, state)


def _tell_of_unreduced(bound: Any) -> None:
    """Say that gradients are lacking which FSDP keeps to itself until ranks add theirs up."""
    for module in bound.modules() if hasattr(bound, "modules") else ():
        state = module._get_fsdp_state() if hasattr(module, "_get_fsdp_state") else None  # noqa: SLF001 - torch's
        group = getattr(state, "_fsdp_param_group", None)
        for parameter in getattr(group, "fsdp_params", ()):
            if getattr(parameter, "unsharded_accumulated_grad", None) is not None:
                _tell_once(type(bound).__name__)
                return


@functools.lru_cache(maxsize=16)
def _tell_once(kind: str) -> None:
    _log.warning(
        "%s has gradients that wait for those of other ranks (set_requires_gradient_sync(False)), which are not "
        "stored: after a restart the step lacks them. Save when a step has been made: group.safe_point() says where",
        kind,
    )


def _taken_apart(state: Any) -> dict[str, Any]:
    """Give a state with what this rank has of each spread tensor beside it."""
    shards: list[dict[str, Any]] = []

    def part(value: Any, path: _Path) -> Any:
        if not _is_spread(value):
            return value
        local = value.to_local().detach()
        chunks = [list(chunk.offsets) for chunk in value.__create_chunk_list__() if prod(chunk.sizes)]
        held = [[offsets, local] for offsets in chunks]
        # A rank may have nothing of it; the type of its elements is known all the same.
        shards.append(
            {"path": list(path), "size": list(value.size()), "like": local.new_empty(0), "chunks": held}
        )
        return {_MARK: len(shards) - 1}

    return {"state": _mapped(state, part), "shards": shards}


def _put_together(bound: Any, parts: Sequence[dict[str, Any]]) -> Any:
    """Give the state as the object has its tensors spread now; None where not all of it is in these parts."""
    import torch
    from torch.distributed.checkpoint import DefaultLoadPlanner
    from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, Metadata, TensorProperties
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata as Stored

    there = _spread_of(bound)
    pieces = _pieces(parts) | _wholes(parts[0]["state"], there)
    targets, metadata = {}, {}
    for name, piece in pieces.items():
        kind = piece["like"].dtype
        targets[name] = there(tuple(piece["path"]), torch.Size(piece["size"]), kind)
        chunks = [
            ChunkStorageMetadata(torch.Size(at), tensor.size()) for at, tensor in piece["chunks"].items()
        ]
        properties = TensorProperties(dtype=kind)
        metadata[name] = Stored(properties, torch.Size(piece["size"]), chunks)
    planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    planner.set_up_planner(dict(targets), Metadata(metadata), is_coordinator=True)
    plan = planner.finish_plan(planner.create_global_plan([planner.create_local_plan()])[0])
    missing = {name: _local(target).numel() for name, target in targets.items()}
    for item in plan.items:
        missing[item.dest_index.fqn] -= prod(item.lengths)
    if any(missing.values()):
        return None
    _fill(planner, plan, pieces)
    found = list(targets.values())
    names = {tuple(piece["path"]): number for number, piece in enumerate(pieces.values())}

    def part(value: Any, path: _Path) -> Any:
        return found[names[path]] if path in names else value

    return _mapped(parts[0]["state"], part)


def _fill(planner: Any, plan: Any, pieces: dict[str, dict[str, Any]]) -> None:
    """Copy what the plan says of each piece to where it says."""
    for item in plan.items:
        source = pieces[item.storage_index.fqn]["chunks"][tuple(item.storage_index.offset)]
        for dim, (start, length) in enumerate(zip(item.storage_offsets, item.lengths, strict=True)):
            source = source.narrow(dim, start, length)
        target = planner.resolve_tensor(item).detach()
        target.copy_(source)
        planner.commit_tensor(item, target)


def _pieces(parts: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give each spread tensor with the pieces of it that all parts have; of equal ones, one."""
    pieces: dict[str, dict[str, Any]] = {}
    for part in parts:
        for shard in part["shards"]:
            piece = pieces.setdefault(repr(shard["path"]), {**shard, "chunks": {}})
            for offsets, tensor in shard["chunks"]:
                piece["chunks"].setdefault(tuple(offsets), tensor)
    return pieces


def _wholes(state: Any, there: Any) -> dict[str, dict[str, Any]]:
    """Give each tensor that was not spread when it was stored, and is now, as one piece."""
    pieces: dict[str, dict[str, Any]] = {}

    def part(value: Any, path: _Path) -> Any:
        if hasattr(value, "new_empty") and _is_spread(there(path, value.size(), value.dtype)):
            chunks = {(0,) * value.dim(): value}
            pieces[repr(list(path))] = {
                "path": list(path),
                "size": list(value.size()),
                "like": value.new_empty(0),
                "chunks": chunks,
            }
        return value

    _mapped(state, part)
    return pieces


def _share(parts: Any, number: int, world: int) -> dict[str, Any] | None:
    """Give what this rank stores of the parts that another number of ranks stored, where nobody has asked for them."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    mine = [shard for part in there[number::world] for shard in part["shards"]]
    return {"state": there[0]["state"], "shards": mine}


def _spread_of(bound: Any) -> Any:
    """Give what makes room for a tensor of a path as the object has it spread: its own, or that of its parameter."""
    import torch

    groups = getattr(bound, "param_groups", None)
    parameters = [each for group in groups for each in group["params"]] if groups is not None else []
    own = {} if parameters else bound.state_dict()

    def like(path: _Path, size: Any, dtype: Any) -> Any:
        found: Any = None
        if (
            parameters
            and path[:1] in _OF_PARAMETERS
            and isinstance(path[1], int)
            and path[1] < len(parameters)
        ):
            found = parameters[path[1]]
        elif not parameters:
            found = own
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
        if _is_spread(found) and found.size() == size:
            return _room_like(found, dtype)
        return torch.empty(size, dtype=dtype)

    return like


def _room_like(spread: Any, dtype: Any) -> Any:
    """Make a tensor that is spread as another is, of this rank's piece; nothing is asked of the other ranks."""
    import torch
    from torch.distributed.tensor import DTensor

    local = torch.empty_like(spread.to_local().detach(), dtype=dtype)
    size, stride = spread.size(), spread.stride()
    return DTensor.from_local(
        local, spread.device_mesh, spread.placements, run_check=False, shape=size, stride=stride
    )


def _mapped(value: Any, part: Any, path: _Path = ()) -> Any:
    """Copy what holds tensors, with each of them as ``part`` gives it; what is no plain container stays as it is."""
    changed = part(value, path)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        made = type(value)() if type(value) is not dict else {}
        made.update((key, _mapped(each, part, (*path, key))) for key, each in value.items())
        if hasattr(value, "_metadata"):  # what torch's modules put at theirs
            made._metadata = value._metadata  # type: ignore[attr-defined]  # noqa: SLF001
        return made
    if type(value) in (list, tuple):
        return type(value)(_mapped(each, part, (*path, number)) for number, each in enumerate(value))
    return value


def _is_spread(value: Any) -> bool:
    return hasattr(value, "to_local") and hasattr(value, "__create_chunk_list__")


def _local(value: Any) -> Any:
    return value.to_local() if _is_spread(value) else value
