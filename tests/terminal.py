"""A program at a real terminal, as a person sees it and types at it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles
    r"|\x1b[\[(][0-9;?<>=]*[ -/]*[@-~A-Z]"  # colours, movements, modes
    r"|\x1b[=>78]|[\x00-\x08\x0e\x0f]"
)


class Terminal:
    """A program in a pseudo terminal; killed, if it still runs, at the end of the ``with`` block."""

    def __init__(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], size: tuple[int, int] = (30, 110)
    ) -> None:
        self.pid, self.end = pty.fork()
        if not self.pid:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
                os.chdir(cwd)
                # They would count more than the size of the terminal.
                shown = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
                os.execvpe(command[0], list(command), {"TERM": "xterm-256color", **shown})  # noqa: S606
            finally:
                os._exit(127)
        self.raw = b""
        self.status: int | None = None

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.end)

    @property
    def text(self) -> str:
        """What was shown, without colours and movements."""
        return _ESCAPES.sub("", self.raw.decode("utf-8", "replace"))

    def type(self, keys: str) -> None:
        """Type these keys."""
        os.write(self.end, keys.encode())

    def read(self, seconds: float) -> bool:
        """Take in what is shown within this time; False when it has ended."""
        if not select.select([self.end], [], [], seconds)[0]:
            return True
        with suppress(OSError):  # EIO is the end of a terminal
            more = os.read(self.end, 65536)
            self.raw += more
            return bool(more)
        return False

    def wait_for(self, shown: str, times: int = 1, seconds: float = 150) -> str:
        """Wait until this is shown so often; give all that was."""
        until = time.monotonic() + seconds
        while self.text.count(shown) < times:
            alive = self.read(0.2)
            assert alive or self.text.count(shown) >= times, f"it ended without {shown!r}:\n{self.text}"
            assert time.monotonic() < until, f"{shown!r} was not shown:\n{self.text}"
        return self.text

    def wait(self, seconds: float = 150) -> int:
        """Wait for its end; give its status."""
        until = time.monotonic() + seconds
        while self.read(0.2):
            assert time.monotonic() < until, f"it did not end:\n{self.text}"
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status
