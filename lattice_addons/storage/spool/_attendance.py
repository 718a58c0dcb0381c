"""Which rank's folders this process writes below, and that an uploader runs for it; a child process begins anew."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from lattice_addons.errors import UnreachableError
from lattice_addons.storage.remote import waiting
from lattice_addons.storage.spool._attend import join, part_from, stand_in

if TYPE_CHECKING:
    from lattice_addons.storage.spool._attend import Sides
    from lattice_addons.storage.spool._poke import Uploader

__all__ = ["Attendance"]

_log = logging.getLogger("lattice_addons.storage")


class Attendance:
    """What one process writes of a spool; ``offline`` lets it begin while the remote store does not answer.

    Without that it waits for a store that is away, as a service is while it is started again.
    """

    def __init__(self, sides: Sides, uploader: Uploader, *, offline: bool) -> None:
        self._sides = sides
        self._uploader = uploader
        self._offline = offline
        self._lock = threading.RLock()
        self._attended: dict[str, int] = {}  # a folder, and the process that writes there
        self._ensured = 0

    def begin(self, folder: str) -> None:
        """Begin to write below a rank's folder: list the job, take the claim, see that the line is one."""
        if self._attended.get(folder) == os.getpid():
            return
        sides = self._sides
        with self._lock:
            try:
                with waiting(not self._offline):
                    join(sides, folder)
            except UnreachableError as error:
                if not self._offline:
                    raise
                sides.there.go_without(folder)
                stand_in(sides.spool, folder)
                _log.warning(
                    "%s does not answer (%s); as offline=allow says, %s goes on from what is on this machine",
                    sides.spool.url, error, folder.removesuffix("/"),
                )  # fmt: skip
            self._uploader.ensure(folder)
            self._ensured = os.getpid()
            self._attended[folder] = os.getpid()
            self._uploader.poke()

    def end(self, folder: str) -> None:
        """Write there no more: the uploader gives the claim back when all is up."""
        if self._attended.pop(folder, None) == os.getpid():
            part_from(self._sides.spool, folder)
            self._uploader.poke()

    def poke(self) -> None:
        """Let the uploader know that there is something for it."""
        if self._ensured != os.getpid():
            # A command that writes without being the job's program.
            self._ensured = os.getpid()
            self._uploader.ensure()
        self._uploader.poke()
