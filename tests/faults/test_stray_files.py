"""What does not belong in a store is left alone, and hides nothing that does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import LatticeError, StoreError
from tests.faults.test_bad_input import group_in

if TYPE_CHECKING:
    from pathlib import Path


def test_garbage_in_the_store_is_not_in_the_way(tmp_path: Path) -> None:
    """Foreign files and folders beside checkpoints are left alone."""
    folder = tmp_path / "job" / "rank-00000" / "checkpoints"
    for name in ("notes.txt", "latest.json", "000000000001.json.bak", "-5.json"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    (tmp_path / "job" / "rank-x").mkdir()
    group = group_in(tmp_path)
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()

    group = group_in(tmp_path)
    group.register("n")
    assert group.get("n") == 1
    group.close()
    assert (folder / "notes.txt").exists()


def test_a_stray_file_with_the_last_number_of_twelve_digits_stops_no_save(tmp_path: Path) -> None:
    """Numbers go on behind it, and every later session finds what the one before has saved."""
    for n in range(4):
        group = group_in(tmp_path)
        group.register("n")
        assert group.get("n") == (n - 1 if n else None)
        group.update("n", n)
        group.save()
        group.close()
        if n == 0:
            (tmp_path / "job" / "rank-00000" / "checkpoints" / "999999999999.json").write_text("nonsense")


def test_a_stray_file_with_the_last_number_of_all_is_told(tmp_path: Path) -> None:
    """Nothing is taken for saved, and when the file is away the next save succeeds."""
    group = group_in(tmp_path)
    group.register("n")
    group.update("n", 1)
    group.save()
    stray = tmp_path / "job" / "rank-00000" / "checkpoints" / f"{10**18 - 1}.json"
    stray.write_text("nonsense")
    with pytest.raises(StoreError, match="last number"):
        group.save()
    group.close()

    stray.unlink()
    group = group_in(tmp_path)
    group.register("n")
    assert group.get("n") == 1
    assert group.save() is not None
    group.close()


def test_when_every_checkpoint_is_damaged_the_program_is_told(tmp_path: Path) -> None:
    """It does not begin afresh in silence where there was something."""
    group = group_in(tmp_path)
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    for manifest in tmp_path.rglob("checkpoints/*.json"):
        manifest.write_text(json.dumps({"format": 1}))

    with pytest.raises(LatticeError, match="checkpoint"):
        group_in(tmp_path)
