"""Other processes that move folders and sweep while the local store writes, and folders that are made again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lattice_addons.storage import LocalStore
from tests.faults.injection import injected, names, no_strace, run


def test_every_new_folder_is_synchronised_in_its_parent(tmp_path: Path) -> None:
    """Up to the root and the root's own parent; also when folders are made again in the place of removed ones."""
    if why := no_strace():
        pytest.skip(why)
    source = """
import logging, shutil
logging.disable()
store = LocalStore(sys.argv[1] + "/store")
store.put("job/rank/folder/key", b"x")
os.getppid()
shutil.rmtree(store.root)
store.put("job/rank/folder/key", b"x")
os.getppid()
shutil.rmtree(store.root + "/job")
stream("job/rank/folder/pack", b"x")
os.getppid()
"""
    log = tmp_path / "log"
    calls = "trace=fsync,fdatasync,mkdirat,mkdir,getppid"
    lines = run(["strace", "-f", "-y", "-qq", "-o", str(log), "-e", calls], source + "print()", str(tmp_path))
    assert lines == [""]
    made: list[str] = []
    counts: list[int] = []
    for line in log.read_text().splitlines():
        call, _, rest = line.partition(" ")[2].strip().partition("(")
        path = rest.partition("<")[2].partition(">")[0]
        if call == "mkdirat" and rest.endswith("= 0"):
            made.append(path)
        elif call == "fsync":
            made = [parent for parent in made if parent != path]
            counts.append(0)
        elif call == "getppid":
            assert made == [], "made, not synchronised in these, and acknowledged"
            counts.append(1)
    assert sum(counts) == 3
    assert counts.count(0) >= 3 * 3


def temporaries(store: LocalStore) -> int:
    """Give how many temporaries are in the store."""
    return len(list(Path(store.root).rglob("*.tmp")))


def test_a_root_moved_away_while_a_key_is_written(tmp_path: Path) -> None:
    """The key is not acknowledged in a folder that is no longer the store's: it is written again."""
    store = LocalStore(tmp_path / "store")

    def move() -> None:
        assert temporaries(store) == 1
        os.rename(store.root, tmp_path / "moved")

    source = """
import logging
logging.disable()
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"old")
# fault
attempt(lambda: store.put("job/two", b"x"))
"""
    assert injected("fsync,fdatasync:signal=STOP:when=1", source, tmp_path, move) == ["done"]
    assert store.list() == ["job/two"]


def test_a_sweeper_before_the_writer_has_locked_its_temporary(tmp_path: Path) -> None:
    """The writer makes another one, and its key is there."""
    store = LocalStore(tmp_path / "store")
    swept: list[int] = []

    def sweep() -> None:
        assert temporaries(store) == 1
        swept.append(store.sweep())

    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"old")
# fault
attempt(lambda: store.put("job/two", b"x"))
"""
    # It opens two folders, and then makes the file.
    assert injected("openat:signal=STOP:when=3", source, tmp_path, sweep) == ["done"]
    assert swept == [1]
    assert names(store) == ["one", "two"]
