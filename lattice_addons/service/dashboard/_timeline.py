"""Checkpoints along time, a lane for each life of the program, a mark of its own for each reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from lattice_addons.service.view import CheckpointFacts, Life, Timeline

__all__ = ["Drawing", "Lane", "Mark", "Tick", "draw_timeline"]

# What a picture has room for; the table has all.
_LANES, _MARKS, _TICKS = 8, 240, 4
_LANE, _TOP, _AXIS = 30, 16, 24
_LEFT, _RIGHT = 2.0, 98.0
_DAY, _HALF_MINUTE = 86400.0, 90.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One checkpoint: where it is across, in percent."""

    at: float
    facts: CheckpointFacts
    name: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One life of the program."""

    life: Life
    y: int
    start: float
    stop: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A time at the axis."""

    at: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that is drawn."""

    height: int
    axis: int
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    earlier: int
    kinds: tuple[str, ...]


def draw_timeline(timeline: Timeline) -> Drawing | None:
    """Lay out the newest lives; None where no checkpoint tells when it was made."""
    lives = timeline.lives[-_LANES:]
    times = [facts.created for life in lives for facts in life.checkpoints if facts.created is not None]
    if not times:
        return None
    first, last = min(times), max(times)
    span = (last - first).total_seconds()

    def across(when: datetime) -> float:
        passed = (when - first).total_seconds()
        return round(_LEFT + (_RIGHT - _LEFT) * (passed / span if span > 0 else 0.5), 3)

    share = _MARKS // len(lives)
    lanes: list[Lane] = []
    for life in reversed(lives):
        marks = tuple(
            Mark(across(facts.created), facts, timeline.names.get(facts.number, ""))
            for facts in _chosen(life.checkpoints, share, timeline.names)
            if facts.created is not None
        )
        if marks:
            ends = [mark.at for mark in marks]
            lanes.append(Lane(life, _TOP + len(lanes) * _LANE, min(ends), max(ends), marks))
    axis = _TOP + len(lanes) * _LANE
    kinds = tuple(dict.fromkeys(facts.reason for life in lives for facts in life.checkpoints if facts.reason))
    ticks = tuple(_ticks(first, span))
    return Drawing(axis + _AXIS, axis, tuple(lanes), ticks, len(timeline.lives) - len(lives), kinds)


def _chosen(checkpoints: list[CheckpointFacts], most: int, names: dict[int, str]) -> list[CheckpointFacts]:
    """Leave out some of the many that are alike; those that say something of their own stay."""
    if len(checkpoints) <= most:
        return checkpoints
    every = -(-len(checkpoints) // most)
    last = len(checkpoints) - 1
    return [
        facts
        for at, facts in enumerate(checkpoints)
        if at in (0, last)
        or at % every == 0
        or facts.number in names
        or facts.reason not in ("periodic", "manual")
    ]


def _ticks(first: datetime, span: float) -> list[Tick]:
    from datetime import timedelta

    if span <= 0:
        return [Tick(50.0, f"{first:%Y-%m-%d %H:%M:%S}", "middle")]
    form = "%m-%d %H:%M" if span > _DAY / 2 else "%H:%M:%S" if span > _HALF_MINUTE else "%H:%M:%S.%f"
    found = []
    for at in range(_TICKS):
        share = at / (_TICKS - 1)
        text = (first + timedelta(seconds=span * share)).strftime(form)
        anchor = "start" if at == 0 else "end" if at == _TICKS - 1 else "middle"
        found.append(
            Tick(_LEFT + (_RIGHT - _LEFT) * share, text[:-5] if form.endswith("%f") else text, anchor)
        )
    return found
