"""What is particular to a place: archives, folders of a file system, options as text."""

from __future__ import annotations

import errno
import os
import threading
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage.remote import RemoteStore, without_secrets
from lattice_addons.storage.remote._options import file_system_options

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Folder

URLS = {
    "file": "file://{}/store",
    "memory": "memory://{}",
    "zip": "zip://inside::file://{}/store.zip",
}


@pytest.fixture(params=URLS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RemoteStore:
    """Give a store of each kind."""
    return RemoteStore(URLS[request.param].format(tmp_path))


def test_a_file_is_sent(store: RemoteStore, tmp_path: Path) -> None:
    """The same bytes again are fine, others never, unless over them; readers are told how many bytes there are."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(os.urandom(300_000))
    second.write_bytes(os.urandom(300_000))
    told: list[int] = []
    store.send("job/pack", str(first), tell=told.append)
    store.send("job/pack", str(first))
    with pytest.raises(StoreError, match="job/pack") as caught:
        store.send("job/pack", str(second))
    assert caught.value.errno == errno.EEXIST
    assert (store.read("job/pack"), told) == (first.read_bytes(), [300_000])
    store.send("job/pack", str(second), over=True)
    assert store.fetch([("job/pack", 10, 20), ("job/pack", 299_990, 300_010)]) == [
        second.read_bytes()[10:20],
        second.read_bytes()[299_990:],
    ]
    assert store.listing()["job/pack"].size == 300_000


def test_all_of_these_refuse_a_second_put(store: RemoteStore) -> None:
    """In one step, and say so; and what is there can be looked at."""
    store.check()
    assert store.conditional


def test_what_dead_writers_left_is_swept(tmp_path: Path) -> None:
    """A day later; until then somebody may still be writing it; it is no key."""
    store = RemoteStore(f"file://{tmp_path}/store")
    store.put("job/key", b"x")
    left = [tmp_path / "store" / "job" / f"{'0' * 25}{n}.tmp" for n in range(2)]
    for path in left:
        path.write_bytes(b"torn")
    os.utime(left[0], (0, time.time() - 100_000))
    assert store.list() == ["job/key"]
    assert store.sweep("job/") == 1
    assert [path.exists() for path in left] == [False, True]
    store.delete(["job/key"])
    left[1].unlink()
    store.prune("job/")
    assert not (tmp_path / "store" / "job").exists()


def test_an_archive_is_never_torn(tmp_path: Path) -> None:
    """Threads of two stores write and read one archive; others' members stay; nothing is left beside it."""
    url = f"zip://::file://{tmp_path}/store.zip"
    with zipfile.ZipFile(tmp_path / "store.zip", "w") as archive:
        archive.writestr("others", b"stays")
    stores = [RemoteStore(url), RemoteStore(url)]

    def write(number: int) -> None:
        for each in range(5):
            stores[number % 2].put(f"job/{number}-{each}", b"x" * 1000)
            stores[number % 2].replace("job/last", b"%d" % number)
            stores[number % 2].delete([f"job/{number}-{each - 1}"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].list() == ["job/0-4", "job/1-4", "job/2-4", "job/3-4", "job/last", "others"]
    assert stores[0].read("others") == b"stays"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.zip", "store.zip.lock"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    """It is said, and not written over."""
    (tmp_path / "store.zip").write_bytes(b"something else")
    store = RemoteStore("zip://", {"fo": f"{tmp_path}/store.zip"})
    for call in (store.check, lambda: store.put("key", b"x")):
        with pytest.raises(StoreError, match="is no zip archive"):
            call()
    assert (tmp_path / "store.zip").read_bytes() == b"something else"
    with pytest.raises(StoreError, match="no folder"):
        RemoteStore(f"zip://::file://{tmp_path}/none/store.zip").check()


def test_an_archive_elsewhere_is_read(tmp_path: Path) -> None:
    """Through a chain of file systems; that it cannot be changed there is said."""
    import fsspec

    with zipfile.ZipFile(tmp_path / "store.zip", "w") as archive:
        archive.writestr("job/key", b"0123456789")
    fsspec.filesystem("memory").pipe_file("/archives/store.zip", (tmp_path / "store.zip").read_bytes())
    store = RemoteStore("zip://::memory://archives/store.zip")
    assert store.list() == ["job/key"]
    assert store.read("job/key", 3, 5) == b"34"
    with pytest.raises(NotInStoreError):
        store.read("job/none")
    with pytest.raises(StoreError, match="can only be read"):
        store.put("job/new", b"x")
    with pytest.raises(StoreError, match="can only be read"):
        store.delete(["job/key"])


def test_options_are_what_they_look_like() -> None:
    """Numbers, booleans and JSON; names and secrets stay text; what is no JSON stays text."""
    options = {
        "anon": "False",
        "timeout": "2.5",
        "port": "22",
        "key": "0123",
        "password": "true",
        "known_hosts": "null",
        "client_kwargs": '{"region_name": "eu-west-1"}',
        "auth": '["me", "x"]',
        "strange": "{not json",
        "config_kwargs.s3.addressing_style": "path",
        "phone": "007",
    }
    assert file_system_options(options) == {
        "anon": False,
        "timeout": 2.5,
        "port": 22,
        "key": "0123",
        "password": "true",
        "known_hosts": None,
        "client_kwargs": {"region_name": "eu-west-1"},
        "auth": ("me", "x"),
        "strange": "{not json",
        "config_kwargs": {"s3": {"addressing_style": "path"}},
        "phone": "007",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://me:pw@host:22/a?b=c#d", "sftp://me@host:22/a"),
        ("s3://bucket/a b", "s3://bucket/a b"),
        ("file:///tmp/what?", "file:///tmp/what?"),
        ("zip://in::sftp://me:pw@host/x.zip", "zip://in::sftp://me@host/x.zip"),
        ("plain", "plain"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    """What identifies stays."""
    assert without_secrets(url) == shown


def test_importing_it_is_cheap() -> None:
    """Neither the package nor making a store imports a file system."""
    import subprocess
    import sys

    code = (
        "import sys; from lattice_addons.storage.remote import RemoteStore; RemoteStore('s3://bucket/x');"
        "print([name for name in ('fsspec', 's3fs', 'botocore', 'asyncio', 'zipfile') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_what_a_link_leads_to_is_sent(sftp: Folder, tmp_path: Path) -> None:
    """A file that lost its name is sent by a link to its descriptor: over SFTP that came there as a link."""
    source, link = tmp_path / "source", tmp_path / "link"
    source.write_bytes(os.urandom(300_000))
    link.symlink_to(source)
    RemoteStore(sftp.root, sftp.options).send("job/pack", str(link))
    there = sftp.path / "job" / "pack"
    assert not there.is_symlink()
    assert there.read_bytes() == source.read_bytes()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="where there is no /proc, the file has a name")
def test_what_comes_piece_by_piece_has_no_file_with_a_name(
    store: RemoteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed while it takes a large object leaves nothing of it on its disk."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    data = os.urandom(20 << 20)
    with store.stage("job/large") as writer:
        writer.write(data)
        assert list(folder.iterdir()) == []
    assert store.read("job/large") == data
