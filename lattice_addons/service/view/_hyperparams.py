"""The hyper-parameters of a checkpoint, with the lines of source that declare them, and the edits of its config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import LatticeError

from ._values import slot_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.checkpoint import Checkpoint, Line

    from ._facts import CheckpointFacts
    from ._values import SlotValue

__all__ = ["ConfigEdit", "HyperView", "config_of", "edits", "hyperparams_of"]

_EDITED = ("edited ", "set ", "replaced blob ")


@dataclass(frozen=True, slots=True)
class HyperView:
    """One hyper-parameter: its value as text, and where it is declared, as far as the program has told."""

    __module__ = "lattice_addons.service"

    manager: str
    name: str
    value: str
    path: str = ""
    line: int | None = None
    source: str = ""
    #: What it was in the checkpoint that it is compared with; None where it was the same.
    before: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigEdit:
    """One line of a checkpoint's notes that says what somebody changed."""

    __module__ = "lattice_addons.service"

    number: int
    facts: CheckpointFacts
    text: str


def hyperparams_of(checkpoint: Checkpoint, before: Checkpoint | None = None) -> Iterator[HyperView]:
    """Give the hyper-parameters that were in force."""
    declared: Any = checkpoint.program.get("hyperparams")
    for manager, values in checkpoint.hyperparams.items():
        places = declared.get(manager) if isinstance(declared, dict) else None
        old = before.hyperparams.get(manager, {}) if before is not None else {}
        for name, value in values.items():
            path, line, source = _place(places.get(name) if isinstance(places, dict) else None)
            text = shown(value)
            was = shown(old[name]) if name in old else None
            yield HyperView(manager, name, text, path, line, source, was if was != text else None)


def shown(told: object) -> str:
    """Write a stored value of a hyper-parameter for people."""
    if isinstance(told, dict) and len(told) == 1:
        ((mark, text),) = told.items()
        if mark in ("$float", "$literal", "$repr"):
            return str(text)
    return json.dumps(told, ensure_ascii=False)


def _place(told: object) -> tuple[str, int | None, str]:
    """Read what a manifest says, which is for people, of a line of source."""
    if isinstance(told, list) and len(told) == 3:  # noqa: PLR2004 - path, line, text
        path, line, text = told
        if isinstance(path, str) and type(line) is int and isinstance(text, str):
            return path, line, text
    return "", None, ""


def config_of(line: Line, checkpoint: Checkpoint) -> SlotValue | None:
    """Give the config of a HyperState; None where the checkpoint has none."""
    try:
        if not {"config", "state"} <= set(checkpoint.lines):
            return None
        return slot_value(line, checkpoint, "config")
    except LatticeError:
        return None


def edits(checkpoints: Sequence[CheckpointFacts]) -> list[ConfigEdit]:
    """Give every change that somebody made to a config, the newest first."""
    return [
        ConfigEdit(facts.number, facts, note)
        for facts in reversed(checkpoints)
        for note in facts.notes
        if note.startswith(_EDITED)
    ]
