"""What files, texts and the cells of a notebook declare, all of it free of contradictions."""

from __future__ import annotations

import linecache
import threading
from typing import TYPE_CHECKING, Any

from ._declared import Declared, declared
from ._occurrence import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from ._facts import Facts
    from ._occurrence import Occurrence

__all__ = ["Declarations"]


class Declarations:
    """The hyper-parameters that one manager knows of; changed under a lock, in one step, and read without."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: Mapping[str, Facts] = {}
        self._cells: Mapping[str, Occurrence] = {}
        self.known: Mapping[str, Declared] = {}
        self._ran: dict[str, tuple[str, int]] = {}

    def learn(self, found: Mapping[str, Facts]) -> None:
        """Take what files say, each in place of what it said before; an error leaves everything as it is."""
        problems = [problem for facts in found.values() for problem in facts.problems]
        with self._lock:
            self._take({**self._files, **found}, self._cells, problems)

    def declare(self, occurrence: Occurrence) -> None:
        """Take what a cell of a notebook says, in place of what another said of this name."""
        with self._lock:
            before = self._cells.get(occurrence.name)
            if before is None or before != occurrence or not _is(before.value, occurrence.value):
                self._take(self._files, {**self._cells, occurrence.name: occurrence}, [])

    def value(self, name: str) -> Any:  # noqa: ANN401 - of any type
        """Give a default's value, `MISSING` where there is none."""
        known = self.known.get(name)
        return MISSING if known is None else known.value

    def occurrences(self) -> list[Occurrence]:
        """Give all there are."""
        return [each for known in self.known.values() for each in known.occurrences]

    def ran(self, name: str, frame: FrameType) -> None:
        """Remember where a call stands that gave a name its first value, and that nobody has parsed."""
        self._ran[name] = frame.f_code.co_filename, frame.f_lineno

    def places(self) -> dict[str, tuple[str, int, str]]:
        """Give the file and the line at which each is declared, and the text of that line; raises nothing."""
        found = {
            name: (path, line, linecache.getline(path, line))
            for name, (path, line) in list(self._ran.items())
        }
        for name, known in list(self.known.items()):
            each = known.default or (known.occurrences[0] if known.occurrences else None)
            if each is not None:
                found[name] = each.place.rpartition(":")[0], each.line, dict(each.context).get(each.line, "")
        return {name: (path, line, text.strip()) for name, (path, line, text) in found.items()}

    def _take(self, files: Mapping[str, Facts], cells: Mapping[str, Occurrence], problems: list[Any]) -> None:
        every = (each for facts in files.values() for each in facts.occurrences)
        known, contradictions = declared(every, cells)
        problems += contradictions
        if problems:
            raise problems[0].error(len(problems) - 1)
        self._files, self._cells, self.known = files, cells, known


def _is(one: object, other: object) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)
