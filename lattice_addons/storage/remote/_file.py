"""A file of a service that is open: read by ranges, or written here first and sent when it is closed."""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

__all__ = ["Reading", "Text", "Writing"]


class Reading(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """Read by ranges, with some more than was asked for at a time."""


class Writing(io.RawIOBase):
    """Collected in a file of this machine; what is not closed in good order is never sent."""

    def __init__(self, system: Any, path: str, mode: str, *, autocommit: bool) -> None:  # noqa: ANN401 - has no types
        super().__init__()
        self.fs = system
        self.path = path
        self.mode = mode
        self.autocommit = autocommit
        self._file = tempfile.NamedTemporaryFile(prefix="lattice-")  # noqa: SIM115 - closed with this one
        self._wanted = True

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def seekable(self) -> bool:
        """Tell that one can go back, as in any file."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Give the place."""
        return self._file.tell()

    def write(self, data: Buffer) -> int:
        """Write all of these bytes; those that are not wanted any more go nowhere."""
        return self._file.write(data) if self._wanted else memoryview(data).nbytes

    def flush(self) -> None:
        """Do nothing: it is sent when it is closed."""

    def close(self) -> None:
        """Send it, unless a transaction says when, or it is not wanted any more."""
        if self.closed:
            return
        try:
            if self._wanted and self.autocommit:
                self.commit()
        finally:
            if self.autocommit or not self._wanted:
                self._file.close()
            super().close()

    def commit(self) -> None:
        """Send it."""
        self._file.flush()
        mode = "create" if self.mode == "xb" else "overwrite"
        try:
            self.fs.put_file(self._file.name, self.path, mode=mode)
        finally:
            self._file.close()

    def discard(self) -> None:
        """Do not send it."""
        self._wanted = False
        self._file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send it at the end of a block, and throw it away when an exception ends that."""
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        """Throw away what nobody has closed: whether it is whole is not known."""
        if not self.closed:
            self.discard()
            self.close()


class Text(io.TextIOWrapper):
    """Text on its way; an exception in its block throws it away."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As that of the bytes below."""
        below = self.buffer
        if kind is not None and isinstance(below, Writing):
            below.discard()
        self.close()
