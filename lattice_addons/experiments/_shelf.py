"""A shelf holds what a runner and its workers share on a host: a folder in memory that goes with them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons._host import user_number
from lattice_addons._system import O_CLOEXEC, lock
from lattice_addons.errors import ExperimentError

from ._blob import copy_blob, encoded, mapped, write_blob
from ._fresh import LARGE, size_of
from ._record import as_plain

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator

    from ._load_key import Reads

__all__ = ["Packed", "Shelf", "new_name", "sweep"]

_MEMORY = "/dev/shm"  # noqa: S108 - shared memory is there; the folder in it is only for this user
_ALIVE = "alive"
_YOUNG = 60.0
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG})


@dataclass(frozen=True)
class Packed:
    """Stands for a large value on its way to a worker: the shelf that it is on, and its key there."""

    shelf: str
    key: str
    told: str = ""

    def __str__(self) -> str:
        """Say what it stands for, as records do."""
        return self.told


class Shelf:
    """The shared data of one runner, on this host: a folder in memory that goes when nobody is left who uses it.

    Each process that uses it holds a lock on it, which the system gives up when the process ends, however it does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._held: dict[str, int] = {}
        self._maps: dict[str, mmap.mmap] = {}
        self._packed: dict[Any, tuple[str, Any]] = {}
        self._lock = threading.RLock()

    def path(self, key: str) -> str | None:
        """Give the file of a key; None where this host has none."""
        return next((path for path in self._paths(key) if os.path.exists(path)), None)

    def get(self, key: str) -> Any:
        """Give the value of a key that is here."""
        path = self.path(key)
        if path is None:
            message = f"shared data {key!r} is not on this host: it went with the program that put it there"
            raise ExperimentError(message)
        with self._lock:
            return mapped(path, self._maps)

    def put(self, key: str, value: object) -> None:
        """Put a value where it can be shared: into memory, else into a temporary file.

        Raises:
            EncodeError: it cannot go from one process to another.
            ExperimentError: there is no room.
        """
        packed = encoded(value)
        self._write(key, lambda path: write_blob(path, packed), packed.size)

    def _write(self, key: str, write: Callable[[str], None], size: int) -> None:
        for base in _bases():
            try:
                write(os.path.join(self._folder(base), key))
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
            else:
                return
        message = f"no room for {size / 1e6:,.0f} MB of shared data in {' or '.join(_bases())}"
        raise ExperimentError(f"{message}: free some, or set TMPDIR to a folder that has it")

    def put_file(self, key: str, whole: bytes) -> None:
        """Put what another host has under a key, byte for byte."""
        self._write(key, lambda path: copy_blob(path, whole), len(whole))

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Keep every other process and thread that asks for the same out of a block; who dies in it is out, too."""
        descriptor = os.open(
            os.path.join(self._folder(_bases()[0]), f"{key}.lock"), os.O_RDWR | os.O_CREAT, 0o600
        )
        try:
            lock(descriptor, wait=True)
            yield
        finally:
            os.close(descriptor)

    def once(self, key: str, load: Callable[[], object]) -> None:
        """See that a key is here: load it, or wait for who is at it."""
        if self.path(key) is None:
            with self.alone(key):
                if self.path(key) is None:
                    self.put(key, load())

    def reads(self, key: str) -> list[Reads]:
        """Give which fields a function was seen to read, the first time first; it may be other ones each time."""
        try:
            with open(os.path.join(self._folder(_bases()[0]), f"{key}.reads"), encoding="utf-8") as file:
                return [[(at, name) for at, name in json.loads(line)] for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def note(self, key: str, reads: Reads) -> None:
        """Note which fields a function has read; its result is here already."""
        line = json.dumps(reads).encode() + b"\n"
        path = os.path.join(self._folder(_bases()[0]), f"{key}.reads")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def pack(self, value: Any) -> Any:
        """Give what stands for a value in a task: for a large one, where it is."""
        kind = type(value)
        if kind is dict:
            return {key: self.pack(each) for key, each in value.items()}
        if kind in (list, tuple):
            return kind(map(self.pack, value))
        if kind is Packed or size_of(value) < LARGE:
            return value
        with self._lock:
            place = _memory_of(value)
            if place not in self._packed:
                key = f"value-{len(self._packed)}"
                self.put(key, value)
                # The value is kept: another one could come to lie where it was.
                self._packed[place] = key, value
            return Packed(self.name, self._packed[place][0], str(as_plain(value)))

    def close(self) -> None:
        """Remove what is here, whoever put it here; who looks at it can do so to the end."""
        with self._lock:
            self._packed.clear()
            for base in _bases():
                shutil.rmtree(os.path.join(base, self.name), ignore_errors=True)
            self.leave()

    def leave(self) -> None:
        """Use it no more; others may."""
        with self._lock:
            self._maps.clear()
            for descriptor in self._held.values():
                os.close(descriptor)
            self._held.clear()

    def _paths(self, key: str) -> list[str]:
        return [os.path.join(base, self.name, key) for base in _bases()]

    def _folder(self, base: str) -> str:
        """Give the folder below a base, which is made and held."""
        folder = os.path.join(base, self.name)
        with self._lock:
            if folder not in self._held:
                self._held[folder] = _hold(folder)
        return folder

    def hold(self) -> None:
        """Say that this process uses it."""
        for base in _bases():
            if os.path.isdir(os.path.join(base, self.name)):
                self._folder(base)


def _bases() -> tuple[str, ...]:
    """Give the folders that shared data can be in, the best first."""
    temporary = tempfile.gettempdir()
    return (_MEMORY, temporary) if os.access(_MEMORY, os.W_OK | os.X_OK) else (temporary,)


def new_name() -> str:
    # Not to be guessed: in a folder that everybody writes to, nobody else can have made it before.
    return f"lattice-shared-{user_number()}-{uuid.uuid4().hex}"


def _hold(folder: str) -> int:
    """Make a folder that only this user can enter, and hold it."""
    while True:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        facts = os.lstat(folder)
        if facts.st_uid != user_number() or facts.st_mode & 0o077:
            raise ExperimentError(f"{folder} belongs to somebody else, or others can enter it: remove it")
        alive = os.path.join(folder, _ALIVE)
        with suppress(FileNotFoundError):  # who sweeps has just taken it for a dead one
            descriptor = os.open(alive, os.O_RDWR | os.O_CREAT | O_CLOEXEC, 0o600)
            lock(descriptor, shared=True, wait=True)
            if os.path.exists(alive) and os.path.samestat(os.stat(alive), os.fstat(descriptor)):
                return descriptor
            os.close(descriptor)


def sweep() -> int:
    """Remove what programs have left that were killed; give how many that were."""
    count = 0
    ours = f"lattice-shared-{user_number()}-"
    for base in _bases():
        with suppress(OSError):
            for name in os.listdir(base):
                if name.startswith(ours):
                    count += _removed_if_dead(os.path.join(base, name))
    return count


def _removed_if_dead(folder: str) -> bool:
    try:
        if time.time() - os.stat(folder).st_mtime < _YOUNG and not os.path.exists(
            os.path.join(folder, _ALIVE)
        ):
            return False  # it is just being made
        descriptor = os.open(os.path.join(folder, _ALIVE), os.O_RDWR | os.O_CREAT | O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        lock(descriptor)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _memory_of(value: Any) -> Any:
    """Name the memory of a value: views of one array, as each setting has its own, are the same."""
    face = getattr(value, "__array_interface__", None)
    if face is not None and type(value).__module__ == "numpy":
        return face["data"][0], face["shape"], face["typestr"], value.strides
    return id(value)
