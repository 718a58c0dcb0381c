"""What a loop has left in the variables around it, put there again when the loop is passed over."""

from __future__ import annotations

import ctypes
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from ._found import is_of_program, is_program_file

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from types import FrameType

__all__ = ["Variables", "everything", "merged", "plain", "prune", "put_back"]

_SIMPLE = (type(None), bool, int, float, complex, str, bytes)
_CONTAINERS: Any = (list, dict, set, deque, OrderedDict, defaultdict, Counter)
#: A container of more elements, and a tensor or array of more bytes, is taken for data that a program works on.
_MOST_ELEMENTS: Final = 100_000
_MOST_BYTES: Final = 1 << 20
#: What is larger stays remembered only for the last loop over the same loader.
_SMALL_ELEMENTS: Final = 64
_SMALL_BYTES: Final = 4096


class _NotPlainError(Exception):
    """A value that is not put back: no plain data, or too large."""


class Variables:
    """The plain variables of the program's frames as they were when a loop began."""

    def __init__(self, frame: FrameType | None) -> None:
        self._before: dict[str, dict[str, tuple[int, object]]] = {}
        for name, space in _spaces(frame):
            self._before[name] = {key: (id(value), copy) for key, value, copy in plain(space)}

    def changed(self, frame: FrameType | None) -> dict[str, dict[str, tuple[bool, object]]]:
        """Give what differs now, each with whether it is the same object as before, changed in place."""
        found: dict[str, dict[str, tuple[bool, object]]] = {}
        for name, space in _spaces(frame):
            before = self._before.get(name, {})
            for key, value, copy in plain(space):
                known = before.get(key)
                if known is None or not _same(known[1], copy):
                    found.setdefault(name, {})[key] = (known is not None and known[0] == id(value), copy)
        return found


def everything(frame: FrameType | None) -> dict[str, dict[str, tuple[bool, object]]]:
    """Give all, where a restart computes in vain: there any of them may differ, also one that is as it began."""
    return {name: {key: (True, copy) for key, _, copy in plain(space)} for name, space in _spaces(frame)}


def put_back(frame: FrameType | None, left: dict[str, dict[str, tuple[bool, object]]]) -> None:
    """Give variables the values that a loop left in them."""
    due = [
        (space, key, in_place, value)
        for name, space in _spaces(frame)
        for key, (in_place, value) in left.get(name, {}).items()
    ]
    # What has nothing within it comes first: a container that has it under another name then finds it as it is due.
    for space, key, in_place, value in sorted(due, key=lambda each: _depth(each[3])):
        fresh = _copy(value, [_MOST_ELEMENTS])
        now = space.get(key)
        if not ((in_place or _is_generator(now) or isinstance(now, defaultdict)) and _fill(now, fresh)):
            space[key] = fresh


def merged(left: Any, more: Any) -> Any:
    """Give what was left, with what was left later."""
    return {name: {**left.get(name, {}), **more.get(name, {})} for name in {**left, **more}}


def prune(left: dict[str, dict[str, tuple[bool, object]]]) -> None:
    """Forget what is large."""
    for space in left.values():
        for key in [key for key, (_, value) in space.items() if not _is_small(value)]:
            del space[key]


def _spaces(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """Give the names and values of each frame of the program, and of each of its objects that these name."""
    frames = []
    while frame is not None:
        if is_of_program(frame):
            frames.append(frame)
        frame = frame.f_back
    # Two modules may each have a main(), and a function may call itself: told apart by their order, outermost first.
    counts: Counter[str] = Counter()
    for found in reversed(frames):
        code = found.f_code
        called = str(getattr(code, "co_qualname", code.co_name))  # Python 3.10 has no co_qualname
        where = f"{called}#{counts[called]}" if counts[called] else called
        counts[called] += 1
        space = _Locals(found)
        yield where, space
        for name, value in list(space.items()):
            if _is_of_program_class(value):
                yield f"{where}:{name}", vars(value)


class _Locals:
    """The variables of one frame, which can be set."""

    def __init__(self, frame: FrameType) -> None:
        self._frame = frame

    def items(self) -> list[tuple[str, object]]:
        return list(self._frame.f_locals.items())

    def get(self, name: str) -> object:
        return self._frame.f_locals.get(name)

    def __setitem__(self, name: str, value: object) -> None:
        space: MutableMapping[str, Any] = self._frame.f_locals
        space[name] = value
        if sys.version_info < (3, 13) and self._frame.f_code.co_name != "<module>":
            # Before PEP 667 this is a copy, which debuggers write back in the same way.
            ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(self._frame), ctypes.c_int(0))


def _is_of_program_class(value: object) -> bool:
    kind = type(value)
    if kind.__module__ == "builtins" or isinstance(value, type) or not hasattr(value, "__dict__"):
        return False
    if kind.__module__ == "__main__":
        return True
    path = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return path is not None and is_program_file(path)


def plain(space: Any) -> Iterator[tuple[str, object, object]]:
    """Give the plain variables of a space, each with a copy of its value."""
    for key, value in list(space.items()):
        if not key.startswith("__"):
            try:
                yield key, value, _copy(value, [_MOST_ELEMENTS])
            except _NotPlainError:
                continue


def _copy(value: Any, left: list[int]) -> Any:
    """Copy plain data; ``left`` counts the elements that it may still have."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    named = _is_named_tuple(kind)
    left[0] -= len(value) if kind in _CONTAINERS or kind is tuple or named else 0
    if left[0] < 0:
        raise _NotPlainError
    if kind is tuple or named:
        elements = tuple(_copy(each, left) for each in value)
        return kind(*elements) if named else elements
    if kind in (list, set):
        return kind(_copy(each, left) for each in value)
    if kind is deque:
        return deque((_copy(each, left) for each in value), value.maxlen)
    if kind in _CONTAINERS:
        pairs = [(_copy(key, left), _copy(each, left)) for key, each in value.items()]
        # Without the factory, which may be any function: what is filled from it keeps its own.
        return dict(pairs) if kind is defaultdict else kind(dict(pairs))
    return _copy_numbers(value)


def _is_named_tuple(kind: Any) -> bool:
    """Say whether it is one that the next process finds by its name."""
    if not issubclass(kind, tuple) or not hasattr(kind, "_fields"):
        return False
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def _copy_numbers(value: Any) -> Any:
    """Copy what NumPy and torch have of numbers."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and type(value) is torch.Tensor:
        if value.is_leaf and value.requires_grad:
            raise _NotPlainError  # Something that is trained: it has a slot.
        if value.layout is torch.strided and value.numel() * value.element_size() <= _MOST_BYTES:
            return value.detach().clone()
    elif numpy is not None and isinstance(value, numpy.generic):
        return value
    elif numpy is not None and type(value) is numpy.ndarray:
        if value.dtype != object and value.nbytes <= _MOST_BYTES:
            return value.copy()
    elif _is_generator(value):
        return _where_it_is(value)
    raise _NotPlainError


def _is_generator(value: object) -> bool:
    kind = type(value)
    return (kind.__module__.partition(".")[0], kind.__name__) in {
        ("random", "Random"),
        ("numpy", "Generator"),
        ("numpy", "RandomState"),
    }


def _where_it_is(generator: Any) -> tuple[str, object]:
    """Read where a generator is; the generator itself stays the program's."""
    if hasattr(generator, "bit_generator"):
        return "bits", generator.bit_generator.state
    return "state", generator.getstate() if hasattr(generator, "getstate") else generator.get_state()


def _fill(now: Any, fresh: Any) -> bool:
    """Bring what is there to a value, in place; say whether that could be done."""
    if _is_generator(now) and type(fresh) is tuple:
        if fresh[0] == "bits":
            now.bit_generator.state = fresh[1]
        else:
            (now.setstate if hasattr(now, "setstate") else now.set_state)(fresh[1])
        return True
    if type(now) is not type(fresh) and not (isinstance(now, defaultdict) and type(fresh) is dict):
        return False
    if isinstance(now, (list, deque, dict, set)):
        elements = fresh if isinstance(now, set) else _elements(now, fresh)
        now.clear()
        (now.extend if isinstance(now, (list, deque)) else now.update)(elements)
        return True
    if hasattr(now, "dtype") and now.shape == fresh.shape and now.dtype == fresh.dtype and now.shape != ():
        now[...] = fresh
        return True
    return False


def _elements(now: Any, fresh: Any) -> Any:
    """Give what is due in a container, of what is in it and the fresh elements."""
    if not isinstance(fresh, dict):
        return [_element(there, each) for there, each in zip_longest(now, fresh)][: len(fresh)]
    made = getattr(now, "default_factory", None)
    return {
        key: _element(made() if made and key not in now and type(each) is dict else now.get(key), each)
        for key, each in fresh.items()
    }


def _element(now: Any, fresh: Any) -> Any:
    """Give an element that is due: the one that is there, which may have other names, where it is equal."""
    if type(fresh) in _SIMPLE:
        return fresh
    if (_is_generator(now) and _fill(now, fresh)) or _is_as(now, fresh):
        return now
    if isinstance(now, defaultdict) and type(fresh) is dict:
        return defaultdict(now.default_factory, _elements(now, fresh))
    if type(now) is type(fresh) and type(fresh) in (dict, list, tuple):
        return type(fresh)(_elements(now, fresh))
    return fresh


def _is_as(now: object, fresh: object) -> bool:
    try:
        return _same(_copy(now, [_MOST_ELEMENTS]), fresh)
    except _NotPlainError:
        return False


def _depth(value: Any) -> int:
    if not isinstance(value, (*_CONTAINERS, tuple)):
        return 0
    within: Any = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, within), default=0)


def _same(one: Any, other: Any) -> bool:
    """Say whether two copies of plain data are the same to the bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if hasattr(one, "dtype"):
        # Tensors on two devices cannot be compared; NumPy's arrays say that they are on one only since version 2.
        if any(getattr(one, of, "") != getattr(other, of, "") for of in ("shape", "dtype", "device")):
            return False
        return bool((one == other).all())
    return bool(one == other)


def _is_small(value: Any) -> bool:
    if hasattr(value, "dtype"):
        return bool(value.nbytes <= _SMALL_BYTES)
    try:
        _copy(value, [_SMALL_ELEMENTS])
    except _NotPlainError:
        return False
    return True
