"""A person who showed a token to the login page is known by a cookie, until the token or the service ends."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lattice_addons.service.access._tokens import Token, Tokens

__all__ = ["COOKIE", "SECONDS", "Sessions"]

COOKIE = "lattice-session"
SECONDS = 12 * 3600
_MOST = 10_000  # the one that began first goes when there are more


class Sessions:
    """Sessions by their ids' digests: what is in memory opens nothing."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._secret = secrets.token_bytes(32)

    def begin(self, token: Token) -> str:
        """Give the id of a new session."""
        session = secrets.token_urlsafe(32)
        self._known[_digest(session)] = token.id, time.monotonic() + SECONDS
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return session

    def find(self, session: str) -> tuple[str | None, Token | None]:
        """Give a session and the token that began it, as long as both are in force."""
        if not session or self._tokens is None:
            return None, None
        name, until = self._known.get(_digest(session), ("", 0.0))
        token = self._tokens.in_force(name) if time.monotonic() < until else None
        return (session, token) if token is not None else (None, None)

    def end(self, session: str) -> None:
        """Forget a session."""
        self._known.pop(_digest(session), None)

    def csrf(self, session: str | None) -> str:
        """Give what only a page of ours can know in a session, or without one."""
        return hmac.new(self._secret, (session or "").encode(), hashlib.sha256).hexdigest()

    def is_csrf(self, session: str | None, given: str) -> bool:
        """Say whether a page of ours has sent this."""
        return hmac.compare_digest(self.csrf(session).encode(), given.encode("utf-8", "replace"))


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()
