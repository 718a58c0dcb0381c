"""A lock on a file shows whether its holder lives: it ends with the process, however that ends."""

from __future__ import annotations

import errno
import os
import time
import weakref
from typing import TYPE_CHECKING

from lattice_addons._system import lock, unlock
from lattice_addons.storage import _process

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Held", "hold_descriptor", "hold_here"]

# What file systems answer that have no locks (Lustre without -o flock, some FUSE, folders on NFS).
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF)


class Held:
    """Something held until it is released, the process ends, or this object is forgotten.

    ``locked`` tells whether the file system knows locks: where it does not, holding proves nothing.
    """

    def __init__(self, descriptor: int = -1, still: Callable[[int], bool] | None = None) -> None:
        self.locked = True
        self._held = True
        self._descriptor = descriptor
        self._identity = _process.identity(descriptor) if descriptor >= 0 else (0, 0)
        self._still = still

    @property
    def descriptor(self) -> int:
        """Give the open file's descriptor; one that nothing can be done with when it is no longer held."""
        return self._descriptor if self._held else -1

    def valid(self) -> bool:
        """Tell whether this process still holds it, and its name still leads to it."""
        if not self._held:
            return False
        if self._descriptor < 0:
            return True
        try:
            known = _process.identity(self._descriptor) == self._identity
            return known and (self._still is None or self._still(self._descriptor))
        except OSError:
            return False

    def release(self) -> None:
        """Let go; a second time is fine."""
        if not self._held:
            return
        self._held = False
        if self._descriptor < 0:
            return
        try:
            # Closing alone would leave the lock with a forked child that has the same descriptor.
            if _process.identity(self._descriptor) == self._identity:
                unlock(self._descriptor)
        except OSError:
            pass
        _process.close(self._descriptor, self._identity)

    def abandon(self) -> None:
        """Close a parent's descriptor in its child, and leave the lock to the parent."""
        self._held = False
        if self._descriptor >= 0:
            _process.close(self._descriptor, self._identity)

    def __enter__(self) -> Held:  # noqa: PYI034 - Self is not in typing before 3.11
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.release()

    def __del__(self) -> None:
        """Let go of what nobody can release any more."""
        try:
            self.release()
        except Exception:  # noqa: BLE001 - a half torn down interpreter; the end of the process lets go as well
            return


def hold_here(url: str, key: str) -> Held | None:
    """Hold a key of a store that only this process sees; None when it is held."""
    # No folder's name has a NUL: so this is no critical section that the caller may be in.
    with _process.section_lock(url, f"{key}\0"):
        known = _process.held_keys.get((url, key))
        holder = known() if known is not None else None
        if holder is not None and holder.valid():
            return None
        held = Held()
        _process.forget_in_children(held)
        _process.held_keys[url, key] = weakref.ref(held)
        return held


def hold_descriptor(
    descriptor: int, still: Callable[[int], bool] | None = None, *, seconds: float = 0
) -> Held | None:
    """Lock an open file, which is ours to close; None (and closed) when another has it for that long."""
    try:
        held = Held(descriptor, still)
    except BaseException:  # Ctrl-C too: what nobody gets must not stay open
        os.close(descriptor)
        raise
    _process.forget_in_children(held)
    try:
        held.locked = _lock(descriptor, seconds)
    except BlockingIOError:
        held.release()
        return None
    except BaseException:  # Ctrl-C too: what nobody gets must not stay open
        held.release()
        raise
    return held


def _lock(descriptor: int, seconds: float) -> bool:
    """Take the lock; False where the file system has none."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        try:
            lock(descriptor)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return False
        else:
            return True
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
