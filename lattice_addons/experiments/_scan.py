"""Which experiments the files of a project have is read from their source: nothing is imported for it."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons._quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Source", "scanned", "sources"]

_CLASS = re.compile(rb"^class[ \t]+\w", re.MULTILINE)
_ROOT = "Experiment"
# A file of more bytes was written by a program.
_LARGE = 2**20
# Where no experiments of the user's are: what was installed, built, or stored.
_PASSED_OVER = frozenset({"node_modules", "site-packages", "__pycache__", "progress", "build", "dist"})


@dataclass(frozen=True)
class Source:
    """A file, and the classes at its top level with what each is made of, by the last part of the names."""

    path: str
    classes: dict[str, frozenset[str]]


def scanned(folder: str) -> Iterator[Source]:
    """Read all files below a folder in which classes are, those nearest to it first, each folder in order."""
    waiting = [folder]
    for current in waiting:
        for entry in _entries(current):
            if entry.is_dir() and _is_looked_into(entry):
                waiting.append(entry.path)
            elif entry.name.endswith(".py") and (source := _read(entry.path)) is not None:
                yield source


def sources(found: list[Source]) -> dict[str, list[str]]:
    """Say of each file that has experiments which they are, in order; their bases may be in other files."""
    experiments = {_ROOT}
    while True:
        more = {
            name
            for source in found
            for name, bases in source.classes.items()
            if name not in experiments and bases & experiments
        }
        if not more:
            break
        experiments |= more
    named = {
        source.path: [name for name, bases in source.classes.items() if bases & experiments]
        for source in found
    }
    return {path: names for path, names in named.items() if names}


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # a folder that may not be read, or is gone


def _is_looked_into(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in _PASSED_OVER or entry.is_symlink():
        return False
    return not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def _read(path: str) -> Source | None:
    try:
        if os.path.getsize(path) > _LARGE:
            return None
        with open(path, "rb") as file:
            text = file.read()
        if _CLASS.search(text) is None:
            return None
        with quiet():
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # another file than the one that is meant, or it is told when that is imported
    top = {node.name: frozenset(map(_last, node.bases)) for node in _top_level(tree.body)}
    return Source(path, top)


def _top_level(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _top_level([*node.body, *node.orelse])


def _last(base: ast.expr) -> str:
    """Give the last part of a base's name: of ``experiments.Experiment``, and of ``Base[int]``."""
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Attribute):
        return base.attr
    return base.id if isinstance(base, ast.Name) else ""
