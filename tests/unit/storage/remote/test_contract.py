"""Every kind of remote store keeps to the contract of every store."""

from __future__ import annotations

import errno
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

from lattice_addons.errors import StoreError
from lattice_addons.storage import _store
from lattice_addons.storage.remote import RemoteStore, _opened
from lattice_addons.testing import StoreContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.storage import Store
    from lattice_addons.storage.remote._faults import Where
    from tests.integration.servers import Bucket, Folder
    from tests.integration.services import Service


@pytest.fixture(autouse=True)
def _slow_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads wait for each other as long as the servers need on a busy machine."""
    monkeypatch.setattr(_store, "LOCK_SECONDS", 200.0)


# By what they were made of: the clients that tests share.
_CLIENTS: dict[str, Any] = {}


class _OneClient(StoreContract):
    """The first store of each test has the same client: to make one takes longer than what is tested.

    Who opens a store anew has a new client.
    """

    @pytest.fixture(autouse=True)
    def _client_of_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[str] = []
        make = _opened._make

        def make_or_take(url: str, kind: str, given: Mapping[str, object], where: Where) -> tuple[Any, str]:
            name = f"{kind} {sorted(given.items())}"
            made.append(name)
            if len(made) == 1 and name in _CLIENTS:
                return _CLIENTS[name], _CLIENTS[name]._strip_protocol(url)
            system, path = make(url, kind, given, where)
            _CLIENTS.setdefault(name, system)
            return system, path

        monkeypatch.setattr(_opened, "_make", make_or_take)


class _FolderContract(StoreContract):
    """A store whose keys are files on this disk, seen from behind."""

    behind: Path

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Write a file."""
        del store
        path = self.behind / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Read a file."""
        del store
        path = self.behind / key
        return path.read_bytes() if path.is_file() else None


class TestS3Store(_OneClient):
    """A bucket of a real S3 server; moto finds no way to a key with a line break."""

    names = tuple(name for name in StoreContract.names if "\n" not in name)

    @pytest.fixture(autouse=True)
    def bucket(self, s3: Bucket) -> None:
        """Know the bucket of this test."""
        self._s3 = s3

    def make_store(self, folder: Path) -> Store:
        """Make a store in the bucket."""
        del folder
        return RemoteStore(self._s3.root, {"endpoint_url": f"http://127.0.0.1:{self._s3.port}"})

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put an object, by plain HTTP."""
        del store
        self._s3.put(key, data)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Get an object, by plain HTTP."""
        del store
        return self._s3.get(key)


# Google's packages warn of Pythons that are near their end, or past it, as soon as they are imported.
@pytest.mark.filterwarnings("ignore:You are using a (non-supported )?Python version:FutureWarning")
class TestGoogleStore(_OneClient):
    """A folder of a bucket in Google Cloud Storage; the emulator ends a name that is asked for at its semicolon."""

    names = tuple(name for name in StoreContract.names if ";" not in name)

    @pytest.fixture(autouse=True)
    def emulated(self, gcs_port: int) -> None:
        """Know the place of this test."""
        self._endpoint = f"http://127.0.0.1:{gcs_port}"
        self._prefix = uuid.uuid4().hex

    def make_store(self, folder: Path) -> Store:
        """Make a store in the bucket."""
        del folder
        options = {"endpoint_url": self._endpoint, "token": "anon"}
        return RemoteStore(f"gs://bucket/{self._prefix}", options)

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Upload an object, by plain HTTP."""
        del store
        named = urlencode({"uploadType": "media", "name": f"{self._prefix}/{key}"})
        headers = {"Content-Type": "application/octet-stream"}
        url = f"{self._endpoint}/upload/storage/v1/b/bucket/o?{named}"
        with urlopen(Request(url, data, headers)):  # noqa: S310 - http
            pass

    def stored(self, store: Store, key: str) -> bytes | None:
        """Download an object, by plain HTTP."""
        del store
        name = quote(f"{self._prefix}/{key}", safe="")
        try:
            with urlopen(f"{self._endpoint}/download/storage/v1/b/bucket/o/{name}?alt=media") as answer:  # noqa: S310
                return answer.read()  # type: ignore[no-any-return]
        except HTTPError:
            return None


class TestWebdavStore(_FolderContract, _OneClient):
    """A folder of a real WebDAV server; it reads some names as others, which are refused."""

    names = tuple(name for name in StoreContract.names if not {*"\n?;"}.intersection(name))

    @pytest.fixture(autouse=True)
    def served(self, webdav: Folder) -> None:
        """Know the folder of this test."""
        self._webdav = webdav
        self.behind = webdav.path

    def make_store(self, folder: Path) -> Store:
        """Make a store in the served folder."""
        del folder
        options = self._webdav.options | {"base_url": f"http://127.0.0.1:{self._webdav.port}"}
        return RemoteStore(self._webdav.root, options)

    @pytest.mark.parametrize("key", ["job?x/in", "job/a;b", "job/a\nb"])
    def test_names_that_would_become_others(self, store: Store, key: str) -> None:
        """They are refused, before a file gets the name that the server makes of them; elsewhere a ';' is one."""
        for use in (store.put, store.replace):
            with pytest.raises(StoreError, match="another name") as caught:
                use(key, b"x")
            assert caught.value.errno == errno.EINVAL
        assert [*self.behind.rglob("*")] == []
        store.put("a;b/in", b"x")
        assert self.stored(store, "a;b/in") == store.read("a;b/in") == b"x"

    def test_a_name_that_looks_quoted_in_the_address(self, tmp_path: Path, store: Store) -> None:
        """The folder of the server may be named as the keys are."""
        store.put("50%25 of#it/50%-dropout/in", b"x")
        self._webdav.root += "/50%25 of#it"
        inside = self.make_store(tmp_path)
        assert inside.list() == ["50%-dropout/in"]
        assert inside.read("50%-dropout/in") == b"x"


class TestSftpStore(_FolderContract, _OneClient):
    """A folder of a real SFTP server."""

    @pytest.fixture(autouse=True)
    def served(self, sftp: Folder) -> None:
        """Know the folder of this test."""
        self._sftp = sftp
        self.behind = sftp.path

    def make_store(self, folder: Path) -> Store:
        """Make a store in the served folder."""
        del folder
        return RemoteStore(f"sftp://127.0.0.1:{self._sftp.port}/{self.behind.name}", self._sftp.options)


class TestServiceStore(_FolderContract):
    """A folder of a real service; it takes no name that somebody could read as another, or as two."""

    names = tuple(name for name in StoreContract.names if "\n" not in name and "%2e" not in name)

    @pytest.fixture(autouse=True)
    def served_here(self, service: Service) -> None:
        """Know the folder of this test."""
        self._service = service
        self.behind = service.path

    def make_store(self, folder: Path) -> Store:
        """Make a store in the served folder."""
        del folder
        return RemoteStore(self._service.root, self._service.options)


class TestFileStore(_FolderContract):
    """A local folder by its URL."""

    def make_store(self, folder: Path) -> Store:
        """Make a store beside what else the test has."""
        self.behind = folder / "store"
        return RemoteStore(f"file://{self.behind}")


class TestFsspecMemoryStore(StoreContract):
    """The memory file system of fsspec."""

    def make_store(self, folder: Path) -> Store:
        """Make a store that no other test has."""
        return RemoteStore(f"memory://{folder}")

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put a file there by fsspec."""
        import fsspec

        fsspec.filesystem("memory").pipe_file(f"{store.url}/{key}", data)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Take a file from there by fsspec."""
        import fsspec

        memory = fsspec.filesystem("memory")
        path = f"{store.url}/{key}"
        return bytes(memory.cat_file(path)) if memory.isfile(path) else None


class TestZipStore(StoreContract):
    """An archive on this disk."""

    def make_store(self, folder: Path) -> Store:
        """Make a store in a folder of an archive."""
        return RemoteStore(f"zip://inside::file://{folder}/store.zip")

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Append a member."""
        with zipfile.ZipFile(_archive(store), "a") as archive:
            archive.writestr(f"inside/{key}", data)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Read a member."""
        if not _archive(store).exists():
            return None
        with zipfile.ZipFile(_archive(store)) as archive:
            return archive.read(f"inside/{key}") if f"inside/{key}" in archive.namelist() else None


def _archive(store: Store) -> Path:
    return Path(store.url.partition("::file://")[2])
