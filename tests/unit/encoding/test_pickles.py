"""What is not plain is pickled, by reference where a name leads to it and by value where none does."""

# ruff: noqa: ANN401, D105, ARG001  small classes that pickle badly

from __future__ import annotations

import array
import collections
import copyreg
import dataclasses
import enum
import functools
import io
import os
import pickle
import queue
import signal
import socket
import sqlite3
import sys
import threading
import time
import types
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from lattice_addons.encoding import Stream, decode, encode
from lattice_addons.errors import DecodeError, EncodeError
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path


class Colour(enum.Enum):
    """An enum that can be imported."""

    RED = "red"


@dataclasses.dataclass
class Point:
    """A dataclass that can be imported."""

    x: int
    y: Any = None


class Pair(NamedTuple):
    """A namedtuple that can be imported."""

    left: int
    right: int


class Slotted:
    """A class without a ``__dict__``."""

    __slots__ = ("part",)

    def __init__(self, part: object) -> None:
        self.part = part


class Raises:
    """A class whose ``__reduce__`` raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        bytearray(b"x"),
        (1, [2]),
        {1: 2, (3, 4): {5}},
        frozenset({1}),
        1 + 2j,
        range(5),
        slice(1, 2),
        Point(1, Point(2)),
        Pair(1, 2),
        collections.Counter("abca"),
        collections.deque([1, 2], maxlen=5),
        collections.OrderedDict(a=1),
        array.array("d", [1, 2]),
        types.SimpleNamespace(a=1),
        ...,
        NotImplemented,
    ],
    ids=repr,
)
def test_values_come_back(value: object) -> None:
    """With the C pickler alone, and equal in value and type."""
    encoded = encode(value)
    assert encoded.encoding == "pickle"
    back = restored(encoded)
    assert back == value
    assert type(back) is type(value)


def test_classes_and_functions_that_can_be_imported_are_the_same_objects() -> None:
    """So that isinstance, ``is`` and == hold after a restart."""
    things = (
        Colour.RED,
        Colour,
        Point,
        Pair,
        test_values_come_back,
        len,
        os.path.join,
        type(None),
        type(...),
    )
    encoded = encode(things)
    assert encoded.encoding == "pickle"
    assert all(one is other for one, other in zip(things, restored(encoded), strict=True))


def test_functions_without_a_name_go_by_value() -> None:
    """Lambdas, closures and local functions, in the same pass as everything else."""
    base = 10

    def add(number: int) -> int:
        return base + number

    big = np.arange(100_000)
    encoded = encode({"functions": (add, lambda: Point(base)), "array": big})
    assert encoded.encoding == "cloudpickle"
    assert len(encoded.buffers) == 2
    back: Any = restored(encoded)
    assert back["functions"][0](5) == 15
    assert back["functions"][1]() == Point(10)
    assert (back["array"] == big).all()


def test_local_classes_go_by_value() -> None:
    """With their bases, that can be imported, by reference."""

    class Local(Point):
        pass

    class Choice(enum.Enum):
        ONE = 1

    encoded = encode([Local(1), Local(2), Choice.ONE])
    assert encoded.encoding == "cloudpickle"
    one, two, choice = restored(encoded)
    assert isinstance(one, Point)
    assert type(one) is type(two)
    assert choice.value == 1


def test_a_name_that_means_something_else_now_is_not_trusted() -> None:
    """A function whose name leads to another one goes by value."""

    def impostor() -> str:
        return "impostor"

    impostor.__qualname__ = impostor.__name__ = "test_values_come_back"
    encoded = encode(impostor)
    assert encoded.encoding == "cloudpickle"
    assert restored(encoded)() == "impostor"


def test_what_pickle_refuses_may_go_with_cloudpickle() -> None:
    """Read-only views of a dict, modules, and the like."""
    encoded = encode([types.MappingProxyType({"a": 1}), {"a": 1}.keys(), pickle])
    assert encoded.encoding == "cloudpickle"
    view, keys, module = restored(encoded)
    assert view["a"] == 1
    assert list(keys) == ["a"]
    assert module is pickle


def test_what_cloudpickle_refuses_may_go_with_dill() -> None:
    """And dill, once imported, changes nothing for other pickles."""
    point = Point(1)
    before = {kind: pickle._Pickler.dispatch.get(kind) for kind in (dict, type, types.FunctionType)}
    table = dict(copyreg.dispatch_table)
    encoded = encode([point, weakref.ref(point), np.arange(100_000)])
    assert encoded.encoding == "dill"
    assert "dill" in sys.modules
    assert len(encoded.buffers) == 2
    back, reference, numbers = restored(encoded)
    assert reference() is back
    assert type(back) is Point
    assert numbers[-1] == 99_999
    for kind, method in before.items():
        assert pickle._Pickler.dispatch.get(kind) is method
    assert copyreg.dispatch_table == table
    assert encode({1: point}).encoding == "pickle"


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


class Slow:
    """Takes a while to pickle, so that a signal falls in the middle."""

    def __reduce__(self) -> Any:
        time.sleep(0.2)
        return (Slow, ())


def test_what_a_signal_handler_of_the_program_raises_is_the_programs() -> None:
    """sys.exit() in a handler while a value is encoded, or decoded, ends the program as it would have."""

    def handler(number: int, frame: object) -> None:
        raise SystemExit(7)

    usual = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(SystemExit):
            encode((Slow(), Slow()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
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


def test_large_bytes_are_not_copied() -> None:
    """They are a part of the payload that is read while it is written."""
    big = bytes(8_000_000)
    encoded = encode({"a": (big, b"x" * 2_000_000), "b": [1]}, copy=True)
    (payload,) = encoded.buffers
    assert isinstance(payload, Stream)
    pieces = list(payload.pieces())
    assert {len(piece) for piece in pieces[:-1]} == {4 * 1024 * 1024}
    assert sum(map(len, pieces)) == payload.size == encoded.size
    assert any(part is big for part in payload._parts)  # type: ignore[attr-defined]
    assert restored(encoded) == {"a": (big, b"x" * 2_000_000), "b": [1]}


def test_a_bytearray_may_change_while_it_is_written() -> None:
    """What can be changed is copied at once, however large."""
    value = bytearray(3_000_000)
    encoded = encode(value)
    value[:] = b"x" * len(value)
    value.append(1)
    assert restored(encoded) == bytearray(3_000_000)


def chain(length: int) -> Slotted:
    """Make objects each of which holds the next."""
    head = Slotted(None)
    for _ in range(length):
        head = Slotted(head)
    return head


def length_of(head: Any) -> int:
    """Count the objects of a chain."""
    length = 0
    while head.part is not None:
        head, length = head.part, length + 1
    return length


def test_thousands_of_linked_objects_come_back() -> None:
    """Too deep for this thread, and tried again in one with room; the limit is as it was."""
    usual = sys.getrecursionlimit(), threading.stack_size()
    for length in (3000, 20_000):
        assert length_of(restored(encode(chain(length)))) == length
    assert (sys.getrecursionlimit(), threading.stack_size()) == usual


class Generous:
    """A class whose ``__reduce__`` makes a new object each time."""

    def __reduce__(self) -> Any:
        return (Generous, (Generous(),))


def test_too_deep_a_nesting_is_an_encode_error() -> None:
    """And no segmentation fault, nor a traceback of as many frames."""
    with pytest.raises(EncodeError, match="nested too deeply") as caught:
        encode(Generous())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_endless_reduction_is_an_encode_error() -> None:
    """A ``__reduce__`` that calls itself runs out of room in any thread."""

    class Endless:
        def __reduce__(self) -> Any:
            return self.__reduce__()

    with pytest.raises(EncodeError, match="nested too deeply"):
        encode((Endless(),))


def test_encoding_works_near_the_recursion_limit() -> None:
    """As in a signal handler that finds the program deep down."""
    value = {"a": (Point(1, [Point(2)]), lambda: 5)}

    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else encode(value)

    worked = 0
    for levels in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        try:
            encoded = deep(levels)
        except (RecursionError, EncodeError):  # no room even to call us, or to start the thread
            continue
        assert restored(encoded)["a"][0] == value["a"][0]
        worked += 1
    assert worked > 100


def test_a_class_that_is_gone_is_named() -> None:
    """With what to do, and that nothing is lost."""
    payload = pickle.dumps(Point(1), 5).replace(b"\x05Point", b"\x05Paint")
    with pytest.raises(
        DecodeError, match=r"test_pickles\.Paint is not there any more.*kept in the checkpoint"
    ) as caught:
        decode("pickle", None, [bytearray(payload)], type="test_pickles.Paint")
    assert caught.value.type == "test_pickles.Paint"
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


def test_pickles_of_old_protocols_are_read() -> None:
    """Line by line, as protocol 0 is."""
    for protocol in range(6):
        payload = pickle.dumps({"a": Point(1), "text": "x\n" * 10}, protocol)
        assert decode("pickle", None, [memoryview(payload)]) == {"a": Point(1), "text": "x\n" * 10}


def test_text_in_memory_is_no_open_file() -> None:
    """StringIO and BytesIO hold all there is of them."""
    text, data = io.StringIO("abc"), io.BytesIO(b"abc")
    text.read(2)
    back: Any = restored(encode((text, data)))
    assert back[0].read() == "c"
    assert back[1].getvalue() == b"abc"


def test_linked_objects_come_back_from_the_end_of_a_program(tmp_path: Path) -> None:
    """In atexit, where Python 3.12 starts no thread."""
    source = """
        import atexit
        from lattice_addons.encoding import decode, encode

        class Node:
            def __init__(self, next):
                self.next = next

        head = None
        for _ in range(3000):
            head = Node(head)

        @atexit.register
        def save():
            encoded = encode(head)
            back = decode(encoded.encoding, None, [bytearray(encoded.buffers[0])])
            length = 0
            while back:
                back, length = back.next, length + 1
            print(length)
    """
    ran = Program(tmp_path, source).run()
    assert (ran.stdout, ran.stderr) == ("3000\n", "")
