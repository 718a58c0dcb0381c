"""Roll back: an older checkpoint becomes the newest one, so that the job carries on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._amounts import size
from lattice_addons.checkpoint import rolled_back, to_roll_back
from lattice_addons.service.dashboard._words import exact, job_path
from lattice_addons.service.view import when

from ._asking import Act, Asked, Done, Plan
from ._writing import lines_of, who_writes, writing

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint, Line

__all__ = ["ACT"]

# How long the answer may wait for a store elsewhere to have it, in seconds; the uploader goes on after that.
_PATIENCE = 20.0


def _ask(asked: Asked) -> Plan:
    number = asked.number("checkpoint")
    lines = lines_of(asked.pages, asked.job)
    pairs = to_roll_back(lines, number, verify=False)
    newest = {line.rank: line.numbers()[-1] for line, _ in pairs}
    several = len(pairs) > 1
    facts: list[tuple[str, str]] = []
    for line, checkpoint in pairs:
        facts.append((f"Rank {line.rank}" if several else "The state of", _of(checkpoint)))
    line, checkpoint = pairs[0]
    passed = sum(each > checkpoint.number for each in line.numbers())
    total = sum(_bytes(checkpoint) for _, checkpoint in pairs)
    facts += [
        ("becomes", f"checkpoint {newest[line.rank] + 1}, the newest: the job carries on from it"),
        ("Left behind", _left_behind(line, passed, newest[line.rank])),
        ("Read and checked first", f"{size(total)}, every byte"),
        ("Written", "only new manifests: the values are taken where they are"),
    ]
    return Plan(
        f"Roll back {asked.job} to checkpoint {number}",
        "Roll back",
        tuple(facts),
        f"{job_path(asked.job)}/checkpoints/{number}",
        {"checkpoint": str(number)},
        notes=(
            "Nothing is deleted now. What is left behind goes when its time has come, unless it is kept by a name.",
        ),
        refused=who_writes(asked.pages, asked.job),
    )


def _do(asked: Asked, plan: Plan) -> Done:
    del plan
    number = asked.number("checkpoint")
    with writing(asked.pages, asked.job) as lines:
        pairs = to_roll_back(lines, number)
        made = rolled_back(pairs)
        waiting = [told for line, _ in pairs if (told := line.store.settle(line.folder, _PATIENCE, _untold))]
    new = made[0].number
    text = f"{asked.job} carries on from checkpoint {number}, as checkpoint {new}. " + " ".join(waiting)
    return Done(text.strip(), f"{job_path(asked.job)}/checkpoints/{new}", {"checkpoint": number, "made": new})


def _untold(told: str) -> None:
    del told


def _of(checkpoint: Checkpoint) -> str:
    made = exact(when(checkpoint.created))
    return (
        f"checkpoint {checkpoint.number}, made {made} ({checkpoint.reason}): {len(checkpoint.slots)} slots, "
        f"{size(_bytes(checkpoint))}"
    )


def _bytes(checkpoint: Checkpoint) -> int:
    return sum(entry.size for _, entry in checkpoint.slots.items())


def _left_behind(line: Line, passed: int, newest: int) -> str:
    if not passed:
        return "nothing: it is the newest"
    names = line.keeps.names()
    kept = sum(number > newest - passed for number in names)
    told = f"{passed} newer checkpoint{'s' * (passed > 1)}, up to {newest}"
    return told + (f"; {kept} of them kept by name" if kept else "")


ACT = Act("rollback", "write", _ask, _do)
