"""What this process holds: spare descriptors, held locks, and the stores in its memory."""

from __future__ import annotations

import errno
import os
import threading
import weakref
from typing import TYPE_CHECKING, TypeVar

from lattice_addons._host import at_fork
from lattice_addons._system import FOLDERS_OPEN, O_CLOEXEC, duplicate

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    from lattice_addons.storage._held import Held

    Given = ParamSpec("Given")

__all__ = [
    "LOCK_SECONDS",
    "above_standard",
    "close",
    "forget_in_children",
    "held_keys",
    "identity",
    "keep_spare",
    "memory",
    "section_lock",
    "with_spare",
]

Result = TypeVar("Result")

LOCK_SECONDS = 15.0  # a critical section is a few milliseconds; only a stopped process takes longer
_STDERR = 2
_SPARE = 6  # a commit has at most this many descriptors open at once
# Where it can be, without asking for the right to read there.
_PLACE: int = getattr(os, "O_PATH", os.O_RDONLY)

_spare: list[tuple[int, tuple[int, int]]] = []
_held: weakref.WeakSet[Held] = weakref.WeakSet()
held_keys: dict[tuple[str, str], weakref.ref[Held]] = {}
_locks: dict[tuple[str, str], threading.Lock] = {}
_memories: dict[str, dict[str, tuple[bytes]]] = {}


def keep_spare() -> None:
    """Keep a few descriptors in reserve, so that a program that has used up its own can still be saved."""
    while FOLDERS_OPEN and len(_spare) < _SPARE:
        try:
            descriptor = above_standard(os.open("/", _PLACE | O_CLOEXEC))
        except OSError:
            return
        _spare.append((descriptor, identity(descriptor)))


def above_standard(descriptor: int) -> int:
    """Give an open file another descriptor where it has one of the three standard streams'.

    With stdout closed a file becomes descriptor 1, and the next print() goes into it.
    """
    if descriptor > _STDERR:
        return descriptor
    try:
        return with_spare(duplicate, descriptor, _STDERR + 1)
    finally:
        os.close(descriptor)


def with_spare(call: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Make a call that opens a descriptor; where there are none left, give up the reserve for it."""
    try:
        return call(*args, **kwargs)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE) or not _spare:
            raise
    while _spare:
        descriptor, known = _spare.pop()
        close(descriptor, known)
    return call(*args, **kwargs)


def identity(descriptor: int) -> tuple[int, int]:
    """Give what tells the file behind a descriptor from every other file that exists."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def close(descriptor: int, known: tuple[int, int]) -> None:
    """Close a descriptor kept for long, unless it is no longer ours.

    A program that makes itself a daemon closes all descriptors; their numbers may be others' then.
    """
    try:
        if identity(descriptor) == known:
            os.close(descriptor)
    except OSError:
        return


def forget_in_children(held: Held) -> None:
    """See to it that a forked child closes what its parent holds: else the lock outlives the parent."""
    _held.add(held)


def section_lock(url: str, folder: str) -> threading.Lock:
    """Give the lock that keeps this process's threads out of each other's way in a folder."""
    return _locks.setdefault((url, folder), threading.Lock())


def memory(name: str) -> dict[str, tuple[bytes]]:
    """Give the one memory of that name in this process."""
    return _memories.setdefault(name, {})


def _in_child() -> None:
    """Let go of what the parent holds: its threads and its locks are not the child's."""
    _locks.clear()
    held_keys.clear()
    for held in list(_held):
        held.abandon()


at_fork(after_in_child=_in_child)
