"""What is in the spool and not in the remote store yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.storage.spool._spool import Stamp, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lattice_addons.storage.spool._spool import Spool

__all__ = ["NOTE", "Pending", "is_begun", "is_manifest", "is_note", "newest_counts", "pending", "stamps"]

#: What is told of refused saves, in the folder of a rank.
NOTE = "refused.jsonl"


class Pending(NamedTuple):
    """Keys that are not up, each with its bytes."""

    keys: dict[str, int]

    @property
    def checkpoints(self) -> int:
        """How many manifests are among them."""
        return sum(map(is_manifest, self.keys))

    @property
    def bytes(self) -> int:
        """How many bytes they have."""
        return sum(self.keys.values())


def is_manifest(key: str) -> bool:
    """Say whether a key is that of a checkpoint."""
    return key.split("/")[-2:-1] == ["checkpoints"]


def newest_counts(key: str) -> bool:
    """Say whether a key is sent over another machine's: a name given by a person, or what is told of refused saves."""
    return key.split("/")[-2:-1] == ["kept"] or is_note(key)


def is_note(key: str) -> bool:
    """Say whether a key is what is told of refused saves: it goes up with the rest, and nobody waits for it."""
    return key.endswith(f"/{NOTE}")


def is_begun(key: str, found: Stamp) -> bool:
    """Say whether a file is no more than the beginning of a pack, perhaps of a writer that was killed."""
    return key.endswith(".pack") and not found[0]


def stamps(spool: Spool, keys: Iterable[str]) -> dict[str, Stamp]:
    """Give the stamps of those that are here."""
    found = {}
    for key in keys:
        try:
            found[key] = stamp(spool.path(key))
        except OSError:
            continue  # deleted meanwhile
    return found


def pending(spool: Spool, folder: str, uploaded: Mapping[str, Stamp] | None = None) -> Pending:
    """Give what was committed below a rank's folder, and is not up as it is now."""
    if not os.path.isdir(spool.folder_path(folder)):
        return Pending({})
    here = stamps(spool, spool.here(folder))
    # Read after the listing: what is sent meanwhile does not count.
    uploaded = spool.uploaded(folder) if uploaded is None else uploaded
    return Pending(
        {
            key: found[0]
            for key, found in here.items()
            if uploaded.get(key) != found and not is_begun(key, found)
        }
    )
