"""The stores on which checkpoints are tested."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage import LocalStore, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: only a power cut would tell the difference, and the tests of stores are about that."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None, raising=False)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty store."""
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore(str(tmp_path))


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    """Give an empty local store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    """Give an empty store in memory, for what is the same in any."""
    return MemoryStore(str(tmp_path))
