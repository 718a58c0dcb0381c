"""Where the key comes from, and who sees it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import Line
from lattice_addons.errors import SettingsError
from lattice_addons.settings import Settings
from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.encrypted import MARKER, SECRET, encrypted
from tests.unit.checkpoint.lines import line_of, save, values

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


def test_the_key_may_be_in_a_file(tmp_path: Path, store: Store) -> None:
    """It is the same as in the variable, whether its line is ended or not."""
    path = tmp_path / "key"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    save(encrypted(store), n=1)
    line = line_of(store, encryption_key_file=str(path))
    assert values(line, line.newest()) == {"n": 1}


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o604])
def test_others_should_not_read_the_file(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    """It is used all the same, and the warning says what to do, once."""
    path = tmp_path / "key"
    path.write_bytes(SECRET)
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            line_of(store, encryption_key_file=str(path))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * bool(mode & 0o077)
    assert all("chmod 600" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("kind", ["none", "empty", "short", "folder", "pipe", "unreadable"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, store: Store, kind: str) -> None:
    """Nothing is stored unencrypted because a file is not there yet."""
    path = tmp_path / "key"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "unreadable" and os.geteuid() != 0:
        path.write_bytes(SECRET)
        path.chmod(0)
    elif kind in ("empty", "short"):
        path.write_bytes(b"" if kind == "empty" else b" short   \n")
    with pytest.raises(SettingsError, match="encryption_key_file") as caught:
        line_of(store, encryption_key_file=str(path))
    assert "secrets.token_hex" in str(caught.value)
    assert caught.value.part == str(path)


def test_the_secret_is_shown_nowhere(store: Store) -> None:
    """Neither by settings, nor by what is made of them."""
    line = encrypted(store)
    checkpoint = save(line, text=MARKER * 5000)
    [chunk] = checkpoint.chunks()
    shown = f"{line.settings!r} {line!r} {line.cipher!r} {chunk!r}"
    assert SECRET.decode() not in shown
    assert chunk.lock
    assert chunk.lock not in shown


def test_a_line_without_a_key_has_no_cipher() -> None:
    """And needs no package for it."""
    assert Line(MemoryStore("none"), "job", settings=Settings()).cipher is None
