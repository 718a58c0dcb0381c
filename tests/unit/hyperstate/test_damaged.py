"""Of a damaged checkpoint nothing is used, and what others put beside checkpoints is passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DamagedError
from lattice_addons.hyperstate import _sound
from tests.unit.hyperstate.runs import damage, load, packs, stepped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_JOB_ID", "run")


def test_a_damaged_blob_is_named_and_the_checkpoint_before_it_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it: no mixture of two instants. It stays the newest for all that come."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0)
    run.close()
    damage(packs(tmp_path)[-1])
    again = load(tmp_path)
    assert (again.state.step, again.state.weights.get()[0]) == (1, 1.0)
    assert "blob.weights" in caplog.text
    assert "went back from checkpoint 2 to 1" in caplog.text
    stepped(again, 5.0)
    again.close()
    last = load(tmp_path)
    assert (last.state.step, last.state.weights.get()[0]) == (2, 5.0)
    last.close()


def test_a_large_blob_found_damaged_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run cannot go on with half of an instant; started again, it carries on from the one before."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0)
    run.close()
    damage(packs(tmp_path)[-1])
    monkeypatch.setattr(_sound, "_AT_ONCE", 0)
    again = load(tmp_path)
    assert again.state.step == 2
    with pytest.raises(DamagedError, match=r"'weights' of checkpoint 2 .* carries on from checkpoint 1"):
        again.state.weights.get()
    last = load(tmp_path)
    assert (last.state.step, last.state.weights.get()[0]) == (1, 1.0)
    last.close()


def test_every_checkpoint_damaged(tmp_path: Path) -> None:
    """There is no beginning anew where something was."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0)
    run.close()
    for pack in packs(tmp_path):
        damage(pack)
    with pytest.raises(DamagedError, match="weights"):
        load(tmp_path)


def test_foreign_folders_and_unfinished_checkpoints(tmp_path: Path) -> None:
    """What others put into the folder of checkpoints is passed over, and so is what a crash left there."""
    run = load(tmp_path)
    stepped(run, 1.0)
    run.close()
    root = tmp_path / "checkpoints"
    (root / "step-000000000099" / "state").mkdir(parents=True)
    rank = root / "run" / "rank-00000"
    (rank / "checkpoints" / "latest").mkdir()
    (rank / "checkpoints" / "01ARZ3NDEKTSV4RRFFQ69G5FAV.tmp").write_text("{")
    (rank / "requests").mkdir()
    (rank / "requests" / "notes.txt").write_text("not a request")
    again = load(tmp_path)
    assert again.state.step == 1
    stepped(again, 2.0)
    again.close()
