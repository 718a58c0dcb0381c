"""A running service reads its tokens again every moment, so that one that is taken away opens nothing any more."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.service.access._tokens import Tokens

__all__ = ["Watching"]

_SECONDS = 0.5  # between two looks at what there is
_SECONDS_AWAY = 2.0  # where each look is a request to somebody else
_USED_SECONDS = 10.0  # between two notes of when each was last used
_log = logging.getLogger(__name__)


class Watching:
    """The thread that looks; it ends with `close`, or when nobody has the tokens any more."""

    def __init__(self, tokens: Tokens, seconds: float | None = None) -> None:
        # The first look is made here: a store that cannot be read is an error before the service begins.
        tokens.refresh()
        if seconds is None:
            seconds = _SECONDS if tokens.store.at_home else _SECONDS_AWAY
        self._tokens = tokens
        self._ended = threading.Event()
        weakref.finalize(tokens, self._ended.set)
        given = (weakref.ref(tokens), self._ended, seconds)
        self._thread = threading.Thread(target=_look, args=given, name="lattice-tokens", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more, and store when each token was last used."""
        self._ended.set()
        self._thread.join()
        _told(self._tokens.write_used)


def _look(tokens: weakref.ref[Tokens], ended: threading.Event, seconds: float) -> None:
    noted = time.monotonic()
    while not ended.wait(seconds):
        there = tokens()
        if there is None:
            return
        _told(there.refresh)
        if time.monotonic() - noted >= _USED_SECONDS:
            noted = time.monotonic()
            _told(there.write_used)
        # Not kept while it waits: else the tokens would live as long as the thread.
        del there


def _told(look: Callable[[], None]) -> None:
    try:
        look()
    except StoreError as error:
        # The tokens that were read last stay in force: a store that is away for a moment locks nobody out.
        _log.warning("the tokens could not be read or written; those read last are in force: %s", error)
