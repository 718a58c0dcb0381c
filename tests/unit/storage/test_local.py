"""The local folder: who may read it, what stays in it, what is swept and what is not."""

from __future__ import annotations

import os
import pickle
import resource
import stat
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore, MemoryStore, SpooledStore, open_store, ulid
from lattice_addons.storage._held import hold_descriptor
from tests.unit.storage.scene import below

if TYPE_CHECKING:
    from collections.abc import Iterator

MODES = [0o000, 0o022, 0o077, 0o277, 0o777]


@contextmanager
def umask(mode: int) -> Iterator[None]:
    """Set the umask for a block."""
    before = os.umask(mode)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", MODES)
def test_all_is_the_owners_alone(tmp_path: Path, mode: int) -> None:
    """Files and folders have the same rights under every umask."""
    with umask(mode):
        store = LocalStore(tmp_path / "store")
        store.put("job/rank/put", b"x")
        store.replace("job/rank/replaced", b"x")
        with store.create("job/packs/created") as writer:
            writer.write(b"x")
    for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_new_root_is_not_for_git(tmp_path: Path) -> None:
    """It ignores itself, and says nothing of that among its keys; a root that was there is left as it is."""
    assert (Path(LocalStore(tmp_path / "new").root) / ".gitignore").read_text() == "*\n"
    assert LocalStore(tmp_path / "new").list() == []
    (tmp_path / "old").mkdir()
    LocalStore(tmp_path / "old").put("key", b"")
    assert below(tmp_path / "old") == ["key"]
    with pytest.raises(StoreError, match="keeps this name for itself"):
        LocalStore(tmp_path / "new").replace(".gitignore", b"")


def test_nothing_but_the_keys_stays(store: LocalStore) -> None:
    """Also after a refused put there is no temporary left."""
    store.put("job/key", b"1")
    store.replace("job/key", b"2")
    with pytest.raises(StoreError):
        store.put("job/key", b"3")
    assert below(Path(store.root)) == [".gitignore", "job", "job/key"]


def test_a_file_in_the_place_of_a_folder(store: LocalStore) -> None:
    """A key below another key is told, whichever way it is used."""
    store.put("job", b"mine")
    for use in (lambda: store.put("job/key", b""), lambda: store.read("job/key")):
        with pytest.raises(StoreError, match="file or a link stands where a folder must be"):
            use()
    with pytest.raises(StoreError, match="job"):
        store.delete(["job/key"])
    assert store.read("job") == b"mine"


def test_a_folder_in_the_place_of_a_key(store: LocalStore) -> None:
    """It is told, and no temporary is left."""
    store.put("job/key", b"mine")
    for use in (lambda: store.replace("job", b""), lambda: store.read("job"), lambda: store.delete(["job"])):
        with pytest.raises(StoreError, match="job"):
            use()
    assert below(Path(store.root)) == [".gitignore", "job", "job/key"]


def test_sweeping_removes_what_the_dead_left(store: LocalStore) -> None:
    """A temporary that somebody writes to stays, and so do keys that only look alike."""
    store.put("job/key.tmp", b"")
    store.put(f"job/{ulid()}.pack", b"")
    folder = Path(store.root) / "job"
    dead, living = (folder / f"{ulid()}.tmp" for _ in range(2))
    dead.touch()
    held = hold_descriptor(os.open(living, os.O_RDWR | os.O_CREAT))
    assert held is not None
    assert len(store.list()) == 2
    assert store.sweep("job/") == 1
    assert (dead.exists(), living.exists()) == (False, True)
    held.release()
    assert store.sweep() == 1
    assert len(below(folder)) == len(store.list()) == 2


def test_no_key_is_taken_for_a_temporary(store: LocalStore) -> None:
    """The names of temporaries are refused as keys."""
    with pytest.raises(StoreError, match="keeps this name for itself"):
        store.put(f"job/{ulid()}.tmp", b"")


def test_sweeping_while_others_write(store: LocalStore) -> None:
    """No writer loses its temporary to a sweeper."""
    ended = threading.Event()

    def sweep() -> None:
        while not ended.is_set():
            store.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(100):
            store.put(f"job/{number}", b"x")
            with store.create(f"job/pack-{number}") as writer:
                writer.write(b"x")
    finally:
        ended.set()
        sweeper.join()
    assert len(store.list("job")) == 200


def test_pruning_leaves_nothing_of_a_job(store: LocalStore) -> None:
    """Empty folders and stale temporaries go; the root stays."""
    store.put("job/rank-00000/checkpoints/1", b"")
    store.put("other/key", b"")
    (Path(store.root) / "job" / f"{ulid()}.tmp").touch()
    store.delete(["job/rank-00000/checkpoints/1"])
    store.prune("job/")
    assert below(Path(store.root)) == [".gitignore", "other", "other/key"]
    store.delete(["other/key"])
    store.prune("")
    assert below(Path(store.root)) == [".gitignore"]


def test_a_write_after_a_failed_one_is_not_stored(store: LocalStore) -> None:
    """A block that goes on after an error of the disk does not end well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write() -> None:
        with store.create("job/pack") as writer:
            writer.write(b"x")
            with suppress(StoreError):
                writer.write(bytes(1 << 20))

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(StoreError, match="ulimit -f"):
            write()
        with pytest.raises(StoreError, match="ulimit -f"):
            store.put("job/key", bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert below(Path(store.root)) == [".gitignore", "job"]


def test_a_store_can_be_pickled(store: LocalStore) -> None:
    """It goes to another process as what it is: a folder; by its public name."""
    text = pickle.dumps(store)
    assert b"_local" not in text
    pickle.loads(text).put("key", b"x")
    assert store.read("key") == b"x"
    assert pickle.loads(pickle.dumps(MemoryStore("pickled"))).url == "memory://pickled"


def test_settings_open_a_store(tmp_path: Path) -> None:
    """Local and memory ones, those elsewhere with a spool; the one that is not there yet is refused by name."""
    local = open_store(Settings(root=str(tmp_path / "root")))
    assert isinstance(local, LocalStore)
    assert local.root == str(tmp_path / "root")
    with pytest.raises(NotInStoreError):
        open_store(Settings(root=str(tmp_path / "none")), create=False)
    memory = open_store(Settings(type="memory", root="tests"))
    memory.replace("key", b"x")
    assert open_store(Settings(type="memory", root="tests"), create=False).read("key") == b"x"
    spooled = open_store(Settings(type="s3", root="s3://bucket/prefix", spool=str(tmp_path / "spool")))
    assert isinstance(spooled, SpooledStore)
    assert spooled.url == "s3://bucket/prefix"
    service = open_store(Settings(type="remote", ckpt_service_endpoint="here", spool=str(tmp_path / "spool")))
    assert isinstance(service, SpooledStore)
    assert service.url == "lattice://here:5555"


def test_later_names_sort_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ULID is 26 characters, and those of later milliseconds are larger."""
    names = []
    for now in (0, 1_000_000, 10**18, 2 * 10**18):
        monkeypatch.setattr("time.time_ns", lambda now=now: now)
        names.append(ulid())
    assert names == sorted(names)
    assert {len(name) for name in names} == {26}
