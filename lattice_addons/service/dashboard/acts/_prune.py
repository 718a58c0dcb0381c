"""Prune: what need not stay goes at once, and its bytes come back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lattice_addons._amounts import size
from lattice_addons.checkpoint import prunable, prune
from lattice_addons.service.dashboard._words import job_path

from ._asking import Act, Asked, Done, Input, Plan
from ._writing import lines_of, ranges, who_writes, writing

if TYPE_CHECKING:
    from lattice_addons.settings import Settings

__all__ = ["ACT"]

_LIMITS = (
    ("keep", "newest checkpoints stay"),
    ("keep_hourly", "newest hours keep their last one"),
    ("keep_daily", "newest days keep their last one"),
)


def _ask(asked: Asked) -> Plan:
    settings = _settings(asked)
    found = [(line, prunable(line)) for line in lines_of(asked.pages, asked.job, settings)]
    several = len(found) > 1
    facts: list[tuple[str, str]] = []
    for line, pruned in found:
        who = f"Rank {line.rank}: " if several else ""
        names = len(line.keeps.numbers())
        facts += [
            (f"{who}goes" if who else "Goes", f"{_checkpoints(pruned.goes)}, {pruned.packs} packs"),
            (
                f"{who}stays" if who else "Stays",
                _checkpoints(pruned.stays) + (f"; {names} kept by name" if names else ""),
            ),
        ]
    total = sum(pruned.bytes for _, pruned in found)
    facts.append(("Bytes that come back", size(total)))
    writes = who_writes(asked.pages, asked.job)
    nothing = (
        "" if any(pruned.goes or pruned.packs for _, pruned in found) else "There is nothing that need not stay."
    )  # fmt: skip
    return Plan(
        f"Prune {asked.job}",
        f"Delete {size(total)}",
        tuple(facts),
        job_path(asked.job),
        inputs=tuple(Input(name, label, getattr(settings, name)) for name, label in _LIMITS),
        notes=("These limits are of this act alone: the program has its own, by which it deletes as it saves.",),
        refused=writes or nothing,
        grave=True,
    )  # fmt: skip


def _do(asked: Asked, plan: Plan) -> Done:
    del plan
    with writing(asked.pages, asked.job, _settings(asked)) as lines:
        pruned = [prune(line) for line in lines]
    goes, total = sum(len(each.goes) for each in pruned), sum(each.bytes for each in pruned)
    text = f"{goes} checkpoint{'s' * (goes != 1)} of {asked.job} went, and {size(total)} came back."
    return Done(
        text,
        job_path(asked.job),
        {"checkpoints": [list(each.goes) for each in pruned], "bytes_freed": total},
    )


def _settings(asked: Asked) -> Settings:
    settings = asked.pages.jobs.manifests.settings
    given: dict[str, Any] = {name: asked.number(name, getattr(settings, name)) for name, _ in _LIMITS}
    # None at all would be one all the same: the newest stays.
    given["keep"] = max(given["keep"], 1)
    return dataclasses.replace(settings, **given)


def _checkpoints(numbers: tuple[int, ...]) -> str:
    if not numbers:
        return "no checkpoint"
    return f"{len(numbers)} checkpoint{'s' * (len(numbers) > 1)} ({ranges(numbers)})"


ACT = Act("prune", "write", _ask, _do)
