"""An encoder stores values of a type in a way of its own, readable without pickle."""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._encoded import Stream, called, detached, type_name
from lattice_addons.encoding._plain import from_json, to_json
from lattice_addons.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.encoding._encoded import Buffer

PICKLES = frozenset({"pickle", "cloudpickle", "dill"})
_RESERVED = PICKLES | {"json", "numpy", "tree"}
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_PLAIN_TYPES = (type(None), bool, int, float, str, list, dict)


class Encoder(abc.ABC):
    """How values of some types are stored: as a header of plain data and raw buffers.

    ``name`` stands in the checkpoint and finds the encoder again, so it must never change. ``types`` are the
    classes it stores, with their subclasses; of several encoders the one of the nearest base class is used.
    ``safe`` says that reading runs no code that the stored bytes choose: only then ``trust=safe`` reads it.
    """

    name: str
    types: tuple[type, ...]
    safe: bool = True

    @abc.abstractmethod
    def encode(self, value: Any) -> tuple[Any, Sequence[Buffer]]:
        """Give a header (plain data: what JSON can hold) and buffers (bytes, or what shows its memory)."""

    @abc.abstractmethod
    def decode(self, header: Any, buffers: Sequence[bytearray | memoryview]) -> Any:
        """Make the value again; the buffers are writable and may become its memory."""


# Process-wide, like the types themselves: whoever defines a type registers its encoder once.
_by_name: dict[str, Encoder] = {}
_by_type: dict[type, Encoder] = {}


def register_encoder(encoder: Encoder) -> None:
    """Store values of the encoder's types with it from now on; one of the same name is replaced."""
    name: Any = getattr(encoder, "name", None)
    types: Any = getattr(encoder, "types", None)
    if not isinstance(encoder, Encoder):
        _refuse(encoder, f"{encoder!r} is no encoder: give an instance of a subclass of Encoder")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        _refuse(
            encoder,
            f"the encoder's name {name!r} cannot be used: small letters, digits and . _ - after a first "
            f"letter, and none of {', '.join(sorted(_RESERVED))}",
        )
    if not isinstance(types, tuple) or not types or not all(isinstance(kind, type) for kind in types):
        _refuse(encoder, f"the encoder {name!r} must say its types as a tuple of classes, not {types!r}")
    if plain := [kind.__name__ for kind in types if kind in _PLAIN_TYPES or kind is object]:
        _refuse(encoder, f"the encoder {name!r} cannot take {', '.join(plain)}: these are stored as they are")
    replaced = _by_name.get(name)
    _by_name[name] = encoder
    for kind in [kind for kind, other in _by_type.items() if other is replaced and replaced is not None]:
        del _by_type[kind]
    _by_type.update(dict.fromkeys(types, encoder))


def _refuse(encoder: object, message: str) -> None:
    raise EncodeError(message, type=type_name(type(encoder)), where="")


def encoder_for(kind: type) -> Encoder | None:
    """Find the encoder of the nearest class that has one."""
    if _by_type:
        for base in kind.__mro__:
            if base in _by_type:
                return _by_type[base]
    return None


def is_safe(name: str) -> bool:
    """Tell whether an encoder is known to run no code that the stored bytes choose."""
    encoder = _by_name.get(name)
    return encoder is None or encoder.safe


def encode_own(encoder: Encoder, value: object, *, copy: bool) -> tuple[bytes, tuple[Buffer, ...]]:
    """Ask an encoder for header and buffers, and see that they are what they must be."""
    kind = type_name(type(value))
    result: Any = encoder.encode(value)
    try:
        plain, given = result
        given = tuple(given)
    except (TypeError, ValueError) as error:
        message = f"{_whose(encoder)}.encode gave {called(type(result))}, not (header, list of buffers)"
        raise EncodeError(message, type=kind, where="value") from error
    header = to_json(plain)
    if header is None:
        message = (
            f"{_whose(encoder)}.encode gave a header that is not plain data; only None, bool, int, float, "
            f"str, list and dict with str keys can stand there (no tuples, no NumPy numbers)"
        )
        raise EncodeError(message, type=kind, where="value")
    buffers = tuple(_flat(encoder, buffer, kind) for buffer in given)
    return header, tuple(map(detached, buffers)) if copy else buffers


def _flat(encoder: Encoder, buffer: Any, kind: str) -> Buffer:
    if isinstance(buffer, (bytes, Stream)):
        return buffer
    try:
        view = memoryview(buffer)
        return view.cast("B") if view.nbytes else b""
    except TypeError as error:
        message = (
            f"{_whose(encoder)}.encode gave a buffer that shows no contiguous memory "
            f"({called(type(buffer))}: {error}); give bytes, a bytearray, a contiguous array or a Stream"
        )
        raise EncodeError(message, type=kind, where="value") from error


def decode_own(name: str, header: bytes, buffers: Sequence[bytearray | memoryview], kind: str) -> object:
    """Let the encoder of this name make the value again."""
    encoder = _by_name.get(name)
    if encoder is None:
        known = ", ".join(sorted(_by_name)) or "none"
        message = (
            f"no encoder named {name!r} is registered in this program (registered: {known}); call "
            f"register_encoder() before the value is asked for. Its bytes are kept in the checkpoint"
        )
        raise DecodeError(message, type=kind)
    return encoder.decode(from_json(header), buffers)


def from_encoder(name: str, header: bytes, buffers: Sequence[Any]) -> object:
    """Make a value again that stood inside a pickled one; pickles name this function."""
    return decode_own(name, header, [memoryview(buffer) for buffer in buffers], "")


# Pickles keep this name for ever; the file it stands in may move.
from_encoder.__module__ = Encoder.__module__ = "lattice_addons.encoding"


def _whose(encoder: Encoder) -> str:
    return f"the encoder {encoder.name!r} ({called(type(encoder))})"
