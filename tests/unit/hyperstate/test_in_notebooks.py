"""In a notebook's cell that is run again, a HyperState is loaded again; what it shows reads nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import HyperStateError, LeaseHeldError
from tests.unit.hyperstate.runs import load

if TYPE_CHECKING:
    from pathlib import Path

CELL = """
from lattice_addons.hyperstate import HyperState
from tests.unit.hyperstate.runs import Config, State
run = HyperState.load(Config, State, lambda config: State(), path, checkpoints)
"""


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give the names of a notebook."""
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    (tmp_path / "config.yaml").write_text("batch: 4\n", encoding="utf-8")
    return {"__name__": "__main__", "path": tmp_path / "config.yaml", "checkpoints": tmp_path / "checkpoints"}


def test_a_cell_is_run_again(cell: dict[str, Any]) -> None:
    """It has the newest checkpoint; the one before is closed, and says so."""
    exec(CELL, cell)  # noqa: S102 - as a notebook does
    first = cell["run"]
    first.state.step = 3
    first.step()
    exec(CELL, cell)  # noqa: S102 - as above
    assert cell["run"].state.step == 3
    cell["run"].step()
    with pytest.raises(HyperStateError, match="closed"):
        first.step()
    cell["run"].close()


def test_a_program_is_told(tmp_path: Path) -> None:
    """Two in one program would write over each other."""
    run = load(tmp_path)
    with pytest.raises(LeaseHeldError):
        load(tmp_path)
    run.close()


def test_it_shows_config_and_state(tmp_path: Path) -> None:
    """As text, with what was not read left unread."""
    run = load(tmp_path)
    run.state.seen[1] = "<b>"
    run.step()
    run.close()
    run = load(tmp_path)
    html = run._repr_html_()
    assert "batch: " in html
    assert "&lt;b&gt;" in html
    assert "not read" in html
    assert not run.state.weights.is_read
    run.close()
