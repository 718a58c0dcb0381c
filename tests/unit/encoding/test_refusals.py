"""What cannot be stored, or not be made again, is one clear error that says where and what to do."""

# ruff: noqa: D105, ARG001  small classes that pickle badly

from __future__ import annotations

import functools
import os
import pickle
import queue
import signal
import socket
import sqlite3
import sys
import threading
from typing import Any

import numpy as np
import pytest

from lattice_addons.encoding import decode, encode
from lattice_addons.errors import DecodeError, EncodeError
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.unit.encoding.classes import Point, Slotted


class Raises:
    """A class whose ``__reduce__`` raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


LIVE: dict[str, Any] = {
    "lock": threading.Lock,
    "rlock": threading.RLock,
    "thread": lambda: threading.Thread(target=print),
    "generator": lambda: (number for number in [1]),
    "socket": socket.socket,
    "database": lambda: sqlite3.connect(":memory:"),
    "queue": queue.Queue,
    "text file": lambda: open(os.devnull),  # noqa: SIM115
    "file": lambda: open(os.devnull, "rb"),  # noqa: SIM115
    "frame": sys._getframe,
    "view of memory": lambda: memoryview(b"abc"),
}


@pytest.mark.parametrize("name", LIVE)
def test_live_things_are_refused_with_the_path_to_them(name: str) -> None:
    """Not a lock that comes back locked, nor a file that is truncated when it comes back."""
    thing = LIVE[name]()
    value = {"jobs": [Point(1), Point(2, Slotted({"deep": thing}))]}
    with pytest.raises(EncodeError) as caught:
        encode(value)
    assert caught.value.type == "builtins.dict"
    assert caught.value.where.startswith("value['jobs'][1].y.part['deep']")
    assert caught.value.where in str(caught.value)
    with pytest.raises(EncodeError) as caught:
        encode(thing)
    assert caught.value.where.startswith("value")
    if hasattr(thing, "close"):
        thing.close()


def test_a_part_that_cannot_even_say_its_class_is_refused() -> None:
    """Nor does what is searched for the part at fault end the search."""

    class Hidden:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:
            raise RuntimeError("hidden")

    with pytest.raises(EncodeError) as caught:
        encode({"seen": Hidden()})
    assert caught.value.where == "value['seen']"


def test_the_path_leads_through_functions() -> None:
    """A lock that a closure holds is found there."""
    lock = threading.Lock()

    def work() -> None:
        with lock:
            pass

    for value, where in (
        (work, "value.__closure__['lock']"),
        ([functools.partial(work)], "value[0].func.__closure__['lock']"),
        ({work}, "value{…}.__closure__['lock']"),
        ({(lock, 1): 2}, "value.keys()[<tuple>][0]"),
        ({"x" * 100: lock}, "value['" + "x" * 57 + "…']"),
    ):
        with pytest.raises(EncodeError) as caught:
            encode(value)
        assert caught.value.where == where


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        RuntimeError(),
        pickle.PicklingError("x"),
        MemoryError(),
        GeneratorExit(),
    ],
)
def test_whatever_reduce_raises_is_an_encode_error(error: BaseException) -> None:
    """It does not end the program, and does not hide: it is the cause."""
    with pytest.raises(EncodeError, match=type(error).__name__) as caught:
        encode([1, (Raises(error),)])
    assert caught.value.where == "value[1][0]"
    assert type(caught.value.__cause__) is type(error)


def test_ctrl_c_while_encoding_is_ctrl_c() -> None:
    """KeyboardInterrupt is not for us."""
    with pytest.raises(KeyboardInterrupt):
        encode((Raises(KeyboardInterrupt()),))


class Signalled:
    """A signal falls in the middle of its pickling."""

    def __reduce__(self) -> Any:
        signal.raise_signal(signal.SIGALRM)
        return (Signalled, ())


def test_what_a_signal_handler_of_the_program_raises_is_the_programs() -> None:
    """sys.exit() in a handler while a value is encoded ends the program as it would have."""

    def handler(number: int, frame: object) -> None:
        raise SystemExit(7)

    usual = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(SystemExit):
            encode((Signalled(),))
    finally:
        signal.signal(signal.SIGALRM, usual)


def test_a_failure_does_not_keep_what_was_pickled_until_then() -> None:
    """The error may be kept for the report; the memory must not be kept with it."""
    with pytest.raises(EncodeError) as caught:
        encode((b"x" * 1000, threading.Lock()))
    seen: list[object] = []
    error: BaseException | None = caught.value
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            seen += traceback.tb_frame.f_locals.values()
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
    assert not [item for item in seen if isinstance(item, pickle.Pickler) or type(item).__name__ == "Payload"]


def test_a_dict_that_changes_meanwhile_is_tried_again() -> None:
    """Another thread may be in the middle of it; a moment later it is not."""

    class Changes:
        """Changes the dict it is in while that is pickled, a number of times."""

        times = 3

        def __init__(self, home: dict[Any, Any]) -> None:
            self.home = home

        def __reduce__(self) -> Any:
            if Changes.times:
                Changes.times -= 1
                self.home[Changes.times] = 0
            return (Point, (1,))

    home: dict[Any, Any] = {}
    home.update({"a": Changes(home), "b": 1})
    assert restored(encode(home))["a"] == Point(1)
    Changes.times = 10**6
    with pytest.raises(EncodeError, match=r"another thread changed it.*atomic"):
        encode(home)


def test_a_class_that_is_gone_is_named() -> None:
    """With what to do, and that nothing is lost."""
    payload = pickle.dumps(Point(1), 5).replace(b"\x05Point", b"\x05Paint")
    with pytest.raises(
        DecodeError, match=r"classes\.Paint is not there any more.*kept in the checkpoint"
    ) as caught:
        decode("pickle", None, [bytearray(payload)], type="classes.Paint")
    assert caught.value.type == "classes.Paint"
    with pytest.raises(
        DecodeError, match=r"the module 'gone_module' cannot be imported.*kept in the checkpoint"
    ):
        decode("pickle", None, [bytearray(b"\x80\x05cgone_module\nThing\n.")])


class Fussy:
    """A class that no longer takes its old state."""

    def __getstate__(self) -> dict[str, int]:
        return {"old": 1}

    def __setstate__(self, state: object) -> None:
        raise SystemExit(str(state))


def test_whatever_unpickling_raises_is_a_decode_error() -> None:
    """SystemExit out of a ``__setstate__`` does not end the program."""
    with pytest.raises(DecodeError, match="SystemExit") as caught:
        restored(encode(Fussy()))
    assert type(caught.value.__cause__) is SystemExit


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_short_payload_is_a_decode_error(cut: int) -> None:
    """Nothing else comes out of damaged pickles."""
    payload = stored_bytes(encode((Point(1), [1.5, "text"])).buffers[0])
    with pytest.raises(DecodeError):
        decode("pickle", None, [payload[:cut]])


def test_no_payload_is_a_decode_error() -> None:
    """An entry without buffers."""
    with pytest.raises(DecodeError, match="no payload"):
        decode("dill", None, [])


def test_missing_buffers_are_a_decode_error() -> None:
    """A payload whose arrays are lost."""
    encoded = encode((np.zeros(100_000),))
    with pytest.raises(DecodeError):
        decode("pickle", None, [stored_bytes(encoded.buffers[0])])
