"""Kills and errors at every system call of a start and a save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.matrix import Matrix
from tests.faults.injection import no_strace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Zygote

pytestmark = [
    pytest.mark.skipif(bool(no_strace()), reason=no_strace() or "strace works"),
]

WRITES = "p?write(v|64|v2)?"
# A first save makes folders, a later one deletes old checkpoints; a start writes, too: the lease.
CASES = [("save", True), ("save", False), ("open", True), ("open", False)]
NAMES = ["first save", "later save", "first start", "later start"]
each_case = pytest.mark.parametrize(("step", "fresh"), CASES, ids=NAMES)


@each_case
def test_a_kill_at_any_call_leaves_old_or_new(zygote: Zygote, folder: Path, step: str, fresh: bool) -> None:
    """Killed at any system call, the program finds the old or the new at its restart, whole, and saves again."""
    # A start reads much more than it writes, and between two calls that only read nothing is different.
    only = (
        ".*" if step == "save" else "(open|mkdir|unlink|rename|link)(at2?)?|p?write.*|f.*sync|flock|fchmod.*"
    )
    tally = Matrix(zygote, folder, "group", step=step, fresh=fresh).kill(only)

    tally.check(
        "openat", WRITES, "f(data)?sync", "(rename|link)(at2?)?", "mkdir(at)?" if fresh else "unlink(at)?"
    )


@pytest.mark.parametrize("keeper", ["large", "in the background", "streamed"])
def test_a_kill_while_threads_write_leaves_old_or_new(zygote: Zygote, folder: Path, keeper: str) -> None:
    """Also where blocks are written directly to the disk, out of order, and after they were copied."""
    tally = Matrix(zygote, folder, keeper, step="save").kill("p?write.*|f.*sync|(rename|link)(at2?)?")

    tally.check("pwrite64", "f(data)?sync", "(rename|link)(at2?)?")


def test_a_kill_while_packs_are_rewritten_leaves_old_or_new(zygote: Zygote, folder: Path) -> None:
    """Also between the save and the moment when the old checkpoint and its pack are gone."""
    tally = Matrix(zygote, folder, "rewriting", step="save").kill(
        "p?write.*|f.*sync|(open|rename|link|unlink)(at2?)?"
    )

    tally.check("pwrite64", "f(data)?sync", "(rename|link)(at2?)?", "unlink(at)?")


@pytest.mark.parametrize("keeper", ["large", "in the background"])
def test_an_error_while_threads_write_is_told_and_loses_nothing(
    zygote: Zygote, folder: Path, keeper: str
) -> None:
    """EIO and ENOSPC in a thread that writes are the save's error, and the next save succeeds."""
    tally = Matrix(zygote, folder, keeper, step="save").errors("p?write.*|f.*sync")

    tally.check("pwrite64", "f(data)?sync")
    assert tally.refused


@each_case
@pytest.mark.parametrize(
    "calls", ["p?write.*|f.*sync|ftruncate|fallocate|rename.*|link.*|mkdir.*|unlink.*", "open.*"]
)
def test_an_error_at_any_call_is_told_and_loses_nothing(
    zygote: Zygote, folder: Path, step: str, fresh: bool, calls: str
) -> None:
    """EIO, ENOSPC and others, at any call that can have them, are one error of ours; the next save succeeds."""
    tally = Matrix(zygote, folder, "group", step=step, fresh=fresh).errors(calls)

    tally.check(*(["open.*"] if calls == "open.*" else [WRITES, "f(data)?sync", "(rename|link).*"]))
    assert tally.refused


@pytest.mark.parametrize("step", ["open", "load", "save"])
def test_an_error_while_reading_is_told_and_loses_nothing(zygote: Zygote, folder: Path, step: str) -> None:
    """A disk that cannot be read, and a close that fails, lose nothing either."""
    calls = "p?read.*|getdents64|newfstatat|f?stat.*|flock|fcntl|fchmod.*|close"
    tally = Matrix(zygote, folder, "group", step=step).errors(calls)

    tally.check("p?read.*")
    assert tally.refused
