"""The stores on which checkpoints are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage import LocalStore, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty store."""
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore(str(tmp_path))


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    """Give an empty local store."""
    return LocalStore(tmp_path / "store")
