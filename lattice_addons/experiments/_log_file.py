"""All that a run prints goes into a file of its own: also what C libraries and programs that it starts print."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lattice_addons._system import O_CLOEXEC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._place import Place

__all__ = ["Log", "flush_streams", "log_key", "own_log", "put_back"]

LOGS = "logs"
_taken = threading.Lock()  # a process has its standard streams once


def log_key(file_name: str, attempt: int) -> str:
    """Give the key of an attempt's log in the place."""
    return f"{LOGS}/{file_name}.log" if attempt == 1 else f"{LOGS}/{file_name}.{attempt}.log"


class Log:
    """The log of one attempt; ``key`` says where it is, and nothing where nothing was printed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.key = ""

    def tell(self, text: str) -> None:
        """Write a text into it, while it is open."""
        flush_streams()
        # On a full disk the record has the text, or nothing has.
        with suppress(OSError), open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


@contextmanager
def own_log(place: Place, key: str) -> Iterator[Log | None]:
    """Let the standard streams lead into a log for a block.

    Of two runs in one process at a time the later one gets none, and prints to where the process does.
    """
    if not _taken.acquire(blocking=False):
        yield None
        return
    log = Log(os.path.join(place.folder, key))
    try:
        with _streams_into(log.path):
            yield log
        log.key = key if os.path.getsize(log.path) else ""
        _keep(log, place)
    finally:
        _taken.release()


def _keep(log: Log, place: Place) -> None:
    """Bring a log to its place; an empty one is not kept."""
    if log.key:
        with place.waiting():
            place.take_log(log.key)
    else:
        os.unlink(log.path)


@contextmanager
def _streams_into(path: str) -> Iterator[None]:
    flush_streams()
    try:
        log = _new(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        log = _new(path)
    before = os.dup(1), os.dup(2)
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        yield
    finally:
        flush_streams()
        for number, descriptor in enumerate(before, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def put_back() -> Iterator[None]:
    """Undo after a block what would go wrong in the next run of this process: streams or a folder of a run's own."""
    if threading.current_thread() is not threading.main_thread():
        yield  # other threads use the same
        return
    streams, folder = (sys.stdout, sys.stderr), _folder()
    try:
        yield
    finally:
        _put_back(streams, folder)


def _put_back(streams: tuple[Any, Any], folder: str) -> None:
    out, err = (
        open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - for good
        if getattr(stream, "closed", False)
        else stream
        for number, stream in enumerate(streams, start=1)
    )
    sys.stdout, sys.stderr = out, err
    with suppress(OSError):
        if folder and _folder() != folder:
            os.chdir(folder)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def _new(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | O_CLOEXEC, 0o600)


def flush_streams() -> None:
    """Let what was printed reach the log, or wherever the streams lead."""
    for stream in (sys.stdout, sys.stderr):
        # A stream may be None, closed, or lead to a disk that is full.
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()
