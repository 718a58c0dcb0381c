"""A program that ends waits for what must go elsewhere: within its grace, and no longer than it is let."""

from __future__ import annotations

import _thread
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from ._process import PROCESS
from ._tell import tell, tell_over

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Settler", "leave_behind", "settle_all"]


_NO_LIMIT = float("inf")


class Settler(Protocol):
    """What a program that ends may have to wait for."""

    def settle(self, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until what was saved is where it must go; else say what is not, and what to do."""


# What groups that were closed have left to be waited for, each with its process and its grace.
_left_behind: list[tuple[int, Settler, float]] = []


def leave_behind(settler: Settler, grace: float) -> None:
    """Wait at exit for what a group has left that is closed, or that nobody holds any more."""
    # With no time: only whether there is something.
    if _what_is_left(settler) is not None:
        _left_behind.append((os.getpid(), settler, grace or _NO_LIMIT))


def settle_all(deadline: float) -> None:
    """Wait, up to this time, until all is where it must go, and say of the rest in one line how it gets there.

    Who is asked to end once more while it waits here does so at once. Nothing is raised.
    """
    here = PROCESS
    if not here.is_here():
        return
    me = _thread.get_ident()
    patient = here.settling != me
    here.settling = me
    settlers: list[tuple[Settler, float]] = [(saver, _NO_LIMIT) for saver in here.living()]
    settlers += [(settler, grace) for pid, settler, grace in _left_behind if pid == os.getpid()]
    shown, begun = _Progress(), time.monotonic()
    said: set[str] = set()
    for settler, grace in settlers:
        told = None
        try:
            # From now on for all of them: a program that has closed a hundred groups has no hundred times the grace.
            left = max(min(deadline, begun + grace) - time.monotonic(), 0.0)
            told = settler.settle(left if patient else 0.0, shown)
        except KeyboardInterrupt:
            patient = False
            told = _what_is_left(settler)
        # What the disk or a store raises here must change neither how the program ends nor its status.
        except BaseException as error:  # noqa: BLE001
            told = f"what is not sent yet could not be waited for: {type(error).__name__}: {error}"
        shown.end()
        if told is not None and told not in said:  # several groups may have been of one job
            said.add(told)
            tell(told)
    here.settling = None


def _what_is_left(settler: Settler) -> str | None:
    try:
        return settler.settle(0.0, _say_nothing)
    except BaseException as error:  # noqa: BLE001 - as above
        return f"{type(error).__name__}: {error}"


def _say_nothing(text: str) -> None:
    del text


class _Progress:
    """One line: written over and over on a terminal, and once elsewhere."""

    def __init__(self) -> None:
        self._begun = False
        try:
            self._terminal = sys.__stderr__ is not None and os.isatty(2)
        except OSError:
            self._terminal = False

    def __call__(self, text: str) -> None:
        """Show how far it is."""
        if self._terminal:
            tell_over(text)
        elif not self._begun:
            tell(text)
        self._begun = True

    def end(self) -> None:
        """Take it away."""
        if self._begun and self._terminal:
            tell_over("")
        self._begun = False
