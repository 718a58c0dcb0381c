"""A dumped schema is compared with the code: what breaks older files, and which rules would help."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SchemaError

from ._changes import BREAKS, NOTED, Change, changes
from ._proposal import Proposal, propose, written
from ._read import format_of, read_file, read_text
from ._ruled import after_rules
from ._schema import schema_of
from ._upgrade_file import UpgradedFile
from ._write import write_file, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SchemaReport", "check_schema", "dump_schema", "read_schema", "upgrade_schema"]

_PARTS = {"class", "version", "type"}


@dataclass(frozen=True)
class SchemaReport:
    """How a class differs from a schema that was dumped, once its own rules have been through.

    ``older`` and ``newer`` are the versions; ``ruled`` are the differences that rules take care of, ``changes`` the
    others, ``proposals`` the rules for these, and ``idle`` the rules that find no field of theirs.
    """

    older: int
    newer: int
    changes: tuple[Change, ...]
    ruled: tuple[Change, ...]
    proposals: tuple[Proposal, ...] = ()
    idle: tuple[str, ...] = field(default=())

    @property
    def breaks(self) -> bool:
        """Tell whether an older file could not be read."""
        return any(each.effect == BREAKS for each in self.changes)

    @property
    def needs_version(self) -> bool:
        """Tell whether the version has to be raised, for the rules to have a place."""
        return self.older == self.newer and bool(self.proposals)

    def proposed(self) -> str:
        """Give the rules that are proposed, as the methods of the class; an empty text where none is needed."""
        if not self.proposals:
            return ""
        newer = self.newer + 1 if self.needs_version else self.newer
        return written(self.proposals, newer - 1, newer)


# Once it is made: dataclasses look into the module that a class names.
SchemaReport.__module__ = "lattice_addons.hyperstate"


def check_schema(cls: Any, schema: Mapping[str, Any]) -> SchemaReport:
    """Compare a class with a schema that was dumped.

    Raises: `SchemaError` when the schema is newer than the class.
    """
    now = schema_of(cls)
    older, newer = schema["version"], now["version"]
    if older > newer:
        message = f"the schema is of version {older}, and {now['class']} of version {newer}: use newer code"
        raise SchemaError(message, path="")
    ruled, idle = after_rules(cls, schema)
    open_ = changes(ruled, now)
    all_changes = changes(schema, now)
    covered = [
        each for each in all_changes if each.effect != NOTED and (each.place, each.kind) not in _places(open_)
    ]
    return SchemaReport(
        older, newer, tuple(open_), tuple(covered), tuple(propose(open_)), tuple(map(repr, idle))
    )


def _places(found: list[Change]) -> set[tuple[Any, ...]]:
    return {(each.place, each.kind) for each in found}


def read_schema(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a schema that was dumped: YAML, JSON, TOML or RON, by its ending.

    Raises: `SchemaError` when the file is none.
    """
    data = read_text(path).data
    fits = isinstance(data, dict) and set(data) >= _PARTS and isinstance(data["version"], int)
    if not fits or not isinstance(data["type"], dict) or "fields" not in data["type"]:
        message = f"{os.fspath(path)} is no schema; `lattice schema dump module:Class FILE` writes one"
        raise SchemaError(message, path="")
    return dict(data)


def dump_schema(cls: Any, path: str | os.PathLike[str] | None = None) -> str:
    """Give the schema of a class as text: YAML, or what the file's ending says; write it, where there is a file."""
    target = None if path is None else os.fspath(path)
    text = write_text(schema_of(cls), "yaml" if target is None else format_of(target))
    if target is not None:
        write_file(target, text)
    return text


def upgrade_schema(cls: Any, path: str | os.PathLike[str]) -> UpgradedFile:
    """Give what a schema's file becomes when it is dumped anew; write nothing yet."""
    target = os.fspath(path)
    now = schema_of(cls)
    older = read_schema(target)["version"]
    return UpgradedFile(target, older, now["version"], read_file(target), write_text(now, format_of(target)))
