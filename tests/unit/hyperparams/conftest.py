"""Managers of their own for each test, and a cache folder that is not the reader's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.hyperparams import HyperParameters, _process

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what parsing keeps in a folder of the test, and the process's managers to the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Or they would be in the checkpoints of every test that comes after.
    monkeypatch.setattr(_process, "_managers", {})
    monkeypatch.setattr(_process, "_carried", {})
    monkeypatch.setattr(_process, "_where", "")
    return tmp_path / "cache" / "lattice" / "hyperparams"


@pytest.fixture
def hp() -> HyperParameters:
    """Make a manager whose placeholder is ``_``, and that is not the process's."""
    return HyperParameters("_")
