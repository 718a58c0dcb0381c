"""What is not plain is pickled; what pickle refuses goes to cloudpickle, and what that refuses to dill."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._culprit import path_to
from lattice_addons.encoding._deep import DeepPickler
from lattice_addons.encoding._encoded import OUT_OF_BAND, called, detached, type_name
from lattice_addons.encoding._in_order import EntangledError, ReferencePickler
from lattice_addons.encoding._pickler import Payload, TooLarge, dill_pickler
from lattice_addons.encoding._spine import Reach
from lattice_addons.encoding._unpickler import GoneError, unpickle
from lattice_addons.errors import DecodeError, EncodeError, LatticeError

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from lattice_addons.encoding._encoded import Buffer
    from lattice_addons.encoding._pickler import Writable

_TRIES = 6
_DEEP: tuple[Callable[..., Any], ...] = (DeepPickler, partial(DeepPickler, by_value=True), dill_pickler)


class _RefusedError(Exception):
    """One pickler would not; ``culprit`` is the last object it looked at."""

    def __init__(self, error: BaseException, culprit: object) -> None:
        super().__init__(error)
        self.error = error
        self.culprit = culprit


def pickled(
    value: object,
    *,
    copy: bool,
    deep: bool = False,
    most: int | None = None,
    reach: Reach | None = None,
) -> tuple[str, tuple[Buffer, ...]]:
    """Give which library reads the value back, and its buffers: the payload first, then those out of band.

    With ``most`` what the first pickler would make beyond so many bytes ends it with `TooLarge`. The ``reach`` is
    lowered where a try shows that it must be.
    """
    first, *others = _DEEP if deep else _quick(reach or Reach())
    try:
        return _patiently(first, value, copy=copy, most=most)
    except _RefusedError as refused:
        # Without its traceback, whose frames hold all that was pickled until then.
        refusal = refused.with_traceback(None)
    for make in () if _is_mutation(refusal.error) else others:
        # A pass over all of the value takes long, in dill very long: see first if the part at fault can.
        if refusal.culprit is not None and not _can(make, refusal.culprit):
            continue
        try:
            return _patiently(make, value, copy=copy)
        except _RefusedError as refused:
            refusal = refused.with_traceback(None)
    raise _refused(value, refusal) from refusal.error


def _quick(reach: Reach) -> tuple[Callable[..., Any], ...]:
    by_reference = partial(ReferencePickler, reach=reach)
    return (by_reference, partial(by_reference, by_value=True), dill_pickler)


def poured(
    value: object, payload: Writable, again: Callable[[], object], reach: Reach
) -> tuple[str, tuple[Buffer, ...]] | bool:
    """Pickle into what is given; give the library and the buffers out of band.

    Where the ``reach`` must be lowered, ``again`` is told that all begins anew. Where it failed, say whether the next
    try may go well: another thread changed the value meanwhile.
    """
    while True:
        try:
            return _written(_quick(reach)[0], value, payload)
        except EntangledError:
            pass
        except RecursionError:
            return False
        except _RefusedError as refused:
            return _is_mutation(refused.error)
        again()


def _can(make: Callable[..., Any], culprit: object) -> bool:
    try:
        _once(make, culprit, copy=False)
    except _RefusedError:
        return False
    return True


def _patiently(
    make: Callable[..., Any], value: object, *, copy: bool, most: int | None = None
) -> tuple[str, tuple[Buffer, ...]]:
    """Pickle again when another thread changed a container meanwhile: it is seldom in the middle for long."""
    for attempt in range(_TRIES):
        try:
            return _once(make, value, copy=copy, most=most)
        except _RefusedError as refused:
            if not _is_mutation(refused.error) or attempt == _TRIES - 1:
                raise
        time.sleep(0.001 * 2**attempt)
    raise AssertionError


def _is_mutation(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and ("during iteration" in text or "mutated" in text)


def _once(
    make: Callable[..., Any], value: object, *, copy: bool, most: int | None = None
) -> tuple[str, tuple[Buffer, ...]]:
    while True:
        payload = Payload(most)
        try:
            encoding, outside = _written(make, value, payload)
        except EntangledError:  # it has lowered its reach
            continue
        buffers = (payload.buffer(), *outside)
        return encoding, tuple(map(detached, buffers)) if copy else buffers


def _written(
    make: Callable[..., Any], value: object, payload: Writable
) -> tuple[str, tuple[memoryview, ...]]:
    """Write a value's pickle into a payload; give the library that reads it back, and the buffers out of band."""
    outside: list[pickle.PickleBuffer] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer out of band; True leaves it in the payload."""
        if memoryview(buffer).nbytes < OUT_OF_BAND:
            return True
        outside.append(buffer)
        return False

    pickler = None
    try:
        pickler = make(payload, keep)
        pickler.dump(value)
        return pickler.encoding, tuple(buffer.raw() for buffer in outside)
    except (KeyboardInterrupt, RecursionError, LatticeError, TooLarge, EntangledError):
        raise
    except BaseException as error:
        # A __reduce__ may raise anything, even SystemExit, and must not end the program that saves; but what
        # a signal handler of the program raises is meant for the program.
        if _from_signal_handler(error.__traceback__):
            raise
        error.__traceback__ = _without_ours(error.__traceback__)
        raise _RefusedError(error, pickler and pickler.rules.latest) from error


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out our own frames, which hold all that was pickled until now; errors may be kept for a report."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__package__") == __package__:
        traceback = traceback.tb_next
    return traceback


def _from_signal_handler(traceback: TracebackType | None) -> bool:
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def _refused(value: object, refusal: _RefusedError) -> EncodeError:
    kind, shown = type_name(type(value)), called(type(value))
    error, culprit = refusal.error, refusal.culprit
    if _is_mutation(error):
        message = (
            f"a {shown} cannot be stored: each of {_TRIES} times another thread changed it meanwhile ({error}); "
            f"change it inside `with group.atomic():`"
        )
        return EncodeError(message, type=kind, where="value")
    where = "" if culprit is None else path_to(culprit, value) or ""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if culprit is value:
        part = "it"
    elif culprit is None:
        part = "a part of it"
    else:
        part = f"{where or 'a part of it'}, a {called(type(culprit))},"
    message = (
        f"a {shown} cannot be stored: {part} cannot be pickled ({said}). Leave it out (in a class of your own "
        f"by __getstate__), or register_encoder() for its type"
    )
    return EncodeError(message, type=kind, where=where)


def unpickled(buffers: Sequence[bytearray | memoryview], kind: str) -> object:
    """Make a pickled value again."""
    if not buffers:
        message = (
            f"the stored {kind or 'value'} has no payload to unpickle; `lattice verify` checks what is stored"
        )
        raise DecodeError(message, type=kind)
    try:
        return unpickle(buffers[0], buffers[1:])
    except (KeyboardInterrupt, LatticeError):
        raise
    except GoneError as error:
        message = (
            f"a stored {kind or 'value'} cannot be made again: {error}. Its bytes are kept in the checkpoint"
        )
        raise DecodeError(message, type=kind) from error.__cause__
    except BaseException as error:
        # Unpickling runs the program's own __setstate__ and __init__, which may raise anything.
        if _from_signal_handler(error.__traceback__):
            raise
        message = (
            f"a stored {kind or 'value'} cannot be made again ({type(error).__name__}: {error}); its class "
            f"may have changed since. Its bytes are kept in the checkpoint"
        )
        raise DecodeError(message, type=kind) from error
