"""Descriptors: never a standard stream, never inherited, never left open, and there when none are left."""

from __future__ import annotations

import os
import resource
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import StoreError
from lattice_addons.storage import LocalStore
from tests.descriptors import open_under
from tests.unit.storage.scene import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1, 2)])
def test_closed_standard_streams_stay_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """No file of ours becomes the program's output, and no lease its input."""
    source = """
store.put('job/key', b'x')
held = store.flock_hold('job/key')
with store.create('job/pack') as writer:
    for number in (0, 1, 2):
        try: os.write(number, b'noise')
        except OSError: pass
    writer.write(b'x')
inside = []
for number in (0, 1, 2):
    try: os.fstat(number)
    except OSError: inside.append(str(number))
store.put('job/closed', ','.join(inside).encode())
"""

    def close() -> None:
        for number in closed:
            os.close(number)

    done = run(source, str(tmp_path / "store"), preexec_fn=close, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    store = LocalStore(tmp_path / "store")
    assert store.read("job/pack") == b"x"
    assert store.read("job/key") == b"x"
    assert store.read("job/closed") == ",".join(map(str, closed)).encode()


def test_programs_we_start_inherit_nothing(store: LocalStore) -> None:
    """All descriptors are closed by exec, the lease's too."""
    store.put("key", b"")
    held = store.flock_hold("key")
    with store.create("pack"), store.exclusive("job"):
        listing = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True, close_fds=False
        )
    assert store.root not in listing.stdout
    assert held is not None
    held.release()


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Let the program use up its descriptors for a block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open("/dev/null", os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, before[1]))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(taken[0]))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_program_without_descriptors_is_saved(store: LocalStore) -> None:
    """The reserve is given up for a save, and taken back for the next one."""
    store.put("job/lease", b"")
    with no_descriptors_left():
        for number in range(3):
            with store.exclusive("job"):
                held = store.flock_hold("job/lease")
                assert held is not None
                store.replace("job/lease", b"x")
                held.release()
            with store.create(f"job/{number}") as writer:
                writer.write(b"x")
            store.put(f"checkpoints/{number}", b"x")
            assert store.read(f"checkpoints/{number}") == b"x"
        assert len(store.list()) == 7
        store.delete(store.list())
    assert store.list() == []


def test_no_descriptor_is_left_open(store: LocalStore, tmp_path: Path) -> None:
    """After any operation, failed ones too, there are as many as before."""
    store.put("job/key", b"x")
    before = open_under(tmp_path)
    for _ in range(3):
        store.replace("job/key", b"x")
        store.read("job/key")
        store.list()
        store.sweep()
        for use in (
            lambda: store.put("job/key", b""),
            lambda: store.read("job/no"),
            lambda: store.read("job"),
            lambda: store.put("job/key/no", b""),
            lambda: store.read("no/no"),
            lambda: store.create("job/key").__enter__(),
            lambda: store.flock_hold("no"),
        ):
            with pytest.raises(StoreError):
                use()
        with store.exclusive("job"):
            held = store.flock_hold("job/key")
            assert store.flock_hold("job/key") is None
            assert held is not None
            held.release()
    assert open_under(tmp_path) == before


def test_descriptors_closed_behind_our_back(store: LocalStore, tmp_path: Path) -> None:
    """A program that makes itself a daemon closes all; what it opens then is never closed for it."""
    source = """
store.put('job/lease', b'')
held = store.flock_hold('job/lease')
os.closerange(3, 100)
mine = [os.open(sys.argv[2], os.O_RDONLY) for _ in range(30)]
assert not held.valid()
held.release()
store.put('job/key', b'x')
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (max(mine) + 1, max(mine) + 1))
try: store.put('job/other', b'x')
except OSError: pass
for descriptor in mine: os.fstat(descriptor)
print('all there')
"""
    (tmp_path / "file").touch()
    done = run(source, store.root, str(tmp_path / "file"))
    assert done.stdout == "all there\n", done.stderr
