"""Writes that take only half of what they were given, and then go on, fail, or are the program's last."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]

SHORT, KILL, FULL = 1, 2, 3


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Give a warm process in whose programs a write can be torn."""
    library = tmp_path_factory.mktemp("tear") / "tear.so"
    source = Path(__file__).with_name("tear.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    warm = Zygote(preload=str(library))
    yield warm
    warm.close()


def tear_each(zygote: Zygote, folder: Path, keeper: str, mode: int) -> tuple[int, list[str]]:
    """Tear every write of a start and a save, one after the other; give how many there were and what was wrong."""
    place, violations, old = str(folder), [], 1
    for _ in range(5):
        zygote.restart(keeper, place, old)
    for call in range(1, 500):
        with zygote.start() as life:
            life.do("arm", call, mode)
            said = [life.ask("open", keeper, place)]
            if said[0] is not None and "done" in said[0]:
                said += [life.ask("load"), life.ask("save", old + 1)]
            torn = said[-1] is None or life.do("torn") >= call
            errors = [answer for answer in said if answer is not None and "error" in answer]
            if torn and (mode == KILL) != (said[-1] is None):
                violations.append(f"{call}: the program said {said}")
            violations += [f"{call}: {answer}" for answer in errors if mode != FULL or not answer["ours"]]
            if mode == FULL and not errors and torn:
                violations.append(f"{call}: taken for saved")
            saved = len(said) == 3 and said[-1] is not None and "done" in said[-1]
        try:
            found = zygote.restart(keeper, place, old + 2)
        except AssertionError as error:
            return call, [*violations, f"{call}: restart: {error}"]
        if found not in ({old + 1} if saved else {old, old + 1}):
            violations.append(f"{call}: found {found} after {old} and {said[-1]}")
        old += 2
        if not torn:
            return call - 1, violations
    message = "a save with 500 writes does not end"
    raise AssertionError(message)


def test_short_writes_find_a_program_that_takes_them_for_whole(zygote: Zygote, folder: Path) -> None:
    """The shim works: a program that does not look at what write() says is found."""
    assert tear_each(zygote, folder, "takes short for whole", SHORT)[1]


def test_torn_writes_find_a_program_that_writes_in_place(zygote: Zygote, folder: Path) -> None:
    """The shim works: a program that dies in the middle of its only copy is found."""
    assert tear_each(zygote, folder, "in place", KILL)[1]


@pytest.mark.parametrize("mode", [SHORT, KILL], ids=["short", "killed"])
def test_torn_writes_leave_a_safe_program_alone(zygote: Zygote, folder: Path, mode: int) -> None:
    """The shim finds nothing in a program that does all that is right."""
    assert tear_each(zygote, folder, "safe", mode) == (1, [])


def test_a_short_write_is_gone_on_with(zygote: Zygote, folder: Path) -> None:
    """Wherever the system takes only half of a write, the rest follows, and the save is whole."""
    count, violations = tear_each(zygote, folder, "group", SHORT)

    assert not violations
    assert count >= 2


def test_a_kill_within_a_write_leaves_old_or_new(zygote: Zygote, folder: Path) -> None:
    """Killed when half of a write is on the disk, the program finds old or new, and saves again."""
    count, violations = tear_each(zygote, folder, "group", KILL)

    assert not violations
    assert count >= 2


def test_a_disk_that_fills_within_a_write_is_told(zygote: Zygote, folder: Path) -> None:
    """A write that fails half done is one error of ours, and what was there before is whole."""
    count, violations = tear_each(zygote, folder, "group", FULL)

    assert not violations
    assert count >= 2
