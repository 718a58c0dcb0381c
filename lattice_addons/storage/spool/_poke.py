"""A program's handle of the uploader: started, poked, and waited for."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import coded
from lattice_addons.storage._held import Held
from lattice_addons.storage._process import above_standard, forget_in_children
from lattice_addons.storage.spool._process import is_running, open_poke, start
from lattice_addons.storage.spool._settle import settle
from lattice_addons.storage.spool._tokens import handed, token_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from lattice_addons.storage.spool._spool import Spool

__all__ = ["URGENT", "Uploader"]

_log = logging.getLogger("lattice_addons.storage")
#: There is something to do; and: do it now, though it went wrong a moment ago.
POKED, URGENT = b".", b"!"
# One that cannot be started is not tried again with each save, in seconds.
_AGAIN = 30.0
# How long the uploader may outlive a program that has no limit for its own end, in seconds.
_GRACE = 25.0


class Uploader:
    """The process that sends on what is in a spool, as a program sees it.

    Where it cannot be started, a program goes on all the same: what is saved is in the spool.
    """

    def __init__(  # noqa: PLR0913 - what the process is told, and named
        self,
        spool: Spool,
        options: Mapping[str, str],
        *,
        grace: float,
        linger: float | Literal["forever"] | None,
        limit: int,
        url: str | None = None,
    ) -> None:
        self._spool = spool
        self._told: dict[str, Any] = {
            # The spool's own has no password in it.
            "url": url or spool.url,
            "shown": spool.url,
            "options": dict(options),
            "grace": grace or _GRACE,
            "linger": (grace or _GRACE) if linger is None else linger,
            "limit": limit,
        }
        self._token = token_for(url or spool.url, options)
        # Of each job, and said with each poke: the uploader is perhaps one that another program has started.
        self._words: dict[str, bytes] = {}
        self._pipe: Held | None = None
        self._refused = -_AGAIN
        self.why_not: str = ""

    def ensure(self, folder: str = "") -> bool:
        """Have it run, and know of this process; say whether it does. A warning says what is wrong.

        What is of the job of the folder is sent with this process's own token.
        """
        if folder and self._token:
            self._words[folder.partition("/")[0]] = handed(folder, self._token)
        try:
            self._open()
            if not is_running(self._spool.home):
                self._start(wait=True)
            self._write(URGENT)
        except (OSError, ValueError) as error:
            refused = error if isinstance(error, StoreError) else self._cannot(error)
            self._refused, self.why_not = time.monotonic(), str(refused)
            _log.warning("%s", refused)
            return False
        self.why_not = ""
        return True

    def _cannot(self, error: Exception) -> StoreError:
        home = self._spool.home
        message = (
            f"the uploader of {self._spool.url} could not be started ({error}): what is saved stays in {home} until "
            f"`lattice upload --spool {home}` sends it"
        )
        return coded(StoreError(message, url=self._spool.url), getattr(error, "errno", None) or 0)

    def poke(self, *, urgent: bool = False) -> None:
        """Say that there is something to do; one that has died is started again."""
        try:
            self._open()
            self._write(URGENT if urgent else POKED)
            if not is_running(self._spool.home) and time.monotonic() - self._refused > _AGAIN:
                # Not waited for: a save does not wait for it.
                self._refused = time.monotonic()
                self._start(wait=False)
        # What is saved is saved: that it cannot be sent on now must not fail a save.
        except Exception as error:  # noqa: BLE001
            _log.debug("the uploader could not be poked: %s", error)

    def restart(self, deadline: float) -> bool:
        """Start it again though the program ends; say whether that could be done."""
        try:
            self._start(wait=False)
            self._write(URGENT)
        except (OSError, ValueError, RuntimeError) as error:
            self.why_not = str(error)
            return False
        # It has the lock a little later.
        while not is_running(self._spool.home) and time.monotonic() < deadline:
            time.sleep(0.02)
        return True

    def _start(self, *, wait: bool) -> None:
        """Start it; where the spool was deleted and made again meanwhile, as in a new one, and by its new pipe."""
        self._spool.mark()
        before, self._pipe = self._pipe, self._fresh()
        if before is not None:
            before.abandon()  # only now: with its last end a pipe loses what is in it
        start(self._spool.home, self._told, wait=wait)

    def is_running(self) -> bool:
        """Say whether it lives."""
        return is_running(self._spool.home)

    def settle(self, folder: str, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until what was committed below a folder is up; else say what is not, and what to do."""
        return settle(self._spool, self, folder, seconds, tell)

    def close(self) -> None:
        """Let it take this process for ended."""
        if self._pipe is not None:
            self._pipe.abandon()
            self._pipe = None

    def _open(self) -> None:
        # A forked child has closed its parent's, and a program that makes itself a daemon closes all.
        if self._pipe is None or not self._pipe.valid():
            self._pipe = self._fresh()

    def _fresh(self) -> Held:
        pipe = Held(above_standard(open_poke(self._spool.home)))
        forget_in_children(pipe)
        return pipe

    def _write(self, what: bytes) -> None:
        try:
            for each in (*self._words.values(), what):
                os.write(self._pipe.descriptor if self._pipe is not None else -1, each)
        except BlockingIOError:
            return  # full: it has been told often enough
