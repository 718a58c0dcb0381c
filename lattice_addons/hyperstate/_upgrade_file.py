"""A config file of an older version becomes one of today's, with its comments."""

from __future__ import annotations

import copy
import difflib
import os
from dataclasses import dataclass
from typing import Any

from lattice_addons.errors import SchemaError

from ._load import typed
from ._read import parse_text, read_text
from ._ron_data import Tagged
from ._rules import finished
from ._versioned import VERSION, is_older, stamp, upgraded, version_in, version_of
from ._write import write_file, write_text

__all__ = ["UpgradedFile", "upgrade_file"]


@dataclass(frozen=True)
class UpgradedFile:
    """What an upgrade makes of a config file; nothing is written before `write`."""

    path: str
    older: int
    newer: int
    before: str
    after: str

    def diff(self) -> str:
        """Show what changes, as ``diff -u`` does."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, self.path, f"{self.path} (version {self.newer})"))

    def write(self) -> None:
        """Put the new text in the place of the old one, at once."""
        if self.after != self.before:
            write_file(self.path, self.after)


# Once it is made: dataclasses look into the module that a class names.
UpgradedFile.__module__ = "lattice_addons.hyperstate"


def upgrade_file(cls: Any, path: str | os.PathLike[str]) -> UpgradedFile:
    """Bring a config file to the version of its class; write nothing yet.

    A YAML file keeps its comments and its order, also those of fields that have another name now.

    Raises:
        SchemaError: the file is newer than the class, or a rule cannot change it.
        ConfigError: what comes out does not fit the class.
    """
    path = os.fspath(path)
    document = read_text(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        before = file.read()
    data = {} if document.data is None else document.data
    if not isinstance(data.fields if isinstance(data, Tagged) else data, dict):
        raise SchemaError(f"{path}: the whole file is no mapping, and has no version", path="")
    try:
        older, newer = version_in(cls, data), version_of(cls)
        if not is_older(cls, data):
            return UpgradedFile(path, older, newer, before, before)
        over, changed = before, copy.deepcopy(data)
        for renamed in upgraded(cls, changed):
            for old, new in renamed:
                over = _renamed(over, document.format, old, new[-1])
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}", path=error.path) from error
    changed = finished(changed)
    typed(
        cls, copy.deepcopy(changed), (), dict(document.lines), path, missing_is_null=document.format == "toml"
    )
    after = _written(stamp(cls, changed), document.format, _with_version(over, document.format, newer))
    return UpgradedFile(path, older, newer, before, after)


def _written(data: Any, form: str, over: str) -> str:
    """Give the text that says this data, over the old one where it is YAML: with its comments, if they can be kept."""
    for exact in (False, True) if form == "yaml" else ():
        text = write_text(data, form, over, exact=exact)
        if parse_text(text, form).data == data:
            return text
    # Anchors and merges can be too clever for what stands around them to be kept: the values count more.
    return write_text(data, form)


def _with_version(text: str, form: str, version: int) -> str:
    """Write the version before the first key of a text of YAML, below what is said of the whole file."""
    from ._yaml import compose

    root = compose(text) if form == "yaml" else None
    at = getattr(getattr(root, "start_mark", None), "index", 0)
    if root is None or root.flow_style or any(key.value == VERSION for key, _ in root.value):
        return text
    return f"{text[:at]}{VERSION}: {version}\n{text[at:]}"


def _renamed(text: str, form: str, place: tuple[Any, ...], name: object) -> str:
    """Rename a key where it is written, so that its comments and its place stay; a text of YAML."""
    from ._yaml import compose, key_of

    node = compose(text) if form == "yaml" else None
    for depth, part in enumerate(place):
        pairs = getattr(node, "value", None)
        if not isinstance(pairs, list):
            return text
        if pairs and not isinstance(pairs[0], tuple):
            node = pairs[part] if isinstance(part, int) and part < len(pairs) else None
            continue
        found = next(((key, value) for key, value in pairs if key_of(key) == part), None)
        if found is None:
            return text
        key, node = found
        if depth == len(place) - 1:
            return text[: key.start_mark.index] + str(name) + text[key.end_mark.index :]
    return text
