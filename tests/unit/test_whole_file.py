"""Files that people keep are written as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons._whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_rights_and_links_stay(tmp_path: Path) -> None:
    """What is written over keeps its rights, and a link goes on leading there."""
    (tmp_path / "real").write_bytes(b"old")
    os.chmod(tmp_path / "real", 0o640)
    (tmp_path / "link").symlink_to("real")
    write_whole(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_it_as_it_was(tmp_path: Path) -> None:
    """Nothing half written stays beside what could not be replaced."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(str(tmp_path / "folder"), b"x")
    assert os.listdir(tmp_path) == ["folder"]
