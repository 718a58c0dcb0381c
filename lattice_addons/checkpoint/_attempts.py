"""An attempt is one start of a whole job: its record says where all ranks carry on from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons.checkpoint._complete import Complete, Lacking
from lattice_addons.checkpoint._layout import RANK
from lattice_addons.checkpoint._lease import Lease
from lattice_addons.checkpoint._seal import damaged, seal, unseal
from lattice_addons.errors import CheckpointError, NotInStoreError
from lattice_addons.lifecycle import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint._line import Line

__all__ = ["Attempt", "Attempts", "Member"]

_RECORD = re.compile(r"([0-9]{6,18})\.json", re.ASCII)
# How many attempts are remembered: the newest counts, and those before it where it cannot be used.
_KEPT = 3


@dataclass(frozen=True)
class Member:
    """A process that takes part in an attempt, as one of its ranks."""

    rank: int
    session: str
    owner: Owner

    def told(self) -> dict[str, object]:
        """Give it as plain data."""
        return {"rank": self.rank, "session": self.session, **self.owner.to_dict()}

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Member:
        """Read what `told` gave; ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        return cls(int(told["rank"]), str(told["session"]), Owner.from_dict(told))


@dataclass(frozen=True)
class Attempt:
    """One start of a job of ``world`` ranks; ``run`` is what its launcher calls it.

    All ranks carry on from ``resume``, or begin afresh without one. ``lacking`` is what was passed over for it.
    """

    number: int
    world: int
    run: str | None
    resume: Complete | None
    lacking: Lacking | None
    maker: Member

    def to_text(self, key: bytes | None) -> bytes:
        """Give its record: one line per field, the seal last."""
        told = {
            "attempt": self.number,
            "world": self.world,
            "run": self.run,
            "resume": self.resume.told() if self.resume is not None else None,
            "lacking": self.lacking.told() if self.lacking is not None else None,
            "maker": self.maker.told(),
        }
        lines = (b'"%b": %b' % (name.encode(), orjson.dumps(value)) for name, value in told.items())
        return seal(b"{\n" + b",\n".join(lines), key)

    @classmethod
    def from_text(cls, text: bytes, key: bytes | None, where: str) -> Attempt:
        """Read a record; a `CheckpointError` where it cannot be used."""
        body = unseal(text, key, where)
        try:
            told = orjson.loads(body + b"}")
            return cls(
                int(told["attempt"]),
                int(told["world"]),
                str(told["run"]) if told["run"] is not None else None,
                Complete.from_told(told["resume"]) if told["resume"] is not None else None,
                Lacking.from_told(told["lacking"]) if told["lacking"] is not None else None,
                Member.from_told(told["maker"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(where, f"it is no record of an attempt ({error})") from None


class Attempts:
    """The attempts of a job, as they were listed when this was made."""

    def __init__(self, line: Line) -> None:
        # Not by way of a spool: what another machine has put there just now counts.
        self._store = line.store.shared
        self._near = line.store
        self._job = line.job
        self._key = line.settings.key
        self._keys = self._store.list(self.folder)
        self._found: dict[int, Attempt] = {}
        parts = (key.removeprefix(self.folder) for key in self._keys)
        matches = filter(None, map(_RECORD.fullmatch, parts))
        self.numbers = sorted(int(match[1]) for match in matches)

    @property
    def folder(self) -> str:
        """Where they are."""
        return f"{self._job}/attempts/"

    @property
    def last(self) -> int:
        """The largest number; 0 where there is none."""
        return self.numbers[-1] if self.numbers else 0

    def all(self) -> dict[int, Attempt]:
        """Give those that can be used."""
        return {number: found for number in self.numbers if (found := self.get(number)) is not None}

    def newest(self) -> Attempt | None:
        """Give the newest one; None where there is none, or its record cannot be used."""
        return self.get(self.last) if self.numbers else None

    def get(self, number: int) -> Attempt | None:
        """Give one; None where its record cannot be used."""
        key = self._record(number)
        if number not in self._found:
            try:
                text = self._store.read(key)
                self._found[number] = Attempt.from_text(text, self._key, f"{self._store.url}/{key}")
            except (NotInStoreError, CheckpointError):
                return None
        return self._found[number]

    def make(self, attempt: Attempt) -> None:
        """Write a record down; ``errno`` ``EEXIST`` where another rank was faster. Old ones go."""
        self._store.put(self._record(attempt.number), attempt.to_text(self._key))
        old = {f"{number:06d}" for number in self.numbers[: -(_KEPT - 1)]}
        parts = {key: key.removeprefix(self.folder).partition("/")[0] for key in self._keys}
        self._store.delete([key for key, part in parts.items() if part.removesuffix(".json") in old])

    def join(self, attempt: Attempt, member: Member) -> None:
        """Say that a process takes part."""
        self._store.replace(
            self._membership(attempt.number, member.rank), orjson.dumps(member.told()) + b"\n"
        )

    def members(self, attempt: Attempt) -> set[int]:
        """Give the ranks that have joined."""
        folder = f"{self.folder}{attempt.number:06d}/"
        names = (
            key.removeprefix(folder).removesuffix(".json") for key in self._keys if key.startswith(folder)
        )
        joined = filter(None, map(RANK.fullmatch, names))
        return {attempt.maker.rank, *(int(match[1]) for match in joined)}

    def lives(self, attempt: Attempt, rank: int) -> bool | None:
        """Say whether a member is alive; None where that cannot be told from here."""
        member = attempt.maker
        try:
            told = orjson.loads(self._store.read(self._membership(attempt.number, rank)))
            member = Member.from_told(told)
        except NotInStoreError:
            if rank != member.rank:
                return False
        except (KeyError, TypeError, ValueError):
            return None
        return Lease(self._near, self._job, rank).lives(member.session, member.owner)

    def _record(self, number: int) -> str:
        return f"{self.folder}{number:06d}.json"

    def _membership(self, number: int, rank: int) -> str:
        return f"{self.folder}{number:06d}/rank-{rank:05d}.json"
