"""One life of a program: from its start to its end, with every signal handed on."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons._host import signals_of

from ._mailbox import ENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._mailbox import Mailbox

__all__ = ["Life", "Start", "live", "reap"]

# Python ignores these; what it starts shall not.
_AS_BY_HAND = signals_of("SIGPIPE", "SIGXFSZ")


@dataclass(frozen=True)
class Start:
    """What a life begins with."""

    number: int
    command: list[str]
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Life:
    """What is known of a life that has ended."""

    number: int
    pid: int
    began: float
    """By the clock on the wall, as checkpoints have it."""
    ended: float
    status: int
    """As a shell gives it: 128 and the number of the signal that killed it."""
    killed_by: signal.Signals | None
    asked: bool
    """Whether somebody wanted it to end."""
    warned: bool
    """Whether the signal came that tells of an end of the allocation."""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return max(self.ended - self.began, 0.0)


def live(
    start: Start,
    mailbox: Mailbox,
    warning: signal.Signals | None = None,
    send: Callable[[int, signal.Signals], None] = os.kill,
) -> Life:
    """Start a program, hand on what comes until it ends; `OSError` when it cannot be started.

    At the ``warning`` it is asked to end, by SIGTERM.
    """
    began = time.time()
    pid = os.posix_spawnp(
        start.command[0],
        start.command,
        start.environ,
        setsigmask=mailbox.before,
        setsigdef=_AS_BY_HAND,
    )
    came: set[signal.Signals] = set()
    ended = None
    while ended is None:
        letter = mailbox.wait()
        if letter.signum == signal.SIGCHLD:
            ended = reap(pid)
            continue
        came.add(letter.signum)
        if not letter.reached_all:
            send(pid, signal.SIGTERM if letter.signum == warning else letter.signum)
    code = os.waitstatus_to_exitcode(ended)
    killed_by = _signal(-code) if code < 0 else None
    status = code if code >= 0 else 128 - code
    # Whatever signal it is that was sent here, who sent it has ended what died of it.
    asked = not came.isdisjoint(ENDING) or killed_by in came
    return Life(start.number, pid, began, time.time(), status, killed_by, asked, warning in came)


def reap(pid: int = 0) -> int | None:
    """Take note of all processes that have ended, as the first one of a container must; give this one's status."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        if ended == pid:
            found = status


def _signal(number: int) -> signal.Signals | None:
    try:
        return signal.Signals(number)
    except ValueError:
        return None  # a real-time signal between the first and the last has no name
