"""A job at a glance, in words and figures for people, and in fields for programs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ._output import duration, size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.service import JobView

__all__ = ["COLORS", "RIGHT", "ago", "by_state", "cells", "fields"]

#: The columns of `cells` that are figures.
RIGHT = ("newest", "saved", "would lose", "size", "saves/min", "writes")
COLORS = {"running": "green", "lost contact": "yellow", "crashed": "red", "stopped": "dim"}


def by_state(views: Iterable[JobView]) -> list[JobView]:
    """Give those first that run, then those that should, each sorted by name."""
    order = list(COLORS)
    return sorted(views, key=lambda view: (order.index(view.state), view.name))


def cells(view: JobView) -> dict[str, str | None]:
    """Give the row of a job in a table; what is not known is None."""
    ranks = f"{view.name} ({view.ranks} ranks)" if view.ranks > 1 else view.name
    return {
        "job": ranks,
        "state": view.state,
        "newest": str(view.number) if view.number is not None else None,
        "saved": ago(view.last),
        "would lose": _loss(view),
        "size": size(view.size),
        "saves/min": f"{view.saves_per_minute:.3g}" if view.alive else None,
        "writes": f"{size(int(view.bytes_per_second))}/s" if view.alive else None,
    }


def fields(view: JobView) -> dict[str, object]:
    """Give a job as plain data."""
    return {
        "job": view.name,
        "state": view.state,
        "checkpoint": view.number,
        "created": view.last.isoformat() if view.last is not None else None,
        "lost_seconds": view.lost_seconds,
        "lost_bytes": view.lost_bytes,
        "size": view.size,
        "saves_per_minute": view.saves_per_minute,
        "bytes_per_second": view.bytes_per_second,
        "ranks": view.ranks,
        "problem": view.problem or None,
    }


def _loss(view: JobView) -> str | None:
    if not view.alive or view.lost_seconds is None:
        return None
    told = duration(view.lost_seconds)
    return told if view.lost_bytes is None else f"{told}, {size(view.lost_bytes)}"


def ago(moment: datetime | None) -> str | None:
    """Say how long ago something was; None where that is not known."""
    if moment is None:
        return None
    return f"{duration((datetime.now(timezone.utc) - moment).total_seconds())} ago"
