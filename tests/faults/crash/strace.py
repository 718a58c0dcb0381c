"""strace puts a fault into one system call of one program, and says which call that was."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from tests.faults.crash.zygote import Life

__all__ = ["Strace"]

_CALL = re.compile(r"^\d+ +(\w+)\(")
_FOLDERS = "?link,?linkat,?rename,?renameat,?renameat2,?mkdir,?mkdirat,?unlink,?unlinkat"
_CHANGE = re.compile(r"^\d+ +(link|rename|mkdir|unlink)(?:at2?)?\((.*)\) += 0$")
_SYNC = re.compile(r"^\d+ +(?:fsync|fdatasync)\(\d+<(.*)>\) += (0?)")
# The orders and answers of the test itself; calls that cannot be stopped in.
_TALK = {"recvfrom", "sendto", "exit_group", "restart_syscall"}


class Strace:
    """A running program under strace, within the block.

    ``fault`` is what strace's inject takes (``signal=KILL``, ``error=EIO``); it hits the ``when``-th ``call``.
    """

    def __init__(self, life: Life, log: Path, *, call: str = "", fault: str = "", when: int = 0) -> None:
        self._life = life
        self._log = log
        command = ["strace", "-f", "-qq", "-y", "-s", "200", "-o", str(log), "-e", "signal=none"]
        command += ["-e", f"trace={call},{_FOLDERS}" if call else "trace=all"]
        if call:
            command += ["-e", f"inject={call}:{fault}:when={when}"]
        self._command = [*command, "-p", str(life.pid)]

    def __enter__(self) -> Self:
        """Give itself."""
        # It waits for an order. Before strace has stopped it there, it would do the next one unseen.
        waits = self._wait(lambda told: told["State"][0] == "S")["voluntary_ctxt_switches"]
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE)
        attached = str(self._process.pid)
        self._wait(
            lambda told: (
                told["TracerPid"] == attached
                and told["State"][0] == "S"
                and told["voluntary_ctxt_switches"] != waits
            ),
            self._process,
        )
        return self

    def _wait(
        self, enough: Callable[[dict[str, str]], bool], strace: subprocess.Popen[bytes] | None = None
    ) -> dict[str, str]:
        """Wait until what the system says of the program is so, and give it."""
        deadline = time.monotonic() + 120
        while True:
            lines = Path(f"/proc/{self._life.pid}/status").read_text().splitlines()
            told = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if enough(told):
                return told
            assert strace is None or strace.poll() is None, strace.communicate()
            assert time.monotonic() < deadline, f"strace did not attach: {told}"
            time.sleep(0.0005)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Let the program go on by itself."""
        if self._process.poll() is None:
            # Of a program with threads that was killed it sometimes waits for one that is gone.
            self._process.send_signal(signal.SIGKILL if self._has_ended() else signal.SIGTERM)
        _, told = self._process.communicate(timeout=120)
        # What it says when a thread was between two calls as it was let go; the program is none the worse for it.
        errors = [line for line in told.decode().splitlines() if "ptrace_syscall_info.op" not in line]
        assert not errors or error is not None, errors

    def _has_ended(self) -> bool:
        try:
            state = Path(f"/proc/{self._life.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state in "ZX"

    def lines(self) -> list[str]:
        """Give the log's lines; complete when the block has ended."""
        return self._log.read_text(errors="replace").splitlines()

    def calls(self) -> Counter[str]:
        """Give how often each system call was made."""
        names = (match[1] for line in self.lines() if (match := _CALL.match(line)))
        return Counter(name for name in names if name not in _TALK)

    def hit(self) -> str:
        """Give the line of the call that got the error."""
        return next((line for line in self.lines() if "(INJECTED)" in line), "")

    def unsynced(self) -> bool:
        """Tell whether the error left something new that may not be on the disk.

        That is so at each fsync, but for one of a folder from which something was deleted last: what comes back
        after a power cut is deleted later. And but for one after which all was done again: a save that finds a
        full disk makes room and writes new files.
        """
        lines = self.lines()
        place = next((place for place, line in enumerate(lines) if "(INJECTED)" in line), -1)
        sync = _SYNC.match(lines[place]) if place >= 0 else None
        if sync is None or _again(sync[1], lines[place + 1 :]):
            return False
        for line in reversed(lines[:place]):
            change = _CHANGE.match(line)
            # A temporary file is always removed at last; that is no news.
            if change and f"<{sync[1]}>" in change[2] and not (change[1] == "unlink" and ".tmp" in change[2]):
                return change[1] != "unlink"
        return True


def _again(path: str, lines: list[str]) -> bool:
    """Tell whether a file was removed before anything else was done with it, or a folder synchronised after all."""
    folder, _, name = path.rpartition("/")
    for line in lines:
        change, sync = _CHANGE.match(line), _SYNC.match(line)
        if change and f'<{folder}>, "{name}"' in change[2]:
            return change[1] == "unlink"
        if sync and sync[1] == path and sync[2]:
            return "." not in name
    return False
