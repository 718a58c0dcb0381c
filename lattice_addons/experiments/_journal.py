"""What was run, and what came of it: written down durably before it is counted."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage import ulid

from ._part import Part, lines_of, sync, sync_folder, told_by
from ._record import Record, as_line, from_line, head_of_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ._place import Place
    from ._record import Status

__all__ = ["Journal", "Known"]

_log = logging.getLogger("lattice_addons.experiments")
_FOLDER = "journal"
_MOST_PARTS = 64  # each runner leaves one for itself and one for each worker


class Known(NamedTuple):
    """What a runner remembers of a setting's last record: little, for there may be many."""

    name: str
    status: Status
    attempt: int
    ended: float
    round: int = 0


class Journal:
    """The records of one place.

    It is a folder of parts, ``journal/<ULID>.jsonl``, each with one writer: a runner, or one of its workers. Of several
    records of one setting that of the last attempt counts. In a place that is no local folder, each flush is a part.
    """

    __module__ = "lattice_addons.experiments"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._part: Part | None = None
        self._synced: set[str] = set()

    # -- reading

    def read(
        self, kind: str | None = None, line: Callable[[bytes], tuple[str, Any] | None] = from_line
    ) -> Iterator[tuple[str, Any]]:
        """Give what is in it, in no certain order: each line's kind, and the `Record` or what else it tells."""
        if self._place.local and not os.path.isdir(self._place.url):
            return
        seen, gone = set[str](), True
        while gone:
            gone = False
            for key in self._place.store.list(_FOLDER):
                if key in seen:
                    continue
                seen.add(key)
                try:
                    yield from told_by(self._lines(key), kind, line, partial(self._warn, key))
                except StoreError as error:
                    if error.errno != errno.ENOENT and not isinstance(error, NotInStoreError):
                        raise
                    gone = True  # tidied away meanwhile: what it said is in a newer part

    def _lines(self, key: str) -> Iterable[bytes]:
        if self._place.local:
            return lines_of(os.path.join(self._place.url, key))
        return self._place.store.read(key).splitlines(keepends=True)

    def _warn(self, key: str, line: bytes) -> None:
        """Say once, however often the journal is read, that a line is damaged."""
        if (key, line) not in self._place.damaged:
            self._place.damaged.add((key, line))
            told = "a damaged line of %s/%s is left out: its setting counts as not run"
            _log.warning(told, self._place.url, key)

    def records(self) -> dict[str, Record]:
        """Give the record that counts of each setting, by its identity, in the order in which they ended."""
        found: dict[str, Record] = {}
        for _, record in self.read("record"):
            known = found.get(record.identity)
            if known is None or record.supersedes(known):
                found[record.identity] = record
        return dict(sorted(found.items(), key=lambda pair: pair[1].ended))

    def index(self) -> dict[str, Known]:
        """Give what is known of each setting, without what its run returned."""
        found: dict[str, Known] = {}
        for _, told in self.read("record", head_of_line):
            identity, attempt, ended = told["identity"], told.get("attempt", 1), told["ended"]
            known = found.get(identity)
            if known is None or (attempt, ended) >= (known.attempt, known.ended):
                status = sys.intern(told["status"])
                found[identity] = Known(told["name"], status, attempt, ended, told.get("round", 0))  # type: ignore[arg-type] # one of them
        return found

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """Give what runners have noted under this word, such as ``start``, oldest first."""
        found = [told for _, told in self.read(kind)]
        return sorted(found, key=lambda told: told.get("at", 0))

    # -- writing, by who holds the place's lock

    def add(self, record: Record) -> None:
        """Write a record down; it is durable when this returns."""
        self.add_many([record])

    def add_many(self, records: Iterable[Record]) -> None:
        """Write records down; they are durable when this returns.

        Raises:
            StoreError: they cannot be written, and none of them counts; what was written before stays.
        """
        self._write(b"".join(as_line("record", record) for record in records))

    def note(self, kind: str, told: dict[str, Any]) -> None:
        """Write down something else that there is to know, as plain data, under a word of its own."""
        self._write(as_line(kind, told))

    def _write(self, lines: bytes) -> None:
        if not lines:
            return
        if not self._place.local:
            self._place.store.put(f"{_FOLDER}/{ulid()}.jsonl", lines)
            return
        if self._part is None:
            self._part = Part(self.part_path(ulid()))
        self._part.append(lines)
        self.confirm([self._part.path])

    def part_path(self, name: str) -> str:
        """Give the file of a part of this machine, for a worker to write to."""
        return os.path.join(self._place.folder, _FOLDER, f"{name}.jsonl")

    def take(self, records: Iterable[tuple[Record, str]]) -> None:
        """Let records count, each with the part of this machine into which its worker has written it, if it has."""
        pairs = list(records)
        self.add_many(record for record, part in pairs if not (part and self._place.local))
        if self._place.local:
            self.confirm({part for _, part in pairs if part})

    def confirm(self, paths: Iterable[str]) -> None:
        """Make durable what workers have written to their parts: from then on it counts."""
        for path in paths:
            sync(path)
            if path not in self._synced:
                # A new file: its name must outlive the machine, too.
                sync_folder(os.path.dirname(path))
                self._synced.add(path)

    def tidy(self) -> None:
        """Put many small parts together, and take over what workers of a dead runner have left on this machine."""
        if not self._place.local:
            self._take_over()
            return
        keys = self._place.store.list(_FOLDER)
        if len(keys) < _MOST_PARTS:
            return
        notes = [as_line(kind, told) for kind, told in self.read() if kind not in ("record", "begun")]
        whole = Part(self.part_path(ulid()))
        whole.append(b"".join(notes))
        for record in self.records().values():
            whole.append(as_line("record", record))
        whole.close()
        self.confirm([whole.path])
        self._place.store.delete(keys)

    def _take_over(self) -> None:
        folder = os.path.join(self._place.folder, _FOLDER)
        names: Sequence[str] = sorted(os.listdir(folder)) if os.path.isdir(folder) else ()
        if not names:
            return
        known = self.index()
        paths = [os.path.join(folder, name) for name in names]
        left = [told for path in paths for _, told in told_by(lines_of(path), "record")]
        self.add_many(
            record
            for record in left
            if record.identity not in known or record.attempt > known[record.identity].attempt
        )
        for path in paths:
            os.unlink(path)

    def settle(self) -> None:
        """Remove what workers have written on this machine, once all of it is in a place elsewhere."""
        if not self._place.local:
            shutil.rmtree(os.path.join(self._place.folder, _FOLDER), ignore_errors=True)

    def close(self) -> None:
        """Write no more; a second time is fine."""
        if self._part is not None:
            self._part.close()
            self._part = None
