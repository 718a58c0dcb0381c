"""Keep: a checkpoint with a name stays; without it, it goes when its time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._amounts import size
from lattice_addons.checkpoint import Line, check_key
from lattice_addons.errors import NotInStoreError, SettingsError
from lattice_addons.service.dashboard._pages import link
from lattice_addons.service.dashboard._words import exact, job_path

from ._asking import Act, Asked, Done, Plan

if TYPE_CHECKING:
    from lattice_addons.service.view import CheckpointFacts

__all__ = ["DROP", "KEEP"]


def _ask(asked: Asked) -> Plan:
    line, number, facts = _meant(asked)
    name = " ".join(asked.fields.get("name", "").split())
    names = line.keeps.names()
    if not name:
        raise SettingsError(
            "a checkpoint that is to stay needs a name: go back, and give it one", variable="name", part=name
        )
    said = [("Checkpoint", _of(number, facts)), ("Its name", f"“{name}”")]
    if number in names:
        said.append(("In the place of", f"“{names[number]}”"))
    said += [
        ("Stays", f"{size(facts.bytes_total)} of values, shared with other checkpoints as far as they are equal"),
        ("Until", "the name is taken off: no limit on how many are kept counts for it"),
    ]  # fmt: skip
    return Plan(
        f"Keep checkpoint {number} of {asked.job}", "Keep it", tuple(said), _back(asked), _fields(asked, name)
    )


def _do(asked: Asked, plan: Plan) -> Done:
    line, number, _ = _meant(asked)
    # A name is as secret as the checkpoint that has it.
    check_key(line)
    line.keeps.put(number, plan.fields["name"])
    name = line.keeps.names()[number]
    return Done(
        f"Checkpoint {number} stays, as “{name}”.", _back(asked), {"checkpoint": number, "name": name}
    )


def _ask_drop(asked: Asked) -> Plan:
    line, number, facts = _meant(asked)
    names = line.keeps.names()
    if number not in names:
        raise NotInStoreError(
            f"checkpoint {number} of job {asked.job!r} has no name (any more)", url="", key=asked.job
        )
    settings = asked.pages.jobs.manifests.settings
    said = (
        ("Checkpoint", _of(number, facts)),
        ("Loses its name", f"“{names[number]}”"),
        ("Goes", f"with the next save or prune, unless it is among those that stay (the newest {settings.keep})"),
        ("With it", f"as much of its {size(facts.bytes_total)} as no other checkpoint has"),
    )  # fmt: skip
    return Plan(
        f"Take the name off checkpoint {number} of {asked.job}",
        "Take the name off",
        said,
        _back(asked),
        _fields(asked),
        grave=True,
    )


def _do_drop(asked: Asked, plan: Plan) -> Done:
    del plan
    line, number, _ = _meant(asked)
    line.keeps.drop(number)
    return Done(f"Checkpoint {number} stays no longer than others.", _back(asked), {"checkpoint": number})


def _meant(asked: Asked) -> tuple[Line, int, CheckpointFacts]:
    number, rank = asked.number("checkpoint"), asked.number("rank", 0)
    manifests = asked.pages.jobs.manifests
    facts = manifests.facts(asked.job, rank, number) if number in manifests.numbers(asked.job, rank) else None
    if facts is None:
        raise NotInStoreError(
            f"job {asked.job!r} has no checkpoint {number} (any more)", url="", key=asked.job
        )
    return manifests.line(asked.job, rank), number, facts


def _of(number: int, facts: CheckpointFacts) -> str:
    return f"{number}, made {exact(facts.created)} ({facts.reason})"


def _fields(asked: Asked, name: str = "") -> dict[str, str]:
    told = {"checkpoint": str(asked.number("checkpoint")), "rank": str(asked.number("rank", 0))}
    return told | ({"name": name} if name else {})


def _back(asked: Asked) -> str:
    return link(
        f"{job_path(asked.job)}/checkpoints/{asked.number('checkpoint')}", rank=asked.number("rank", 0)
    )


KEEP = Act("keep", "write", _ask, _do)
DROP = Act("unkeep", "write", _ask_drop, _do_drop)
