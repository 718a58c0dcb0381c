"""A file that another replaces is waited for while it is not there."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.local import LocalFileSystem

from lattice_addons.errors import NotInStoreError
from lattice_addons.storage._keys import temporary_name
from lattice_addons.storage.remote import RemoteStore, _gaps
from lattice_addons.storage.remote._patience import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def looked(
    path: Path, then: Callable[[int], object] = lambda _: None, system: LocalFileSystem | None = None
) -> bytes | None:
    """Give what a look found in a file; ``then`` hears each time that it was not there."""
    count = 0

    def look() -> bytes:
        nonlocal count
        count += 1
        try:
            return path.read_bytes()
        except FileNotFoundError:
            then(count)
            raise

    try:
        return _gaps.over_gaps(system or LocalFileSystem(), str(path), look, lambda: None)
    except FileNotFoundError:
        return None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gaps, "_PAUSES", (0.0,) * len(_gaps._PAUSES))


def test_there(tmp_path: Path) -> None:
    """One look is enough."""
    path = tmp_path / "key"
    path.write_bytes(b"x")
    assert looked(path) == b"x"


@pytest.mark.parametrize("folder", ["", "missing"])
def test_not_there(tmp_path: Path, folder: str) -> None:
    """What neither is there nor about to be is soon given up."""
    tmp_path.joinpath("other").write_bytes(b"x")
    looks: list[int] = []
    assert looked(tmp_path / folder / "key", looks.append) is None
    assert looks == [1, 2, 3]


def test_in_many_gaps(tmp_path: Path) -> None:
    """However often a look meets the moment in which the old one is deleted, the new one is waited for."""
    path, temporary = tmp_path / "key", tmp_path / temporary_name()
    temporary.write_bytes(b"new")
    assert looked(path, lambda count: count < 11 or temporary.rename(path)) == b"new"


def test_between_two_gaps(tmp_path: Path) -> None:
    """What has its name when the folder is listed is there, though every look comes while it has none."""
    path = tmp_path / "key"

    class Listing(LocalFileSystem):
        """Between two looks there is a file."""

        def ls(self, *args: object, **options: object) -> object:
            path.write_bytes(b"new")
            try:
                return super().ls(*args, **options)
            finally:
                if len(looks) < 11:
                    path.unlink()

    looks: list[int] = []
    assert looked(path, looks.append, Listing()) == b"new"


def test_left_behind(tmp_path: Path) -> None:
    """What a dead writer left beside it is waited for only so long."""
    tmp_path.joinpath(temporary_name()).write_bytes(b"x")
    looks: list[int] = []
    assert looked(tmp_path / "key", looks.append) is None
    assert len(looks) == len(_gaps._PAUSES) + 1


def test_who_answers_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a name is waited for over a slow link: the file is not there, and the store is."""
    tmp_path.joinpath("job").mkdir()
    tmp_path.joinpath("job", temporary_name()).write_bytes(b"x")
    store = RemoteStore(f"file://{tmp_path}")
    store.check()
    store._files._gaps = True  # type: ignore[attr-defined]  # as where a name is deleted first
    beats: list[Pulse] = []
    monkeypatch.setattr(Pulse, "beat", lambda pulse: beats.append(pulse))  # noqa: PLW0108 - it is to be bound
    with pytest.raises(NotInStoreError):
        store.size("job/key")
    assert len(beats) == len(_gaps._PAUSES)


class _Unlisted(http.server.BaseHTTPRequestHandler):
    """A web server as many are: folders are shown to nobody."""

    def do_GET(self) -> None:
        self.send_error(403 if self.path.endswith(("/", "/job")) else 404)

    do_HEAD = do_GET  # noqa: N815 - as its base has it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_folder_that_nobody_may_list() -> None:
    """Where nothing can be replaced, it is not asked for: what is not there is no question of access."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Unlisted) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(NotInStoreError):
                RemoteStore(f"http://127.0.0.1:{server.server_port}/store").read("job/key")
        finally:
            server.shutdown()
