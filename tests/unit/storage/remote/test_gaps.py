"""A file that another replaces is waited for while it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.local import LocalFileSystem

from lattice_addons.storage._keys import temporary_name
from lattice_addons.storage.remote import _gaps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def looked(
    path: Path, then: Callable[[int], object] = lambda _: None, system: LocalFileSystem | None = None
) -> bytes | None:
    """Give what a look found in a file; ``then`` hears each time that it was not there."""
    count = 0

    def look() -> bytes:
        nonlocal count
        count += 1
        try:
            return path.read_bytes()
        except FileNotFoundError:
            then(count)
            raise

    try:
        return _gaps.over_gaps(system or LocalFileSystem(), str(path), look)
    except FileNotFoundError:
        return None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gaps, "_PAUSES", (0.0,) * len(_gaps._PAUSES))


def test_there(tmp_path: Path) -> None:
    """One look is enough."""
    path = tmp_path / "key"
    path.write_bytes(b"x")
    assert looked(path) == b"x"


@pytest.mark.parametrize("folder", ["", "missing"])
def test_not_there(tmp_path: Path, folder: str) -> None:
    """What neither is there nor about to be is soon given up."""
    tmp_path.joinpath("other").write_bytes(b"x")
    looks: list[int] = []
    assert looked(tmp_path / folder / "key", looks.append) is None
    assert looks == [1, 2, 3]


def test_in_many_gaps(tmp_path: Path) -> None:
    """However often a look meets the moment in which the old one is deleted, the new one is waited for."""
    path, temporary = tmp_path / "key", tmp_path / temporary_name()
    temporary.write_bytes(b"new")
    assert looked(path, lambda count: count < 11 or temporary.rename(path)) == b"new"


def test_between_two_gaps(tmp_path: Path) -> None:
    """What has its name when the folder is listed is there, though every look comes while it has none."""
    path = tmp_path / "key"

    class Listing(LocalFileSystem):
        """Between two looks there is a file."""

        def ls(self, *args: object, **options: object) -> object:
            path.write_bytes(b"new")
            try:
                return super().ls(*args, **options)
            finally:
                if len(looks) < 11:
                    path.unlink()

    looks: list[int] = []
    assert looked(path, looks.append, Listing()) == b"new"


def test_left_behind(tmp_path: Path) -> None:
    """What a dead writer left beside it is waited for only so long."""
    tmp_path.joinpath(temporary_name()).write_bytes(b"x")
    looks: list[int] = []
    assert looked(tmp_path / "key", looks.append) is None
    assert len(looks) == len(_gaps._PAUSES) + 1
