"""Bytes under keys at a place that is reached by a network, and may not be reached at all."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons._system import write_at
from lattice_addons.errors import DamagedError, NotInStoreError
from lattice_addons.storage._keys import split_key
from lattice_addons.storage._store import Store
from lattice_addons.storage.remote._files import Sending
from lattice_addons.storage.remote._options import without_secrets
from lattice_addons.storage.remote._patience import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lattice_addons.storage._listed import Listed
    from lattice_addons.storage._store import Bytes, Keys
    from lattice_addons.storage.remote._files import Files

__all__ = ["RemoteStore"]

_AT_ONCE = 8  # requests; more of them only share the link
_AS_FOUND = 5.0  # seconds: what was found so lately, is not looked for again
_PIECE = 16 << 20  # a longer range is fetched in pieces of this


class RemoteStore(Store):
    """What fsspec opens, as a store; cheap to make, since the file system is made when it is first used.

    No call lasts longer than the bytes that it moves need, and ``patience`` seconds: then there is an
    ``UnreachableError``. Nothing is kept of listings. It can be used in a forked child.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None, *, patience: float = 30.0) -> None:
        self.url: str = without_secrets(url)
        self._whole_url = url
        self._options = dict(options or {})
        self._patience = patience
        self._opened: dict[int, Files] = {}
        self._opening = threading.Lock()
        self._since = 0.0

    def __repr__(self) -> str:
        """Show where it is, and no secret."""
        return f"RemoteStore({self.url!r})"

    @property
    def _files(self) -> Files:
        """Give the file system of this process; a parent's is kept, and left alone, in its forked child."""
        pid = os.getpid()
        files = self._opened.get(pid)
        if files is None:
            if self._opened:
                self._opening = threading.Lock() if pid not in self._opened else self._opening
            with self._opening:
                files = self._opened.get(pid)
                if files is None:
                    from lattice_addons.storage.remote._opened import open_files

                    self._since = time.monotonic()
                    files = open_files(self._whole_url, self._options, self._patience, self._look_again)
                    self._opened[pid] = files
        return files

    def _look_again(self) -> None:
        """Find the credentials anew at the next call: those of before may have expired, and others be there by now."""
        if time.monotonic() - self._since > _AS_FOUND:
            self._opened.pop(os.getpid(), None)

    def warm(self) -> None:
        """Import what is needed, and make the file system: a second of work before the first call; nothing is asked."""
        _ = self._files

    def learn(self, folder: str, token: str) -> None:
        """Show a token of its own for the job of a folder, where the store is a checkpoint service."""
        from lattice_addons.storage.remote._service import ServiceFiles

        if isinstance(self._files, ServiceFiles):
            self._files.learn(folder, token)

    # -- looking

    @property
    def conditional(self) -> bool:
        """Tell whether the store itself refuses a second put of a key, in one step."""
        return self._files.conditional

    def check(self) -> None:
        """See that the store is reached, is there, and lets us look; else one error that says what is wrong."""
        self._files.check()

    def listing(self, prefix: str = "") -> dict[str, Listed]:
        """Give all keys below a folder, with what is known of each."""
        found = self._files.listing(_folder(prefix))
        return {key: facts for key, facts in sorted(found.items()) if _is_key(key)}

    def list(self, prefix: str = "") -> Keys:
        """Give every key below a folder, sorted."""
        return [*self.listing(prefix)]

    def folders(self, prefix: str = "") -> Keys:
        """Give the names of the folders directly below a folder, sorted."""
        return self._files.folders(_folder(prefix))

    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""
        split_key(key)
        return self._files.size(key)

    def facts(self, key: str) -> Listed:
        """Ask for what is known of a key."""
        split_key(key)
        return self._files.facts(key)

    # -- reading

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or of a range of it."""
        split_key(key)
        return self._files.read(key, start, stop)

    def fetch(self, ranges: Sequence[tuple[str, int, int]], *, passing: bool = False) -> Sequence[bytes]:
        """Give many ranges, several at once; fewer bytes of one where its key ends before it does.

        With ``passing``, none of one whose key is not there, or ends before the range begins: the others come.
        """
        pieces = [
            (number, key, at, min(at + _PIECE, stop))
            for number, (key, start, stop) in enumerate(ranges)
            for at in (range(start, stop, _PIECE) if stop > start else (start,))
        ]
        for _, key, _, _ in pieces:
            split_key(key)
        files = self._files
        gone: set[int] = set()

        def read(number: int, key: str, start: int, stop: int) -> bytes:
            try:
                return files.read(key, start, stop)
            except (NotInStoreError, DamagedError):
                if not passing:
                    raise
                gone.add(number)
                return b""

        calls = [partial(read, *piece) for piece in pieces]
        got: list[list[bytes]] = [[] for _ in ranges]
        for piece, data in zip(pieces, all_of(calls, _AT_ONCE) if calls else (), strict=True):
            got[piece[0]].append(data)
        whole = (each[0] if len(each) == 1 else b"".join(each) for each in got)
        return [b"" if number in gone else data for number, data in enumerate(whole)]

    # -- storing

    def put(self, key: str, data: Bytes) -> None:
        """Store a new key, never over an old one."""
        split_key(key)
        self._files.write(key, bytes(data), over=False)

    def replace(self, key: str, data: Bytes) -> None:
        """Store a key in the place of the old one."""
        split_key(key)
        self._files.write(key, bytes(data), over=True)

    def send(
        self,
        key: str,
        path: str,
        *,
        over: bool = False,
        parts: str | None = None,
        tell: Callable[[int], None] | None = None,
    ) -> None:
        """Store a local file's bytes as a new key (the same bytes may be there), or ``over`` an old one.

        ``parts`` is a file in which a long upload notes how far it is: the next call, in whatever process, goes on
        from there. ``tell`` is told how many bytes are up.
        """
        split_key(key)
        self._files.send(Sending(key, path, over, parts, tell))

    @contextmanager
    def create(self, key: str) -> Iterator[_RemoteWriter]:
        """Write a new key piece by piece; it goes up when the block ends well."""
        with self.stage(key) as writer:
            yield writer

    @contextmanager
    def stage(self, key: str, *, over: bool = False) -> Iterator[_RemoteWriter]:
        """Write a key piece by piece to a file of this machine, which goes up when the block ends well."""
        split_key(key)
        with _unnamed() as (descriptor, path):
            writer = _RemoteWriter(descriptor)
            yield writer
            with open(path, "rb") as whole:
                if os.fstat(whole.fileno()).st_size <= _PIECE:
                    self._files.write(key, whole.read(), over=over)
                    return
            self._files.send(Sending(key, path, over=over, parts=None, tell=None))

    # -- removing

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, with as few requests as the store allows."""
        doomed = [*dict.fromkeys(keys)]
        for key in doomed:
            split_key(key)
        if doomed:
            self._files.delete(doomed)

    def prune(self, folder: str) -> None:
        """Remove what is left of a folder without keys."""
        self._files.prune(_folder(folder))

    def sweep(self, folder: str = "") -> int:
        """Remove what dead writers left long ago: temporary files, uploads that were never completed."""
        return self._files.sweep(_folder(folder))


@contextmanager
def _unnamed() -> Iterator[tuple[int, str]]:
    """Give a file, and a path to it that only this process has: who is killed leaves nothing, however large it was.

    Elsewhere than on Linux it has a name.
    """
    import tempfile

    with tempfile.TemporaryFile(prefix="lattice-") as opened:
        path = f"/proc/self/fd/{opened.fileno()}"
        if os.path.exists(path):
            yield opened.fileno(), path
            return
    with tempfile.NamedTemporaryFile(prefix="lattice-") as named:
        yield named.fileno(), named.name


class _RemoteWriter:
    """Collects the pieces in a file."""

    def __init__(self, descriptor: int) -> None:
        self.position = 0
        self._descriptor = descriptor
        self._writing = threading.Lock()

    def write(self, data: Bytes) -> None:
        """Append all of these bytes."""
        self.write_at(data, self.position)

    def write_at(self, data: Bytes, offset: int, *, paged: bool = False) -> None:
        """Write all of these bytes there."""
        del paged
        left = memoryview(bytes(data))  # a copy, for memory need not be contiguous
        with self._writing:
            self.position = max(self.position, offset + len(left))
        while left:
            done = write_at(self._descriptor, left, offset)
            left, offset = left[done:], offset + done


def _folder(prefix: str) -> str:
    return "".join(part + "/" for part in split_key(prefix, folder=True))


def _is_key(key: str) -> bool:
    """Tell whether a name can be a key: others may have put something there that cannot."""
    try:
        split_key(key)
    except OSError:
        return False
    return True
