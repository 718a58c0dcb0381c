"""Classes and functions go by reference first, by value only where no name leads to them."""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
import threading
import weakref
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from lattice_addons.encoding._arrays import is_array
from lattice_addons.encoding._encoded import STREAMED, Joined, Stream
from lattice_addons.encoding._encoders import encode_own, encoder_for, from_encoder
from lattice_addons.encoding._references import found_by_name
from lattice_addons.encoding._remade import reducer_of, written_in_c
from lattice_addons.encoding._storages import (
    Span,
    from_storage,
    from_typed_storage,
    host_memory,
    identity,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from lattice_addons.encoding._encoded import Buffer
    from lattice_addons.encoding._encoders import Encoder

# The C pickler writes its frames, and `bytes` that are longer, one by one.
_FRAME = 64 * 1024
_STORAGES = frozenset({"TypedStorage", "UntypedStorage"})
_BIG = 1024 * 1024
# What cloudpickle makes of a type that is written in C, and that it knows the name of.
_BUILT_IN = 2
_SINGLETON_TYPES = (type(None), type(Ellipsis), type(NotImplemented))
# cloudpickle stores an open file as its text and a view of memory as bytes, dill a file as its path and mode (reading
# it back would truncate a file open for writing), and a lock as locked for ever. None of these is what was there.
_LIVE = frozenset(
    {
        io.TextIOWrapper,
        io.BufferedReader,
        io.BufferedWriter,
        io.BufferedRandom,
        io.FileIO,
        type(threading.Lock()),
        type(threading.RLock()),
        memoryview,
    }
)
# A weak proxy passes on the question how it is reduced, so that a second one of what it stands for would come back;
# dill asks that one itself.
_PROXIES = frozenset(weakref.ProxyTypes)


class Writable(Protocol):
    """What a pickler writes to."""

    def write(self, data: bytes) -> object:
        """Take the next bytes."""


class TooLarge(BaseException):
    """More was written than is to be held."""


class Payload:
    """What a pickler writes; its frames, and large ``bytes``, are held and not copied.

    Where more than ``most`` bytes would be held, beside the largest ``bytes`` of the value itself, writing ends in
    `TooLarge`.
    """

    def __init__(self, most: int | None = None) -> None:
        self._parts: list[bytes | io.BytesIO] = []
        self._most = most
        self._held = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; only those that nobody can change are kept without a copy."""
        size = len(data)
        if type(data) is bytes and size >= _FRAME:
            self._parts.append(data)
        else:
            if not self._parts or type(self._parts[-1]) is bytes:
                self._parts.append(io.BytesIO())
            self._parts[-1].write(data)  # type: ignore[union-attr]
        if size < _BIG:
            self._held += size
            if self._most is not None and self._held > self._most:
                raise TooLarge

    def buffer(self) -> Buffer:
        """Give all that was written as one buffer; a large one as a stream, which is cut by its content."""
        parts = [part.getvalue() if isinstance(part, io.BytesIO) else part for part in self._parts]
        return Joined(parts) if sum(map(len, parts)) >= STREAMED else b"".join(parts)


class Rules:
    """What all picklers do alike with an object, and which one they looked at last."""

    def __init__(self) -> None:
        self.latest: Any = None
        self._reducers: dict[type, Callable[[Any], Any]] = {}
        self._storages: dict[Hashable, Any] = {}

    def reduce(self, thing: Any, by_reference: Callable[[Any], Any], by_value: Callable[[Any], Any]) -> Any:
        """Give the reduction of an object, or NotImplemented for the pickler's own."""
        self.latest = thing
        kind = type(thing)
        if kind.__name__ in _STORAGES and kind.__module__ == "torch.storage":
            return self._storage(thing)
        if kind is FunctionType or issubclass(kind, type):
            # Compared by identity: a metaclass may make its classes equal to others, or unhashable.
            if found_by_name(thing) or any(thing is single for single in _SINGLETON_TYPES):
                return by_reference(thing)
            return by_value(thing)
        return self.reducer(thing)(thing)

    def reducer(self, thing: Any) -> Callable[[Any], Any]:
        """Give what reduces the objects of this one's class; no class or function, for these there are others."""
        kind = type(thing)
        try:
            return self._reducers[kind]
        except KeyError:
            reducer = self._reducers[kind] = _reducer(kind, thing)
            return reducer

    def _storage(self, thing: Any) -> Any:
        """Reduce a storage of torch to its memory; all tensors that share it have the same one again."""
        if type(thing).__name__ == "TypedStorage":
            return from_typed_storage, (thing._untyped_storage, thing.dtype)  # noqa: SLF001 - untyped() warns
        first = self._storages.setdefault(identity(thing), thing)
        if first is not thing:
            return same, (first,)
        whole = Span(thing)
        whole.cover(0, thing.nbytes())
        memory: Any = host_memory([whole])[0]
        return from_storage, (pickle.PickleBuffer(memory), whole.device)


def _reducer(kind: type, thing: Any) -> Callable[[Any], Any]:
    encoder = encoder_for(kind)
    if encoder is not None:
        return partial(_encoded, encoder)
    if is_array(thing):
        return _array
    if kind in _LIVE and kind not in copyreg.dispatch_table:
        return _refuse
    return reducer_of(kind) or left_alone


def _encoded(encoder: Encoder, value: object) -> tuple[Any, ...]:
    header, buffers = encode_own(encoder, value, copy=False)
    shown = [b"".join(item.pieces()) if isinstance(item, Stream) else item for item in buffers]
    return from_encoder, (encoder.name, header, [pickle.PickleBuffer(item) for item in shown])


def _array(array: Any) -> Any:
    """Reduce an array as it does itself, where that keeps the byte order and needs no copy in the payload."""
    if array.dtype.kind in "mM" and not array.dtype.metadata:
        # Times show no buffer; the numbers that they are do. What is said beside them is not in their name.
        numbers = array.view(array.dtype.byteorder + "i8")
        return type(array).view, (numbers, array.dtype.str)
    if not array.flags.forc and not array.dtype.hasobject:
        writeable = array.flags.writeable
        array = array.copy()
        array.flags.writeable = writeable
    return array.__reduce_ex__(5)


def _refuse(thing: Any) -> Any:
    message = f"cannot pickle {type(thing).__name__!r} object"
    raise pickle.PicklingError(message)


def left_alone(thing: Any) -> Any:
    """Leave an object to the pickler's own rules; a class or function is written as its name."""
    del thing
    return NotImplemented


class ByReference:
    """Goes by reference; the first thing that cannot brings cloudpickle in, in the same pass."""

    dispatch_table: Any

    def __init__(self, payload: Writable, keep: Callable[[Any], bool], *, by_value: bool = False) -> None:
        super().__init__(payload, protocol=5, buffer_callback=keep)  # type: ignore[call-arg]
        self.rules = Rules()
        self._cloud: Any = None
        if by_value:
            self._bring_cloudpickle()

    @property
    def encoding(self) -> str:
        """Which library is needed to read this back."""
        return "pickle" if self._cloud is None else "cloudpickle"

    def reducer_override(self, thing: Any) -> Any:
        """Reduce what the pickler asks about; the C one does not ask about atoms and plain containers."""
        if type(thing) in _PROXIES:
            self.rules.latest = thing
            return _refuse(thing)
        return self.rules.reduce(thing, left_alone, self._by_value)

    def _by_value(self, thing: Any) -> Any:
        if self._cloud is None:
            self._bring_cloudpickle()
        reduced = self._cloud.reducer_override(thing)
        if issubclass(type(thing), type) and written_in_c(thing) and len(reduced) > _BUILT_IN:
            message = (
                f"cannot pickle {thing.__qualname__!r}, a class written in C that has no name to be found by"
            )
            raise pickle.PicklingError(message)
        return reduced

    def _bring_cloudpickle(self) -> None:
        import cloudpickle

        # A pickler of its own keeps the globals that functions share; its rules go into ours as a plain dict,
        # for theirs is a ChainMap, searched in Python for every object.
        self._cloud = cloudpickle.Pickler(io.BytesIO())
        self.dispatch_table = dict(self._cloud.dispatch_table)


def dill_pickler(payload: Writable, keep: Callable[[Any], bool]) -> Any:
    """Make a dill pickler that goes by reference first, too."""
    dill = load_dill()

    class DillPickler(dill.Pickler):  # type: ignore[misc, name-defined]
        encoding = "dill"

        def reducer_override(self, thing: Any) -> Any:
            return self.rules.reduce(thing, lambda found: found.__qualname__, left_alone)

    pickler = DillPickler(payload, protocol=5, buffer_callback=keep, byref=False, recurse=True)
    pickler.rules = Rules()
    return pickler


def load_dill() -> Any:
    """Import dill without what it does to everybody: on import it changes how ``pickle._Pickler`` pickles."""
    imported = "dill" in sys.modules
    import dill

    if not imported:
        dill.extend(use_dill=False)
    return dill
