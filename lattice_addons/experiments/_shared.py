"""Large data is loaded once on a host, and every run there looks at the same memory."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lattice_addons._host import at_fork

from ._fresh import LARGE, size_of
from ._load_key import key_of, settings_of, watched
from ._shelf import Packed, Shelf, new_name, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Packed",
    "current",
    "join",
    "leave",
    "missing",
    "pack_values",
    "shared",
    "sharing",
    "unpack_values",
]


class _Mine:
    """The shelf that this process uses."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.shelf: Shelf | None = None
        self.users = 0
        # The process that removes it; 0 where that is another one.
        self.pid = 0

    def after_fork(self) -> None:
        """In a child it is as if its parent's had been joined; another thread may have held the lock there."""
        self.lock = threading.RLock()
        if self.shelf is not None:
            self.shelf, self.users, self.pid = Shelf(self.shelf.name), 0, 0


_mine = _Mine()
at_fork(after_in_child=_mine.after_fork)


def current() -> Shelf:
    """Give this process's shelf; a new one for who runs settings by hand, until the process ends."""
    with _mine.lock:
        if _mine.shelf is None:
            import atexit

            sweep()
            _mine.shelf, _mine.pid, _mine.users = Shelf(new_name()), os.getpid(), 0
            atexit.register(_close_at_exit, _mine.shelf, _mine.pid)
        return _mine.shelf


def _close_at_exit(shelf: Shelf, pid: int) -> None:
    if pid == os.getpid():  # a forked child must not take it from its parent
        shelf.close()


@contextmanager
def sharing() -> Iterator[str]:
    """Share data among runs in a block, whose name workers `join`; it is removed when the last block ends."""
    with _mine.lock:
        shelf = current()
        _mine.users += 1
        joined = _mine.pid == 0
    try:
        yield shelf.name
    finally:
        with _mine.lock:
            _mine.users -= 1
            # A worker that is a runner itself uses what its own runner will remove.
            if _mine.users == 0 and _mine.shelf is shelf and not joined:
                _mine.shelf = None
                shelf.close()


def join(name: str) -> None:
    """Use a runner's shelf in this process, a worker's."""
    with _mine.lock:
        if _mine.shelf is not None and _mine.shelf.name == name:
            return
        if _mine.shelf is not None and _mine.pid == 0:
            _mine.shelf.leave()
        _mine.shelf, _mine.pid = Shelf(name), 0
        _mine.shelf.hold()


def leave(name: str) -> None:
    """Use a runner's shelf no more; the last one to leave removes it, where its runner is on another host."""
    with _mine.lock:
        if _mine.shelf is not None and _mine.shelf.name == name and _mine.pid == 0:
            _mine.shelf.leave()
            _mine.shelf = None
            sweep()


def missing(value: Any) -> set[str]:
    """Give the keys of shared data that tasks need, and that are not on this host."""
    if type(value) is Packed:
        return set() if current().path(value.key) else {value.key}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return {key for each in value for key in missing(each)}
    values = getattr(value, "values", None)  # a task's
    return missing(values) if isinstance(values, dict) else set()


def pack_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give a setting's values as they travel: large arrays and frames are shared, once, and named."""
    if not _any_large(values):  # by far the most
        return dict(values)
    shelf = current()
    return {name: shelf.pack(each) for name, each in values.items()}


def _any_large(value: Any) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return any(map(_any_large, value.values() if isinstance(value, dict) else value))
    return size_of(value) >= LARGE


def unpack_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values that `pack_values` was given; large ones are views that cannot be written to."""
    return {name: _unpacked(each) for name, each in values.items()}


def _unpacked(value: Any) -> Any:
    kind = type(value)
    if kind is Packed:
        join(value.shelf)
        return current().get(value.key)
    if kind is dict:
        return {key: _unpacked(each) for key, each in value.items()}
    return kind(map(_unpacked, value)) if kind in (list, tuple) else value


def shared(_setting: Any, load: Callable[[], Any]) -> Any:
    """Give what ``load`` gives, as a view that cannot be written to; it is loaded once on a host.

    ``load`` is known by its code and by what it is called with: `functools.partial`, its defaults, the variables
    around it. Where it reads the setting's own fields (a method, a lambda that holds ``self``), it is loaded once for
    each combination of the values of those that it reads.
    """
    shelf = current()
    key = key_of(load)
    if not settings_of(load):
        shelf.once(key, load)
        return shelf.get(key)
    for reads in shelf.reads(key):
        found = key_of(load, reads)
        if shelf.path(found) is not None:
            return shelf.get(found)
    return shelf.get(_loaded(shelf, key, load))


def _loaded(shelf: Shelf, key: str, load: Callable[[], Any]) -> str:
    """Load what depends on fields, and give its key."""
    known = shelf.reads(key)
    # Whoever is first finds out which fields are read; then several can be loaded at a time.
    with shelf.alone(key_of(load, known[0]) if known else key):
        for reads in shelf.reads(key):
            found = key_of(load, reads)
            if shelf.path(found) is not None:
                return found
        reads = []
        value = watched(load, reads)()
        found = key_of(load, reads)
        shelf.put(found, value)
        shelf.note(key, reads)
    return found
