"""A blob as a file: arrays as .npy, which others can read, and all else as what the encodings made of it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding import decode
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint import Entry

__all__ = ["read_blob", "write_blob"]

_ARRAY, _OTHER = ".npy", ".blob"


def write_blob(
    folder: str, name: str, entry: Entry, value: bytes | None, buffers: Sequence[bytearray | memoryview]
) -> str:
    """Write a blob's file, and give its name.

    Raises:
        DamagedError: the slot is named as no blob is, which would make it a file elsewhere.
    """
    if os.path.basename(name) != name:
        message = f"{name!r} is no name of a blob, and no file is made of it: no HyperState has written this checkpoint"
        raise DamagedError(message, key=name)
    if entry.encoding == "numpy":
        import numpy as np

        array: Any = decode(entry.encoding, value, buffers, trust="safe", type=entry.type)
        np.save(os.path.join(folder, name + _ARRAY), array, allow_pickle=False)
        return name + _ARRAY
    head = {
        "encoding": entry.encoding,
        "type": entry.type,
        "sizes": [memoryview(each).nbytes for each in buffers],
    }
    with open(os.path.join(folder, name + _OTHER), "wb") as file:
        file.write(json.dumps(head | {"value": None if value is None else value.decode()}).encode() + b"\n")
        file.writelines(buffers)
    return name + _OTHER


def read_blob(path: str, trust: str) -> object:
    """Read the value of a blob's file.

    All of it now: of a file that is only mapped, a program would have what is written there later.
    """
    if path.endswith(_ARRAY):
        import numpy as np

        try:
            array: object = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DamagedError(f"{path} is no file of an array ({error})", key=path) from error
        return array
    with open(path, "rb") as file:
        try:
            head = json.loads(file.readline())
            value = None if head["value"] is None else head["value"].encode()
            buffers = [bytearray(file.read(size)) for size in head["sizes"]]
            encoding, kind = str(head["encoding"]), str(head["type"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{path} is no file of a blob ({error})"
            raise DamagedError(message, key=path) from error
    return decode(encoding, value, buffers, trust=trust, type=kind)
