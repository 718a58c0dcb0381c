"""Kills and errors at every system call of a start and a save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash import strace
from tests.faults.crash.matrix import Matrix

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Zygote

pytestmark = pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not() or "strace works")

WRITES = "p?write(v|64|v2)?"


@pytest.mark.parametrize("fresh", [False, True], ids=["later save", "first save"])
def test_a_kill_at_any_call_leaves_old_or_new(zygote: Zygote, folder: Path, fresh: bool) -> None:
    """Killed at any system call, the program finds the old or the new at its restart, whole, and saves again."""
    tally = Matrix(zygote, folder, "group", fresh=fresh).kill()

    tally.check("openat", WRITES, "f(data)?sync", "(rename|link)(at2?)?", "unlink(at)?", "mkdir(at)?" if fresh else "close")


@pytest.mark.parametrize("fresh", [False, True], ids=["later save", "first save"])
@pytest.mark.parametrize("calls", ["p?write.*|ftruncate|fallocate", "f.*sync", "rename.*|link.*|mkdir.*|unlink.*", "open.*"])
def test_an_error_at_any_call_is_told_and_loses_nothing(zygote: Zygote, folder: Path, calls: str, fresh: bool) -> None:
    """EIO, ENOSPC and others, at any call that can have them, are one error of ours; the next save succeeds."""
    tally = Matrix(zygote, folder, "group", fresh=fresh).errors(calls)

    tally.check(calls)
    assert tally.refused


@pytest.mark.parametrize("fresh", [False, True], ids=["later save", "first save"])
def test_an_error_while_reading_is_told_and_loses_nothing(zygote: Zygote, folder: Path, fresh: bool) -> None:
    """A disk that fails to read, or a call that cannot fail and does, loses nothing either."""
    calls = "p?read.*|getdents64|newfstatat|f?stat.*|flock|fcntl|lseek|fchmod.*|close"
    tally = Matrix(zygote, folder, "group", fresh=fresh).errors(calls)

    tally.check("newfstatat|fstat|statx")
