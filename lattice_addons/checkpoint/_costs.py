"""What a save has cost stands in its manifest, and in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint._model import Checkpoint, Entry
    from lattice_addons.checkpoint._pack import PackWriter

__all__ = ["log_save", "measured"]

_log = logging.getLogger("lattice_addons.checkpoint")


def measured(
    entries: Mapping[str, Entry], tables: int, pack: PackWriter, seconds: float, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Give what a save costs: bytes, and seconds, without those of the manifest, which has them.

    The program stands still for all of a save, unless somebody says that it did for less.
    """
    stages = given.get("stages", {}) | {"write": round(seconds, 6)}
    whole = round(sum(stages.values()), 6)
    sizes = {
        "bytes_total": tables + sum(entry.size for entry in entries.values()),
        "bytes_new": pack.bytes_new,
        "bytes_written": pack.bytes_written,
    }
    return {**sizes, "seconds": whole, "standstill": whole, **given, "stages": stages}


def log_save(checkpoint: Checkpoint, seconds: float) -> None:
    """Say it in the log; the time of the manifest, too."""
    if not _log.isEnabledFor(logging.INFO):
        return
    told = dict(checkpoint.metrics)
    stages = {**told.pop("stages"), "commit": round(seconds, 6)}  # type: ignore[dict-item]
    parts = [f"{name}={value}" for name, value in (*told.items(), *stages.items())]
    _log.info(
        "checkpoint %d of %s (%s): %s", checkpoint.number, checkpoint.job, checkpoint.reason, " ".join(parts)
    )
