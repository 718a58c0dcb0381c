"""A fault at every system call of a start and a save, one after the other, and a restart after each."""

from __future__ import annotations

import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.crash.strace import Strace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.crash.zygote import Life, Zygote

__all__ = ["ERRORS", "Matrix", "Tally"]

# More calls of one name than any save makes: what goes on for longer never ends.
_MOST = 2000

_WRITES = "write|pwrite64|writev|pwritev2?|sendfile|copy_file_range|ftruncate|fallocate"
_SYNCS = "fsync|fdatasync|sync_file_range|syncfs"
_RENAMES = "rename|renameat2?|link|linkat"
_VITAL = re.compile(f"^[0-9]+ +({_WRITES}|{_SYNCS}|{_RENAMES})\\(.*(/packs|/checkpoints|/number)")
# Which errors each call gets; every one can come from a real disk, file system or network folder.
ERRORS = {
    _WRITES: ("EIO", "ENOSPC"),
    _SYNCS: ("EIO", "ENOSPC"),
    _RENAMES: ("EIO", "ENOSPC"),
    "open|openat|openat2": ("EIO", "ENOSPC", "EACCES", "EMFILE"),
    "mkdir|mkdirat": ("EIO", "ENOSPC"),
    "unlink|unlinkat|rmdir": ("EIO", "EACCES"),
    "read|pread64|preadv2?|getdents64|newfstatat|fstat|statx|flock|fcntl|lseek|fchmod|fchmodat|close": ("EIO",),
}


@dataclass
class Tally:
    """Which calls were hit, and what was wrong after some of them."""

    hits: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    refused: int = 0

    def check(self, *needed: str) -> None:
        """Fail on a violation, and when no call of a needed kind was hit at all."""
        assert not self.violations, f"{len(self.violations)} violations:\n" + "\n".join(self.violations[:20])
        for kind in needed:
            assert any(re.fullmatch(kind, name) for name in self.hits), f"no {kind} was hit: {self.hits}"


class Matrix:
    """One keeper in one folder, and the faults that it is put through.

    With ``fresh`` every program begins in a new folder; without, in one that has seen enough saves that old
    checkpoints are deleted at each.
    """

    def __init__(
        self, zygote: Zygote, folder: Path, keeper: str, *, fresh: bool = False, log: Path | None = None
    ) -> None:
        self.zygote = zygote
        self.keeper = keeper
        self.fresh = fresh
        self.folder = folder / "settled"
        self.log = log or folder / "strace.log"
        self.number = 0
        self.tally = Tally()
        self.after_kill: Callable[[], None] | None = None
        self.folder.mkdir()
        for _ in range(0 if fresh else 5):
            self.zygote.restart(keeper, str(self.folder), self._next())

    def kill(self, only: str = ".*") -> Tally:
        """Kill a program at every system call, before the call is made."""
        for name in self._names(only):
            for when in range(1, _MOST):
                if not self._killed_at(name, when):
                    break
                self.tally.hits[name] += 1
        return self.tally

    def errors(self, only: str = ".*") -> Tally:
        """Let every system call fail, with each of the errors that it can have."""
        for name in self._names(only):
            for codes in (codes for kind, codes in ERRORS.items() if re.fullmatch(kind, name)):
                for code in codes:
                    self._error_everywhere(name, code)
        return self.tally

    def _error_everywhere(self, name: str, code: str) -> None:
        for when in range(1, _MOST):
            # Once to see what a restart finds after it, once to see that the program itself can go on.
            if not self._failed_at(name, code, when, goes_on=False):
                return
            self._failed_at(name, code, when, goes_on=True)
            self.tally.hits[name] += 1

    def _names(self, only: str) -> list[str]:
        """Count the calls of a save that nothing happens to."""
        old = self._begin()
        with self.zygote.start() as life:
            with Strace(life, self.log) as traced:
                self._live(life)
                calls = traced
            names = sorted(calls.calls())
        self._restart("nothing", old, self.number, must=self.number)
        return [name for name in names if re.fullmatch(only, name)]

    def _killed_at(self, name: str, when: int) -> bool:
        old = self._begin()
        with self.zygote.start() as life:
            with Strace(life, self.log, call=name, fault="signal=KILL", when=when):
                said = self._live(life)
            killed = life.end() == signal.SIGKILL
        if self.after_kill is not None:
            self.after_kill()
        saved = self.number if said and "done" in said[-1] and len(said) == 3 else None
        self._restart(f"killed at {name} {when}", old, self.number, must=saved)
        return killed

    def _failed_at(self, name: str, code: str, when: int, *, goes_on: bool) -> bool:
        old = self._begin()
        point = f"{code} at {name} {when}"
        with self.zygote.start() as life:
            with Strace(life, self.log, call=name, fault=f"error={code}", when=when) as traced:
                said = self._live(life)
                injected = traced
            hit = injected.hit()
            point += f" [{hit}]"
            if len(said) < 3 and "done" in said[-1]:
                self.tally.violations.append(f"{point}: the program ended")
            failed = [answer for answer in said if "error" in answer]
            self._judge(point, hit, failed)
            saved = self.number if not failed else None
            if goes_on and hit:
                saved = self._go_on(point, life, said, failed)
        self._restart(point, old, self.number, must=saved)
        return bool(hit)

    def _judge(self, point: str, hit: str, failed: list[dict[str, Any]]) -> None:
        self.tally.refused += bool(failed)
        for answer in failed:
            if not answer["ours"]:
                self.tally.violations.append(f"{point}: {answer['error']}: {answer['text']}")
            elif str(self.folder) not in answer["text"]:
                self.tally.violations.append(f"{point}: does not say where: {answer['text']}")
        if _VITAL.match(hit) and not failed:
            self.tally.violations.append(f"{point}: taken for saved")

    def _go_on(self, point: str, life: Life, said: list[dict[str, Any]], failed: list[dict[str, Any]]) -> int | None:
        """Let the same program save once more; the fault is over."""
        if failed and said[0] is failed[0]:
            return None  # It has no group: what it can do is start again, and that is what comes next.
        self._next()
        answer = life.ask("save", self.number) or {"error": "ended", "text": ""}
        if "error" in answer:
            self.tally.violations.append(f"{point}: then {answer['error']}: {answer['text']}")
            return None
        return self.number

    def _live(self, life: Life) -> list[dict[str, Any]]:
        """Open, load and save; give the answers, up to the first error or the end of the program."""
        said: list[dict[str, Any]] = []
        orders: list[tuple[object, ...]] = [("open", self.keeper, str(self.folder)), ("load",), ("save", self.number)]
        for order in orders:
            answer = life.ask(*order)
            if answer is None:
                break
            said.append(answer)
            if "error" in answer and order[0] == "open":
                break
        return said

    def _begin(self) -> int | None:
        """Give what is kept now; the program to come saves the next number."""
        if self.fresh:
            self.folder = self.folder.with_name(f"fresh-{self.number}")
            self.folder.mkdir()
        old = None if self.fresh else self.number
        self._next()
        return old

    def _restart(self, point: str, old: int | None, new: int, *, must: int | None) -> None:
        """Start the program again: it finds the old or the new, and what it must find; and it can save."""
        with self.zygote.start() as life:
            try:
                life.do("open", self.keeper, str(self.folder))
                found = life.do("load")
                if found not in ({must} if must is not None else {old, *self._tried(old, new)}):
                    self.tally.violations.append(f"{point}: found {found}, kept {old}, saved {must} of {new}")
                life.do("save", self._next())
                life.do("close")
            except AssertionError as error:
                self.tally.violations.append(f"{point}: restart: {error}")

    def _tried(self, old: int | None, new: int) -> Iterator[int]:
        return iter(range((old or new - 1) + 1, new + 1))

    def _next(self) -> int:
        self.number += 1
        return self.number
