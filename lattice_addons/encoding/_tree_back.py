"""What is made of a tree's description is what it says and nothing else: no name in it is looked up."""

from __future__ import annotations

import warnings
from binascii import a2b_base64
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._arrays import decode_array, restored_dtype
from lattice_addons.encoding._memories import taken_apart
from lattice_addons.encoding._plain import from_json, to_json
from lattice_addons.encoding._tensors import TensorReader
from lattice_addons.errors import DecodeError, LatticeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["decode_tree"]


def decode_tree(header: bytes, buffers: Sequence[bytearray | memoryview], kind: str) -> object:
    """Make the value again, on the memory of the buffers."""
    try:
        with warnings.catch_warnings():
            # That some kinds of tensors are new to torch has been said to who made them.
            warnings.simplefilter("ignore", UserWarning)
            return _Reader(from_json(header), buffers).value()
    except LatticeError:
        raise
    except ImportError as error:
        message = (
            f"a stored {kind or 'value'} has tensors, and torch cannot be imported ({error}): install it"
        )
        raise DecodeError(message, type=kind) from error
    except Exception as error:  # torch and NumPy raise errors of any kind where a description cannot be true
        message = (
            f"the stored description of a {kind or 'value'} cannot be true ({type(error).__name__}: {error})"
        )
        raise DecodeError(message, type=kind) from error


class _Reader:
    def __init__(self, header: dict[str, Any], buffers: Sequence[bytearray | memoryview]) -> None:
        self._tree = header["tree"]
        places = header.get("memory", [])
        memories = taken_apart([place[:3] for place in places], buffers)
        devices = ((*place[3:], "cpu")[0] for place in places)
        self._memories = list(zip(memories, devices, strict=True))
        records = header.get("tensors", [])
        self._tensors = TensorReader(records, self._memories) if records else None
        self._records = header.get("arrays", [])
        self._arrays: dict[int, object] = {}
        self._shared = header.get("shared", [])
        self._containers: dict[int, object] = {}

    def value(self) -> object:
        return self._made(self._tree)

    def _made(self, node: Any) -> Any:
        if type(node) is list:
            return [self._made(item) for item in node]
        if type(node) is not dict:
            return node
        words = iter(node)
        return _READ[next(words)](self, node)

    def pairs(self, items: Any) -> Any:
        return [(self._made(key), self._made(item)) for key, item in items]

    def several(self, items: Any) -> Any:
        return map(self._made, items)

    def ordered(self, node: Any) -> Any:
        made: Any = OrderedDict(self.pairs(node["ordered"]))
        if "_metadata" in node:
            made._metadata = self._made(node["_metadata"])  # noqa: SLF001 - where torch puts it
        return made

    def tensor(self, number: int) -> Any:
        if self._tensors is None:
            raise ValueError(f"there is no tensor {number}")
        return self._tensors.tensor(number)

    def array(self, number: int) -> Any:
        if number not in self._arrays:
            record = dict(self._records[number])
            memory = self._memories[record.pop("memory")][0]
            self._arrays[number] = decode_array(to_json(record) or b"", [memory], "numpy.ndarray")
        return self._arrays[number]

    def shared(self, number: int) -> Any:
        if number not in self._containers:
            # Made only once: one that has itself for a part has none.
            self._containers[number] = None
            self._containers[number] = self._made(self._shared[number])
        found = self._containers[number]
        if found is None:
            raise ValueError(f"the shared container {number} is a part of itself")
        return found


def _of_torch(name: str, word: str) -> Any:
    import torch

    if word == "device":
        return torch.device(name)
    return TensorReader([], []).dtype(name)


def _size(shape: Any) -> Any:
    import torch

    return torch.Size(shape)


def _scalar(dtype: str, text: str) -> Any:
    import numpy as np

    return np.frombuffer(a2b_base64(text), restored_dtype(dtype))[0]


_READ: dict[str, Callable[[_Reader, Any], Any]] = {
    "dict": lambda reader, node: {key: reader._made(item) for key, item in node["dict"].items()},  # noqa: SLF001
    "items": lambda reader, node: dict(reader.pairs(node["items"])),
    "ordered": _Reader.ordered,
    "counter": lambda reader, node: Counter(dict(reader.pairs(node["counter"]))),
    "tuple": lambda reader, node: tuple(reader.several(node["tuple"])),
    "set": lambda reader, node: set(reader.several(node["set"])),
    "frozenset": lambda reader, node: frozenset(reader.several(node["frozenset"])),
    "bytes": lambda _, node: a2b_base64(node["bytes"]),
    "complex": lambda _, node: complex(*node["complex"]),
    "shared": lambda reader, node: reader.shared(node["shared"]),
    "tensor": lambda reader, node: reader.tensor(node["tensor"]),
    "array": lambda reader, node: reader.array(node["array"]),
    "size": lambda _, node: _size(node["size"]),
    "dtype": lambda _, node: _of_torch(node["dtype"], "dtype"),
    "device": lambda _, node: _of_torch(node["device"], "device"),
    "scalar": lambda _, node: _scalar(*node["scalar"]),
}
