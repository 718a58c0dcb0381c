"""A program that ends waits a little for what it has committed last."""

from __future__ import annotations

import os
import time
from textwrap import shorten
from typing import TYPE_CHECKING, Protocol

from lattice_addons._amounts import size as amount
from lattice_addons.storage.spool._pending import Pending, is_note, pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.storage.spool._spool import Spool

__all__ = ["Waited", "settle", "unsettled"]

_FIRST, _LONGEST = 0.005, 0.1
# From then on a person who waits wants to know what for, and how it goes on, in seconds.
_QUIET, _NEWS = 1.0, 0.5
# What is not written down by the uploader is looked for all the same, so often, in seconds.
_LOOK = 0.5
# How long another's Python may take to start.
_START = 30.0
_NO_LIMIT = float("inf")
# As much of an error as a line has room for; all of it is in the log.
_LINE = 160


class Waited(Protocol):
    """The uploader, as one that is waited for."""

    why_not: str

    def poke(self, *, urgent: bool = False) -> None:
        """Say that there is something to do."""

    def restart(self, deadline: float) -> bool:
        """Start it again."""

    def is_running(self) -> bool:
        """Say whether it lives."""


def settle(
    spool: Spool, uploader: Waited, folder: str, seconds: float, tell: Callable[[str], None]
) -> str | None:
    """Wait until a rank's folder is up; else say in one line what is not, and what to do."""
    left = _awaited(spool, folder)
    if left.keys and seconds > 0:
        left = _wait(spool, uploader, folder, seconds, tell)
    return unsettled(spool, folder, left, uploader.why_not) if left.keys else None


def _wait(
    spool: Spool, uploader: Waited, folder: str, seconds: float, tell: Callable[[str], None]
) -> Pending:
    begun, asked = time.monotonic(), time.time()
    deadline = begun + seconds
    restarted = False
    if uploader.is_running():
        uploader.poke(urgent=True)
    version, looked, news = _version(spool, folder), begun, begun + _QUIET
    left = _awaited(spool, folder)
    pause = _FIRST
    while left.keys and (now := time.monotonic()) < deadline:
        time.sleep(min(pause, deadline - now))
        pause = min(pause * 1.5, _LONGEST)
        now = time.monotonic()
        if version != _version(spool, folder) or now - looked > _LOOK:
            version, looked = _version(spool, folder), now
            left = _awaited(spool, folder)
            if not left.keys or _is_hopeless(spool, folder, asked):
                break
        if not uploader.is_running():
            left = _awaited(spool, folder)
            if not left.keys or restarted or not uploader.restart(min(deadline, now + _START)):
                break
            restarted = True
        if now >= news:
            news = now + _NEWS
            limit = f"up to {deadline - now:.0f} s " if seconds < _NO_LIMIT else ""
            tell(f"waiting {limit}until {amount(left.bytes)} more are in {spool.url}")
    return left


def _awaited(spool: Spool, folder: str) -> Pending:
    """Give what is not up; what is told of refused saves, no end of a program waits for."""
    left = pending(spool, folder)
    return Pending({key: size for key, size in left.keys.items() if not is_note(key)})


def _version(spool: Spool, folder: str) -> object:
    try:
        facts = os.stat(spool.uploaded_path(folder))
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _is_hopeless(spool: Spool, folder: str, since: float) -> bool:
    """Say whether it was tried since, and failed in a way that waiting does not mend."""
    trouble = spool.trouble(folder)
    return trouble is not None and bool(trouble.get("stuck")) and trouble.get("tried", 0.0) >= since


def unsettled(spool: Spool, folder: str, left: Pending, why: str = "") -> str:
    """Say what is not up, and the command that finishes it."""
    job = folder.partition("/")[0]
    count, kind = (left.checkpoints, "checkpoint") if left.checkpoints else (len(left.keys), "file")
    what = f"{count} {kind}{'s' if count != 1 else ''}"
    trouble = spool.trouble(folder)
    told = str(trouble.get("error", "")) if trouble is not None else why
    reason = f" ({shorten(told, _LINE, placeholder=' …')})" if told else ""
    return (
        f"{what} of job {job!r} ({amount(left.bytes)}) not yet in {spool.url}, safe in the spool{reason}; "
        f"`lattice upload --spool {spool.home}` finishes it"
    )
