"""A file of experiments is one module with one name, from wherever in its project it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from typing import TYPE_CHECKING

from lattice_addons.errors import ExperimentError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["FOLDER", "imported", "module_of", "project_of"]

#: The folder that experiments lie in, where they have one of their own.
FOLDER = "experiments"
_MARKS = (".git", ".hg", "pyproject.toml", "setup.py", "setup.cfg")


def project_of(path: str) -> str:
    """Give the root of the project that a file or folder is in: where its repository or its packaging begins."""
    above = _folders_from(path)
    for folder in above:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
            return folder
    for folder in above:
        if os.path.basename(folder) == FOLDER:
            return os.path.dirname(folder)
    return above[0]


def module_of(path: str) -> tuple[str, str]:
    """Give the folder that a file is imported from, and the name that it has as a module.

    A module of a package is imported as that. Another file is named from the folder ``experiments`` that it is
    in, and without one it is a module by itself, as when it is run as a program.
    """
    path = os.path.realpath(path)
    folder, file = os.path.split(path)
    names = [file.removesuffix(".py")]
    base = folder
    while os.path.exists(os.path.join(base, "__init__.py")):
        base, package = os.path.split(base)
        names.insert(0, package)
    if base == folder:
        base = _experiments_above(folder)
        names[:0] = os.path.relpath(folder, base).split(os.sep) if base != folder else []
    if names[-1] in ("__init__", "__main__"):
        names = names[:-1] or [os.path.basename(folder)]
    return base, ".".join(names)


def imported(path: str) -> ModuleType:
    """Import a file of experiments; what lies beside it, and in its project, can be imported by it.

    Raises:
        ExperimentError: it raises something itself, or another module has its name.
    """
    path = os.path.realpath(path)
    base, name = module_of(path)
    loaded = sys.modules.get(name)
    if loaded is None or not _is_of(loaded, path):
        main = sys.modules.get("__main__")
        if main is not None and _is_of(main, path):
            return main
        _make_importable(base, os.path.dirname(path), project_of(path))
        loaded = _import(name, path)
    if not _is_of(loaded, path):
        other = getattr(loaded, "__file__", None) or "a part of Python"
        message = (
            f"{path} cannot be imported: the module {name!r} is {other} already; give the file another name"
        )
        raise ExperimentError(message, experiment=name)
    return loaded


def _import(name: str, path: str) -> ModuleType:
    importlib.invalidate_caches()  # the file may have been written this very second
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        # The file is the user's: while it is imported it may raise whatever it likes.
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, path)
        ]
        if isinstance(error, SyntaxError) and error.filename is not None and _same(error.filename, path):
            lines = [error.lineno]
        where = f"{path}:{lines[-1]}" if lines else path
        message = f"{where}: cannot be imported ({type(error).__name__}: {error})"
        raise ExperimentError(message, experiment=name) from error


def _make_importable(base: str, folder: str, project: str) -> None:
    # First where the module itself is; the project comes last, for nothing of Python's own should be hidden by it.
    if base not in sys.path:
        sys.path.insert(0, base)
    for other in (folder, os.path.join(project, "src"), project):
        if other not in sys.path and os.path.isdir(other):
            sys.path.append(other)


def _experiments_above(folder: str) -> str:
    """Give the nearest folder of experiments that a folder is in, within its project; else the folder itself."""
    project = project_of(folder)
    for above in _folders_from(folder):
        if os.path.basename(above) == FOLDER:
            return above
        if above == project:
            break
    return folder


def _folders_from(path: str) -> list[str]:
    """Give a folder and those above it, the nearest first; of a file, the folder that it is in."""
    path = os.path.realpath(path)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    above = [folder]
    while (parent := os.path.dirname(above[-1])) != above[-1]:
        above.append(parent)
    return above


def _is_of(module: ModuleType, path: str) -> bool:
    return _same(getattr(module, "__file__", None) or "", path)


def _same(one: str, path: str) -> bool:
    return os.path.realpath(one) == path
