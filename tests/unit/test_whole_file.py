"""Files that people keep are written as a whole."""

from __future__ import annotations

import os
import stat
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


def test_it_is_durable_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is synchronised when the new bytes have the name, and not before."""
    found: list[bytes] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            assert os.path.samestat(os.fstat(descriptor), os.stat(tmp_path))
            found.append((tmp_path / "kept").read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    (tmp_path / "kept").write_bytes(b"old")
    write_whole(str(tmp_path / "kept"), b"new")
    assert found == [b"new"]


def test_nobody_may_write_what_another_thread_makes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask for the rights of a new file, those of others are taken away for a moment, and never given."""
    asked: list[int] = []
    umask = os.umask

    def watched(mask: int) -> int:
        asked.append(mask)
        return umask(mask)

    monkeypatch.setattr(os, "umask", watched)
    before = umask(0o027)
    try:
        write_whole(str(tmp_path / "new"), b"x")
    finally:
        umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert all(mask & 0o022 for mask in asked)
