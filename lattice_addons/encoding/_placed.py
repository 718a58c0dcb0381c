"""Where in the buffers of an encoded value its arrays lie, and of what elements, as far as that can be told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._encoded import OUT_OF_BAND, Stream
from lattice_addons.encoding._tensors import tensor_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.encoding._encoded import Buffer, Encoded

__all__ = ["Placed", "in_pickle", "placed"]

# So many places of a value are looked at; what is beyond them has no name.
_LOOKS: Final = 20_000
_LOOKS_STANDING: Final = 2_000
_LONGEST: Final = 160
_LEAVES: Final = (str, bytes, bytearray, int, float, complex, type(None))


@dataclass(frozen=True, slots=True)
class Placed:
    """An array that lies in a buffer of an encoded value, from byte ``start`` on, without gaps.

    ``dtype`` is as NumPy's ``dtype.str``, or torch's name of it. ``buffer`` is None where its elements cannot be looked
    at in one stretch.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    buffer: int | None
    start: int = 0

    @property
    def count(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


def placed(encoded: Encoded) -> list[Placed]:
    """Give the arrays of an encoded value; nothing of it is decoded but the header of a tree or an array."""
    if encoded.encoding == "tree" and encoded.value is not None:
        return list(_in_tree(encoded.value))
    if encoded.encoding == "numpy" and encoded.value is not None:
        import orjson  # not at the top: see `to_json`

        header = orjson.loads(encoded.value)
        return [_array("", header, 0, 0)]
    return list(encoded.arrays)


def _array(path: str, header: dict[str, Any], buffer: int, start: int) -> Placed:
    plain = isinstance(header["dtype"], str)
    dtype = header["dtype"] if plain else "record"
    return Placed(path, dtype, tuple(header["shape"]), buffer if plain else None, start)


# -- of a tree


def _in_tree(header: bytes) -> Iterator[Placed]:
    import orjson  # as above

    whole = orjson.loads(header)
    memory = whole.get("memory", [])
    met: set[tuple[str, int]] = set()
    for kind, number, path in islice(_leaves(whole), _LOOKS):
        # One that stands at several places is told of once.
        if not kind or (kind, number) in met:
            continue
        met.add((kind, number))
        if kind == "array":
            record = whole["arrays"][number]
            _, buffer, start = memory[record["memory"]][:3]
            yield _array(path, record, buffer, start)
        else:
            yield _tensor(path, whole["tensors"][number], memory)


def _tensor(path: str, record: dict[str, Any], memory: list[list[int]]) -> Placed:
    dtype, shape = record["dtype"], tuple(record["shape"])
    strides = record.get("strides")
    gapless = strides is None or _reach(shape, strides) == prod(shape)
    if "memory" not in record or "quantizer" in record or "neg" in record or not gapless:
        return Placed(path, dtype, shape, None)
    size, buffer, start = memory[record["memory"]][:3]
    item = size_of(dtype)
    offset = record.get("offset", 0) * item
    if not item or offset + prod(shape) * item > size:
        return Placed(path, dtype, shape, None)
    return Placed(path, dtype, shape, buffer, start + offset)


def _reach(shape: Sequence[int], strides: Sequence[int]) -> int:
    return sum((size - 1) * step for size, step in zip(shape, strides, strict=True)) + 1 if all(shape) else 0


def size_of(dtype: str) -> int:
    """Give the size of an element of torch; 0 for those of which nothing can be told."""
    if dtype in {"bool", "int8", "uint8"}:
        return 1
    sizes = {"16": 2, "32": 4, "64": 8}
    known = dtype.rstrip("0123456789") in {"float", "bfloat", "int", "uint"}
    return sizes.get(dtype[-2:], 0) if known else 0


def _leaves(whole: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Give what is in a tree: tensors and arrays by number and path; anything else has no kind."""
    waiting: list[tuple[Any, str]] = [(whole["tree"], "")]
    shared: set[int] = set()
    while waiting:
        node, path = waiting.pop()
        yield "", 0, path
        if isinstance(node, list):
            waiting += reversed([(each, f"{path}[{at}]") for at, each in enumerate(node)])
            continue
        if not isinstance(node, dict) or not node:
            continue
        kind, content = next(iter(node.items()))
        if kind in {"array", "tensor"}:
            yield kind, content, path[:_LONGEST]
        elif kind == "shared" and content not in shared:
            shared.add(content)
            waiting.append((whole["shared"][content], path))
        elif kind == "dict":
            waiting += reversed([(each, f"{path}[{_key(_as_given(key))}]") for key, each in content.items()])
        elif kind in {"items", "ordered", "counter"}:
            waiting += reversed([(each, f"{path}[{_key(key)}]") for key, each in content])
        elif kind in {"tuple", "set", "frozenset"}:
            waiting += reversed([(each, f"{path}[{at}]") for at, each in enumerate(content)])


def _as_given(key: str) -> str:
    # In a text that is plain data, keys that begin with $ have one more.
    return key[1:] if key.startswith("$$") else key


def _key(key: object) -> str:
    text = repr(key) if isinstance(key, (str, int, float, bool, type(None))) else "…"
    return text if len(text) <= _LONGEST // 2 else text[: _LONGEST // 2 - 2] + "…" + text[-1]


# -- of a pickle, while the value is there


def in_pickle(value: object, buffers: Sequence[Buffer]) -> tuple[Placed, ...]:
    """Give the arrays whose memory went out of band; those that are found within the value have a name."""
    try:
        return _in_pickle(value, buffers)
    except Exception:  # noqa: BLE001  what is only for people must not keep a value from being saved
        return ()


def _in_pickle(value: object, buffers: Sequence[Buffer]) -> tuple[Placed, ...]:
    numpy = sys.modules.get("numpy")
    views = {
        number: buffer
        for number, buffer in enumerate(buffers)
        if isinstance(buffer, memoryview) and buffer.nbytes >= OUT_OF_BAND
    }
    if numpy is None or not views:
        return ()
    wanted = {_address(numpy, view): number for number, view in views.items()}
    found: dict[int, Placed] = {}
    for path, address, dtype, shape in _held(value, numpy):
        number = wanted.pop(address, None)
        if number is not None:
            found[number] = _whole(path[:_LONGEST], dtype, shape, number, views[number])
        if not wanted:
            break
    for number in wanted.values():
        # What is a copy, as of what did not lie together, is still known to be an array.
        source: Any = views[number].obj
        if type(source) is numpy.ndarray and source.dtype.str != "|u1":
            found[number] = _whole("…", source.dtype.str, source.shape, number, views[number])
    return tuple(found[number] for number in sorted(found))


def _whole(path: str, dtype: str, shape: tuple[int, ...], number: int, view: memoryview) -> Placed:
    numpy = sys.modules["numpy"]
    item = numpy.dtype(dtype).itemsize if dtype[:1] in "<>|=" else size_of(dtype)
    covers = bool(item) and prod(shape) * item == view.nbytes
    return Placed(path, dtype, tuple(map(int, shape)), number if covers else None)


def _address(numpy: Any, view: memoryview) -> int:
    address: int = numpy.frombuffer(view, "u1").__array_interface__["data"][0]
    return address


def _held(value: object, numpy: Any) -> Iterator[tuple[str, int, str, tuple[int, ...]]]:
    """Give the arrays and tensors near the top of a value, with where their memory is."""
    kinds = tensor_kinds()
    waiting: list[tuple[object, str]] = [(value, "")]
    # Holds the objects, lest the id of one that is dropped be given to another.
    seen: dict[int, object] = {id(value): value}
    for thing, path in waiting:
        kind = type(thing)
        if kind is numpy.ndarray:
            array: Any = thing
            yield path, array.__array_interface__["data"][0], array.dtype.str, array.shape
        elif kind in kinds:
            yield from _of_tensor(thing, path)
        elif len(seen) < _LOOKS_STANDING:
            for step, part in _parts(thing):
                if not isinstance(part, _LEAVES) and id(part) not in seen:
                    seen[id(part)] = part
                    waiting.append((part, path + step))


def _of_tensor(tensor: Any, path: str) -> Iterator[tuple[str, int, str, tuple[int, ...]]]:
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.device.type != "cpu":
        return
    dtype = str(tensor.dtype).removeprefix("torch.")
    yield path, tensor.untyped_storage().data_ptr(), dtype, tuple(tensor.shape)


def _parts(thing: Any) -> list[tuple[str, object]]:
    """Give what a container or an object holds; nothing of the program's own is called."""
    if isinstance(thing, Stream):
        return []
    if isinstance(thing, dict):
        items = list(islice(dict.items(thing), _LOOKS_STANDING))
        return [(f"[{_key(key)}]", item) for key, item in items]
    if type(thing) in (list, tuple):
        return [(f"[{at}]", item) for at, item in enumerate(thing[:_LOOKS_STANDING])]
    if isinstance(thing, type):
        return []
    try:
        own = object.__getattribute__(thing, "__dict__")
        return [(f".{name}", item) for name, item in list(own.items())[:_LOOKS_STANDING]]
    except Exception:  # noqa: BLE001  no __dict__, or a class that hides it: then there is nothing to see
        return []
