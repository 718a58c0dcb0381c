"""The spool keeps within its limit: what goes first can be had again."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons._amounts import size as amount
from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.storage.spool._spool import Spool
    from lattice_addons.storage.spool._there import There

__all__ = ["drop", "keep_room", "note_gone"]

# Down to this share of the limit, so that not each save has something dropped.
_DOWN_TO = 0.9


class _Found(NamedTuple):
    used: float
    size: int
    path: str


def keep_room(spool: Spool, limit: int) -> str | None:
    """Drop what the spool need not have; say what is wrong when it is still above its limit.

    First go ranges from the cache, those first that were not used for the longest time, then packs that are up, the
    oldest first. What is not up never goes: of that, old checkpoints are the retention's.
    """
    kept = list(_files(os.path.join(spool.home, "store")))
    aside = sum(found.size for found in _files(os.path.join(spool.home, "aside")))
    cached = sum(found.size for found in _files(spool.cache))
    taken = aside + cached + sum(found.size for found in kept)
    if taken <= limit:
        return None
    taken -= drop(spool, taken - int(limit * _DOWN_TO))
    if taken <= limit:
        return None
    return (
        f"the spool {spool.home} takes {amount(taken)}, more than spool_limit={limit}: what is not in {spool.url} yet "
        "stays; a smaller `keep` has less of it, and `lattice upload` sends it"
    )


def drop(spool: Spool, wanted: float) -> int:
    """Drop so many bytes of what can be had again, if there are; give how many that were."""
    dropped = 0
    for found in sorted(_files(spool.cache)):
        if dropped >= wanted:
            break
        with suppress(OSError):
            os.unlink(found.path)
            dropped += found.size
    return dropped + _drop_sent(spool, wanted - dropped)


def note_gone(spool: Spool, there: There, folder: str, keys: Sequence[str]) -> None:
    """Write down that keys are to be deleted there, though the disk be full."""
    try:
        spool.add_gone(folder, keys)
    except StoreError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # First goes what can be had again, or was never sent.
        drop(spool, float("inf"))
        spool.store.delete([key for key in keys if there.place(key) is None])
        spool.add_gone(folder, keys)


def _drop_sent(spool: Spool, wanted: float) -> int:
    """Drop packs that are up, as they are now; give how many bytes that were."""
    dropped = 0
    going: list[tuple[float, int, str]] = []
    for folder in spool.folders():
        uploaded = spool.uploaded(folder)
        for key in spool.store.list(f"{folder}packs/"):
            with suppress(OSError):
                facts = os.stat(spool.path(key), follow_symlinks=False)
                if uploaded.get(key) == [facts.st_size, facts.st_mtime_ns]:
                    going.append((facts.st_mtime, facts.st_size, key))
    chosen = []
    for _, size, key in sorted(going):
        if dropped >= wanted:
            break
        chosen.append(key)
        dropped += size
    spool.store.delete(chosen)
    return dropped


def _files(top: str) -> Iterator[_Found]:
    """Give every file below a folder."""
    pending = [top]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        facts = entry.stat(follow_symlinks=False)
                        yield _Found(facts.st_mtime, facts.st_size, entry.path)
        except OSError:
            continue  # gone meanwhile
