"""Roots that cannot be written, are no folders, or go away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.crash.disks import Disk, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.crash.zygote import Life, Zygote


def refusal(life: Life, folder: Path) -> str:
    """Give the one error of a program that starts and saves; it must be ours, and say where."""
    for order in (("open", "group", str(folder)), ("save", 99)):
        answer = life.ask(*order)
        assert answer is not None, "the program ended"
        if "error" in answer:
            assert answer["ours"], answer
            assert str(folder) in answer["text"], answer
            return str(answer["text"])
    message = "the program was not refused"
    raise AssertionError(message)


@pytest.mark.mounts
def test_a_read_only_root_is_told_and_loses_nothing(mounting: Zygote, folder: Path) -> None:
    """On a read-only file system there is one clear error; when it can be written again, all is there."""
    with Disk(mounting, folder, Kind("tmpfs", "size=4m")) as disk:
        mounting.restart("group", str(disk.place), 1)
        disk.hand.do("run", "mount", "-o", "remount,ro", str(disk.place))
        with mounting.start() as life:
            assert "read-only" in refusal(life, disk.place)
        disk.hand.do("run", "mount", "-o", "remount,rw", str(disk.place))

        assert mounting.restart("group", str(disk.place), 2) == 1


@pytest.mark.parametrize(
    "where", ["store", "store/job", "store/job/rank-00000", "store/job/rank-00000/checkpoints"]
)
def test_a_file_where_a_folder_must_be_is_told_and_stays(zygote: Zygote, folder: Path, where: str) -> None:
    """A file in the place of the root, or of a folder in it, is one clear error, and is left as it is."""
    path = folder / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("somebody's file")
    with zygote.start() as life:
        refusal(life, folder)

    assert path.read_text() == "somebody's file"
    path.unlink()
    assert zygote.restart("group", str(folder), 1) is None


def test_a_root_that_was_removed_is_made_again(zygote: Zygote, folder: Path) -> None:
    """When the store is taken away, the next save stores everything anew, also what has not changed since."""
    with zygote.start() as life:
        life.do("open", "group", str(folder))
        life.do("load")
        life.do("save", 1)
        life.do("remove", str(folder / "store"))
        answer = life.ask("save", 2)
        assert answer is not None
        assert "done" in answer or answer["ours"], answer
        life.do("save", 3)

    assert zygote.restart("group", str(folder), 4) == 3


@pytest.mark.parametrize("part", ["checkpoints", "packs", "lease.json"])
def test_a_part_of_the_store_that_was_removed_is_made_again(zygote: Zygote, folder: Path, part: str) -> None:
    """When a part of the store is taken away, the next save stores what is missing anew."""
    with zygote.start() as life:
        life.do("open", "group", str(folder))
        life.do("load")
        life.do("save", 1)
        life.do("remove", str(folder / "store" / "job" / "rank-00000" / part))
        answer = life.ask("save", 2)
        assert answer is not None
        assert "done" in answer or answer["ours"], answer
        life.do("save", 3)

    assert zygote.restart("group", str(folder), 4) == 3


def test_a_root_whose_parent_was_removed_is_told(zygote: Zygote, folder: Path) -> None:
    """When the folder that holds the store is gone, that is one clear error; with it back, a save succeeds."""
    place = folder / "place"
    place.mkdir()
    with zygote.start() as life:
        life.do("open", "group", str(place))
        life.do("load")
        life.do("save", 1)
        life.do("remove", str(place))
        answer = life.ask("save", 2)
        assert answer is not None
        assert answer.get("ours"), answer
        assert str(place) in answer["text"]
        place.mkdir()
        life.do("save", 3)

    assert zygote.restart("group", str(place), 4) == 3
