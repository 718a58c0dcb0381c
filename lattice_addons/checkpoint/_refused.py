"""Saves that were refused are written down beside the checkpoints, for people; no save depends on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons.checkpoint._encrypted import close_text, is_closed, open_text
from lattice_addons.checkpoint._layout import refused_key
from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.storage import Store

__all__ = ["Refusals", "Refused", "refusals"]

# So many stay, each with so much of its text, and so many slots with so much of their names.
_MOST, _TEXT, _SLOTS, _NAME = 20, 1000, 20, 100
# What others may have put there is read so far.
_READ = 512 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A save that was refused, or several in a row for one reason and with one kind of error.

    ``slots`` are those at which it failed, as far as that is known; ``checkpoint`` is the number of the one that was
    made all the same, in which these have their last good value, and None where there is none.
    """

    __module__ = "lattice_addons.checkpoint"

    #: When the last of them was, in UTC, and the first.
    time: str
    since: str
    reason: str
    #: The name of the error's class, and what it says.
    error: str
    text: str
    slots: tuple[str, ...] = ()
    checkpoint: int | None = None
    #: How many there were in a row.
    times: int = 1

    @property
    def kind(self) -> tuple[object, ...]:
        """What those in a row have in common."""
        return self.reason, self.error, self.slots, self.checkpoint is None

    def after(self, before: Refused) -> Refused:
        """Give both, of one kind, as one."""
        return replace(self, since=before.since, times=before.times + 1)

    def told(self) -> dict[str, object]:
        """Give it as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_told(cls, told: Any) -> Refused:  # noqa: ANN401 - anything that JSON can say
        """Read what `told` gave; ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        texts = {name: _cut(str(told[name]), _TEXT) for name in ("time", "since", "reason", "error", "text")}
        checkpoint = told["checkpoint"]
        slots = tuple(_cut(str(name), _NAME) for name in told["slots"][:_SLOTS])
        number = None if checkpoint is None else int(checkpoint)
        return cls(**texts, slots=slots, checkpoint=number, times=int(told["times"]))


class Refusals:
    """The saves of one rank that were refused, the newest of them."""

    def __init__(self, store: Store, folder: str, cipher: Cipher | None = None) -> None:
        self._store = store
        self._key = refused_key(folder)
        self._cipher = cipher

    def add(
        self, reason: str, error: Exception, slots: Iterable[str] = (), checkpoint: int | None = None
    ) -> None:
        """Write one down; only who has the lease does so.

        Raises:
            StoreError: that cannot be done.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        names = tuple(_cut(name, _NAME) for name in [*slots][:_SLOTS])
        text = _cut(str(error), _TEXT)
        new = Refused(now, now, reason, type(error).__name__, text, names, checkpoint)
        # The end of a program waits for no network: what another machine has written was taken in at the start.
        with self._store.near_only():
            known = self._known(self._store)
        if known and known[-1].kind == new.kind:
            new = new.after(known.pop())
        lines = map(self._line, [*known, new][-_MOST:])
        self._store.replace(self._key, b"".join(line + b"\n" for line in lines))

    def all(self) -> list[Refused]:
        """Give them, the oldest first, also those of another machine; what cannot be read is passed over."""
        places = (self._store,) if self._store.shared is self._store else (self._store.shared, self._store)
        return sorted(self._known(*places), key=lambda each: each.time)[-_MOST:]

    def newest(self) -> Refused | None:
        """Give the last one, as far as it is known here; None where there is none."""
        return max(self._known(self._store), key=lambda each: each.time, default=None)

    def _known(self, *places: Store) -> list[Refused]:
        """Give each once that is told in these, in the order in which they were written."""
        found: dict[tuple[str, str, str], Refused] = {}
        for place in places:
            for each in self._read(place):
                same = found.setdefault((each.since, each.reason, each.error), each)
                if same.times < each.times:
                    found[each.since, each.reason, each.error] = each
        return [*found.values()]

    def _read(self, store: Store) -> list[Refused]:
        try:
            lines = store.read(self._key, 0, _READ).splitlines()
        except LatticeError:
            return []
        return [each for each in map(self._parsed, lines) if each is not None]

    def _line(self, refused: Refused) -> bytes:
        text = orjson.dumps(refused.told())
        if self._cipher is None:
            return text
        # Names of slots, and what an error says of a value, are as secret as these.
        return orjson.dumps(close_text(text, self._cipher, self._key.encode()))

    def _parsed(self, line: bytes) -> Refused | None:
        try:
            told = orjson.loads(line)
            if is_closed(told):
                told = orjson.loads(open_text(told, self._cipher, self._key.encode(), self._key))
            return Refused.from_told(told)
        except (LatticeError, KeyError, TypeError, ValueError):
            return None


def refusals(line: Line) -> Refusals:
    """Give those of a line."""
    return Refusals(line.store, line.folder, line.cipher)


def _cut(text: str, length: int) -> str:
    # A lone surrogate is no text of JSON's.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"
