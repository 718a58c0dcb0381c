"""A stored array can go into memory that is there already, if that is the memory of just such an array."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._arrays import restored_dtype
from lattice_addons.encoding._plain import from_json
from lattice_addons.errors import DecodeError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["memory_for"]


def memory_for(target: object, encoding: str, header: bytes, kind: str) -> memoryview:
    """Give the bytes of a target into which those of a stored value go as they are.

    Raises:
        DecodeError: they cannot: another type or shape of elements, another layout, memory that cannot be written.
    """
    if encoding != "numpy":
        message = (
            f"a stored {kind or 'value'} ({encoding}) cannot be read into memory that is there already: only "
            "NumPy arrays can; get it without `into`"
        )
        raise DecodeError(message, type=kind)
    import numpy as np

    try:
        fields = from_json(header)
        dtype, shape, order = restored_dtype(fields["dtype"]), tuple(fields["shape"]), str(fields["order"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        message = f"the stored header of a NumPy array does not describe its bytes: {error}"
        raise DecodeError(message, type=kind) from error
    stored = f"a stored {dtype} array of shape {shape}"
    array = target if isinstance(target, np.ndarray) else _as_array(target, stored, kind, dtype, shape)
    problem = _problem(array, dtype, shape, order)
    if problem:
        told = f"{array.dtype} array of shape {array.shape}"
        raise DecodeError(f"{stored} cannot be read into a {told}: {problem}", type=kind)
    if not array.nbytes:
        return memoryview(bytearray())
    flat: Any = (array.T if order == "F" else array).view(np.ndarray).reshape(-1)
    return memoryview(flat.view("u1"))


def _problem(array: np.ndarray[Any, Any], dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> str:
    if array.dtype != dtype:
        return f"give one of {dtype}"
    if array.shape != shape:
        return f"give one of shape {shape}"
    if not array.flags.writeable:
        return "it is read-only"
    if not (array.flags.f_contiguous if order == "F" else array.flags.c_contiguous):
        return f"its elements must lie side by side, in the order {order!r}"
    return ""


def _as_array(
    target: object, stored: str, kind: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """Look at other memory as at an array; bytes are as good as an array of as many."""
    numpy = sys.modules["numpy"]
    try:
        view = memoryview(target)  # type: ignore[arg-type]
        if view.ndim == 1 and view.itemsize == 1 and view.nbytes and view.format in ("B", "b", "c"):
            as_bytes = numpy.frombuffer(view, "u1")
            if dtype.itemsize and as_bytes.nbytes == dtype.itemsize * numpy.prod(shape, dtype=object):
                return as_bytes.view(dtype).reshape(shape)  # type: ignore[no-any-return]
            return as_bytes  # type: ignore[no-any-return]
        return numpy.asarray(view)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        message = (
            f"{stored} cannot be read into a {type(target).__name__} ({error}): give a NumPy array, or "
            "something that shows its memory as one does (of a tensor: `tensor.numpy()`)"
        )
        raise DecodeError(message, type=kind) from error
