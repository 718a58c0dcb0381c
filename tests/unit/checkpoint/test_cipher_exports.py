"""A portable file is encrypted like the store that it comes from, and stored like the one that it goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import Portable, imported
from lattice_addons.errors import WrongKeyError
from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.encrypted import MARKER, OTHER, SECRET, encrypted, locks, showing
from tests.unit.checkpoint.lines import fresh, line_of, packs, save, values
from tests.unit.checkpoint.portables import VALUES, export, fill, same

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import LocalStore


def test_an_export_is_encrypted_and_always_the_same(local: LocalStore, tmp_path: Path) -> None:
    """Who has the key takes it in; who has not learns what it is of, and no more."""
    line = encrypted(local)
    fill(line)
    save(line, **VALUES, secret=MARKER * 5000)
    one, two = (export(line, line.newest(), tmp_path / name) for name in ("one.tar", "two.tar"))
    with open(one, "rb") as file:
        text = file.read()
    with open(two, "rb") as file:
        assert file.read() == text
    assert MARKER.encode() not in text
    for cipher in (None, encrypted(local, OTHER).cipher):
        with pytest.raises(WrongKeyError), Portable(one, None, cipher):
            pass
    target = MemoryStore(str(tmp_path))
    into = encrypted(target)
    with Portable(one, None, into.cipher) as portable:
        checkpoint = imported(into, portable)
    assert same(values(into, checkpoint), VALUES | {"secret": MARKER * 5000})
    assert showing(target) == []


def test_an_export_of_what_was_stored_before_there_was_a_key_is_encrypted(
    local: LocalStore, tmp_path: Path
) -> None:
    """A checkpoint may have both kinds of chunks."""
    old = line_of(local)
    checkpoint = save(old, **VALUES, old=MARKER * 5000)
    old.release()
    line = encrypted(local)
    line.commit(dict(checkpoint.slots) | {"new": fresh(MARKER * 4000)}, parent=None, reason="manual")
    newest = line.newest()
    assert newest is not None
    assert set(locks(newest)) == {False, True}
    path = export(line, newest, tmp_path / "file.tar")
    with open(path, "rb") as file:
        assert MARKER.encode() not in file.read()
    with Portable(path, None, line.cipher) as portable:
        assert all(locks(portable.checkpoint))
        into = encrypted(MemoryStore(str(tmp_path)))
        assert values(into, imported(into, portable))["old"] == MARKER * 5000


@pytest.mark.parametrize(("of", "to"), [(None, SECRET), (SECRET, OTHER), (SECRET, None), (None, None)])
def test_an_import_is_stored_as_its_line_stores(
    local: LocalStore, tmp_path: Path, of: bytes | None, to: bytes | None
) -> None:
    """So a key can be changed: what comes with another one, or with none, is encrypted anew.

    Who imports may say a key for a file that has none: the command says that of the store.
    """
    line = encrypted(local, of)
    save(line, **VALUES, text=MARKER * 5000)
    path = export(line, line.newest(), tmp_path / "file.tar")
    target = MemoryStore(str(tmp_path))
    into = encrypted(target, to)
    locks_of_file: set[str] = set()
    for _ in range(2):
        with Portable(path, None, line.cipher or into.cipher) as portable:
            imported(into, portable)
            locks_of_file = {chunk.lock for chunk in portable.checkpoint.chunks()}
    assert len(packs(target)) == 1
    into.release()
    again = encrypted(target, to)
    checkpoint = again.newest()
    assert checkpoint is not None
    assert same(values(again, checkpoint), VALUES | {"text": MARKER * 5000})
    assert set(locks(checkpoint)) == {to is not None}
    if of != to:
        assert locks_of_file.isdisjoint(chunk.lock for chunk in checkpoint.chunks())
    assert bool(showing(target)) == (to is None)


def test_an_import_does_not_use_what_is_there_unencrypted(local: LocalStore, tmp_path: Path) -> None:
    """Though it is the same bytes."""
    old = line_of(local)
    save(old, text=MARKER * 5000)
    old.release()
    path = export(old, old.newest(), tmp_path / "file.tar")
    line = encrypted(local)
    with Portable(path, None) as portable:
        assert locks(imported(line, portable)) == [True]
