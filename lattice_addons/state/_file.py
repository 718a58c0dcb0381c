"""A file manager keeps an open file: what is in it, and where in it the program is."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, ClassVar

from lattice_addons._system import O_CLOEXEC, O_NONBLOCK
from lattice_addons.errors import FileStateError

from ._file_back import reopen
from ._file_contents import DiskContents
from ._file_facts import appends, checked, identify, is_file, locate, mode_of, newline_of, path_of
from ._file_state import FileState
from ._manager import NOTHING, NoValue, StateManager
from ._process_lock import process_lock

if TYPE_CHECKING:
    from ._file_facts import OpenFile

__all__ = ["FileState", "StateFileManager", "is_file"]


class StateFileManager(StateManager):
    """Keep an open file, with its contents.

    After a restart ``value`` gives an open file at the old position, and the file on disk has the stored
    contents again:

    - A file that is a beginning of the stored contents, empty ones included, is completed in place.
    - The same file, with more in it, is cut back to what it was: the program writes the rest again.
    - A file that is missing is written, and missing folders are made.
    - Anything else is moved aside to ``NAME.aside-1`` (``-2``, …) with a warning, and the file written.
    - A file that was opened only to be read is written where it is missing, completed where it is a
      beginning, and otherwise never changed; with other contents it is an error.

    A file that was renamed since is kept under its new name. One that was closed is kept as it is on disk,
    and comes back open, at its end.

    In the background (periodic saves, ``async_save``) a file that is appended to or only read is stored
    without a copy; one that may be written anywhere is copied first.
    """

    __module__ = "lattice_addons.state"

    # One for all: `value` is called rarely, and two threads must not both put a file back.
    _opening: ClassVar = process_lock()
    _file: OpenFile | None = None
    _path: str = ""
    _identity: tuple[int, int, int] = (0, 0, 0)
    _newline: str | None = None

    def hold(self, value: object) -> None:
        """Take hold of an open file.

        Raises:
            FileStateError: no file, or one that is closed, deleted, compressed, a standard stream, a pipe.
        """
        file = checked(value)
        self._path = locate(file, None)
        self._file, self._held = file, NOTHING
        self._identity = identify(file.fileno())
        self._newline = None

    def capture(self) -> FileState:
        """Flush the file and give its state, or raise `NoValue`; the contents are read when they are stored.

        Raises:
            FileStateError: the position cannot be told, or the file was deleted.
        """
        if self._file is None:
            if self._held is NOTHING:
                raise NoValue
            return self._held  # type: ignore[return-value]  # restore() takes nothing else
        try:
            return self._look_closed(self._file) if self._file.closed else self._look(self._file)
        except FileStateError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise _unseen(self._path, error) from error

    def ready(self) -> bool:
        """Say whether the file can be looked at: not in a signal handler that came in the middle of a write to it."""
        file = self._file
        try:
            if file is not None and not file.closed and file.writable():
                # Of the bytes only: to flush the text would let tell() give a wrong position in an iteration.
                (file.buffer if isinstance(file, io.TextIOWrapper) else file).flush()
        except RuntimeError:
            return False  # "reentrant call": this thread is inside the buffer's lock
        except (OSError, ValueError):
            return True  # capture() says what is wrong, as of a file that was detached
        return True

    def restore(self, stored: object) -> None:
        """Take back a file's state; the file itself is touched when `value` asks for it.

        Raises:
            FileStateError: it is the state of something else.
        """
        if not isinstance(stored, FileState):
            kind = type(stored).__name__
            raise FileStateError(f"the stored value is of type {kind}, no file: use StateManager", path="")
        self._file, self._held = None, stored

    def value(self) -> OpenFile:
        """Give the open file, put back on disk first after a restart, or raise `NoValue`.

        Raises:
            FileStateError: it cannot be put back; its state stays stored.
        """
        with self._opening:
            if self._file is None:
                self.hold(reopen(self.capture()))
            assert self._file is not None  # noqa: S101 - hold() has set it
            return self._file

    def _look(self, file: OpenFile) -> FileState:
        # First of all: flush() in the middle of an iteration would let tell() give a wrong position.
        position = file.tell()
        if file.writable():
            file.flush()
        if isinstance(file, io.TextIOWrapper):
            self._newline = newline_of(file)
        descriptor = file.fileno()
        self._path = locate(file, self._path)
        self._identity = identify(descriptor)
        fixed = not file.writable() or appends(file)
        reader = (
            os.dup(descriptor) if file.readable() else self._open_to_read(path_of(descriptor) or self._path)
        )
        return self._state(file, reader, position, fixed=fixed)

    def _look_closed(self, file: OpenFile) -> FileState:
        if isinstance(file, io.TextIOWrapper):
            self._newline = newline_of(file) or self._newline
        fixed = not set(mode_of(file)) & set("wx+")
        return self._state(file, self._open_to_read(self._path), None, fixed=fixed)

    def _open_to_read(self, path: str) -> int:
        # Non-blocking, so that a pipe that has taken the file's place does not hang the save.
        reader = os.open(path, os.O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if identify(reader) != self._identity:
            os.close(reader)
            message = f"{self._path!r} is closed, and another file has its name now; update() the slot"
            raise FileStateError(message, path=self._path)
        return reader

    def _state(self, file: OpenFile, reader: int, position: int | None, *, fixed: bool) -> FileState:
        status = os.fstat(reader)
        text = file if isinstance(file, io.TextIOWrapper) else None
        line_buffered = text is not None and text.line_buffering
        return FileState(
            path=self._path,
            link=os.path.realpath(self._path) if os.path.islink(self._path) else None,
            mode=mode_of(file),
            position=status.st_size if position is None else position,
            encoding=text.encoding if text is not None else None,
            errors=text.errors if text is not None else None,
            newline=self._newline,
            buffering=0 if isinstance(file, io.FileIO) else 1 if line_buffered else -1,
            write_through=text is not None and text.write_through,
            permissions=status.st_mode & 0o777,
            identity=self._identity,
            contents=DiskContents(reader, status.st_size, self._path, fixed=fixed),
        )


def _unseen(path: str, error: Exception) -> FileStateError:
    # CPython does not tell a text file's position from the first step of an iteration to its end.
    iterating = isinstance(error, OSError) and error.errno is None
    # A signal came in the middle of a write to this very file: when that has ended it can be kept.
    busy = isinstance(error, RuntimeError) and "reentrant" in str(error)
    if iterating:
        advice = (
            "read it by `for line in iter(file.readline, '')`, or keep group.resume(file, …) in its place"
        )
    elif busy:
        advice = "it is in the middle of a write; save again when that has ended"
    else:
        advice = "make sure that it can be written and read"
    message = f"{path!r} cannot be kept now ({error}): {advice}"
    return FileStateError(message, path=path, busy=busy, errno=getattr(error, "errno", None))
