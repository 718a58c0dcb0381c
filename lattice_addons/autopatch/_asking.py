"""The code that asks for a batch tells what it does with it, by the instruction that it is at."""

from __future__ import annotations

import dis
import functools
import logging
import sys
import threading
from traceback import walk_tb
from typing import TYPE_CHECKING, Final

from lattice_addons.lifecycle import uncaught

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from ._loop import Loop

__all__ = [
    "asking",
    "is_ahead",
    "is_loop",
    "is_statement",
    "main_frame",
    "warn_of_expression",
    "warn_of_sides",
]

_log = logging.getLogger("lattice_addons.autopatch")

# What a `for`, a comprehension and `yield from` ask with; all else is a call such as next(), which wants an answer.
_ASKING_LOOPS = frozenset({"FOR_ITER", "SEND", "YIELD_FROM"})
# What an element of a comprehension ends with.
_COLLECTING = frozenset({"LIST_APPEND", "SET_ADD", "MAP_ADD"})
_EXPRESSIONS = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})
_IS_GENERATOR: Final = 0x20  # inspect.CO_GENERATOR, without the import


def main_frame() -> FrameType | None:
    """Give the frame in which the program is, or was when it raised what ends it; a save may be another thread's."""
    error = uncaught()
    if error is not None:
        return next((frame for frame, _ in reversed([*walk_tb(error.__traceback__)])), None)
    return sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - there is no other way


def asking(frame: FrameType | None) -> Iterator[FrameType]:
    """Give the generators that hand a batch on, and last the code in which it is used."""
    while frame is not None:
        yield frame
        if not frame.f_code.co_flags & _IS_GENERATOR or frame.f_code.co_name == "<genexpr>":
            return
        frame = frame.f_back


def is_ahead(frame: FrameType) -> bool:
    """Say whether code asks for batches before the program does: where that is can then not be told by them."""
    return str(frame.f_globals.get("__name__", "")).startswith("accelerate.")


def is_loop(frame: FrameType) -> bool:
    """Say whether the code that asks is a loop's own, also through generators, and no call of next()."""
    return all(dis.opname[each.f_code.co_code[each.f_lasti]] in _ASKING_LOOPS for each in asking(frame))


def is_statement(frame: FrameType) -> bool:
    """Say whether a loop is a statement, whose results are in variables when it is over."""
    return is_loop(frame) and not any(_is_expression(each.f_code, each.f_lasti) for each in asking(frame))


@functools.lru_cache(maxsize=256)
def _is_expression(code: CodeType, at: int) -> bool:
    if code.co_name in _EXPRESSIONS:
        return True
    # From Python 3.12 on comprehensions stand in the code around them.
    before = ""
    for instruction in dis.get_instructions(code):
        back = instruction.opname.startswith("JUMP") and instruction.argval == at
        if back and instruction.offset > at and before in _COLLECTING:
            return True
        before = instruction.opname
    return False


def warn_of_expression(frame: FrameType) -> None:
    """Say, once for each place, that what an expression makes of a loop is not known after a restart."""
    *_, using = asking(frame)
    _warn(using.f_code.co_filename, using.f_lineno)


@functools.lru_cache(maxsize=256)
def _warn(path: str, line: int) -> None:
    _log.warning(
        "%s:%d: this loop over a loader stands in an expression. After a restart its value is computed again, with a "
        "model that is not yet what it was, until the point is reached: where the program decides by it (the best "
        "value so far, early stopping), write a `for` statement that adds to a variable",
        path,
        line,
    )


def warn_of_sides(asked: list[Loop]) -> None:
    """Say, once, what is not exact where a step takes batches of several loaders."""
    if len({loop.in_for for loop in asked}) > 1:
        _warn_once(
            "a step takes batches of one loader in a `for`, and of another by next(). An iterator that is made anew "
            "within the body of the `for` is not found again after a restart, which then is not exact: go through "
            "both by zip()"
        )
    if sum(loop.draws for loop in asked) > 1:
        _warn_once(
            "a step takes batches of several shuffled loaders that draw their order from one generator. After a "
            "restart their order is not what it was: give each DataLoader a generator=torch.Generator() of its own"
        )


@functools.lru_cache(maxsize=16)
def _warn_once(text: str) -> None:
    _log.warning(text)
