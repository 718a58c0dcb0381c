"""A snapshot is one file: a checkpoint as ``lattice export`` writes it, with a slot for each field of the state."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from lattice_addons._system import sync_folder
from lattice_addons.checkpoint import Fresh, Line, Portable, cipher_of, exported
from lattice_addons.encoding import AsTree, decode, encode, needs_pickle, tensors_on
from lattice_addons.errors import DecodeError, StoreError, UntrustedError
from lattice_addons.settings import Settings
from lattice_addons.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import torch

    from lattice_addons.checkpoint import Checkpoint

__all__ = ["read_snapshot", "told_of", "write_snapshot"]

_JOB: Final = "snapshot"
_BEGIN: Final = b"manifest.json\0"


def write_snapshot(path: str, values: Mapping[str, object]) -> None:
    """Write named values as one file, whole and durable, or leave what was there as it was.

    Raises:
        EncodeError: one of them cannot be stored.
        StoreError: the file cannot be written.
    """
    slots = {name: Fresh(_JOB, encode(AsTree(value))) for name, value in values.items()}
    target = os.path.realpath(path)
    try:
        # Beside the file, where there is room for it, and from where it can take the file's name in one step.
        with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".snapshot-") as room:
            _write(slots, room, target)
    except StoreError:
        raise
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}; it is not there, or as it was"
        raise StoreError(message, url=path, errno=error.errno) from error


def read_snapshot(path: str, device: torch.device, *, trusted: bool) -> dict[str, Any]:
    """Give what `write_snapshot` or ``torch.save`` wrote, verified, its tensors on a device, or else on the CPU.

    Raises:
        DamagedError: it is no such file, or not as it was written.
        UntrustedError: it has something that needs pickle, and is neither signed with our key nor ``trusted``.
        StoreError: it cannot be read.
    """
    if not _is_ours(path):
        from lattice_addons.training._torch_file import read_torch_file

        found: dict[str, Any] = read_torch_file(path, device, trusted=trusted)
        return found
    settings = Settings.from_environ()
    with Portable(path, settings.key, cipher_of(settings)) as portable, tensors_on(str(device)):
        # With a key set, whatever is not signed with it was refused.
        trust = "pickle" if trusted or settings.key is not None else "safe"
        return {name: _read(portable, name, trust) for name in portable.checkpoint.slots}


@contextmanager
def told_of(path: str | os.PathLike[str], given: Collection[str]) -> Iterator[None]:
    """Let what a file has wrong be told of the file; not what is wrong in the fields that were given beside it."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "fields together"
        if where.partition(".")[0] in given:
            raise
        message = f"{os.fspath(path)}: its {where!r} cannot be in a {error.title}: {first['msg']}"
        raise DecodeError(message, type=error.title) from error
    except DecodeError as error:
        if type(error) is not DecodeError:
            raise
        message = f"{os.fspath(path)}: {error}"
        raise DecodeError(message, type=error.type) from error


def _write(slots: Mapping[str, Fresh], room: str, target: str) -> None:
    told = Settings.from_environ()
    keys = {name: getattr(told, name) for name in ("key", "encryption_key", "encryption_key_file")}
    settings = Settings(root=os.path.join(room, "store"), **keys)
    line = Line(open_store(settings), _JOB, settings=settings)
    try:
        _put(line, line.commit(slots, parent=None, reason="manual"), os.path.join(room, "file"), target)
    finally:
        line.release()


def _put(line: Line, checkpoint: Checkpoint, temporary: str, target: str) -> None:
    with open(temporary, "xb") as file:
        file.writelines(exported(line, checkpoint))
        file.flush()
        os.fsync(file.fileno())
    with suppress(OSError):
        os.chmod(temporary, os.stat(target).st_mode & 0o777)
    os.replace(temporary, target)
    sync_folder(os.path.dirname(target))


def _read(portable: Portable, name: str, trust: str) -> object:
    entry = portable.checkpoint.slots[name]
    if trust == "safe" and needs_pickle(entry.encoding):
        message = (
            f"{portable.path}: its {name!r}, a {entry.type}, was pickled, and reading that can run any code. If you "
            f'trust who wrote the file, say load_snapshots(…, trust="pickle"), or have snapshots signed: with '
            f"LATTICE_CHECKPOINT_KEY set when they are written and read, those of yours are trusted"
        )
        raise UntrustedError(message, key=portable.path)
    return decode(entry.encoding, *portable.read(entry), trust=trust, type=entry.type)


def _is_ours(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_BEGIN)) == _BEGIN
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise StoreError(message, url=path, errno=error.errno) from error
