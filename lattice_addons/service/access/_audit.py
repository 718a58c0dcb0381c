"""Who did what to which job: one line of JSON for each act, in files that take each other's place."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC, O_NOFOLLOW
from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Audit"]

_log = logging.getLogger(__name__)
# Nobody puts a token into a key; but who does by mistake must not find it here.
_SECRET = re.compile(r"(lattice-[0-9a-f]{12})-[0-9a-f]{4,64}")
_LONGEST = 500
_ONCE_SECONDS = 60.0
_TOLD = 10_000


class Audit:
    """A log of acts, appended to a file of its owner's alone.

    A file that has reached ``size`` bytes becomes ``PATH.1``, that one ``PATH.2``, and so on; ``files`` of them stay.
    A log that cannot be written stops nobody's work: it is told once, and the next line says how many are missing.
    """

    def __init__(self, path: str | os.PathLike[str], *, size: int = 16 << 20, files: int = 8) -> None:
        self.path: str = os.path.abspath(os.fspath(path))
        self._size, self._files = size, max(files, 2)
        self._torn = False
        self._writing = threading.Lock()
        self._missing = 0
        self._told: OrderedDict[tuple[str, ...], float] = OrderedDict()
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            self._descriptor = self._open()
        except OSError as error:
            message = (
                f"cannot write the audit log {self.path} ({error.strerror}): give another --audit, or 'none'"
            )
            raise StoreError(message, url=self.path) from error

    def note(self, who: str, act: str, job: str | None, **facts: object) -> None:
        """Write who did what to which job (None: to the service), and what else there is to say."""
        told = {"time": _now(), "who": who, "act": act, "job": job, **facts}
        with self._writing:
            line = _line(told | ({"missing": self._missing} if self._missing else {}))
            try:
                self._append(line)
            except OSError as error:
                if not self._missing:
                    _log.warning("the audit log %s cannot be written: %s", self.path, error.strerror)
                self._missing += 1
            else:
                self._missing = 0

    def note_once(self, about: tuple[str, ...], who: str, act: str, job: str | None, **facts: object) -> None:
        """Write what is done over and over once a minute: pieces of one object that are read, wrong tokens."""
        now = time.monotonic()
        with self._writing:
            if self._told.get(about, float("-inf")) > now - _ONCE_SECONDS:
                return
            self._told.pop(about, None)
            self._told[about] = now
            while len(self._told) > _TOLD:
                self._told.popitem(last=False)
        self.note(who, act, job, **facts)

    def close(self) -> None:
        """Let go of the file; a line that comes later opens it again."""
        with self._writing, suppress(OSError):
            self._leave()

    def _append(self, line: bytes) -> None:
        self._follow()
        if os.fstat(self._descriptor).st_size + len(line) > self._size:
            self._rotate()
        # One write: two services with the same file do not mix their lines. After half a line a new one begins.
        whole = b"\n" + line if self._torn else line
        self._torn = os.write(self._descriptor, whole) != len(whole)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _follow(self) -> None:
        """Open the file that has the name now, where somebody else has put another in its place."""
        if self._descriptor < 0:
            self._descriptor = self._open()
        mine = os.fstat(self._descriptor)
        with suppress(FileNotFoundError):
            named = os.stat(self.path)
            if (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino):
                return
        self._leave()
        self._descriptor = self._open()

    def _rotate(self) -> None:
        # Closed first: Windows gives no other name to a file that is open.
        self._leave()
        for number in range(self._files - 1, 0, -1):
            older = f"{self.path}.{number - 1}" if number > 1 else self.path
            with suppress(FileNotFoundError):
                os.replace(older, f"{self.path}.{number}")
        self._descriptor = self._open()

    def _leave(self) -> None:
        """Have no file open; the next line opens one."""
        left, self._descriptor = self._descriptor, -1
        os.close(left)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | O_CLOEXEC | O_NOFOLLOW
        return os.open(self.path, flags, 0o600)


def _line(told: Mapping[str, object]) -> bytes:
    """Write facts in one line, whatever is in them."""
    short = {
        name: _shown(fact) if isinstance(fact, str) else fact
        for name, fact in told.items()
        if fact is not None
    }
    return json.dumps(short, ensure_ascii=True).encode() + b"\n"


def _shown(text: str) -> str:
    text = _SECRET.sub(r"\1-…", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
