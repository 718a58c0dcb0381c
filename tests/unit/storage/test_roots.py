"""A root may be a link, and may vanish; what else is wrong with it is told."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage import LocalStore
from tests.unit.storage.scene import below


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    """It is the user's own; also one that leads to a folder that is not there yet."""
    (tmp_path / "there").mkdir()
    for name in ("there", "later"):
        (tmp_path / f"to-{name}").symlink_to(tmp_path / name)
        LocalStore(tmp_path / f"to-{name}").put("job/key", b"x")
        assert (tmp_path / name / "job" / "key").read_bytes() == b"x"


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    """It is named, and left as it is."""
    (tmp_path / "root").write_text("mine")
    with pytest.raises(StoreError, match=r"root is no folder: move the file away") as caught:
        LocalStore(tmp_path / "root")
    assert caught.value.url == str(tmp_path / "root")
    assert (tmp_path / "root").read_text() == "mine"


def test_a_root_without_a_parent(tmp_path: Path) -> None:
    """The missing folder and the command that makes it are named; nothing is made."""
    with pytest.raises(StoreError, match=f"mkdir -p {tmp_path}/no/where") as caught:
        LocalStore(tmp_path / "no" / "where" / "root")
    assert caught.value.errno == errno.ENOENT
    assert below(tmp_path) == []


def test_a_root_below_a_file(tmp_path: Path) -> None:
    """A file where a folder must be is told."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file") as caught:
        LocalStore(tmp_path / "file" / "root")
    assert caught.value.errno == errno.ENOTDIR


@pytest.mark.parametrize("root", ["", "a\0b"])
def test_a_root_that_is_no_name(root: str) -> None:
    """It is refused before anything is looked for."""
    with pytest.raises(StoreError, match="names no folder"):
        LocalStore(root)


def test_readers_make_nothing(tmp_path: Path) -> None:
    """A store that is only read must be there."""
    with pytest.raises(NotInStoreError, match="no store at"):
        LocalStore(tmp_path / "root", create=False)
    assert below(tmp_path) == []


def test_the_working_directory_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative root is meant from where the store was made."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = LocalStore("root")
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put("key", b"x")
    assert (tmp_path / "root" / "key").read_bytes() == b"x"


def test_a_root_that_vanished_is_made_again(store: LocalStore, caplog: pytest.LogCaptureFixture) -> None:
    """With one warning; what is saved next is there."""
    caplog.set_level(logging.WARNING)
    store.put("job/one", b"1")
    shutil.rmtree(store.root)
    assert store.list() == []
    with pytest.raises(NotInStoreError):
        store.read("job/one")
    assert caplog.messages == []
    store.put("job/two", b"2")
    store.put("job/three", b"3")
    with store.create("job/four") as writer:
        writer.write(b"4")
    assert [record.getMessage() for record in caplog.records] == [
        f"the store {store.root} has vanished; it is made again"
    ]
    assert store.list() == ["job/four", "job/three", "job/two"]
    assert (Path(store.root) / ".gitignore").exists()


def test_a_root_whose_parent_vanished_is_told(tmp_path: Path) -> None:
    """It may have been a mount: nothing is made in its place."""
    (tmp_path / "mount").mkdir()
    store = LocalStore(tmp_path / "mount" / "root")
    shutil.rmtree(tmp_path / "mount")
    with pytest.raises(StoreError, match="mount it"):
        store.put("key", b"")
    assert below(tmp_path) == []


def test_a_root_that_is_moved_while_a_key_is_written(store: LocalStore, tmp_path: Path) -> None:
    """A stream into a folder that is no longer the store's is not taken for stored."""
    os.makedirs(tmp_path / "trash")

    def write() -> None:
        with store.create("job/pack") as writer:
            writer.write(b"x")
            os.rename(store.root, tmp_path / "trash" / "store")

    with pytest.raises(StoreError, match="removed while it was written"):
        write()


def test_a_folder_removed_all_the_time(store: LocalStore) -> None:
    """Every put either stored its key in the folder that is there, or said that it did not."""
    ended = threading.Event()
    away = Path(store.root).parent

    def remove() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            with suppress(OSError):
                os.rename(Path(store.root) / "job", away / f"gone-{number}")

    remover = threading.Thread(target=remove)
    remover.start()
    told = 0
    try:
        for number in range(100):
            try:
                store.put(f"job/{number}", b"x")
            except StoreError as error:
                assert error.errno == errno.ENOENT, error  # noqa: PT017 - one of many that may fail
                told += 1
    finally:
        ended.set()
        remover.join()
    assert (
        len({path.name for path in away.rglob("job/*")} | {path.name for path in away.glob("gone-*/*")})
        >= 100 - told
    )
