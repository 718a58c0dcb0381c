"""A store for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Give a store in a folder of its own."""
    return LocalStore(tmp_path / "store")
