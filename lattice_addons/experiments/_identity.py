"""A setting is known by its values: equal values give the same 16 digits, in any process and on any host."""

from __future__ import annotations

import contextlib
import enum
import functools
import pathlib
import struct
import sys
import types
import weakref
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ._carried import told_of
from ._fresh import LARGE, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cells_of", "class_label", "code_told", "identity_of"]

_DIGITS = 16
_DOUBLE = struct.Struct(">d").pack
_CONTAINERS = frozenset((list, tuple, dict, set, frozenset))
# What is large is one object in all settings, and not altered: it is read once.
_digests: dict[int, tuple[weakref.ref[Any], bytes]] = {}


def identity_of(values: Mapping[str, Any]) -> str:
    """Give the identity of a setting from its values."""
    writer = _Writer()
    writer.write_fields(values)
    return blake3(b"".join(writer.parts)).hexdigest()[:_DIGITS]


def class_label(cls: Any) -> str:
    """Name a class or function by its file and itself: the same as a script, and as a module in a package."""
    module = getattr(cls, "__module__", None) or ""
    if module == "__main__":
        told = told_of(cls) if isinstance(cls, type) else None
        if told is not None:
            return told.label
        main = sys.modules.get("__main__")
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec is not None else pathlib.PurePath(file or "__main__").stem
    return f"{module.rpartition('.')[2]}.{cls.__qualname__}"


class _Writer:
    """Writes values as bytes, each with its kind and length in front, so that no two of them read alike."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._open: dict[int, int] = {}

    def _put(self, kind: bytes, data: bytes) -> None:
        self.parts.append(b"%b%d:" % (kind, len(data)))
        self.parts.append(data)

    def write_fields(self, values: Mapping[str, Any]) -> None:
        """Write a dict whose keys are names; the same ones come again and again, and are put in order once."""
        self._open[id(values)] = 0
        head, names = _in_order(tuple(values))
        self.parts.append(head)
        for key, name in names:
            self.parts.append(key)
            self.write(values[name])

    def write(self, value: Any) -> None:
        """Write a value of any type."""
        kind = type(value)
        if kind is str:
            self._put(b"s", value.encode("utf-8", "surrogatepass"))
        elif kind is int:
            self._put(b"i", b"%d" % value)
        elif kind is float:
            self.parts.append(b"f8:" + _DOUBLE(value))
        elif value is None or kind is bool:
            self._put(b"c", repr(value).encode())
        elif kind is bytes:
            self._put(b"b", value)
        else:
            self._write_larger(value, kind)

    def _write_larger(self, value: Any, kind: type) -> None:
        if id(value) in self._open:  # it holds itself
            self._put(b"@", b"%d" % self._open[id(value)])
            return
        self._open[id(value)] = len(self._open)
        try:
            if kind not in _CONTAINERS and size_of(value) >= LARGE:
                self._put(b"L", _digest_of_large(value))
            else:
                self._write_inside(value, kind)
        finally:
            del self._open[id(value)]

    def _write_inside(self, value: Any, kind: type) -> None:
        # A list that was a tuple before it went through a file is the same value.
        if kind in (list, tuple):
            self._put(b"l", b"%d" % len(value))
            for each in value:
                self.write(each)
        elif kind is dict:
            self._write_sorted(b"d", [(_bytes_of_key(key), each) for key, each in value.items()])
        elif kind in (set, frozenset):
            self._write_sorted(b"e", [(_bytes_of(each), None) for each in value])
        elif isinstance(value, enum.Enum):
            self._put(b"n", f"{class_label(kind)}.{value.name}".encode())
        elif isinstance(value, pathlib.PurePath):
            self._put(b"s", str(value).encode("utf-8", "surrogatepass"))
        elif isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)):
            self._write_code(value)
        else:
            self._write_object(value, kind)

    def _write_sorted(self, kind: bytes, pairs: list[tuple[bytes, Any]]) -> None:
        self._put(kind, b"%d" % len(pairs))
        for key, each in sorted(pairs, key=lambda pair: pair[0]):
            self.parts.append(key)
            self.write(each)

    def _write_code(self, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            self._put(b"t", value.__name__.encode())
            return
        self._put(b"t", class_label(value).encode())
        if not isinstance(value, types.FunctionType):
            return
        if "<lambda>" in value.__qualname__:  # all lambdas of a class have one name
            self._write_lambda(value)
        elif "<locals>" in value.__qualname__:  # and so have all functions that one function makes
            held = [cells_of(value), value.__defaults__, value.__kwdefaults__]
            if any(held):
                self.write(held)

    def _write_lambda(self, value: types.FunctionType) -> None:
        code = value.__code__
        inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
        self.write([code.co_code, [each for each in code.co_consts if not isinstance(each, types.CodeType)]])
        self.write([list(code.co_names), cells_of(value)])
        self.write([value.__defaults__, value.__kwdefaults__])
        if inner:
            self.write([code_told(each) for each in inner])

    def _write_object(self, value: Any, kind: type) -> None:
        numpy = sys.modules.get("numpy")
        if (
            numpy is not None
            and isinstance(value, numpy.generic)
            and not isinstance(value.item(), numpy.generic)
        ):
            self.write(value.item())
        elif numpy is not None and kind is numpy.ndarray and value.dtype.kind != "O":
            self._put(b"a", f"{value.dtype.descr}{value.shape}".encode())
            flat = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8)
            self._put(b"h", blake3(flat).digest())
        else:
            self._write_reduced(value, kind)

    def _write_reduced(self, value: Any, kind: type) -> None:
        """Write what pickle would, without what differs from process to process."""
        import copyreg

        reducer = copyreg.dispatch_table.get(kind)
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(2)
        if isinstance(reduced, str):
            self._put(b"t", reduced.encode())
            return
        make, args, state, items, pairs = (*reduced, *(None,) * 5)[:5]
        self._put(b"o", class_label(kind).encode())
        self.write(make)
        self.write(args)
        self.write(state)
        self.write(None if items is None else list(items))
        self.write(None if pairs is None else dict(pairs))


def cells_of(function: types.FunctionType) -> list[Any]:
    """Give what is in the variables around a function, as far as they have a value yet."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # assigned only later
            cells.append(None)
    return cells


def code_told(code: types.CodeType) -> list[Any]:
    """Give a function's code as plain data, with that of the functions in it."""
    constants = [code_told(each) if isinstance(each, types.CodeType) else each for each in code.co_consts]
    return [code.co_code, constants, list(code.co_names), list(code.co_freevars)]


def _digest_of_large(value: Any) -> bytes:
    known = _digests.get(id(value))
    if known is not None and known[0]() is value:
        return known[1]
    writer = _Writer()
    writer._write_inside(value, type(value))  # noqa: SLF001 - of this module
    digest: bytes = blake3(b"".join(writer.parts)).digest()
    with contextlib.suppress(TypeError):  # not everything can be referred to weakly
        number = id(value)
        _digests[number] = weakref.ref(value, lambda _: _digests.pop(number, None)), digest
    return digest


def _bytes_of_key(key: Any) -> bytes:
    return _bytes_of_name(key) if type(key) is str else _bytes_of(key)


@functools.lru_cache(maxsize=1024)
def _bytes_of_name(name: str) -> bytes:
    return _bytes_of(name)


@functools.lru_cache(maxsize=64)
def _in_order(names: tuple[str, ...]) -> tuple[bytes, list[tuple[bytes, str]]]:
    """Give what stands in front of the fields of these names, and their keys in the order in which they stand."""
    size = b"%d" % len(names)
    return b"d%d:%b" % (len(size), size), sorted((_bytes_of_name(name), name) for name in names)


def _bytes_of(value: Any) -> bytes:
    writer = _Writer()
    writer.write(value)
    return b"".join(writer.parts)
