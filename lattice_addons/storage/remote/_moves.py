"""How a file gets its name in one step, for the file systems where that is possible."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lattice_addons._system import FOLDERS_OPEN, O_CLOEXEC

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["folder_remover", "mover", "sender"]

Move = tuple["Callable[[str, str, bool], None]", bool]


def mover(system: Any, kind: str) -> Move:  # noqa: ANN401 - fsspec has no types
    """Give what moves a file to its name (``over`` another or never), and whether that is one step there."""
    if kind in ("file", "local"):
        return _local, True
    if kind in ("webdav", "dav") and hasattr(system, "client"):
        return lambda old, new, over: system.client.move(old, new, overwrite=over), True
    if kind in ("sftp", "ssh") and hasattr(system, "_pool"):
        return _asyncssh(system), True
    if kind in ("sftp", "ssh") and hasattr(system, "ftp"):
        # Plain rename refuses a name that is taken; the POSIX one replaces it.
        return lambda old, new, over: (system.ftp.posix_rename if over else system.ftp.rename)(old, new), True
    return _any(system), False


def sender(system: Any, kind: str) -> Callable[..., None]:  # noqa: ANN401 - fsspec has no types
    """Give what stores a local file's bytes: with that which it leads to, where the path is a link."""
    if kind not in ("sftp", "ssh") or not hasattr(system, "_pool"):
        send: Callable[..., None] = system.put_file
        return send

    async def put(source: str, path: str, moved: Callable[[int], None]) -> None:
        def told(_: bytes, __: bytes, done: int, ___: int) -> None:
            moved(done)

        async with system._pool.get() as channel:  # noqa: SLF001 - its own put_file stores a link as a link
            await channel.put(source, path, follow_symlinks=True, progress_handler=told)

    def send_followed(source: str, path: str, *, callback: Any) -> None:  # noqa: ANN401 - fsspec has no types
        from fsspec.asyn import sync

        sync(system.loop, put, source, path, callback.absolute_update)

    return send_followed


def folder_remover(system: Any, kind: str) -> Callable[[str], None] | None:  # noqa: ANN401 - fsspec has no types
    """Give what removes an empty folder and refuses any other; None where nothing is known to."""
    if kind in ("sftp", "ssh") and hasattr(system, "_pool"):
        from fsspec.asyn import sync

        return lambda path: sync(system.loop, system._rmdir, path)  # noqa: SLF001 - its own rmdir does nothing
    return system.rmdir if kind in ("file", "local", "sftp", "ssh") else None


def _local(old: str, new: str, over: bool) -> None:  # noqa: FBT001 - as every mover's
    """Rename or link, and make file and folder durable, which fsspec does not."""
    for each in (old, None, os.path.dirname(new)):
        if each is None:
            if over:
                os.replace(old, new)
            else:
                os.link(old, new)
                os.unlink(old)
            continue
        if not os.path.isdir(each) or FOLDERS_OPEN:
            descriptor = os.open(each, os.O_RDONLY | O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _asyncssh(system: Any) -> Callable[[str, str, bool], None]:  # noqa: ANN401 - sshfs has no types
    async def rename(old: str, new: str, over: bool) -> None:  # noqa: FBT001 - as every mover's
        async with system._pool.get() as channel:  # noqa: SLF001 - its own mv always replaces
            await (channel.posix_rename if over else channel.rename)(old, new)

    def move(old: str, new: str, over: bool) -> None:  # noqa: FBT001 - as every mover's
        from asyncssh.sftp import SFTPFailure
        from fsspec.asyn import sync

        try:
            sync(system.loop, rename, old, new, over)
        except SFTPFailure as error:
            # Version 3 of the protocol has no word for "it is there".
            if not over and system.exists(new):
                raise FileExistsError(new) from error
            raise

    return move


def _any(system: Any) -> Callable[[str, str, bool], None]:  # noqa: ANN401 - fsspec has no types
    def move(old: str, new: str, over: bool) -> None:  # noqa: FBT001 - as every mover's
        if over:
            with suppress(FileNotFoundError):
                system.rm_file(new)
        getattr(system, "mv_file", system.mv)(old, new)

    return move
