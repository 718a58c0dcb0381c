"""``lattice://`` as a file system of fsspec: it keeps to fsspec's own contract, and puts nothing there by half."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.tests import abstract

from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage import LatticeFileSystem, RemoteStore
from lattice_addons.storage.remote._registered import know_lattice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.services import Server, Service


@pytest.fixture
def system(service: Service) -> LatticeFileSystem:
    """Give the file system of the service."""
    return LatticeFileSystem("127.0.0.1", service.proxy.port, skip_instance_cache=True)


@pytest.fixture
def top(service: Service) -> str:
    """Give the folder of this test in it."""
    return service.path.name


class _Fixtures(abstract.AbstractFixtures):
    """What fsspec's own tests are run on."""

    @pytest.fixture
    def fs(self, served: Server) -> LatticeFileSystem:
        """Give the file system."""
        return LatticeFileSystem("127.0.0.1", served.port, skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self, service: Service) -> str:
        """Give a folder in it, which no other test has."""
        return f"{service.path.name}/inside"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        """Tell that a folder is there when something is in it."""
        return False

    @pytest.fixture
    def local_fs(self) -> LocalFileSystem:
        """Give a local file system that makes folders."""
        return LocalFileSystem(auto_mkdir=True)

    @pytest.fixture
    def local_path(self, tmp_path: Path) -> str:
        """Give a local folder."""
        return str(make_path_posix(str(tmp_path)))


class TestCopy(abstract.AbstractCopyTests, _Fixtures):
    """Copies within the service."""

    test_copy_glob_edge_cases = None  # thousands of requests that ask of fsspec's own patterns


class TestGet(abstract.AbstractGetTests, _Fixtures):
    """From the service to this machine."""

    test_get_glob_edge_cases = None  # as above


class TestPut(abstract.AbstractPutTests, _Fixtures):
    """From this machine to the service."""

    test_put_glob_edge_cases = None  # as above


class TestOpen(abstract.AbstractOpenTests, _Fixtures):
    """Files that are open."""


class TestPipe(abstract.AbstractPipeTests, _Fixtures):
    """Bytes to files."""


def test_a_url_says_all(service: Service, top: str) -> None:
    """Host, port, job and path; the same by fsspec's own functions, where the package is known to it."""
    know_lattice()
    url = f"{service.root}/job/a.txt"
    with fsspec.open(url, "w", newline="") as file:
        file.write("one\r\ntwo")
    assert service.get("job/a.txt") == b"one\r\ntwo"
    system, path = fsspec.core.url_to_fs(url)
    assert isinstance(system, LatticeFileSystem)
    assert path == f"{top}/job/a.txt"
    assert system.unstrip_protocol(path) == url
    assert system.fsid == service.root.rpartition("/")[0]
    with fsspec.open(url, "r", newline="") as file:
        assert file.read() == "one\r\ntwo"
    assert RemoteStore(service.root).read("job/a.txt") == b"one\r\ntwo"
    again = pickle.loads(pickle.dumps(system))
    assert again.cat(path) == b"one\r\ntwo"


def test_within_another_url(service: Service) -> None:
    """A store in a zip archive that is in a service, opened without the package being installed."""
    import zipfile

    archive = service.path / "job" / "x.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("inside/key", b"deep")
    script = (
        "from lattice_addons.storage import RemoteStore\n"
        f"print(RemoteStore('zip://inside::{service.root}/job/x.zip').read('key'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=150
    )
    assert done.stdout == "b'deep'\n", done.stderr


def test_looking(system: LatticeFileSystem, top: str) -> None:
    """Files and folders, each with what is known of it."""
    system.pipe({f"{top}/a/1": b"one", f"{top}/a/b/2": b"two", f"{top}/c": b""})
    assert system.ls(top, detail=False) == [f"{top}/a", f"{top}/c"]
    assert [each["type"] for each in system.ls(top)] == ["directory", "file"]
    assert system.find(top) == [f"{top}/a/1", f"{top}/a/b/2", f"{top}/c"]
    assert system.find(top, maxdepth=1) == [f"{top}/c"]
    assert system.glob(f"{top}/**/2") == [f"{top}/a/b/2"]
    assert system.info(f"{top}/a/1")["size"] == 3
    assert (system.isdir(top), system.isfile(top), system.isdir(f"{top}/none")) == (True, False, False)
    assert top in system.ls("", detail=False)
    assert abs(system.modified(f"{top}/c") - datetime.now(tz=timezone.utc)).total_seconds() < 600
    before = system.checksum(f"{top}/c")
    system.pipe_file(f"{top}/c", b"")
    assert system.checksum(f"{top}/c") != before
    for look in (system.ls, system.info, system.cat_file, system.rm_file):
        with pytest.raises(FileNotFoundError):
            look(f"{top}/none")
    assert not system.exists(f"{top}/none")


def test_ranges(system: LatticeFileSystem, top: str) -> None:
    """As slices are taken; and an open file goes to any place."""
    data = os.urandom(70_000)
    system.pipe_file(f"{top}/f", data)
    for start, end in (
        (None, None),
        (5, 10),
        (-7, None),
        (None, -7),
        (-9, -3),
        (69_999, 80_000),
        (80_000, None),
        (9, 3),
    ):
        assert system.cat_file(f"{top}/f", start, end) == data[start:end]
    with system.open(f"{top}/f", block_size=1000) as file:
        file.seek(-10, 2)
        assert file.read() == data[-10:]
        file.seek(0)
        assert file.read(3) == data[:3]
    assert system.cat_ranges([f"{top}/f"] * 2, [0, 5], [2, 9]) == [data[:2], data[5:9]]


@pytest.mark.parametrize("mode", ["wb", "w", "xb", "x"])
def test_nothing_is_there_by_half(system: LatticeFileSystem, top: str, mode: str) -> None:
    """Not while it is written, nor after an exception, nor of a file that nobody closed."""

    def write_and_fail() -> None:
        with system.open(f"{top}/f", mode) as file:
            file.write(b"x" * 100_000 if "b" in mode else "x" * 100_000)
            assert not system.exists(f"{top}/f")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    left = system.open(f"{top}/f", "wb")
    left.write(b"half")
    del left
    assert not system.exists(f"{top}/f")


def test_transactions(system: LatticeFileSystem, top: str) -> None:
    """All at their end, and none when they fail."""

    def write_and_fail() -> None:
        with system.transaction, system.open(f"{top}/a", "wb") as file:
            file.write(b"a")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write_and_fail()
    assert not system.exists(f"{top}/a")
    with system.transaction:
        with system.open(f"{top}/b", "wb") as file:
            file.write(b"b")
        assert not system.exists(f"{top}/b")
    assert system.cat(f"{top}/b") == b"b"


def test_never_over_another(system: LatticeFileSystem, top: str, tmp_path: Path) -> None:
    """With `create` and `x`, also when the other one comes while this one is written."""
    (tmp_path / "f").write_bytes(b"mine")
    system.pipe_file(f"{top}/f", b"theirs", mode="create")
    for store in (
        lambda: system.pipe_file(f"{top}/f", b"mine", mode="create"),
        lambda: system.put_file(str(tmp_path / "f"), f"{top}/f", mode="create"),
        lambda: system.open(f"{top}/f", "xb"),
    ):
        with pytest.raises(FileExistsError):
            store()
    late = system.open(f"{top}/late", "xb")
    late.write(b"mine")
    system.pipe_file(f"{top}/late", b"theirs")
    with pytest.raises(FileExistsError):
        late.close()
    assert system.cat([f"{top}/f", f"{top}/late"]) == {f"{top}/f": b"theirs", f"{top}/late": b"theirs"}
    with pytest.raises(NotImplementedError, match="'ab'"):
        system.open(f"{top}/f", "ab")


def test_large_files(system: LatticeFileSystem, top: str, tmp_path: Path) -> None:
    """They go and come in pieces, and tell how far they are."""
    data = os.urandom(1 << 20) * 18
    (tmp_path / "f").write_bytes(data)
    told: list[int] = []

    class Told(fsspec.Callback):
        def call(self, *_: Any, **__: Any) -> None:
            told.append(self.value)

    system.put_file(str(tmp_path / "f"), f"{top}/f", callback=Told())
    assert told[-1] == len(data)
    system.cp_file(f"{top}/f", f"{top}/g")
    system.get_file(f"{top}/g", str(tmp_path / "back" / "g"), callback=Told())
    assert (tmp_path / "back" / "g").read_bytes() == data
    assert told[-1] == len(data)


def test_removing(system: LatticeFileSystem, service: Service, top: str) -> None:
    """A folder goes with all that is in it, by few requests; without being told to, it stays."""
    system.pipe({f"{top}/a/{number}": b"" for number in range(30)})
    with pytest.raises(IsADirectoryError):
        system.rm(f"{top}/a")
    service.proxy.forget()
    system.rm(f"{top}/a", recursive=True)
    assert len(service.proxy.requests) < 10
    assert not system.exists(f"{top}/a")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a//b", "a/./b", "a/\0", "\ud800"])
def test_names_that_lead_elsewhere(system: LatticeFileSystem, top: str, path: str) -> None:
    """They are refused before anything is asked."""
    for use in (system.cat_file, lambda name: system.pipe_file(name, b"x"), system.rm_file):
        with pytest.raises(StoreError, match="is no key"):
            use(f"{top}/{path}")


def test_a_service_that_is_away_is_not_an_empty_one(service: Service) -> None:
    """That it cannot be told whether something is there is an error, and not a no."""
    system = LatticeFileSystem("127.0.0.1", service.proxy.port, skip_instance_cache=True)
    assert not system.exists(f"{service.path.name}/x")
    service.proxy.stop()
    with pytest.raises(ConnectionError):
        system.exists(f"{service.path.name}/x")
    service.proxy.start()
    with pytest.raises(NotInStoreError):
        system.info(f"{service.path.name}/x")


def test_in_a_forked_child(system: LatticeFileSystem, top: str) -> None:
    """One file system in two processes: each hears its own answers."""
    system.pipe({f"{top}/parent": b"p" * 300_000, f"{top}/child": b"c" * 300_000})
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = all(system.cat_file(f"{top}/child") == b"c" * 300_000 for _ in range(30))
        finally:
            os._exit(0 if good else 1)
    assert all(system.cat_file(f"{top}/parent") == b"p" * 300_000 for _ in range(30))
    assert os.waitpid(child, 0)[1] == 0
