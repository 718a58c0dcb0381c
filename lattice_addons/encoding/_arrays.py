"""A NumPy array is a description of its elements and the raw memory they lie in."""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._plain import from_json, to_json
from lattice_addons.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lattice_addons.encoding._encoded import Buffer

# Only kinds whose bytes are the values themselves: an "O" in an altered header would make pointers of them.
_SIMPLE = re.compile(r"[<>|][biufcSUVmM]\d+(\[[^\]]+\])?")


def is_array(value: object) -> bool:
    """Tell whether a value is exactly a NumPy array; where NumPy was never imported, none is."""
    numpy = sys.modules.get("numpy")
    return type(value) is getattr(numpy, "ndarray", None)


def encode_array(array: np.ndarray[Any, Any], *, copy: bool) -> tuple[bytes, Buffer] | None:
    """Give header and memory; None for an array whose elements are more than raw bytes."""
    description = _described(array.dtype)
    if description is None:
        return None
    order = "C" if array.flags.c_contiguous or not array.flags.f_contiguous else "F"
    header = {"dtype": description, "shape": list(array.shape), "order": order}
    if not array.flags.writeable:
        header["writeable"] = False
    text = to_json(header)
    return None if text is None else (text, _memory(array, order, copy=copy))


def _memory(array: np.ndarray[Any, Any], order: str, *, copy: bool) -> Buffer:
    if not array.nbytes:
        return b""
    if copy:
        return array.tobytes(order=order)  # type: ignore[arg-type]
    import numpy as np

    # Copies only what does not lie together; a byte view, for a datetime64 array shows no buffer of its own.
    flat: Any = np.ascontiguousarray(array.T if order == "F" else array).reshape(-1)
    return memoryview(flat.view("u1"))


def decode_array(header: bytes, buffers: Sequence[bytearray | memoryview], kind: str) -> object:
    """Make the array again, on the memory of the buffer."""
    import numpy as np

    try:
        fields = from_json(header)
        dtype = restored_dtype(fields["dtype"])
        shape, order = tuple(fields["shape"]), fields["order"]
        [buffer] = buffers
        if math.prod(shape) * dtype.itemsize != memoryview(buffer).nbytes:
            message = f"{memoryview(buffer).nbytes} bytes cannot be {dtype} {shape}"
            raise DecodeError(message, type=kind)
        array: Any = np.ndarray(shape, dtype, buffer=buffer, order=order)
        if fields.get("writeable") is False:
            array.flags.writeable = False
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        message = f"the stored header of a NumPy array does not describe its bytes: {error}"
        raise DecodeError(message, type=kind) from error
    return array


def _described(dtype: np.dtype[Any]) -> Any:
    """Describe a dtype in plain data; None when the description would not give it back exactly."""
    description = _description(dtype)
    if description is None:
        return None
    try:
        again = restored_dtype(description)
    except (TypeError, ValueError):
        return None
    # == looks at titles of fields, but not at alignment.
    same = again == dtype and again.isalignedstruct == dtype.isalignedstruct
    return description if same else None


def _description(dtype: np.dtype[Any]) -> Any:
    import numpy as np

    # == does not look at a record type in place of void, be it that of a field.
    if dtype.hasobject or dtype.metadata or (dtype.kind == "V" and dtype.type is not np.void):
        return None
    if dtype.subdtype is not None:
        base = _description(dtype.subdtype[0])
        return base and {"base": base, "shape": list(dtype.subdtype[1])}
    if dtype.fields is None:
        return dtype.str
    fields: Any = [dtype.fields[name] for name in dtype.names or ()]
    formats = [_description(field[0]) for field in fields]
    if not all(formats):
        return None
    return {
        "names": list(dtype.names or ()),
        "formats": formats,
        "offsets": [field[1] for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def restored_dtype(description: Any) -> np.dtype[Any]:
    import numpy as np

    if isinstance(description, str):
        if not _SIMPLE.fullmatch(description):
            message = f"{description!r} is no dtype of raw bytes"
            raise ValueError(message)
        return np.dtype(description)
    if "base" in description:
        return np.dtype((restored_dtype(description["base"]), tuple(description["shape"])))
    names = [str(name) for name in description["names"]]
    formats = [restored_dtype(field) for field in description["formats"]]
    layout = {"names": names, "formats": formats, "offsets": description["offsets"]}
    layout["itemsize"] = description["itemsize"]
    return np.dtype(layout, align=bool(description["aligned"]))  # type: ignore[call-overload, no-any-return]
