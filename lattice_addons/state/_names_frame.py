"""A frame shows the variables of one call of a function, while it runs and after it."""

from __future__ import annotations

import dis
import gc
import sys
import weakref
from typing import TYPE_CHECKING, Final

from ._names_bytecode import CACHE, Unclear

if TYPE_CHECKING:
    from types import FrameType

# Not from inspect, which takes ten milliseconds to import.
FLAGS: Final = {name: flag for flag, name in dis.COMPILER_FLAG_NAMES.items()}
GENERATORS: Final = FLAGS["GENERATOR"] | FLAGS["COROUTINE"] | FLAGS["ASYNC_GENERATOR"]
# Python 3.13.0 to 3.13.5 leave the frame of a generator that is closed or collected while it is suspended pointing
# at freed memory: reading it, or only keeping it, crashes or gives some other object (python/cpython#125723).
DANGLING: Final = (3, 13) <= sys.version_info < (3, 13, 6)
# Python 3.13.0 to 3.13.2 take a comprehension's variable for a cell, where a cell of the function has the
# same name, and crash (python/cpython#128396).
MISTAKEN: Final = (3, 13) <= sys.version_info < (3, 13, 3)
SUSPENDED: Final = frozenset(dis.opmap[name] for name in ("YIELD_VALUE", "RESUME") if name in dis.opmap)


class Gone(LookupError):  # noqa: N818 - a signal to the variable, not an error
    """The variable cannot be seen any more, or not now; the text says why."""


class View:
    """One variable of one frame, and the instruction at which it is seen.

    ``hidden`` are the instructions at which something else is seen under its name.

    The frame keeps what was last in it after the call has returned; it also keeps every other local of the
    call alive, and the frames of its callers, so that it is let go as soon as nothing can change any more.

    Up to Python 3.12 each access to ``f_locals`` writes the variables of the frame into one dict, the one that
    ``locals()`` gives, too. A function that runs meanwhile, in this or another thread, does not read its variables
    from there, so that it is not disturbed. Two things can be seen of it: what a program itself wrote over a
    variable in its ``locals()`` is overwritten, as the next call of ``locals()`` would; and an assignment made
    in a debugger, which goes through the same dict, is lost when a save falls between it and the debugger's next
    step. Python has no other way to read one variable of a running frame. From 3.13 on ``f_locals`` reads and
    writes the variables themselves.
    """

    def __init__(self, frame: FrameType, name: str, hidden: frozenset[int] = frozenset()) -> None:
        self._frame: FrameType | None = frame
        self._name = name
        self._hidden = hidden
        self._final: tuple[object, int] | None = None
        self._owner: weakref.ref[object] | None = None
        if DANGLING and frame.f_code.co_flags & GENERATORS:
            self._owner = weakref.ref(_generator_of(frame), self._let_go)

    def look(self) -> tuple[object, int]:
        """Give the value and the instruction that the frame is at; raise `Gone`."""
        # The generator is kept alive while its frame is read.
        owner = self._owner() if self._owner is not None else None
        frame = self._frame
        if frame is None or (self._owner is not None and owner is None):
            if self._final is None:
                raise Gone("is one of a generator that was deleted")
            return self._final
        if owner is not None and _frame_of(owner) is not frame and not _ended_by_itself(frame):
            raise Gone("is one of a generator that was closed")
        return self._read(frame)

    def at(self) -> int | None:
        """Give the instruction that the frame is at; None where there is no frame any more."""
        owner = self._owner() if self._owner is not None else None
        frame = self._frame
        if frame is None or (self._owner is not None and owner is None):
            return None
        return instruction_at(frame, frame.f_lasti)

    def _read(self, frame: FrameType) -> tuple[object, int]:
        try:
            # Without a call in between: no other thread runs meanwhile, so that the three belong together.
            if frame.f_lasti in self._hidden:
                value, at = None, -1
            else:
                value = frame.f_locals[self._name]
                at = frame.f_lasti
        except KeyError:
            raise Gone("was deleted, or the frame of its function was cleared") from None
        if at < 0:
            # The variable itself is out of reach: it is on the stack until the comprehension ends.
            raise Gone("is hidden by a comprehension's variable of the same name")
        return value, instruction_at(frame, at)

    def _let_go(self, _: object) -> None:
        # The generator is about to be freed. If its code has ended the frame has taken its variables over.
        frame, self._frame = self._frame, None
        if frame is not None and _ended_by_itself(frame):
            try:
                self._final = self._read(frame)
            except Gone:
                self._final = None


def instruction_at(frame: FrameType, offset: int) -> int:
    """Give the instruction that an offset belongs to: during a call 3.11 points at the call's last cache."""
    raw = frame.f_code.co_code
    while offset > 0 and raw[offset] == CACHE:
        offset -= 2
    return offset


def _ended_by_itself(frame: FrameType) -> bool:
    return frame.f_code.co_code[instruction_at(frame, frame.f_lasti)] not in SUSPENDED


def _frame_of(generator: object) -> object:
    return next(
        (
            getattr(generator, name)
            for name in ("gi_frame", "cr_frame", "ag_frame")
            if hasattr(generator, name)
        ),
        None,
    )


# One search goes through all objects: it is made once per generator, not at every update in its loop.
_generators: Final[dict[int, weakref.ref[object]]] = {}


def _generator_of(frame: FrameType) -> object:
    known = _generators.get(id(frame))
    found = known() if known is not None else None
    if found is None or _frame_of(found) is not frame:
        found = next((one for one in gc.get_referrers(frame) if _frame_of(one) is frame), None)
        if found is None:
            raise Unclear("its generator cannot be found")
        # The frame's id can be another's as soon as the generator is gone.
        key = id(frame)
        _generators[key] = weakref.ref(found, lambda _: _generators.pop(key, None) and None)
    return found
