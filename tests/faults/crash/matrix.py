"""A fault at every system call of a start or a save, one after the other, and a restart after each."""

from __future__ import annotations

import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.crash.strace import Strace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.crash.zygote import Life, Zygote

    Answers = list[dict[str, Any]]

__all__ = ["ERRORS", "Matrix", "Tally"]

# More calls of one name than any save makes: what goes on for longer never ends.
_MOST = 2000

_WRITES = "write|pwrite64|writev|pwritev2?|sendfile|copy_file_range|ftruncate|fallocate"
_SYNCS = "fsync|fdatasync|sync_file_range|syncfs"
_RENAMES = "rename|renameat2?|link|linkat|mkdir|mkdirat"
# Which errors calls get; every one can come from a real disk, file system or network folder.
_CHANGES = re.compile(f"{_WRITES}|{_SYNCS}|{_RENAMES}")
ERRORS = {
    _CHANGES: ("EIO", "ENOSPC"),
    re.compile("open|openat2?"): ("EIO", "ENOSPC", "EACCES", "EMFILE"),
    re.compile("unlink|unlinkat|rmdir"): ("EIO", "EACCES"),
    re.compile("read|pread64|preadv2?|getdents64|newfstatat|fstat|statx|flock|fcntl|fchmod|fchmodat|close"): (
        "EIO",
    ),
}


@dataclass
class Tally:
    """Which calls were hit, and what was wrong after some of them."""

    hits: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    refused: int = 0

    def check(self, *needed: str) -> None:
        """Fail on a violation, and when no call of a needed kind was hit at all."""
        assert not self.violations, f"{len(self.violations)} violations:\n" + "\n".join(self.violations[:40])
        for kind in needed:
            assert any(re.fullmatch(kind, name) for name in self.hits), f"no {kind} was hit: {self.hits}"


class Matrix:
    """One keeper in one folder, and the faults that it is put through in one of its steps.

    The ``step`` is ``open``, ``load`` or ``save``: what a program does one after the other. With ``fresh`` every
    program begins in a new folder; without, in one that has seen enough saves that old ones are deleted at each.
    """

    def __init__(self, zygote: Zygote, folder: Path, keeper: str, *, step: str, fresh: bool = False) -> None:
        self.zygote = zygote
        self.keeper = keeper
        self.step = step
        self.fresh = fresh
        self.folder = folder / "settled"
        # Beside the folder: that may be on a disk which only the programs see.
        self.log = folder.with_name(f"{folder.name}.strace")
        self.number = 0
        self.tally = Tally()
        self.after_kill: Callable[[], None] | None = None
        self._make_folder()
        for _ in range(0 if fresh else 5):
            self.zygote.restart(keeper, str(self.folder), self._next())

    def kill(self, only: str = ".*") -> Tally:
        """Kill a program at every system call of the step, before the call is made."""
        for name in self._names(only):
            for when in range(1, _MOST):
                if not self._killed_at(name, when):
                    break
                self.tally.hits[name] += 1
        return self.tally

    def errors(self, only: str = ".*") -> Tally:
        """Let every system call of the step fail that matches, with errors that it can have."""
        for name in self._names(only):
            for kind, codes in ERRORS.items():
                if kind.fullmatch(name):
                    self._errors_of(name, codes)
        return self.tally

    def _errors_of(self, name: str, codes: tuple[str, ...]) -> None:
        """Let each call fail, to see what a restart finds, or that the program itself can go on.

        Writes, fsyncs and renames get both errors, each with one of the two ends; at the hundreds of calls that
        change nothing, the errors and the ends take turns.
        """
        for when in range(1, _MOST):
            turn, code = divmod(when, len(codes))
            if not self._failed_at(name, codes[code], when, goes_on=turn % 2 == 1):
                return
            if _CHANGES.fullmatch(name):
                self._failed_at(name, codes[1 - code], when, goes_on=turn % 2 == 0)
            self.tally.hits[name] += 1

    def _names(self, only: str) -> list[str]:
        """Give the names of the calls of a step that nothing happens to."""
        old = self._begin()
        with self.zygote.start() as life:
            traced = Strace(life, self.log)
            self._live(life, traced)
            names = sorted(traced.calls())
        self._restart("nothing", old, self.number, must=self.number)
        return [name for name in names if re.fullmatch(only, name)]

    def _killed_at(self, name: str, when: int) -> bool:
        old = self._begin()
        with self.zygote.start() as life:
            said = self._live(life, Strace(life, self.log, call=name, fault="signal=KILL", when=when))
            killed = life.end() == signal.SIGKILL
        if self.after_kill is not None:
            self.after_kill()
        saved = self.number if len(said) == 3 and "done" in said[-1] else None
        self._restart(f"killed at {name} {when}", old, self.number, must=saved)
        return killed

    def _failed_at(self, name: str, code: str, when: int, *, goes_on: bool) -> bool:
        old = self._begin()
        with self.zygote.start() as life:
            traced = Strace(life, self.log, call=name, fault=f"error={code}", when=when)
            said = self._live(life, traced)
            hit = traced.hit()
            point = f"{code} at {name} {when} of {self.step} [{hit}]"
            failed = [answer for answer in said if "error" in answer]
            if len(said) < 3 and not failed:
                self.tally.violations.append(f"{point}: the program ended")
            self._judge(point, hit, failed)
            if traced.unsynced() and not failed:
                self.tally.violations.append(f"{point}: taken for saved")
            saved = self.number if not failed else None
            if goes_on and hit:
                saved = self._go_on(point, life)
        self._restart(point, old, self.number, must=saved)
        return bool(hit)

    def _judge(self, point: str, hit: str, failed: Answers) -> None:
        self.tally.refused += bool(failed)
        for answer in failed:
            if not answer["ours"]:
                self.tally.violations.append(f"{point}: {answer['error']}: {answer['text']} {answer['at']}")
            elif str(self.folder) not in answer["text"] and "/proc/" not in hit:
                self.tally.violations.append(f"{point}: does not say where: {answer['text']}")

    def _go_on(self, point: str, life: Life) -> int | None:
        """Let the same program save once more (start once more, if it could not); the fault is over."""
        self._next()
        orders: list[tuple[object, ...]] = [("save", self.number)]
        if not life.do("opened"):
            orders = [("open", self.keeper, str(self.folder)), ("load",), *orders]
        for order in orders:
            answer = life.ask(*order) or {"error": "ended", "text": ""}
            if "error" in answer:
                self.tally.violations.append(f"{point}: then {answer['error']}: {answer['text']}")
                return None
        return self.number

    def _live(self, life: Life, traced: Strace) -> Answers:
        """Open, load and save, one of them traced; give the answers, up to the end of the program."""
        said: Answers = []
        orders: list[tuple[object, ...]] = [
            ("open", self.keeper, str(self.folder)),
            ("load",),
            ("save", self.number),
        ]
        for order in orders:
            if order[0] == self.step:
                with traced:
                    answer = life.ask(*order)
            else:
                answer = life.ask(*order)
            if answer is None:
                break
            said.append(answer)
            if "error" in answer and order[0] == "open":
                break
        return said

    def _begin(self) -> int | None:
        """Give what is kept now; the program to come saves the next number."""
        old = None if self.fresh else self.number
        if self.fresh:
            self.folder = self.folder.with_name(f"fresh-{self.number}")
            self._make_folder()
        self._next()
        return old

    def _make_folder(self) -> None:
        # By a program of theirs: the folder may be on a disk that only they see.
        self.zygote.hand.do("make", str(self.folder))

    def _restart(self, point: str, old: int | None, new: int, *, must: int | None) -> None:
        """Start the program again: it finds the old or the new, and what it must find; and it can save."""
        first = new if old is None else old + 1
        allowed = {must} if must is not None else {old, *range(first, new + 1)}
        with self.zygote.start() as life:
            try:
                life.do("open", self.keeper, str(self.folder))
                found = life.do("load")
                if found not in allowed:
                    self.tally.violations.append(f"{point}: found {found}, allowed {allowed}")
                life.do("save", self._next())
                life.do("close")
            except AssertionError as error:
                self.tally.violations.append(f"{point}: restart: {error}")

    def _next(self) -> int:
        self.number += 1
        return self.number
