"""A torch tensor is a description of how it looks at a storage; those of one tree share theirs as they did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._storages import Span, host_memory, identity, storage_on

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lattice_addons.encoding._encoded import Buffer

__all__ = ["NotATree", "TensorReader", "TensorTable", "tensor_kinds"]

_COMPRESSED = {"sparse_csr": "row", "sparse_bsr": "row", "sparse_csc": "column", "sparse_bsc": "column"}


class NotATree(Exception):  # noqa: N818 - a signal between writer and encoder, and no error of anybody's
    """Something in a value has no description of its own: the value is pickled."""


def tensor_kinds() -> tuple[type, ...]:
    """Give the classes of tensors that are described; none where torch was never imported. Others are pickled."""
    torch = sys.modules.get("torch")
    found = getattr(torch, "Tensor", None), getattr(getattr(torch, "nn", None), "Parameter", None)
    return () if torch is None or None in found else found  # type: ignore[return-value]


class TensorTable:
    """Descriptions of tensors, and what of their storages is to be stored."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._records: list[dict[str, Any]] = []
        self._starts: list[tuple[int, int] | None] = []
        self._by_storage: dict[Hashable, int] = {}
        # Holds the tensors, lest the id of one that is dropped meanwhile be given to another.
        self._by_id: dict[int, tuple[int, Any]] = {}

    def add(self, tensor: Any) -> int:
        """Describe a tensor; the same one gets the same number."""
        known = self._by_id.get(id(tensor))
        if known is None:
            record = self._described(tensor)
            number = len(self._records)
            start = record.pop("start", None)
            self._records.append(record)
            self._starts.append(start)
            known = self._by_id[id(tensor)] = number, tensor
        return known[0]

    def records(self) -> list[dict[str, Any]]:
        """Give the descriptions, once all tensors are there."""
        for record, start in zip(self._records, self._starts, strict=True):
            if start is not None:
                place, size = start
                offset = (place - self.spans[record["memory"]].start) // size
                if offset > 0:
                    record["offset"] = offset
        return self._records

    def memories(self) -> list[Buffer]:
        """Give the bytes of each storage."""
        return host_memory(self.spans)

    def _described(self, tensor: Any) -> dict[str, Any]:
        torch = sys.modules["torch"]
        if tensor.__dict__ or tensor._backward_hooks or tensor.is_nested:  # noqa: SLF001 - theirs
            raise NotATree
        record: dict[str, Any] = {"dtype": str(tensor.dtype).removeprefix("torch.")}
        record["shape"] = list(tensor.shape)
        if tensor.layout is torch.strided:
            self._strided(torch, tensor, record)
        else:
            self._sparse(torch, tensor, record)
        if tensor.requires_grad:
            record["requires_grad"] = True
        if type(tensor) is not torch.Tensor:
            record["parameter"] = True
        return record

    def _strided(self, torch: Any, tensor: Any, record: dict[str, Any]) -> None:
        if tuple(tensor.stride()) != _contiguous(tensor.shape):
            record["strides"] = list(tensor.stride())
        if tensor.device.type == "meta":
            record["device"] = "meta"
            return
        if tensor.is_quantized:
            record["quantizer"] = self._quantizer(torch, tensor)
        record |= {name: True for name in ("conj", "neg") if getattr(tensor, f"is_{name}")()}
        size = tensor.element_size()
        start = tensor.storage_offset() * size
        record["memory"] = self._memory(tensor.untyped_storage())
        if tensor.numel():
            reach = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
            self.spans[record["memory"]].cover(start, start + reach * size)
            record["start"] = start, size

    def _memory(self, storage: Any) -> int:
        key = identity(storage)
        if key not in self._by_storage:
            self._by_storage[key] = len(self.spans)
            self.spans.append(Span(storage))
        return self._by_storage[key]

    def _quantizer(self, torch: Any, tensor: Any) -> dict[str, Any]:
        if tensor.qscheme() == torch.per_tensor_affine:
            return {"scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
        return {
            "scales": self.add(tensor.q_per_channel_scales()),
            "zero_points": self.add(tensor.q_per_channel_zero_points()),
            "axis": tensor.q_per_channel_axis(),
        }

    def _sparse(self, torch: Any, tensor: Any, record: dict[str, Any]) -> None:
        name = record["layout"] = str(tensor.layout).removeprefix("torch.")
        with torch.no_grad():
            if name == "sparse_coo":
                record["coalesced"] = tensor.is_coalesced()
                record["parts"] = [tensor._indices(), tensor._values()]  # noqa: SLF001 - indices() would refuse
            elif name in _COMPRESSED:
                rows = _COMPRESSED[name] == "row"
                indices = (
                    (tensor.crow_indices(), tensor.col_indices())
                    if rows
                    else (tensor.ccol_indices(), tensor.row_indices())
                )
                record["parts"] = [*indices, tensor.values()]
            else:
                raise NotATree
            record["parts"] = [self.add(part.detach()) for part in record["parts"]]


class TensorReader:
    """Makes tensors of their descriptions, in any order, each once."""

    def __init__(self, records: Sequence[dict[str, Any]], memories: Sequence[tuple[memoryview, str]]) -> None:
        import torch

        self._torch: Any = torch
        self._records = records
        self._memories = memories
        self._storages: dict[int, Any] = {}
        self._made: dict[int, Any] = {}

    def tensor(self, number: int) -> Any:
        """Give a tensor; `ValueError` or what torch raises where its description cannot be true."""
        if number not in self._made:
            record = self._records[number]
            # Made only once: a description that has itself for a part has none.
            self._made[number] = None
            self._made[number] = self._finished(record, self._raw(record))
        found = self._made[number]
        if found is None:
            raise ValueError(f"tensor {number} is a part of itself")
        return found

    def _raw(self, record: dict[str, Any]) -> Any:
        torch = self._torch
        dtype, shape = self.dtype(record["dtype"]), tuple(record["shape"])
        if "layout" in record:
            return self._sparse(record, shape)
        strides = tuple(record["strides"]) if "strides" in record else _contiguous(shape)
        if min((*shape, *strides, record.get("offset", 0)), default=0) < 0:
            raise ValueError("a negative shape, stride or offset")
        if record.get("device") == "meta":
            return torch.empty_strided(shape, strides, dtype=dtype, device="meta")
        storage = self._storage(record["memory"])
        offset = record.get("offset", 0)
        reach = (
            sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1 if 0 not in shape else 0
        )
        if reach and (offset + reach) * dtype.itemsize > storage.nbytes():
            raise ValueError(f"{shape} elements of {dtype} reach beyond their memory")
        if "quantizer" in record:
            return self._quantized(record, storage, (offset, shape, strides), dtype)
        return torch.empty(0, dtype=dtype, device=storage.device).set_(storage, offset, shape, strides)

    def dtype(self, name: str) -> Any:
        """Give the type of elements that has this name."""
        found = getattr(self._torch, name, None)
        if not isinstance(found, self._torch.dtype):
            raise ValueError(f"this version of torch has no dtype {name!r}")  # noqa: TRY004 - the name is the value
        return found

    def _storage(self, number: int) -> Any:
        if number not in self._storages:
            if number < 0:
                raise ValueError(f"there is no memory {number}")
            self._storages[number] = storage_on(self._torch, *self._memories[number])
        return self._storages[number]

    def _quantized(self, record: dict[str, Any], storage: Any, place: tuple[Any, ...], dtype: Any) -> Any:
        torch, quantizer = self._torch, record["quantizer"]
        typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
        if "axis" in quantizer:
            parts = self.tensor(quantizer["scales"]), self.tensor(quantizer["zero_points"])
            params: tuple[Any, ...] = (torch.per_channel_affine, *parts, quantizer["axis"])
        else:
            params = (torch.per_tensor_affine, float(quantizer["scale"]), int(quantizer["zero_point"]))
        return torch._utils._rebuild_qtensor(typed, *place, params, False, {})  # noqa: FBT003, SLF001 - what torch's own pickles name

    def _sparse(self, record: dict[str, Any], shape: tuple[int, ...]) -> Any:
        torch, name = self._torch, record["layout"]
        parts = [self.tensor(part) for part in record["parts"]]
        # Indices that lead out of the tensor would be followed by a kernel. The device is theirs, not the default one.
        more: dict[str, Any] = {"device": parts[-1].device, "check_invariants": True}
        if name == "sparse_coo":
            made = torch.sparse_coo_tensor(*parts, shape, is_coalesced=record["coalesced"], **more)
        elif name in _COMPRESSED:
            made = torch.sparse_compressed_tensor(*parts, shape, layout=getattr(torch, name), **more)
        else:
            raise ValueError(f"no layout is called {name!r}")
        return made

    def _finished(self, record: dict[str, Any], tensor: Any) -> Any:
        if record.get("conj"):
            tensor = tensor.conj()
        if record.get("neg"):
            tensor = self._torch._neg_view(tensor)  # noqa: SLF001 - there is no other
        grad = bool(record.get("requires_grad"))
        if record.get("parameter"):
            return self._torch.nn.Parameter(tensor, requires_grad=grad)
        return tensor.requires_grad_() if grad else tensor


def _contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
