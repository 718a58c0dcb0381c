"""HyperState: typed configs and states, and checkpoints of them that a person can read and edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from lattice_addons._config_errors import Fault

    from ._blob import Blob
    from ._check import SchemaReport, check_schema, dump_schema, read_schema, upgrade_schema
    from ._cli import cli
    from ._drawing import draw_schedules, paint_schedules, schedules_in
    from ._dump import dump_config
    from ._edited import commit_edit, compare_edit
    from ._folder import read_folder, text_paths, write_folder, write_texts
    from ._held import fixed
    from ._hyperstate import HyperState
    from ._lazy import lazy
    from ._load import load_config
    from ._named_class import named_class
    from ._read import read_text
    from ._requests import Requests
    from ._ron import ron_loads
    from ._ron_data import Tagged
    from ._ron_write import ron_dumps
    from ._rules import AddField, ChangeDefault, DeleteField, MapValue, MoveField, RenameField, Rule
    from ._schedule import Knot, Schedule
    from ._schema import schema_of
    from ._settable import Settable, check_overrides, settable
    from ._upgrade_file import UpgradedFile, upgrade_file
    from ._versioned import Versioned

# One line each, in order. Each is imported when it is first used: a name to the room where it lives.
_ROOMS = {
    "AddField": "_rules",
    "Blob": "_blob",
    "ChangeDefault": "_rules",
    "DeleteField": "_rules",
    "Fault": "._config_errors",
    "HyperState": "_hyperstate",
    "Knot": "_schedule",
    "MapValue": "_rules",
    "MoveField": "_rules",
    "RenameField": "_rules",
    "Requests": "_requests",
    "Rule": "_rules",
    "Schedule": "_schedule",
    "SchemaReport": "_check",
    "Settable": "_settable",
    "Tagged": "_ron_data",
    "UpgradedFile": "_upgrade_file",
    "Versioned": "_versioned",
    "check_overrides": "_settable",
    "check_schema": "_check",
    "cli": "_cli",
    "commit_edit": "_edited",
    "compare_edit": "_edited",
    "draw_schedules": "_drawing",
    "dump_config": "_dump",
    "dump_schema": "_check",
    "fixed": "_held",
    "lazy": "_lazy",
    "load_config": "_load",
    "named_class": "_named_class",
    "paint_schedules": "_drawing",
    "read_folder": "_folder",
    "read_schema": "_check",
    "read_text": "_read",
    "ron_dumps": "_ron_write",
    "ron_loads": "_ron",
    "schedules_in": "_drawing",
    "schema_of": "_schema",
    "settable": "_settable",
    "text_paths": "_folder",
    "upgrade_file": "_upgrade_file",
    "upgrade_schema": "_check",
    "write_folder": "_folder",
    "write_texts": "_folder",
}

__all__ = [
    "AddField",
    "Blob",
    "ChangeDefault",
    "DeleteField",
    "Fault",
    "HyperState",
    "Knot",
    "MapValue",
    "MoveField",
    "RenameField",
    "Requests",
    "Rule",
    "Schedule",
    "SchemaReport",
    "Settable",
    "Tagged",
    "UpgradedFile",
    "Versioned",
    "check_overrides",
    "check_schema",
    "cli",
    "commit_edit",
    "compare_edit",
    "draw_schedules",
    "dump_config",
    "dump_schema",
    "fixed",
    "lazy",
    "load_config",
    "named_class",
    "paint_schedules",
    "read_folder",
    "read_schema",
    "read_text",
    "ron_dumps",
    "ron_loads",
    "schedules_in",
    "schema_of",
    "settable",
    "text_paths",
    "upgrade_file",
    "upgrade_schema",
    "write_folder",
    "write_texts",
]

later(globals(), _ROOMS)
