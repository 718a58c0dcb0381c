"""The state of a training run that is saved: float32 tensors of 4 MiB each, as the buffers of one module."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks import _state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lattice_addons import StateManagerGroup

__all__ = ["change", "few_of", "make", "middle", "opened", "tracked"]

opened = _state.opened


def make(mib: int, *, empty: bool = False) -> Any:  # noqa: ANN401 - a module of torch's
    """Make a module that has so many MiB; an empty one is to be filled by a restore, its memory is there."""
    torch: Any = import_module("torch")
    module = torch.nn.Module()
    for name, array in _state.named(_state.make(mib)).items():
        tensor = torch.from_numpy(array)
        module.register_buffer(name, tensor.zero_() if empty else tensor)
    return module


def middle(mib: int) -> str:
    """Give the name of the tensor in the middle."""
    return f"array-{max(mib // 4, 1) // 2:04}"


def change(tensors: Iterable[Any]) -> None:
    """Change every value of these tensors, in place."""
    for tensor in tensors:
        tensor.add_(1)


def few_of(module: Any, turn: int) -> list[Any]:  # noqa: ANN401 - a module of torch's
    """Give 1 % of the tensors, at least one; others with every turn."""
    tensors = list(module.buffers())
    count = _state.count_of_few(len(tensors))
    begin = turn * count % len(tensors)
    return (tensors + tensors)[begin : begin + count]


def tracked(module: Any, root: Path | str, **more: object) -> StateManagerGroup:  # noqa: ANN401 - as above
    """Give a group that keeps the module in one slot."""
    group = _state.opened(root, **more)  # type: ignore[arg-type]
    group.track(model=module)
    return group
