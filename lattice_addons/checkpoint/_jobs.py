"""The jobs and ranks of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import RANK, lease_key, manifest_key, manifest_number, rank_folder
from lattice_addons.checkpoint._lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.storage import Store

__all__ = ["clear", "jobs", "places", "ranks", "ranks_among", "running"]

_ATTEMPTS = "attempts"


def jobs(store: Store) -> list[str]:
    """Give the names of the jobs that a store holds, sorted."""
    return [name for name in store.folders() if ranks(store, name)]


def ranks(store: Store, job: str) -> list[int]:
    """Give the ranks of a job, sorted."""
    return ranks_among(store.folders(job))[0]


def ranks_among(folders: Iterable[str]) -> tuple[list[int], list[str]]:
    """Tell which of the folders in that of a job are ranks, sorted, and which are nothing of a job's."""
    found, others = [], []
    for name in folders:
        match = RANK.fullmatch(name)
        if match is not None:
            found.append(int(match[1]))
        elif name != _ATTEMPTS:
            others.append(name)
    return sorted(found), others


def running(store: Store, job: str, rank: int = 0) -> bool | None:
    """Say whether a live process writes a rank of a job; None where that cannot be told from here."""
    return Lease(store, job, rank).is_held()


def places(line: Line) -> dict[int, str]:
    """Say of each checkpoint of a line in a remote store whether it is ``remote``, ``uploading`` or only ``local``."""
    if line.store.at_home:
        return {}
    keys = {manifest_key(line.folder, number): number for number in line.numbers()}
    return {keys[key]: told for key, told in line.store.standing(keys).items()}


def clear(store: Store, job: str, *, rank: int | None = None) -> int:
    """Remove a job, or one rank of it, that nobody is writing; give how many checkpoints those were."""
    leases = [Lease(store, job, each) for each in ranks(store, job) if rank in (None, each)]
    count = 0
    try:
        # All of them first: a job is not cleared by half because one rank still runs.
        for lease in leases:
            lease.acquire()
        for lease in leases:
            count += _clear_rank(store, rank_folder(job, lease.rank))
    finally:
        for lease in leases:
            lease.release()
    for lease in leases:
        store.prune(rank_folder(job, lease.rank))
    if rank is None:
        store.shared.delete(store.shared.list(f"{job}/{_ATTEMPTS}/"))
        store.prune(f"{job}/")
    return count


def _clear_rank(store: Store, folder: str) -> int:
    keys = [key for key in store.list(folder) if key != lease_key(folder)]
    there = [key for key in keys if key.startswith(f"{folder}checkpoints/")]
    manifests = [key for key in there if manifest_number(key) is not None]
    # Names before that: one that is left would be that of another checkpoint. Then manifests: what is left by a
    # crash in between is no checkpoint without its packs.
    store.delete([key for key in keys if key.startswith(f"{folder}kept/")])
    store.delete(manifests)
    store.delete(keys)
    return len(manifests)
