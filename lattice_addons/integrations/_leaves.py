"""Arrays and plain values by name are stored without pickle: what there is to say of them, and their memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lattice_addons.encoding import Encoder, encode, register_encoder
from lattice_addons.errors import UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Leaves"]


class Leaves:
    """What is told of each leaf, by its name, and the memory of those that are arrays."""

    def __init__(
        self, told: Mapping[str, dict[str, Any]] | None = None, memory: Mapping[str, Any] | None = None
    ) -> None:
        self.told: dict[str, dict[str, Any]] = dict(told or {})
        self.memory: dict[str, Any] = dict(memory or {})

    def put(self, name: str, value: object) -> None:
        """Take in a plain value.

        Raises:
            UnkeepableError: it is not plain.
        """
        if encode(value).encoding != "json":
            raise UnkeepableError(
                f"{name} is a {type(value).__name__}: it must be an array or plain data. Keep it in a slot of its own"
            )
        self.told[name] = {"value": value}

    def put_array(self, name: str, array: Any, **more: object) -> None:
        """Take in an array, and more that there is to say of it; its memory is shared where it lies together.

        Raises:
            UnkeepableError: its elements are Python objects, or records.
        """
        together = np.ascontiguousarray(array)
        if together.dtype.hasobject or together.dtype.names:
            what = "records" if together.dtype.names else "Python objects"
            raise UnkeepableError(f"{name} is an array of {what}; keep it in a slot of its own")
        self.told[name] = more | {"dtype": together.dtype.name, "shape": list(np.shape(array))}
        if together.dtype.kind in "SUmM" or not together.dtype.isnative:
            self.told[name]["dtype"] = together.dtype.str  # their names do not say all
        self.memory[name] = together.reshape(-1).view(np.uint8)

    def value(self, name: str) -> Any:
        """Give a plain value."""
        return self.told[name]["value"]

    def array(self, name: str) -> Any:
        """Give an array, on the memory that was read."""
        told = self.told[name]
        return np.frombuffer(self.memory[name], np.dtype(told["dtype"])).reshape(told["shape"])

    def copy(self) -> Leaves:
        """Give the same, with memory of its own."""
        return Leaves(self.told, {name: np.array(memory) for name, memory in self.memory.items()})


class _LeavesEncoder(Encoder):
    name = "leaves"
    types = (Leaves,)

    def encode(self, value: Leaves) -> tuple[Any, Sequence[Any]]:
        """Give what is told as the header."""
        return value.told, list(value.memory.values())

    def decode(self, header: Any, buffers: Sequence[bytearray | memoryview]) -> Leaves:
        """Make them again."""
        arrays = (name for name, told in header.items() if "dtype" in told)
        return Leaves(header, dict(zip(arrays, buffers, strict=True)))


register_encoder(_LeavesEncoder())
