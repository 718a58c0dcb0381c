"""Disks that are full, or become full in the middle of a save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash import disks
from tests.faults.crash.disks import SMALL, Disk, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.crash.zygote import Life, Zygote

pytestmark = pytest.mark.mounts

KIB = 1024
# From nothing at all to more than a save needs, so that each step of a save is the one for which there is no room.
ROOM = [0, 1 * KIB, 4 * KIB, 8 * KIB, 12 * KIB, 16 * KIB, *range(32 * KIB, 400 * KIB, 48 * KIB)]


@pytest.fixture(params=SMALL)
def disk(mounting: Zygote, folder: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Give a small file system."""
    if why := disks.why_not(SMALL[request.param].system):
        pytest.skip(why)
    with Disk(mounting, folder, SMALL[request.param]) as ready:
        yield ready


def begin(mounting: Zygote, place: str) -> Life:
    """Start a program that has saved the numbers 1 to 4."""
    life = mounting.start()
    life.do("open", "group", place)
    life.do("load")
    for number in range(1, 5):
        life.do("save", number)
    return life


def refused(answer: dict[str, object] | None) -> bool:
    """Tell whether there was an error; it must be one of ours that says what is the matter."""
    assert answer is not None, "the program ended"
    if "error" not in answer:
        return False
    assert answer["ours"], answer
    assert "full" in str(answer["text"]), answer
    return True


def test_a_save_on_a_full_disk_is_told_and_the_next_succeeds(mounting: Zygote, disk: Disk) -> None:
    """However little room there is, a save succeeds or says that the disk is full; with room again, it succeeds."""
    place, ballast, number, outcomes = str(disk.place), str(disk.place / "ballast"), 4, []
    with begin(mounting, place) as life:
        for room in ROOM:
            disk.hand.do("fill", ballast, room)
            outcomes.append(refused(life.ask("save", number + 1)))
            disk.hand.do("remove", ballast)
            number += 2
            assert life.do("save", number) == number
    assert mounting.restart("group", place, number + 1) == number
    assert outcomes[0]
    assert not outcomes[-1]


@pytest.mark.parametrize("room", ROOM[:8])
def test_a_full_disk_loses_no_older_save(mounting: Zygote, disk: Disk, room: int) -> None:
    """After a save that failed on a full disk, and a start on it, what was saved before is there."""
    place, ballast = str(disk.place), str(disk.place / "ballast")
    with begin(mounting, place) as life:
        disk.hand.do("fill", ballast, room)
        failed = refused(life.ask("save", 5))
    with mounting.start() as life:
        if not refused(life.ask("open", "group", place)):
            assert life.do("load") == (4 if failed else 5)
    disk.hand.do("remove", ballast)

    assert mounting.restart("group", place, 9) == (4 if failed else 5)


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_disk_without_inodes_loses_nothing(mounting: Zygote, folder: Path, left: int) -> None:
    """Where no more files can be made, a save fails in one clear error; older ones stay, the next succeeds."""
    with Disk(mounting, folder, Kind("tmpfs", "size=4m,nr_inodes=60")) as disk:
        place, crowd = str(disk.place), str(disk.place / "crowd")
        with begin(mounting, place) as life:
            disk.hand.do("crowd", crowd, left)
            failed = refused(life.ask("save", 5))
        with mounting.start() as life:
            if not refused(life.ask("open", "group", place)):
                assert life.do("load") == (4 if failed else 5)
        disk.hand.do("remove", crowd)

        assert mounting.restart("group", place, 9) == (4 if failed else 5)
        assert failed or left
