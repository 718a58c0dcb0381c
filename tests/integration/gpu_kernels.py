"""What imitated GPUs compute: the host does it, with copies of their memory. To import this begins it."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten: Any = torch.ops.aten

# What only gives, shows or moves memory is torch's own work with CUDA's runtime.
_OF_MEMORY = {
    aten._local_scalar_dense.default,
    aten._pin_memory.default,
    aten._sparse_coo_tensor_with_dims_and_tensors.default,
    aten.alias.default,
    aten.detach.default,
    aten.empty.memory_format,
    aten.empty_strided.default,
    aten.is_pinned.default,
    aten.lift_fresh.default,
    aten.record_stream.default,
    aten.resize_.default,
    *(getattr(aten.set_, name) for name in aten.set_.overloads()),
}


class _Kernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tree_leaves((args, kwargs := kwargs or {}))
        devices = [one.device for one in given if isinstance(one, torch.Tensor)]
        devices += [one for one in given if isinstance(one, torch.device)]
        there = [device for device in devices if device.type == "cuda"]
        # Of sparse ones only the parts are asked for, each of which is a tensor of its own.
        sparse = any(isinstance(one, torch.Tensor) and one.is_sparse for one in given)
        if not there or sparse or func in _OF_MEMORY or func.is_view or _moves(func, args, kwargs):
            return func(*args, **kwargs)
        asked = kwargs.get("device") or there[0]
        return _Work(asked).do(func, args, kwargs)


def _moves(func: Any, args: Any, kwargs: Any) -> bool:
    """Tell whether bytes are copied as they lie there."""
    if func is aten.copy_.default:
        to, source = args[:2]
        alike = to.dtype == source.dtype and to.shape == source.shape
        return bool(alike and to.is_contiguous() and source.is_contiguous())
    if func is aten._to_copy.default:
        return kwargs.get("dtype") in (None, args[0].dtype) and bool(args[0].is_contiguous())
    return False


def _bytes(storage: Any) -> torch.Tensor:
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


def _shown(tensor: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Give the same tensor, of other memory."""
    empty = torch.empty(0, dtype=tensor.dtype, device=memory.device)
    return empty.set_(memory.untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride())


class _Work:
    """One operation, done on the host for a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.memories: dict[int, tuple[Any, torch.Tensor]] = {}
        self.copies: list[tuple[torch.Tensor, torch.Tensor]] = []

    def do(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Do it, and bring what it changed and what it made to the device."""
        args, kwargs = tree_map(self._here, (args, kwargs))
        if torch.Tag.nondeterministic_seeded in func.tags and self.device.type == "cuda":
            result = self._drawn(func, args, kwargs)
        else:
            result = func(*args, **kwargs)
        if func._schema.is_mutable:
            for storage, memory in self.memories.values():
                _bytes(storage).copy_(memory)
        return tree_map(self._there, result)

    def _here(self, one: Any) -> Any:
        if isinstance(one, torch.device) and one.type == "cuda":
            return torch.device("cpu")
        if not isinstance(one, torch.Tensor) or one.device.type != "cuda":
            return one
        storage = one.untyped_storage()
        _, memory = self.memories.setdefault(storage._cdata, (storage, _bytes(storage).cpu()))
        copy = _shown(one, memory)
        self.copies.append((copy, one))
        return copy

    def _there(self, one: Any) -> Any:
        if not isinstance(one, torch.Tensor) or self.device.type != "cuda":
            return one
        for copy, given in self.copies:
            if one is copy:
                return given
        return _shown(one, _bytes(one.untyped_storage()).to(self.device))

    def _drawn(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Draw what the state of the device's generator determines, and have that go on."""
        number = torch.cuda.current_device() if self.device.index is None else self.device.index
        own, host = torch.cuda.default_generators[number], torch.default_generator
        before = host.get_state()
        host.manual_seed((own.initial_seed() * 1_000_003 + own.get_offset()) % 2**63)
        own.set_offset(own.get_offset() + 4)
        try:
            return func(*args, **kwargs)
        finally:
            host.set_state(before)


_Kernels().__enter__()
