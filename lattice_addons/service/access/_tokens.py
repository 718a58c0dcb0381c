"""A token opens the jobs whose names begin as it says; the store keeps its digest, never the token."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import orjson

from lattice_addons.errors import NotInStoreError, SettingsError, StoreError

if TYPE_CHECKING:
    from lattice_addons.storage import Store

__all__ = ["FOLDER", "RIGHTS", "SHAPE", "Token", "Tokens", "now"]

RIGHTS = ("read", "write", "admin")  # each includes those before it
FOLDER = ".service/tokens/"
USED = ".service/used.json"
SHAPE = re.compile(r"lattice-([0-9a-f]{12})-[0-9a-f]{64}", re.ASCII)
_LONGEST_DAYS = 36_500
_NOBODY = "0" * 64  # compared with where there is no such token, so that both take as long


def now() -> datetime:
    """Give this instant, in UTC."""
    return datetime.now(timezone.utc)


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: whose it is and what it opens."""

    id: str
    prefix: str
    exact: bool
    rights: str
    created: str
    expires: str | None
    digest: str = field(repr=False)

    def covers(self, job: str | None) -> bool:
        """Say whether a job is among those it opens; None stands for all there are, and will be."""
        if job is None:
            return not self.prefix and not self.exact
        return job == self.prefix if self.exact else job.startswith(self.prefix)

    def allows(self, job: str | None, right: str) -> bool:
        """Say whether its holder may do this with a job, or with all (None)."""
        return RIGHTS.index(right) <= RIGHTS.index(self.rights) and self.covers(job)

    @property
    def expired(self) -> bool:
        """Say whether its time is over."""
        return self.expires is not None and datetime.fromisoformat(self.expires) <= now()

    def told(self) -> dict[str, object]:
        """Give what anybody may see of it."""
        facts = asdict(self)
        del facts["digest"]
        return facts


class Tokens:
    """The tokens of a store, one key for each: who makes one and who takes one away are never in each other's way.

    What is looked up is what was read last: see `lattice_addons.service.access.Watching`.
    """

    def __init__(self, store: Store) -> None:
        self.store: Store = store.shared
        self._known: dict[str, Token] = {}
        self._damaged: frozenset[str] = frozenset()
        self._used: dict[str, str] = {}
        # Whoever is asked for a token does not wait for it: a look that began earlier must not undo a change here.
        self._changing = threading.Lock()

    def create(
        self, prefix: str, rights: str, *, exact: bool = False, days: float | None = None
    ) -> tuple[Token, str]:
        """Make a token; the second is what its holder shows, and nobody can find out again."""
        if rights not in RIGHTS:
            message = f"a token's rights are one of {', '.join(RIGHTS)}; not {rights!r}"
            raise SettingsError(message, variable="--rights", part=rights)
        if days is not None and not 0 < days <= _LONGEST_DAYS:
            message = (
                f"a token is good for 0 to {_LONGEST_DAYS} days, not for {days:g}: leave it out for ever"
            )
            raise SettingsError(message, variable="--days", part=str(days))
        name = secrets.token_hex(6)
        shown = f"lattice-{name}-{secrets.token_hex(32)}"
        ends = _written(now() + timedelta(days=days)) if days is not None else None
        token = Token(
            name, _prefix(prefix, exact=exact), exact, rights, _written(now()), ends, _digest(shown)
        )
        with self._changing:
            self.store.put(_key(name), json.dumps(asdict(token), ensure_ascii=False).encode())
            self._known = self._known | {name: token}
        return token, shown

    def revoke(self, name: str) -> Token:
        """Take a token away; give what it was."""
        there = {token.id: token for token in self.list()}
        if name not in there:
            listed = ", ".join(there) or "none"
            message = f"no token has the id {name!r} (`lattice token list` shows them); {self.store.url} has: {listed}"
            raise NotInStoreError(message, url=self.store.url, key=_key(name) if name.isalnum() else "")
        with self._changing:
            self.store.delete([_key(name)])
            self._known = {known: token for known, token in self._known.items() if known != name}
        return there[name]

    def list(self) -> list[Token]:
        """Give the tokens that there are, the oldest first."""
        self.refresh()
        return sorted(self._known.values(), key=lambda token: (token.created, token.id))

    def last_used(self) -> dict[str, str]:
        """Give when each token was last seen by a service, as far as it has said so."""
        return _latest(_read_used(self.store), self._used)

    def find(self, shown: str) -> Token | None:
        """Give the token that somebody shows, when it is one that is in force."""
        match = SHAPE.fullmatch(shown)
        token = self._known.get(match[1]) if match is not None else None
        same = hmac.compare_digest(
            _digest(shown if match is not None else ""), token.digest if token is not None else _NOBODY
        )
        if token is None or not same or token.expired:
            return None
        self._used[token.id] = _written(now())
        return token

    def knows(self, shown: str) -> bool:
        """Say whether to look in the store would tell nothing new: it has been read, or is no token at all."""
        match = SHAPE.fullmatch(shown)
        return match is None or match[1] in self._known

    def in_force(self, name: str) -> Token | None:
        """Give the token of this id, unless it was taken away or its time is over."""
        token = self._known.get(name)
        return None if token is None or token.expired else token

    def refresh(self) -> None:
        """Read what has come since, and forget what has gone."""
        with self._changing:
            self._look()

    def write_used(self) -> None:
        """Store when each was last used; what another service over this store has written stays."""
        if not self._used:
            return
        mine, self._used = self._used, {}
        try:
            there = _read_used(self.store)
            both = {name: when for name, when in _latest(there, mine).items() if name in self._known}
            if both != there:
                self.store.replace(USED, json.dumps(both).encode())
        except StoreError:
            self._used = _latest(mine, self._used)
            raise

    def _look(self) -> None:
        names = {key.removeprefix(FOLDER).removesuffix(".json") for key in self.store.list(FOLDER)}
        new = names - self._known.keys() - self._damaged
        read = {name: _read(self.store, name) for name in sorted(new)}
        # A file that is no token opens nothing, and is not read again: a token never changes.
        self._damaged = (self._damaged & names) | {name for name, token in read.items() if token is None}
        known = {name: token for name, token in self._known.items() if name in names}
        self._known = known | {name: token for name, token in read.items() if token is not None}


def _key(name: str) -> str:
    return f"{FOLDER}{name}.json"


def _digest(shown: str) -> str:
    """Give what is kept of a token; it is 256 random bits, which need no slow hash."""
    return hashlib.sha256(b"lattice-token:" + shown.encode("utf-8", "surrogateescape")).hexdigest()


def _prefix(text: str, *, exact: bool) -> str:
    """Check what a job's name is to begin with; ``team-*`` means ``team-``."""
    prefix = text if exact else text.removesuffix("*")
    if "/" in prefix or prefix.startswith(".") or not prefix.isprintable() or (exact and not prefix):
        message = (
            f"{text!r} begins no job's name: give the first characters of the names, as `team-`; "
            "'*' for all jobs; or with --exact one job's whole name"
        )
        raise SettingsError(message, variable="PREFIX", part=text)
    return prefix


def _read(store: Store, name: str) -> Token | None:
    """Read a token; None of what is none, or was taken away meanwhile."""
    try:
        # Not Python's own JSON: that fails in another way where something is nested deep.
        token = Token(**orjson.loads(store.read(_key(name))))
        _ = token.expired, RIGHTS.index(token.rights), token.prefix + token.digest
    except (NotInStoreError, ValueError, TypeError):
        return None
    return token if token.id == name and len(token.digest) == len(_NOBODY) else None


def _read_used(store: Store) -> dict[str, str]:
    try:
        told = orjson.loads(store.read(USED))
    except (NotInStoreError, ValueError):
        return {}
    texts = told.items() if isinstance(told, dict) else ()
    return {name: when for name, when in texts if isinstance(when, str)}


def _latest(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return {name: max(one.get(name, ""), other.get(name, "")) for name in {**one, **other}}
