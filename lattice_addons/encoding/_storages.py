"""The storage of a torch tensor is raw memory, here or on a device, that several tensors may share."""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._devices import asked_device
from lattice_addons.encoding._encoded import OUT_OF_BAND
from lattice_addons.encoding._memories import ALIGNED, taken_apart
from lattice_addons.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from lattice_addons.encoding._encoded import Buffer

__all__ = [
    "Span",
    "from_storage",
    "from_typed_storage",
    "host_memory",
    "identity",
    "of_storages",
    "same",
    "storage_on",
]

_log = logging.getLogger("lattice_addons.encoding")
_told: set[str] = set()


class Span:
    """As much of one storage as tensors show, in bytes."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.device = str(storage.device)
        self.start = self._whole = storage.nbytes()
        self.end = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return int(max(0, self.end - self.start))

    def cover(self, start: int, end: int) -> None:
        """Take in what one tensor shows; the start keeps what it is a multiple of, for elements of any type.

        Raises:
            EncodeError: it shows more than there is.
        """
        if end > self._whole:
            message = (
                f"a tensor on {self.device} shows {end} bytes of a storage that has {self._whole}: its memory was let "
                "go of, by resize_() or by what shards a model. Save when it is there again, or leave the tensor out"
            )
            raise EncodeError(message, type="torch.Tensor", where="value")
        self.start = min(self.start, start - start % ALIGNED)
        self.end = max(self.end, end)


def identity(storage: Any) -> Hashable:
    """Tell one storage from another; two that lie at the same place are one, as those of an array seen twice."""
    place = storage.data_ptr()
    return (str(storage.device), place, storage.nbytes()) if place else storage._cdata  # noqa: SLF001 - it has no other


def host_memory(spans: Iterable[Span]) -> list[Buffer]:
    """Give the bytes of each span: of the CPU's as they lie there, of a device's in a copy."""
    spans = list(spans)
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    busy = {span.device for span in spans if span.device.startswith("cuda") and span.size}
    for device in busy:
        # What the program has begun on any stream must be done: the copies are made on one.
        torch.cuda.synchronize(device)
    memories = [_host_memory(torch, span) for span in spans]
    for device in busy:
        torch.cuda.synchronize(device)
    return memories


def _host_memory(torch: Any, span: Span) -> Buffer:
    if not span.size:
        return b""
    if span.device == "cpu" and span.size < OUT_OF_BAND:
        import ctypes  # torch has imported it

        # These are copied in any case, and this takes a tenth of the time: there may be thousands.
        return ctypes.string_at(span.storage.data_ptr() + span.start, span.size)
    with torch.no_grad():
        flat = torch.empty(0, dtype=torch.uint8, device=span.device).set_(span.storage)[span.start : span.end]
        if span.device.startswith("cuda"):
            flat = _pinned(torch, span.size).copy_(flat, non_blocking=True)
        elif span.device != "cpu":
            flat = flat.cpu()
    array = flat.numpy()
    return memoryview(array if span.device == "cpu" else array.view(_own_kind()))


@cache
def _own_kind() -> Any:
    """Give the class of arrays whose memory is a copy already, and nobody else's: see `is_own`."""
    import numpy as np

    return type("OwnMemory", (np.ndarray,), {"lattice_own": True})


def _pinned(torch: Any, size: int) -> Any:
    """Give memory into which a device writes by itself; torch keeps what was let go of for the next save."""
    try:
        return torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True)
    except RuntimeError:  # no more memory can be pinned
        return torch.empty(size, dtype=torch.uint8, device="cpu")


def made_on(torch: Any, device: str) -> str:
    """Give the device on which to make what was on a device: the one asked for; the CPU where that is not there."""
    wanted = asked_device() or device
    if wanted in ("cpu", "meta") or _is_there(torch, wanted):
        return wanted
    if wanted not in _told:
        _told.add(wanted)
        _log.info("tensors for %s are made on the CPU, for that device is not there", wanted)
    return "cpu"


def _is_there(torch: Any, device: str) -> bool:
    try:
        found = torch.device(device)
        module = torch.get_device_module(found)
        return bool(module.is_available()) and (found.index or 0) < module.device_count()
    except (RuntimeError, AttributeError):  # no such kind of device in this torch
        return False


def storage_on(torch: Any, memory: memoryview, device: str) -> Any:
    """Make a storage of memory, without a copy where it is to be on the CPU."""
    device = made_on(torch, device)
    if not memory.nbytes:
        return torch.empty(0, dtype=torch.uint8, device=device).untyped_storage()
    flat = torch.frombuffer(memory, dtype=torch.uint8)
    return (flat if device == "cpu" else flat.to(device)).untyped_storage()


# -- storages within pickles, which name these functions


def from_storage(buffer: Any, device: str) -> Any:
    """Make a storage again that stood in a pickle."""
    import torch

    view = memoryview(buffer)
    [memory] = taken_apart([[view.nbytes, 0, 0]], [view])
    return storage_on(torch, memory, device)


def from_typed_storage(storage: Any, dtype: Any) -> Any:
    """Make a storage again that knows the type of its elements."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def same(thing: Any) -> Any:
    """Give what stood in a pickle before, where another object stood for the same."""
    return thing


def of_storages(module_name: str, name: str) -> Any:
    """Give what makes a tensor of one of torch's newer types in a pickle; None for all else."""
    return _rebuilt if (module_name, name) == ("torch._utils", "_rebuild_tensor_v3") else None


def _rebuilt(storage: Any, *told: Any) -> Any:
    """Make it as torch does, which writes a storage without a type here, and only takes one with a type."""
    import torch

    *_, dtype = told[:6]
    if type(storage) is torch.UntypedStorage:
        storage = from_typed_storage(storage, dtype)
    return torch._utils._rebuild_tensor_v3(storage, *told)  # noqa: SLF001 - what torch's own pickles name


# Pickles keep these names for ever; the file they stand in may move.
from_storage.__module__ = from_typed_storage.__module__ = same.__module__ = "lattice_addons.encoding"
