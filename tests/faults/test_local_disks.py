"""The local store on file systems that are full, have no room for files, or may not be written."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.faults.injection import mounted, run
from tests.program import clean_environ


@pytest.mark.mounts
def test_a_full_disk_keeps_nothing_of_what_did_not_fit(tmp_path: Path) -> None:
    """It is told with the number and what to do; when there is room again the same store goes on."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"1" * 10_000)
with open(sys.argv[1] + "/filler", "wb", buffering=0) as filler:
    try:
        while True: filler.write(bytes(4096))
    except OSError: pass
attempt(lambda: store.put("job/two", b"2" * 10_000))
attempt(lambda: store.replace("job/one", b"3" * 10_000))
attempt(lambda: stream("job/three", b"4" * 10_000))
print(*below(store.root))
os.unlink(sys.argv[1] + "/filler")
attempt(lambda: store.put("job/two", b"2" * 10_000))
print(store.read("job/one") == b"1" * 10_000, *store.list())
"""
    lines = mounted("size=256k", source, tmp_path)
    for line in lines[:3]:
        assert line.startswith(f"{errno.ENOSPC} cannot write ")
        assert "the file system is full: make room there" in line
    assert lines[3:] == [".gitignore job/one", "done", "True job/one job/two"]


@pytest.mark.mounts
def test_a_disk_without_inodes(tmp_path: Path) -> None:
    """No file can be made: it is told, and what is there can be read and deleted."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"1")
number = 0
try:
    while True:
        open(f"{sys.argv[1]}/{number}", "x").close(); number += 1
except OSError: pass
attempt(lambda: store.put("job/two", b"2"))
attempt(lambda: store.put("other/two", b"2"))
attempt(lambda: stream("job/two", b"2"))
print(*below(store.root))
store.delete(["job/one"])
attempt(lambda: store.put("job/two", b"2"))
"""
    lines = mounted("nr_inodes=20", source, tmp_path)
    assert [line.split()[0] for line in lines[:3]] == [str(errno.ENOSPC)] * 3
    assert lines[3:] == [".gitignore job/one", "done"]


@pytest.mark.mounts
def test_a_read_only_root(tmp_path: Path) -> None:
    """A writer is told at once; a reader reads."""
    source = """
LocalStore(sys.argv[1] + "/store").put("job/one", b"1")
os.system(f"mount -o remount,ro {sys.argv[1]}")
attempt(lambda: LocalStore(sys.argv[1] + "/store"))
attempt(lambda: LocalStore(sys.argv[1] + "/new"))
store = LocalStore(sys.argv[1] + "/store", create=False)
print(store.read("job/one"), store.list(), store.sweep())
attempt(lambda: store.put("job/two", b""))
"""
    lines = mounted("size=256k", source, tmp_path)
    for line in (lines[0], lines[1], lines[3]):
        assert line.startswith(f"{errno.EROFS} cannot "), line
        assert "read-only: set `root`" in line
    assert lines[2] == "b'1' ['job/one'] 0"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user can enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_root_without_rights(open_folder: Path) -> None:
    """Told with what to do; asked as a user who has no rights to everything."""
    root = open_folder / "store"
    root.mkdir(mode=0o555)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if command and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    probe = [*command, sys.executable, "-c", "import lattice_addons.storage"]
    if subprocess.run(probe, capture_output=True, check=False, env=clean_environ()).returncode:
        pytest.skip("the interpreter cannot be run by another user")
    lines = run(command, "attempt(lambda: LocalStore(sys.argv[1]))", str(root))
    assert lines[0].startswith(f"{errno.EACCES} cannot open the store {root} (Permission denied)")
    assert "give yourself the right" in lines[0]
