"""Two checkpoints side by side, of one job or of two: what is other in their values, hyper-parameters and config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ._changes import changed_hyperparams, changed_slots, changed_values
from ._hyperparams import config_of, shown
from ._manifests import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Checkpoint

    from ._facts import CheckpointFacts
    from ._manifests import Manifests

__all__ = ["Compared", "Side", "compared"]

# Of one value, or one config, so many changes are shown, and so much of each.
_CHANGES, _LONG = 50, 200
_PROGRAM = ("argv", "host", "python", "commit")


class Side(NamedTuple):
    """One of the two: a checkpoint, and what it is called."""

    job: str
    rank: int
    facts: CheckpointFacts
    kept: str


class Change(NamedTuple):
    """A place at which the two differ; None where one has nothing there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class SlotChange:
    """A slot that is not the same in both."""

    name: str
    change: str
    size_before: int | None
    size_after: int | None
    bytes_new: int | None
    changes: tuple[Change, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Compared:
    """All that differs, and how many slots are the same."""

    one: Side
    other: Side
    same: int
    slots: tuple[SlotChange, ...]
    hyperparams: tuple[Change, ...]
    config: tuple[Change, ...]
    config_left_out: int
    #: Why the configs are not compared; empty where they are, or where neither has one.
    config_note: str
    program: tuple[Change, ...]


def compared(manifests: Manifests, one: tuple[str, int, int], other: tuple[str, int, int]) -> Compared:
    """Compare two checkpoints, each named by job, rank and number.

    Raises:
        NotInStoreError: there is no such checkpoint.
        CheckpointError: one cannot be used.
    """
    before, after = manifests.whole(*one), manifests.whole(*other)
    slots = tuple(_slot(told) for told in changed_slots(before, after))
    config, left_out, note = _config(manifests, one, other, before, after)
    hyperparams = tuple(
        Change(f"{each['manager']}.{each['hyperparam']}", *(_hyper(each, side) for side in ("before", "after")))
        for each in changed_hyperparams(before, after)
    )  # fmt: skip
    known = {*before.slots, *after.slots}
    return Compared(
        _side(manifests, one, before),
        _side(manifests, other, after),
        len(known) - len(slots),
        slots,
        hyperparams,
        config,
        left_out,
        note,
        tuple(_program(before, after)),
    )


def _side(manifests: Manifests, named: tuple[str, int, int], checkpoint: Checkpoint) -> Side:
    job, rank, number = named
    # Of the manifest that was compared: in the store there may be none any more.
    facts = facts_of(checkpoint)
    return Side(job, rank, facts, manifests.line(job, rank).keeps.names().get(number, ""))


def _slot(told: dict[str, Any]) -> SlotChange:
    changes = [
        Change(name, told[name]["before"], told[name]["after"])
        for name in ("manager", "encoding", "type")
        if name in told
    ]
    values = told.get("values", ())
    changes += [_change(each) for each in values[:_CHANGES]]
    return SlotChange(
        told["slot"],
        told["change"],
        told["size_before"],
        told["size_after"],
        told.get("bytes_new"),
        tuple(changes),
        max(len(values) - _CHANGES, 0),
    )


def _config(
    manifests: Manifests,
    one: tuple[str, int, int],
    other: tuple[str, int, int],
    before: Checkpoint,
    after: Checkpoint,
) -> tuple[tuple[Change, ...], int, str]:
    old = config_of(manifests.line(*one[:2]), before)
    new = config_of(manifests.line(*other[:2]), after)
    if old is None or new is None:
        return (), 0, "" if old is new else "Only one of the two has a config."
    for each in (old, new):
        if not each.plain:
            return (), 0, each.problem or each.why_not
    changes = list(changed_values("", old.value, new.value))
    return tuple(map(_change, changes[:_CHANGES])), max(len(changes) - _CHANGES, 0), ""


def _change(told: dict[str, Any]) -> Change:
    return Change(told["path"], _text(told, "before"), _text(told, "after"))


def _text(told: dict[str, Any], side: str) -> str | None:
    if side not in told:
        return None
    text = json.dumps(told[side], ensure_ascii=False)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _hyper(told: dict[str, Any], side: str) -> str | None:
    return shown(told[side]) if side in told else None


def _program(before: Checkpoint, after: Checkpoint) -> Iterator[Change]:
    """Give what was other about the programs that made them."""
    for name in _PROGRAM:
        old, new = before.program.get(name), after.program.get(name)
        if old != new:
            yield Change(name, _words(old), _words(new))
    packages = [each.program.get("packages") for each in (before, after)]
    old_ones, new_ones = (each if isinstance(each, dict) else {} for each in packages)
    for name in dict.fromkeys((*new_ones, *old_ones)):
        if old_ones.get(name) != new_ones.get(name):
            yield Change(str(name), _words(old_ones.get(name)), _words(new_ones.get(name)))


def _words(told: object) -> str | None:
    if told is None:
        return None
    return " ".join(map(str, told)) if isinstance(told, list) else str(told)
