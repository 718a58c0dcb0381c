"""A class is named on the command line: ``module:Class``, or ``file.py:Class``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SchemaError

from ._path import nearest

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["named_class"]


def named_class(name: str) -> Any:
    """Give the class that is called ``module:Class`` or ``file.py:Class``; the module is imported.

    Raises: `SchemaError` when it is not there, or cannot be imported.
    """
    where, _, qualified = name.rpartition(":")
    if not where or not qualified:
        raise SchemaError(f"{name!r} names no class; write module:Class or file.py:Class", path="")
    try:
        found: Any = _of_file(where) if where.endswith(".py") else _of_module(where)
    except (Exception, SystemExit) as error:
        # The module is the user's: while it is imported it may raise whatever it likes.
        what = f"{type(error).__name__}: {error}"
        raise SchemaError(f"{where!r} cannot be imported ({what})", path="") from error
    for part in qualified.split("."):
        if not hasattr(found, part):
            hint = nearest(part, dir(found))
            raise SchemaError(f"{where!r} has no {part}" + (f"; {hint}" if hint else ""), path="")
        found = getattr(found, part)
    return found


def _of_module(name: str) -> ModuleType:
    # As `python -m` does it: what lies beside the user counts first.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    return importlib.import_module(name)


def _of_file(path: str) -> ModuleType:
    """Import a file, as itself and not as a program; what lies beside it can be imported by it."""
    path = os.path.realpath(path)
    name = f"lattice_of_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module by its name, while they are made.
    sys.modules[name] = module
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
